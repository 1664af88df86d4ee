"""What fits take of memory, beside what their families foretell, and what a whole run takes beside its limit.

    python tests/benchmarks/memory.py fits [--sizes 10000x20,100000x50] [--families lightgbm,...]
    python tests/benchmarks/memory.py run TABLE.parquet --target T [--memory 4GiB] [--budget 120]

``fits`` fits the default of each family, in a process of its own, on drawn numbers with a signal, as its recipe would
encode them, binary and with 10 classes. It prints the peak of resident memory beyond what the process held with its
libraries loaded, and what `Family.memory` foretells for it. ``run`` samples the summed PSS of a run's whole tree of
processes ten times a second and prints its peak beside the limit.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np

from bench.family import Settings, discover, select, space_of, warm_up
from bench.log_target import build
from bench.needs import Size
from bench.processes import descendants, memory_of, resident_memory
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline
from bench.trial import _peak_memory_mb, _reset_peak_memory

_WARM_ROWS = 200


def drawn(rows: int, columns: int, classes: int) -> tuple[Encoded, np.ndarray]:
    """Draw rows whose class depends on three columns."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(rows, columns)).astype(np.float32)
    score = values[:, 0] + values[:, 1] * values[:, 2] + 0.3 * rng.normal(size=rows)
    y = np.searchsorted(np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1]), score)
    names = tuple(f"c{place}" for place in range(columns))
    return Encoded(values=values, categorical=(), cardinalities=(), names=names), y


def fit_one(name: str, rows: int, columns: int, classes: int) -> None:
    """Fit a default in this process and print its peak and its estimate, in MB."""
    family = discover()[name]
    warm_up(family)
    params = dict(space_of(family).defaults)
    kind = "binary" if classes == 2 else "multiclass"
    settings = Settings(params=params, kind=kind, n_classes=classes, metric="log_loss", seed=0)
    for n_rows in (_WARM_ROWS, rows):
        X, y = drawn(n_rows, columns, classes)
        held = slice(0, max(classes * 4, n_rows // 8))
        valid = (replace(X, values=X.values[held]), y[held]) if family.watches else None
        before = resident_memory(os.getpid())
        _reset_peak_memory()
        begun = time.perf_counter()
        estimator = build(family, settings)
        deadline = Deadline(240)
        estimator.fit(X, y, valid=valid, allotment=Allotment(cpus=1), deadline=deadline)
        estimator.predict(X)
        took = time.perf_counter() - begun
    foretold = family.memory(Size(rows=rows, columns=columns, outputs=classes), params)
    peak = _peak_memory_mb() - before / 1e6
    print(f"| {name} | {rows:,} x {columns} | {classes} | {peak:.0f} | {foretold / 1e6:.0f} | {took:.0f} |", flush=True)


def fits(sizes: str, families: str) -> None:
    """All families, each in a process of its own."""
    print(
        "| family | rows x columns | classes | took, MB | foretold, MB | seconds |\n|---|---|---|---|---|---|",
        flush=True,
    )
    names = [family.name for family in select(families.split(",") if families else ())]
    for size in sizes.split(","):
        rows, columns = map(int, size.split("x"))
        for name in names:
            limit = discover()[name].max_rows
            for classes in (2, 10):
                if limit is not None and rows > limit:
                    continue
                command = [sys.executable, __file__, "one", name, str(rows), str(columns), str(classes)]
                ended = subprocess.run(command, check=False, capture_output=True, text=True)
                why = (ended.stderr.strip().splitlines() or ["no word"])[-1][:80]
                print(ended.stdout.strip() or f"| {name} | {rows:,} x {columns} | {classes} | {why} | | |", flush=True)


def run(table: str, target: str, memory: str, budget: int, more: list[str]) -> None:
    """Sample a whole run."""
    command = ["bench", "run", "--dataset", table, "--target", target, "--memory", memory, "--budget", f"{budget}s"]
    begun, peak, at = time.monotonic(), 0, 0.0
    started = subprocess.Popen([*command, *more], start_new_session=True)
    while started.poll() is None:
        used = sum(map(memory_of, [started.pid, *descendants(started.pid)]))
        if used > peak:
            peak, at = used, time.monotonic() - begun
        time.sleep(0.1)
    seconds = time.monotonic() - begun
    print(
        f"limit {memory}, peak {peak / 2**30:.2f} GiB after {at:.0f} s; exit code {started.returncode}, {seconds:.0f} s"
    )


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    of_fits = verbs.add_parser("fits")
    of_fits.add_argument("--sizes", default="2000x20,20000x20,100000x50")
    of_fits.add_argument("--families", default="")
    one = verbs.add_parser("one")
    one.add_argument("words", nargs=4)
    of_run = verbs.add_parser("run")
    of_run.add_argument("table")
    of_run.add_argument("--target", required=True)
    of_run.add_argument("--memory", default="4GiB")
    of_run.add_argument("--budget", type=int, default=120)
    arguments, more = parser.parse_known_args()
    if arguments.verb == "fits":
        fits(arguments.sizes, arguments.families)
    elif arguments.verb == "one":
        fit_one(arguments.words[0], *map(int, arguments.words[1:]))
    else:
        run(arguments.table, arguments.target, arguments.memory, arguments.budget, more)


if __name__ == "__main__":
    main()
