"""Learn each family's portfolio: which few of many configurations serve best on tables they were not chosen on.

    python tests/benchmarks/portfolio.py FOLDER CACHE [--families lightgbm,catboost] [--draws 24] [--rows 5000]
        [--tables adult,car,...] [--minutes 85] [--size 4]

FOLDER holds tables as parquet files with a card each, as for `features.py`. A family's default, the points of its
present portfolio and so many random draws from its space are cross-validated on at most so many rows of each table
(log loss, or root mean squared error), two fits at once, one thread each. Every outcome is a line of the file CACHE, so
that the script goes on where it stopped. What is not begun within the minutes is left out.

Points are chosen greedily: the next is the one that lowers most the mean regret, over tables, of the best of those
chosen; regret is how much worse a loss is than that of the table's best point, in per cent. Leaving one table out tells
what a portfolio is worth where it was not chosen: its regret there beside that of the default, of the present portfolio
and of as many random draws. Points that cost more than four times the median point are left out.

A last table has what families state of themselves: how far their default is behind the best family's (`behind`), what
it takes beside LightGBM's (`cost`), and what other points take beside it (`costs` of the search spaces).
"""

import argparse
import functools
import itertools
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import yaml
from features import problems

from bench.candidate import Candidate
from bench.family import discover, space_of
from bench.identity import digest, seed_for
from bench.recipes.features import conditions
from bench.resources import Allotment
from bench.space import Parameter, Params, Space
from bench.trial import lent_rounds, run_fold

Losses = dict[str, dict[str, float]]  # by point, then by table
#: Tables that `race.md` is not about.
TABLES = (
    "anneal,bank_marketing,bike_sharing,credit_default_taiwan,diabetes130us,diamonds,electricity,hepatitis,"
    "king_county_house_sales,titanic"
)
_MOST_SECONDS = 60.0
_DEAREST = 4.0
_RANDOM_SETS = 200


def draw(parameter: Parameter, rng: np.random.Generator) -> object:
    """Draw a value at random, on the parameter's scale."""
    if parameter.type == "categorical":
        return parameter.choices[int(rng.integers(len(parameter.choices)))]
    low, high = parameter.low, parameter.high + (parameter.type == "int")
    value = float(np.exp(rng.uniform(np.log(low), np.log(high)))) if parameter.log else float(rng.uniform(low, high))
    return int(value) if parameter.type == "int" else float(f"{value:.3g}")


def points(space: Space, draws: int) -> Iterator[tuple[str, Params]]:
    """Name and give a family's points: its default, its portfolio, random draws."""
    yield "default", {}
    for point in space.portfolio:  # named by what they are, since a cache outlives a portfolio
        yield f"present {digest(dict(point), length=8)}", point
    rng = np.random.default_rng(seed_for(0, "portfolio", space.family))
    plain = [p for p in space.parameters if p.when is None and not p.name.startswith("features_")]
    for number in range(draws):
        yield f"draw {number}", {parameter.name: draw(parameter, rng) for parameter in plain}


@functools.cache
def _problem(folder: str, table: str, rows: int, scratch: str):
    return next(problems(Path(folder), [table], rows, Path(scratch)))


def evaluate(folder: str, table: str, rows: int, scratch: str, family: str, name: str, point: Params) -> dict:
    """Cross-validate one point on one table, in a process of the pool."""
    problem = _problem(folder, table, rows, scratch)
    kind = "regression" if problem.task.kind == "regression" else "classification"
    held = frozenset({kind}) | conditions(problem.task.schema)
    space = replace(space_of(discover()[family]), portfolio=(point,)).narrowed(held)
    params = dict(space.defaults) if name == "default" else space.complete(space.portfolio[0])
    candidate = Candidate(
        trial_id=digest(family, dict(params)), family=family, params=params, origin="tuned", number=0, seed=0
    )
    results = []
    for fold in range(len(problem.splits.folds)):
        lent = lent_rounds(results)
        results.append(run_fold(problem, candidate, fold, allotment=Allotment(), seconds=_MOST_SECONDS, lent=lent))
        if results[-1].score is None:
            return {"failed": results[-1].reason}
    return {
        "loss": statistics.fmean(result.scores[problem.task.metric.name] for result in results),
        "seconds": statistics.fmean(result.busy_seconds for result in results),
    }


