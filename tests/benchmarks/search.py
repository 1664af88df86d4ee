"""The brain's search beside others at equal cost: random search, TPE over one joint space, portfolios alone.

    python tests/benchmarks/search.py FOLDER OUT [--tables heloc,satimage,king_county_house_sales]
        [--fits 200 | --seconds 60] [--seeds 5] [--rows 2000] [--families linear,lightgbm,xgboost,extra_trees,knn]
        [--policies brain,random] [--minutes 60]

FOLDER holds tables as parquet files with a card each, as for `features.py`. Every policy spends so many fits of a fold,
or so many seconds in which one fit follows the other, on at most so many rows. After every fit, the best whole
candidate so far by cross-validation is the incumbent; its loss is that of the mean of its fold models on rows set
aside. OUT gets ``curves.jsonl`` (a line a run, on which the script goes on where it stopped) and ``curves.png``:
medians with bands from the lowest to the highest seed.

- ``brain``: `bench.search` as it ships, in a counted run or one by the clock.
- ``random``: a random family and random parameters, all folds.
- ``joint tpe``: one Optuna study over family and all families' parameters, all folds.
- ``portfolio``: defaults and portfolio points of all families in turn, all folds, then nothing.
"""

import argparse
import contextlib
import itertools
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import polars as pl
import yaml

from bench.budget import Plan, Until
from bench.candidate import Candidate
from bench.dataset import load_dataset
from bench.family import Family, select, space_of, warm_up
from bench.identity import digest, seed_for
from bench.metric import Array
from bench.problem import Problem, make_problem
from bench.recipes.features import conditions
from bench.resources import Allotment, Deadline, Machine
from bench.roster import make_proposals
from bench.search import Search
from bench.space import Space
from bench.spec import RunSpec
from bench.split import make_splits
from bench.store import fold_folder, read_predictions
from bench.study import _distribution
from bench.task import make_task
from bench.trial import FoldResult, TrialResult, lent_rounds, run_fold

Curve = list[float]
_TEST_SHARE = 0.4


class Enough(Exception):  # noqa: N818 - how a policy ends
    """All fits are spent, or all of the time."""


class Ledger:
    """Counts fits, or seconds, and keeps the test loss of the best whole candidate after each fit."""

    def __init__(self, problem: Problem, truth: Array, *, fits: int, seconds: float | None) -> None:
        self.problem, self.truth, self.fits, self.seconds = problem, truth, fits, seconds
        self._begun, self._spent, self._losses = time.monotonic(), [0.0], [float("nan")]
        self._best = float("inf")

    def fit(self, candidate: Candidate, fold: int, lent: tuple[int, ...], seconds: float | None = None) -> FoldResult:
        """Fit one fold, in so many seconds if it is by the clock, and count it."""
        left = (self.fits if self.seconds is None else self.seconds) - self._now()
        if left <= 0:
            raise Enough
        if self.seconds is not None:
            seconds = min(left, seconds or left)
        result = run_fold(self.problem, candidate, fold, allotment=Allotment(), seconds=seconds, lent=lent)
        self._losses.append(self._losses[-1])
        self._spent.append(self._now())
        return result

    def _now(self) -> float:
        """What was spent until now."""
        return len(self._losses) - 1 if self.seconds is None else time.monotonic() - self._begun

    def whole(self, result: TrialResult) -> None:
        """Take note of a candidate that is through with its folds."""
        metric = self.problem.task.metric
        if result.status == "ok" and (error := metric.error(result.mean)) < self._best:
            folders = (fold_folder(self.problem.folder, result.candidate.trial_id, f.fold) for f in result.folds)
            bag = np.mean([read_predictions(folder)[1] for folder in folders], axis=0)
            self._best = error
            self._losses[-1] = metric.error(metric.score(self.truth, bag, self.problem.task.classes))

    def curve(self) -> Curve:
        """The loss after each fit, or after each of so many equal parts of the time."""
        after = np.arange(1, self.fits + 1) * (1.0 if self.seconds is None else self.seconds / self.fits)
        return [self._losses[n - 1] for n in np.searchsorted(self._spent, after, side="right")]

    def try_all_folds(self, candidate: Candidate) -> TrialResult:
        """Fit a candidate on all folds, or until one fails."""
        folds: list[FoldResult] = []
        asked = len(self.problem.splits.folds)
        for fold in range(asked):
            folds.append(self.fit(candidate, fold, lent_rounds(folds)))
            if folds[-1].status != "ok":
                break
        result = TrialResult(candidate=candidate, folds=tuple(folds), asked=asked, status=folds[-1].status)
        self.whole(result)
        return result


