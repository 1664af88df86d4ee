"""Ensembles: how fast they are fitted, and which way of making them is best on rows that nobody has seen.

    python tests/benchmarks/ensembles.py speed [--members 100] [--rows 100000]
    python tests/benchmarks/ensembles.py compare RUN [RUN ...] [--metric f1]

``speed`` selects among made-up members and prints CPU seconds beside those of the plain way, which scores every member
anew in each round. ``compare`` reads finished runs that sealed a test set and combines their candidates again in every
way there is, from all of them and from the first half alone, for the run's metric or another. It prints each way's
cross-validated error and its error on the sealed rows relative to the best single model's, and which row would predict.
It looks at the sealed rows of these runs again and again, and adds folders below their ``trials``. What came out:
ensembles.md.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.choice import best_single, choose
from bench.ensemble import build_ensembles
from bench.journal import read_past
from bench.leaderboard import tested
from bench.metric import METRICS, Array, Metric, get_metric
from bench.problem import Problem
from bench.resources import limit_threads
from bench.selection import fit_greedy
from bench.store import read_events
from bench.trial import TrialResult
from bench.unpack import problem_of


def made_up(name: str, members: int, rows: int) -> tuple[Array, Array]:
    """Predictions of members that know the truth more or less, and the truth."""
    generator = np.random.default_rng(0)
    if name == "rmse":
        y = generator.normal(size=rows)
        return y + generator.normal(size=(members, rows)), y
    codes = generator.integers(2, size=rows)
    skill = generator.uniform(0.5, 1.0, size=(members, 1))
    positive = 1 / (1 + np.exp(-(skill * (2 * codes - 1) + generator.normal(size=(members, rows)))))
    return np.stack([1 - positive, positive], axis=2), codes


def plain_rounds(predictions: Array, y: Array, metric: Metric, rounds: int) -> float:
    """CPU seconds of a round of the plain way."""
    total, begun = np.zeros(predictions.shape[1:]), time.process_time()
    for size in range(1, rounds + 1):
        errors = [metric.error(metric.score(y, (total + member) / size)) for member in predictions]
        total += predictions[int(np.argmin(errors))]
    return (time.process_time() - begun) / rounds


def speed(members: int, rows: int) -> None:
    """Print the seconds of a whole selection beside the plain way's for 40 rounds, told from three."""
    for name, limit in (("log_loss", 3.0), ("rmse", 3.0), ("roc_auc", 10.0)):
        predictions, y = made_up(name, members, rows)
        begun = time.process_time()
        found = fit_greedy(predictions, y, METRICS[name], (), 0)
        ours = time.process_time() - begun
        plain = 40 * plain_rounds(predictions, y, METRICS[name], 3)
        told = f"{ours:6.2f} s (limit {limit:g}), {np.count_nonzero(found.weights)} members"
        print(f"{name:9} {told}; plain {plain:6.1f} s, {plain / ours:.1f} times that")


def whole_results(folder: Path) -> list[tuple[TrialResult, float]]:
    """Whole candidates of a run, each with the moment at which its last fold ended."""
    found = []
    for past in read_past(folder, read_events(folder)):
        if past.status == "ok":
            result = TrialResult(candidate=past.candidate, folds=past.folds, asked=len(past.folds), status="ok")
            found.append((result, max(fold.finished_at for fold in past.folds)))
    return found


def judged_by(metric: Metric, result: TrialResult) -> TrialResult:
    """The same candidate, scored by another metric of its task."""
    return replace(result, folds=tuple(replace(fold, score=fold.scores[metric.name]) for fold in result.folds))


def sealed_error(problem: Problem, result: TrialResult) -> float:
    """Error of a row of the board on the sealed rows."""
    metric = problem.task.metric
    return metric.error(metric.score(*tested(problem, result, "benchmark of ensembles"), problem.task.classes))


def compare(problem: Problem, results: Sequence[TrialResult]) -> None:
    """Print every way's errors relative to those of the best single model."""
    metric = problem.task.metric
    single = best_single(results, metric)
    base = metric.error(single.mean), sealed_error(problem, single)
    print(f"  {len(results):3} candidates; best {single.candidate.name}: cv {base[0]:.5g}, sealed {base[1]:.5g}")
    begun = time.process_time()
    ensembles = build_ensembles(problem, results)
    seconds = time.process_time() - begun
    chosen = choose(results, ensembles, metric, problem.splits, classes=len(problem.task.classes)).row
    for each in ensembles:
        row = each.result
        cv, sealed = metric.error(row.mean) / base[0] - 1, sealed_error(problem, row) / base[1] - 1
        mark = "predicts" if row is chosen else ""
        print(
            f"    {row.candidate.name:16} {len(each.members):3} members  cv {cv:+7.2%}  sealed {sealed:+7.2%}  {mark}"
        )
    print(f"    all of them in {seconds:.1f} CPU s" + ("; the single model predicts" if chosen is single else ""))


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="what", required=True)
    speedy = ways.add_parser("speed")
    speedy.add_argument("--members", type=int, default=100)
    speedy.add_argument("--rows", type=int, default=100_000)
    comparing = ways.add_parser("compare")
    comparing.add_argument("runs", nargs="+", type=Path)
    comparing.add_argument("--metric", help="judge by another metric than the run's")
    arguments = parser.parse_args()
    if arguments.what == "speed":
        with limit_threads(1):
            speed(arguments.members, arguments.rows)
        return
    for folder in arguments.runs:
        problem, found = problem_of(folder), whole_results(folder)
        if arguments.metric:
            metric = get_metric(arguments.metric)
            problem = replace(problem, task=replace(problem.task, metric=metric))
            found = [(judged_by(metric, result), ended) for result, ended in found]
        task = problem.task
        rows = sum(map(len, problem.scored_rows))
        print(f"{folder.name}: {task.metric.name}, {rows:,} scored rows, {len(problem.splits.folds)} folds")
        half = sorted(found, key=lambda pair: pair[1])[: max(2, len(found) // 2)]
        for part in (found, half):
            compare(problem, [result for result, _ in part])


if __name__ == "__main__":
    main()
