"""What it saves to keep a fold's parts and a library's binned rows for the candidates that follow.

    python tests/benchmarks/memo.py DATA [--only adult,letter] [--candidates 5]

DATA is a folder of tables with cards. For each booster as many candidates are fitted on one fold with a memory and
without, in turns, each with other parameters; the CPU seconds of the whole fold are compared from the second candidate
on, when there is something to go back to.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import yaml

from bench.candidate import Candidate
from bench.dataset import load_dataset
from bench.family import discover, space_of
from bench.memo import Memo
from bench.problem import Problem, make_problem
from bench.resources import Allotment
from bench.split import make_splits
from bench.task import make_task
from bench.trial import run_fold

BOOSTERS = ("lightgbm", "xgboost", "catboost")


def problem_of(data: Path, name: str, folder: Path) -> Problem:
    """The problem that a run would have."""
    card = yaml.safe_load((data / f"{name}.yaml").read_text())
    dataset = load_dataset(str(data / f"{name}.parquet"))
    task = make_task(dataset, target=card["target"], task=card["task"])
    splits = make_splits(task, test_size=0.2, folds=5, seed=0)
    return make_problem(task.sealed(splits.test), splits, fingerprint=dataset.fingerprint, seed=0, folder=folder)


def seconds_of(problem: Problem, candidate: Candidate, memo: Memo) -> float:
    """CPU seconds of one fold."""
    begun = time.process_time()
    result = run_fold(problem, candidate, 0, allotment=Allotment(memo=memo), seconds=None)
    assert result.status == "ok", result.reason
    return time.process_time() - begun


def compare(problem: Problem, booster: str, candidates: int) -> tuple[float, float]:
    """CPU seconds of all candidates but the first, without a memory and with one."""
    params = dict(space_of(discover()[booster]).defaults)
    memo, alone, kept = Memo(2**30), 0.0, 0.0
    for number in range(candidates):
        varied = params | {"learning_rate": 0.1 - 0.01 * number}
        made = Candidate(
            trial_id=f"{booster}-{number}", family=booster, params=varied, origin="tuned", number=number, seed=number
        )
        took = seconds_of(problem, made, Memo()), seconds_of(problem, replace(made, trial_id=f"{booster}-m"), memo)
        if number:
            alone, kept = alone + took[0], kept + took[1]
    return alone / (candidates - 1), kept / (candidates - 1)


def main() -> None:
    """Print a row a table and booster."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default="adult,letter,california_housing")
    parser.add_argument("--candidates", type=int, default=5)
    arguments = parser.parse_args()
    print("| table | booster | CPU s a fold, without | with | ratio |\n|---|---|---|---|---|")
    for name in arguments.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            problem = problem_of(arguments.data, name, Path(folder) / "run")
            for booster in BOOSTERS:
                alone, kept = compare(problem, booster, arguments.candidates)
                print(f"| {name} | {booster} | {alone:.3f} | {kept:.3f} | {kept / alone:.3f} |", flush=True)


if __name__ == "__main__":
    main()