def measure(arguments: argparse.Namespace, tables: Sequence[str], known: set[tuple[str, str, str]]) -> None:
    """Add what is not known yet to the cache, point by point over all tables, until the time is over."""
    deadline = time.monotonic() + 60 * arguments.minutes
    asked = [
        (family, name, point, table)
        for family in arguments.families.split(",")
        for name, point in points(space_of(discover()[family]), arguments.draws)
        for table in tables
        if (family, name, table) not in known
    ]
    asked.sort(key=lambda task: task[1].startswith("draw") and int(task[1].split()[1]))
    with (
        tempfile.TemporaryDirectory() as scratch,
        ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool,
        arguments.cache.open("a") as cache,
    ):
        waiting, running = iter(asked), {}
        while True:
            free = arguments.workers - len(running) if time.monotonic() < deadline else 0
            for family, name, point, table in itertools.islice(waiting, free):
                where = (str(arguments.folder), table, arguments.rows, scratch)
                running[pool.submit(evaluate, *where, family, name, point)] = (family, name, point, table)
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                family, name, point, table = running.pop(done)
                row = {"family": family, "name": name, "point": dict(point), "table": table, **done.result()}
                print(json.dumps(row), file=cache, flush=True)


def regrets(losses: Losses, tables: Sequence[str]) -> dict[str, np.ndarray]:
    """How much worse each point is than the best of a table, in per cent."""
    best = np.array([max(min(row[table] for row in losses.values()), 1e-9) for table in tables])
    return {name: 100 * (np.array([row[table] for table in tables]) / best - 1) for name, row in losses.items()}


def choose(regret: Mapping[str, np.ndarray], size: int, chosen: Sequence[str] = ("default",)) -> list[str]:
    """Choose points greedily for the lowest mean regret of the best of all chosen."""
    chosen = list(chosen)
    while len(chosen) < size + 1 and len(chosen) < len(regret):
        reached = np.min([regret[name] for name in chosen], axis=0)
        left = [name for name in regret if name not in chosen]
        chosen.append(min(left, key=lambda name: float(np.minimum(reached, regret[name]).mean())))
    return chosen


def _of(regret: Mapping[str, np.ndarray], names: Sequence[str], column: int) -> float:
    return min(float(regret[name][column]) for name in names)


def left_out(
    regret: Mapping[str, np.ndarray], tables: Sequence[str], size: int, present: Sequence[str]
) -> list[tuple[str, list[float]]]:
    """Of each table: the regret of the default, the present, random portfolios and the one chosen without the table."""
    rng = np.random.default_rng(0)
    draws = [name for name in regret if name.startswith("draw")]
    present = [name for name in present if name in regret][: size + 1]
    rows = []
    for column, table in enumerate(tables):
        others = [at for at in range(len(tables)) if at != column]
        chosen = choose({name: values[others] for name, values in regret.items()}, size)
        sets = [rng.choice(draws, min(size, len(draws)), replace=False) for _ in range(_RANDOM_SETS if draws else 0)]
        random = [_of(regret, ["default", *names], column) for names in sets]
        figures = [_of(regret, ["default"], column), _of(regret, present, column)]
        rows.append((table, [*figures, statistics.fmean(random or [float("nan")]), _of(regret, chosen, column)]))
    return rows


