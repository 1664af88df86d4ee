"""Every table of a folder, written to csv so that its types are lost, through `bench run` as a user would run it.

    python tests/benchmarks/tables.py DATA [--budget 30] [--only adult,car]

DATA holds one NAME.parquet and one NAME.yaml (with ``target``, ``task`` and perhaps ``positive_class``) a table. Prints
for each: exit code, wall clock beside the budget, rows that were scored, the first row of the board with its
cross-validated and test score, and the findings of the audit that are more than information.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import polars as pl
import yaml

METRICS = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


def run(card: dict, csv: Path, budget: int, folder: Path) -> tuple[int, float, str]:
    """Carry out one command; return its exit code, its seconds and the end of what it said."""
    words = ["--dataset", csv, "--target", card["target"], "--metric", METRICS[card["task"]], "--task", card["task"]]
    if card.get("positive_class") is not None:
        words += ["--positive-class", card["positive_class"]]
    begun = time.monotonic()
    ended = subprocess.run(
        ["bench", "run", *map(str, words), "--budget", f"{budget}s", "--output", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, time.monotonic() - begun, ended.stderr[-300:]


def told(folder: Path) -> str:
    """What came out, in a line."""
    rows = json.loads((folder / "leaderboard.json").read_text())["rows"]
    ranked = [row for row in rows if row["rank"] is not None]
    findings = json.loads((folder / "audit.json").read_text())["findings"]
    grave = sorted(
        {f"{finding['code']}:{finding['severity']}" for finding in findings if finding["severity"] != "info"}
    )
    best = ranked[0]
    return (
        f"{len(ranked):3} rows  {best['model']:16} cv {best['cv_mean']:.5g}  test {best['test']:.5g} "
        f"[{best['test_low']:.5g}, {best['test_high']:.5g}]  {' '.join(grave)}"
    )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", type=int, default=30)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    wanted = set(arguments.only.split(",")) if arguments.only else None
    failed, late = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for path in sorted(arguments.data.glob("*.parquet")):
            if wanted is not None and path.stem not in wanted:
                continue
            csv, folder = Path(scratch) / f"{path.stem}.csv", Path(scratch) / path.stem
            pl.read_parquet(path).write_csv(csv)
            card = yaml.safe_load(path.with_suffix(".yaml").read_text())
            code, seconds, last = run(card, csv, arguments.budget, folder)
            line = told(folder) if code == 0 else last.strip().replace("\n", " | ")
            print(f"{path.stem:24} exit {code}  {seconds:5.1f} s  {line}", flush=True)
            failed += [path.stem] if code else []
            late += [path.stem] if seconds > 1.05 * arguments.budget else []
    print(f"failed: {failed or 'none'}; later than 1.05 budgets: {late or 'none'}")


if __name__ == "__main__":
    main()
