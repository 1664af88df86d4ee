"""Seconds that the audit takes on large tables, check by check.

    python tests/benchmarks/audit_speed.py [--rows 1000000] [--columns 50]
    python tests/benchmarks/audit_speed.py --rows 500 --columns 100000

Two columns in fifty are categories, one is a date, the others are numbers, some with gaps. Making the table and reading
its columns' kinds is not counted.
"""

import argparse
import time

import numpy as np
import polars as pl

from bench.audit import CHECKS, audit
from bench.audit.overview import make_overview
from bench.audit.view import SAMPLE_ROWS, make_view
from bench.dataset import load_dataset
from bench.task import make_task

NO_ROWS = np.empty(0, dtype=np.int64)


class Stopwatch:
    """Tells seconds since it was made: of the clock, and of this process's cores, which a busy machine changes less."""

    def __init__(self) -> None:
        """Begin."""
        self._clock, self._cores = time.perf_counter(), time.process_time()

    def __str__(self) -> str:
        """Spell what has passed."""
        clock, cores = time.perf_counter() - self._clock, time.process_time() - self._cores
        return f"{clock:7.2f} s   {cores:7.2f} s of CPU"


def make_table(rows: int, columns: int) -> pl.DataFrame:
    """A table whose target ``y`` follows from a few of its columns."""
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(columns, rows)).astype(np.float32).astype(np.float64)
    signal = numbers[:5].sum(axis=0) + generator.normal(size=rows)
    numbers[2::7][generator.random((len(range(2, columns, 7)), rows)) < 0.1] = np.nan
    made: dict[str, object] = {f"x{place}": values for place, values in enumerate(numbers)}
    for place in range(10, columns, 25):
        made[f"x{place}"] = pl.Series(generator.integers(0, 20 * place, rows)).cast(pl.String)
    if columns < 1000:  # a date would be the same work at any width
        made[f"x{columns - 1}"] = pl.Series(np.sort(generator.integers(0, 10**15, rows))).cast(pl.Datetime("us"))
    return pl.DataFrame(made | {"y": signal > 0}, nan_to_null=True)


def main() -> None:
    """Measure the whole, then each check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=50)
    asked = parser.parse_args()
    dataset = load_dataset(make_table(asked.rows, asked.columns))
    task = make_task(dataset, target="y")
    whole = Stopwatch()
    found = audit(task, dataset, NO_ROWS)
    sampled = f"; checks that fit models see {SAMPLE_ROWS:,} rows" if asked.rows > SAMPLE_ROWS else ""
    print(f"{asked.rows:,} rows x {asked.columns:,} columns: {len(found.findings)} findings{sampled}")
    print(f"  {'whole audit':22} {whole}", flush=True)
    watch = Stopwatch()
    view = make_view(task, dataset, NO_ROWS)
    print(f"  {'associations':22} {watch}")
    for check in CHECKS:
        watch = Stopwatch()
        list(check(view))
        print(f"  {check.__name__:22} {watch}")
    watch = Stopwatch()
    make_overview(view)
    print(f"  {'overview':22} {watch}")


if __name__ == "__main__":
    main()