def report(family: str, rows: Sequence[Mapping], size: int) -> None:
    """Print what was learned for one family, in Markdown."""
    tables = sorted({row["table"] for row in rows if "loss" in row})  # of tasks that the family is for
    losses: dict[str, dict[str, float]] = defaultdict(dict)
    seconds: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if "loss" in row:
            losses[row["name"]][row["table"]] = row["loss"]
            seconds[row["name"]].append(row["seconds"])
    whole = {name: row for name, row in losses.items() if len(row) == len(tables)}
    cost = {name: statistics.fmean(seconds[name]) for name in whole}
    dear = [name for name in whole if cost[name] > _DEAREST * statistics.median(cost.values()) and name != "default"]
    regret = regrets({name: row for name, row in whole.items() if name not in dear}, tables)
    chosen = choose(regret, size)
    print(f"\n### {family}\n\n{len(regret)} points on {len(tables)} tables; {len(dear)} left out as too dear.\n")
    print("| table left out | default | present | random | chosen without it |\n|---|---|---|---|---|")
    rows_out = left_out(regret, tables, size, [name for name, _ in points(space_of(discover()[family]), 0)])
    for table, figures in rows_out:
        print(f"| {table} | {' | '.join(f'{figure:.2f}' for figure in figures)} |")
    print(f"| mean | {' | '.join(f'{np.mean([f[at] for _, f in rows_out]):.2f}' for at in range(4))} |\n")
    named = {row["name"]: row["point"] for row in rows}
    for name in chosen[1:]:
        line = yaml.safe_dump(named[name], default_flow_style=True, width=10_000, sort_keys=False).strip()
        print(f"  - {line}  # {name}, {cost[name]:.2f} s a fold")


def _multiple(ours: Mapping[str, Mapping], theirs: Mapping[str, Mapping]) -> float:
    """How many times as long ours takes as theirs: the median over the tables that both have."""
    both = [table for table in ours if "seconds" in ours[table] and "seconds" in theirs.get(table, {})]
    return statistics.median([ours[table]["seconds"] / theirs[table]["seconds"] for table in both] or [float("nan")])


def summarise(families: Sequence[str], rows: Sequence[Mapping]) -> None:
    """Print what families reach and cost by default, and what their points cost beside it."""
    found: dict = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        found[row["family"]][row["name"]][row["table"]] = row
    losses = [(row["table"], row["loss"]) for f in families for row in found[f]["default"].values() if "loss" in row]
    best = {table: min(loss for name, loss in losses if name == table) for table, _ in losses}
    print("\n| family | tables | behind | cost | costs of its portfolio | of a draw |\n|---|---|---|---|---|---|")
    for family in families:
        default = found[family]["default"]
        behind = [row["loss"] / best[table] - 1 for table, row in default.items() if "loss" in row]
        present = [name for name, _ in points(space_of(discover()[family]), 0)][1:]
        costs = ", ".join(f"{_multiple(found[family][name], default):.1f}" for name in present)
        draws = [_multiple(of, default) for name, of in found[family].items() if name.startswith("draw")]
        cells = [f"{np.mean(behind or [np.nan]):.2f} ({np.std(behind or [np.nan]):.2f})"]
        cells += [f"{_multiple(default, found['lightgbm']['default']):.1f}", costs]
        cells += [f"{statistics.median(draws or [float('nan')]):.1f}"]
        print(f"| {family} | {len(behind)} | {' | '.join(cells)} |")


def main() -> None:
    """Measure what the cache lacks, then print a portfolio a family."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--families", default="lightgbm,xgboost,catboost,random_forest,extra_trees")
    parser.add_argument("--tables", default=TABLES)
    parser.add_argument("--draws", type=int, default=24)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--size", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=85.0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    arguments.cache.touch()
    tables = arguments.tables.split(",")
    kept = [json.loads(line) for line in arguments.cache.read_text().splitlines()]
    measure(arguments, tables, {(row["family"], row["name"], row["table"]) for row in kept})
    rows = [json.loads(line) for line in arguments.cache.read_text().splitlines()]
    for family in arguments.families.split(","):
        report(family, [row for row in rows if row["family"] == family and row["table"] in tables], arguments.size)
    summarise(arguments.families.split(","), [row for row in rows if row["table"] in tables])


if __name__ == "__main__":
    main()
