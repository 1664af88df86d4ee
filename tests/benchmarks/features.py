"""What each generator of features, and the target's logarithm, is worth: switched on, against the same model without.

    python tests/benchmarks/features.py FOLDER [--families lightgbm,linear] [--rows 5000] [--tables a,b]
        [--switches target_log] [--minutes 10]

FOLDER holds tables as parquet files, each with a card beside it (a YAML file with `target`, and perhaps
`group_columns`, which are left out). Of each table, at most so many rows are drawn; a family's defaults are fitted on
three shuffled folds. The figure is the change of the log loss, or of the root mean squared error, in per cent of what
the model has without: below 0 is better. A star says that all three folds agree on the sign. What a table has no
columns for is not tried on it; a switch that is not reached within the minutes is left out, and said.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import yaml

from bench.candidate import Candidate
from bench.dataset import load_dataset
from bench.family import discover, space_of
from bench.identity import digest
from bench.log_target import is_skewed
from bench.problem import Problem, make_problem
from bench.recipes import Features
from bench.recipes.features import PREFIX, conditions
from bench.resources import Allotment
from bench.space import Params, Value
from bench.split import make_splits
from bench.task import make_task
from bench.trial import run_fold

FOLDS = 3
_ALL, _SMOOTH = ("trees", "linear", "nets"), ("linear", "nets")
#: The name of what is switched on, parameters for it, its condition, and the recipes that it does something for.
Switch = tuple[str, Params, str, tuple[str, ...]]


def _switch(condition: str, recipes: tuple[str, ...], **switches: Value) -> Switch:
    features = Features(**switches)
    return features.key, {PREFIX + name: value for name, value in asdict(features).items()}, condition, recipes


SWITCHES: tuple[Switch, ...] = (
    _switch("dates", _ALL, dates="cyclic"),
    _switch("text", _ALL, text="characters"),
    _switch("numbers", _SMOOTH, numbers="quantile"),
    _switch("numbers", _SMOOTH, numbers="yeo_johnson"),
    _switch("categories", _ALL, rare=5),
    _switch("categories", _ALL, rare=20),
    _switch("categories", _ALL, crosses=True),
    _switch("numbers", _ALL, arithmetic=True),
    _switch("mixed", _ALL, groups=True),
    _switch("many_levels", _ALL, counts=True),
    _switch("many_levels", ("trees", "nets"), target="folds"),
    _switch("many_levels", ("trees", "nets"), target="ordered"),
    _switch("gaps", _ALL, missing=True),
    _switch("categories", ("trees",), crosses=True, target="folds"),
    _switch("mixed", ("linear",), crosses=True, arithmetic=True, groups=True),
    ("target_log", {"target_log": True}, "skewed", _ALL),
)


def problems(folder: Path, tables: list[str], rows: int, target: Path) -> Iterator[Problem]:
    """Load every table as a problem of three folds and no sealed rows."""
    for path in sorted(folder.glob("*.parquet")):
        if tables and path.stem not in tables:
            continue
        card = yaml.safe_load(path.with_suffix(".yaml").read_text())
        whole = load_dataset(pl.read_parquet(path).drop(card.get("group_columns") or []))
        sampled = whole.frame.sample(min(rows, whole.frame.height), seed=0)
        dataset = replace(whole, frame=sampled)
        metric = "rmse" if card["task"] == "regression" else "log_loss"
        task = make_task(dataset, target=card["target"], metric=metric)
        splits = make_splits(task, test_size=0.0, folds=FOLDS, seed=0)
        yield make_problem(task, splits, fingerprint=path.stem, seed=0, folder=target / path.stem)


def losses(problem: Problem, family: str, switched: Params) -> list[float]:
    """Fit a family's defaults with something switched on; the loss of each fold."""
    held = {"regression" if problem.task.kind == "regression" else "classification"}
    defaults = space_of(discover()[family]).narrowed(frozenset(held)).defaults
    params = {**defaults, **switched}
    candidate = Candidate(
        trial_id=digest(family, params), family=family, params=params, origin="default", number=0, seed=0
    )
    results = [
        run_fold(problem, candidate, fold, allotment=Allotment(), seconds=None)
        for fold in range(len(problem.splits.folds))
    ]
    if failed := [result.reason for result in results if result.score is None]:
        raise SystemExit(f"{problem.folder.name}, {family}, {switched}: {failed[0]}")
    return [result.scores[problem.task.metric.name] for result in results]


def compare(problem: Problem, family: str, asked: list[str], deadline: float) -> dict[str, tuple[float, bool] | None]:
    """Try each switch that fits; its change in per cent and whether the folds agree, None for want of time."""
    held, recipe = conditions(problem.task.schema), discover()[family].recipe
    if problem.task.kind == "regression" and is_skewed(problem.task.y):
        held |= {"skewed"}
    fitting = {
        key: params
        for key, params, condition, recipes in SWITCHES
        if condition in held and recipe in recipes and (not asked or key in asked)
    }
    found: dict[str, tuple[float, bool] | None] = dict.fromkeys(fitting)
    if not fitting or time.monotonic() > deadline:
        return found
    without = losses(problem, family, {})
    for key, params in fitting.items():
        if time.monotonic() > deadline:
            break
        within = losses(problem, family, params)
        changes = [100 * (new / max(old, 1e-9) - 1) for new, old in zip(within, without, strict=True)]
        change = 100 * (statistics.fmean(within) / max(statistics.fmean(without), 1e-9) - 1)
        found[key] = change, len({one > 0 for one in changes}) == 1 and all(changes)
    return found


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def main() -> None:
    """Print a table a family in Markdown: one row a table, one column a switch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--families", default="lightgbm,linear")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--tables", default="")
    parser.add_argument("--switches", default="", help="names of columns of the table; all by default")
    parser.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    names, (tables, asked) = arguments.families.split(","), (_names(arguments.tables), _names(arguments.switches))
    found: dict[str, dict[str, dict]] = {family: {} for family in names}
    with tempfile.TemporaryDirectory() as folder:
        for problem in problems(arguments.folder, tables, arguments.rows, Path(folder)):
            for family in names:
                begun = time.process_time()
                found[family][problem.folder.name] = compare(problem, family, asked, deadline)
                print(problem.folder.name, family, f"{time.process_time() - begun:.0f} s", file=sys.stderr, flush=True)
    for family in names:
        print_board(family, found[family])
    print(f"\n{time.process_time():.0f} seconds of CPU.")


def print_board(family: str, rows: dict[str, dict]) -> None:
    """Print one family's changes, and how often each switch helped and harmed."""
    columns = [key for key, *_ in SWITCHES if any(key in row for row in rows.values())]
    print(f"\n### {family}\n\n| table | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for table, row in rows.items():
        cells = [
            "" if key not in row else "no time" if row[key] is None else f"{row[key][0]:+.1f}{'*' * row[key][1]}"
            for key in columns
        ]
        print(f"| {table} | {' | '.join(cells)} |")
    measured = [[row[key] for row in rows.values() if row.get(key)] for key in columns]
    medians = [f"{statistics.median(change for change, _ in ones):+.1f}" if ones else "" for ones in measured]
    print(f"| median | {' | '.join(medians)} |")
    for label, sign in (("better in all folds", -1), ("worse in all folds", 1)):
        counts = (sum(star and sign * change > 0 for change, star in ones) for ones in measured)
        print(f"| {label} | {' | '.join(f'{n} of {len(ones)}' for n, ones in zip(counts, measured, strict=True))} |")


if __name__ == "__main__":
    main()