def _candidate(family: Family, params: dict[str, Any], number: int, seed: int) -> Candidate:
    fit_seed = seed_for(seed, "fit", family.name, number)
    trial_id = digest(family.name, params, fit_seed)
    return Candidate(trial_id=trial_id, family=family.name, params=params, origin="tuned", number=number, seed=fit_seed)


class _Closed:
    """An observer that tells the ledger of whole candidates."""

    def __init__(self, ledger: Ledger) -> None:
        self.closed = ledger.whole

    def opened(self, candidate: Candidate) -> None:
        """Nothing to note."""

    def folded(self, result: FoldResult) -> None:
        """Nothing to note."""

    def benched(self, family: str, reason: str) -> None:
        """Nothing to note."""


def brain(ledger: Ledger, families: tuple[Family, ...], spaces: dict[str, Space], seed: int) -> None:
    """Search as `bench` does."""
    problem, seconds = ledger.problem, ledger.seconds
    trials = 10**6 if seconds is None else None
    spec = RunSpec(dataset="", seed=seed, budget=seconds, trials=trials)
    machine = Machine(cpus=1, memory_bytes=8 * 2**30, gpus=0, cpus_why="one fit at a time")
    plan = Plan(slots=1, trials=trials, search=Deadline(seconds), total=Until(seconds), window_seconds=seconds or 0.0)
    proposals = make_proposals(problem, families, spec, machine)
    search = Search(
        proposals,
        metric=problem.task.metric,
        n_folds=len(problem.splits.folds),
        plan=plan,
        observers=(_Closed(ledger),),
    )
    while (work := search.next()) is not None:
        search.tell(ledger.fit(work.candidate, work.fold, work.lent, work.seconds))


def joint(sampler: Callable[[int], optuna.samplers.BaseSampler]) -> Callable[..., None]:
    """Search one joint space, of which a sampler draws."""

    def policy(ledger: Ledger, families: tuple[Family, ...], spaces: dict[str, Space], seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        direction = "maximize" if ledger.problem.task.metric.greater_is_better else "minimize"
        study = optuna.create_study(direction=direction, sampler=sampler(seed))
        by_name = {family.name: family for family in families}
        for number in itertools.count():
            trial = study.ask()
            name = trial.suggest_categorical("family", sorted(by_name))
            point = {p.name: trial._suggest(f"{name}.{p.name}", _distribution(p)) for p in spaces[name].parameters}
            made = _candidate(by_name[name], dict(spaces[name].complete(point)), number, seed)
            result = ledger.try_all_folds(made)
            if result.status == "ok":
                study.tell(trial, result.mean)
            else:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)

    return policy


def portfolio(ledger: Ledger, families: tuple[Family, ...], spaces: dict[str, Space], seed: int) -> None:
    """Try what is known beforehand alone."""
    lists = [[dict(spaces[f.name].defaults), *map(spaces[f.name].complete, spaces[f.name].portfolio)] for f in families]
    for number, turn in enumerate(itertools.zip_longest(*lists)):
        for family, params in zip(families, turn, strict=True):
            if params is not None:
                ledger.try_all_folds(_candidate(family, dict(params), number, seed))


POLICIES: dict[str, Callable[..., None]] = {
    "brain": brain,
    "random": joint(lambda seed: optuna.samplers.RandomSampler(seed=seed)),
    "joint tpe": joint(lambda seed: optuna.samplers.TPESampler(seed=seed)),
    "portfolio": portfolio,
}


def load(folder: Path, table: str, rows: int, seed: int, scratch: Path) -> tuple[Problem, Array]:
    """Draw rows of a table; the problem has a test part, whose labels are given beside it."""
    path = folder / f"{table}.parquet"
    card = yaml.safe_load(path.with_suffix(".yaml").read_text())
    whole = load_dataset(pl.read_parquet(path).drop(card.get("group_columns") or []))
    frame = whole.frame.sample(min(round(rows / (1 - _TEST_SHARE)), whole.frame.height), seed=seed)
    metric = "rmse" if card["task"] == "regression" else "log_loss"
    task = make_task(replace(whole, frame=frame), target=card["target"], metric=metric)
    splits = make_splits(task, test_size=_TEST_SHARE, folds=5, repeats=1, seed=seed)
    made = make_problem(task.sealed(splits.test), splits, fingerprint=table, seed=seed, folder=scratch)
    return made, task.y[splits.test]


