"""What loading a csv costs beside polars.read_csv alone: reading, and normalising with kinds and fingerprint.

    python tests/benchmarks/ingest.py [--rows 1000000] [--times 5]

The csv has 20 columns: floats, whole numbers, short categories, a date and two booleans, some with gaps. Both sides run
in this process, with as many threads as polars has, in turn; the shortest of all times counts, since whatever else the
machine does only adds. The limit is twice the time of polars. CPU seconds stand beside, as a busy machine changes them
less.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from bench.dataset import load_dataset
from bench.sources.base import ReadOptions
from bench.sources.file import read_file
from bench.table import normalise

LIMIT = 2.0
T = TypeVar("T")


def make_table(rows: int) -> pl.DataFrame:
    """A table like those that people have, in 20 columns."""
    generator = np.random.default_rng(0)
    levels = np.array([f"level {n}" for n in range(64)])
    columns: dict[str, object] = {
        **{f"float_{n}": np.round(generator.normal(size=rows) * 10 ** (n % 4), 6) for n in range(8)},
        **{f"whole_{n}": generator.integers(0, 10 ** (n + 1), rows) for n in range(5)},
        **{f"category_{n}": levels[generator.integers(0, 4**n, rows)] for n in range(4)},
        "day": np.datetime64("2015-01-01") + generator.integers(0, 3000, rows).astype("timedelta64[D]"),
        "flag": generator.random(rows) < 0.3,
        "answer": np.where(generator.random(rows) < 0.5, "yes", "no"),
    }
    frame = pl.DataFrame(columns)
    gaps = pl.Series(generator.random(rows) < 0.05)
    with_gaps = ("float_0", "float_1", "whole_1", "category_1")
    return frame.with_columns(pl.when(gaps).then(None).otherwise(pl.col(name)).alias(name) for name in with_gaps)


Times = dict[str, list[tuple[float, float]]]


def timed(seconds: Times, phase: str, work: Callable[[], T]) -> T:
    """Do something and note how long it took: by the wall clock, and of all CPUs."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    seconds.setdefault(phase, []).append((time.perf_counter() - wall, time.process_time() - cpu))
    return result


def shortest(times: list[tuple[float, float]]) -> tuple[float, float]:
    """The shortest time by either clock."""
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


def once(path: Path, seconds: Times) -> None:
    """Time polars, the phases one by one, and all of them together."""
    timed(seconds, "polars", lambda: pl.read_csv(path))
    frame = timed(seconds, "read", lambda: read_file(str(path), ReadOptions(typed=True)))[0]
    timed(seconds, "normalise", lambda: normalise(frame))
    timed(seconds, "all", lambda: load_dataset(path))


def main() -> None:
    """Print each phase beside polars, and whether the limit is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    seconds: Times = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        make_table(arguments.rows).write_csv(path)
        print(f"{arguments.rows:,} rows, {path.stat().st_size / 2**20:.0f} MiB, {pl.thread_pool_size()} threads")
        for _ in range(arguments.times):
            once(path, seconds)
    alone = shortest(seconds["polars"])
    for phase, taken in seconds.items():
        wall, cpu = shortest(taken)
        ratios = f"{wall / alone[0]:5.2f} times polars, CPU {cpu / alone[1]:5.2f} times"
        print(f"{phase:12} {wall:6.2f} s, CPU {cpu:6.2f} s  {ratios}")
    ratio = shortest(seconds["all"])[0] / alone[0]
    print(json.dumps({"ratio": ratio, "limit": LIMIT, "met": ratio <= LIMIT}))


if __name__ == "__main__":
    main()
