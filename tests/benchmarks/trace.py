"""Where the time of a run goes: `bench run --trace` on tables that are no part of the project.

    python tests/benchmarks/trace.py DATA [--only adult,letter] [--budget 60]

DATA is a folder of tables with cards (``adult.parquet``, ``adult.yaml``). For each: the share of workers times the
search that went into fit and predict (at least 92 %), seconds from the command's start to the first fold of a Ray
worker (8 at most; a baseline is on the board before), from the end of the search until the command is over (6 at most),
and what a fold costs beyond fit and predict (0.05 s at most). When the command is over is seen from outside.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import yaml

from bench.store import read_events
from bench.trace import Trace, make_trace

TABLES = "adult,letter,california_housing"


def trace_of(data: Path, name: str, budget: float, folder: Path) -> tuple[Trace, float]:
    """Run the command on a table; return its trace, and when it was over."""
    card = yaml.safe_load((data / f"{name}.yaml").read_text())
    asked = ["--dataset", data / f"{name}.parquet", "--target", card["target"], "--task", card["task"]]
    asked += ["--budget", f"{budget:g}s", "--test-size", "0", "--output", folder, "--trace", "--quiet"]
    subprocess.run(["bench", "run", *map(str, asked)], check=True, stdout=subprocess.DEVNULL)
    return make_trace(read_events(folder)), time.time()


def main() -> None:
    """Print a row a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default=TABLES)
    parser.add_argument("--budget", type=float, default=60.0)
    arguments = parser.parse_args()
    rows = []
    for name in arguments.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            trace, over_at = trace_of(arguments.data, name, arguments.budget, Path(folder) / "run")
        first = trace.first_fold_seconds
        cells = [f"{trace.at_work:.1%}", "never" if first is None else f"{first:.1f} s"]
        cells += ["never" if (scored := trace.first_score_seconds) is None else f"{scored:.1f} s"]
        cells += [f"{over_at - trace.search[1]:.1f} s", f"{trace.harness_seconds:.4f} s", str(trace.folds)]
        rows.append([name, *cells, f"{over_at - trace.started_at:.1f} s"])
    head = ["table", "fit, predict", "first fold", "first score", "after search", "harness a fold", "folds", "in all"]
    print("\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]))


if __name__ == "__main__":
    main()