def run(arguments: argparse.Namespace, table: str, policy: str, seed: int) -> Curve:
    """Spend the fits, or the seconds, of one policy."""
    families = select([arguments.families])
    with tempfile.TemporaryDirectory() as scratch:
        problem, truth = load(arguments.folder, table, arguments.rows, seed, Path(scratch))
        kind = "regression" if problem.task.kind == "regression" else "classification"
        held = frozenset({kind}) | conditions(problem.task.schema)
        for family in families:
            warm_up(family)
        ledger = Ledger(problem, truth, fits=arguments.fits, seconds=arguments.seconds)
        with contextlib.suppress(Enough):
            POLICIES[policy](ledger, families, {f.name: space_of(f).narrowed(held) for f in families}, seed)
        return ledger.curve()


def plot(rows: list[dict[str, Any]], out: Path, *, unit: str, step: float) -> None:
    """Draw the median curve of each policy, with a band over the seeds, one panel a table; ``step`` lies between two
    values of a curve."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    tables = sorted({row["table"] for row in rows})
    figure, axes = pyplot.subplots(1, len(tables), figsize=(5 * len(tables), 4), squeeze=False, layout="constrained")
    for axis, table in zip(axes[0], tables, strict=True):
        for policy in POLICIES:
            curves = np.array([r["curve"] for r in rows if (r["table"], r["policy"]) == (table, policy)], dtype=float)
            if not len(curves):
                continue
            first = int(np.isfinite(curves).all(axis=0).argmax())  # before that some seed had no whole candidate
            after, curves = step * (np.arange(first, curves.shape[1]) + 1), curves[:, first:]
            (line,) = axis.plot(after, np.median(curves, axis=0), label=policy)
            low, high = curves.min(axis=0), curves.max(axis=0)
            axis.fill_between(after, low, high, color=line.get_color(), alpha=0.15)
        ends = [r["curve"][-1] for r in rows if r["table"] == table]
        axis.set(title=table, xlabel=unit, ylabel="loss on rows set aside", xscale="log")
        axis.set_ylim(min(ends) * 0.98, max(ends) * 1.1)
    axes[0][0].legend()
    figure.savefig(out, dpi=110)


def summary(rows: list[dict[str, Any]], fits: int, *, unit: str, step: float) -> Iterator[str]:
    """Lines of a Markdown table: the mean loss of each policy after some of the fits, or of the time."""
    at = [fits // 8, fits // 4, fits // 2, fits]
    yield "| table | policy | " + " | ".join(f"after {step * n:g} {unit}" for n in at) + " |"
    yield "|---|---|" + "---|" * len(at)
    grouped: dict[tuple[str, str], list[Curve]] = defaultdict(list)
    for row in rows:
        grouped[row["table"], row["policy"]].append(row["curve"])
    for (table, policy), curves in sorted(grouped.items()):
        means = (statistics.fmean(curve[n - 1] for curve in curves) for n in at)
        yield f"| {table} | {policy} ({len(curves)} seeds) | " + " | ".join(f"{mean:.5g}" for mean in means) + " |"


def main() -> None:
    """Run what is not known yet, then draw and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tables", default="heloc,satimage,king_county_house_sales")
    parser.add_argument("--families", default="linear,lightgbm,xgboost,extra_trees,knn")
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--seconds", type=float, help="by the clock; --fits are the points of a curve then")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--policies", default=",".join(POLICIES))
    parser.add_argument("--minutes", type=float, default=60.0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    file, deadline = arguments.out / "curves.jsonl", time.monotonic() + 60 * arguments.minutes
    file.touch()
    known = {(r["table"], r["policy"], r["seed"]) for r in map(json.loads, file.read_text().splitlines())}
    tables, policies = arguments.tables.split(","), arguments.policies.split(",")
    for seed, table, policy in itertools.product(range(arguments.seeds), tables, policies):
        if (table, policy, seed) not in known and time.monotonic() < deadline:
            curve = run(arguments, table, policy, seed)
            with file.open("a") as stream:
                print(json.dumps({"table": table, "policy": policy, "seed": seed, "curve": curve}), file=stream)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows = [row | {"curve": row["curve"][: arguments.fits]} for row in rows]  # which may be of longer runs
    unit, step = ("fits", 1.0) if arguments.seconds is None else ("seconds", arguments.seconds / arguments.fits)
    plot(rows, arguments.out / "curves.png", unit=unit, step=step)
    print("\n".join(summary(rows, arguments.fits, unit=unit, step=step)))


if __name__ == "__main__":
    main()
