"""What the harness costs a fold beyond fit and predict, beside a plain Optuna loop over the same candidates.

    python tests/benchmarks/overhead.py [--trials 40] [--dataset breast_cancer]

Both fit the same LightGBM candidates on the same five folds in one process with one thread. The plain loop asks Optuna,
encodes each fold once, fits, predicts, scores, and keeps nothing; bench also stores predictions, models and a journal.
The limit is 0.1 s a fold beyond fit and predict, over 200 folds.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import bench
from bench.candidate import Candidate
from bench.dataset import load_dataset
from bench.family import Settings, discover
from bench.identity import seed_for
from bench.recipes import make_recipe
from bench.resources import Allotment, Deadline, limit_threads
from bench.split import holdout, make_splits
from bench.store import read_events
from bench.task import make_task

LIMIT_SECONDS = 0.1


def harness(dataset: str, trials: int, folder: Path) -> tuple[list[Candidate], float, float, int]:
    """Run bench; return its candidates, wall clock of the search, seconds in fit and predict, and folds."""
    run = bench.run(
        dataset,
        trials=trials,
        families="lightgbm",
        folds=5,
        engine="local",
        cpus=1,
        output=folder,
        track=False,
        quiet=True,
    )
    events = list(read_events(run.folder))
    folds = [event for event in events if event["event"] == "fold"]
    wall = folds[-1]["at"] - next(event["at"] for event in events if event["event"] == "candidate")
    busy = sum(event["fit_seconds"] + event["predict_seconds"] for event in folds)
    return [Candidate.from_dict(event) for event in events if event["event"] == "candidate"], wall, busy, len(folds)


def plain_loop(dataset: str, candidates: list[Candidate]) -> tuple[float, float, int]:
    """Fit the same candidates with as little as it takes; the same three figures."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    loaded = load_dataset(dataset)
    task = make_task(loaded)
    splits = make_splits(task, test_size=0.2, folds=5, seed=0)
    family = discover()["lightgbm"]
    study, encoded = optuna.create_study(direction=task.metric.direction), {}
    busy, count, begun = 0.0, 0, time.perf_counter()
    with limit_threads(1):
        for candidate in candidates:
            trial, scores = study.ask(), []
            for number, fold in enumerate(splits.folds):
                if number not in encoded:
                    recipe = make_recipe(family.recipe, task.schema, task.kind, 0)
                    train = recipe.fit_transform(task.features[fold.train], task.y[fold.train])
                    encoded[number] = train, recipe.transform(task.features[fold.valid])
                train, valid = encoded[number]
                y = task.y[fold.train]
                fit, stop = holdout(task.kind, y, range_of(y), None, None, seed_for(0, "holdout", number))
                settings = Settings(
                    params=candidate.params,
                    kind=task.kind,
                    n_classes=len(task.classes),
                    metric=task.metric.name,
                    seed=seed_for(candidate.seed, "fold", number),
                )
                model = family.build(settings)
                started = time.perf_counter()
                watch = train.rows(stop), y[stop]
                model.fit(train.rows(fit), y[fit], valid=watch, allotment=Allotment(), deadline=Deadline(None))
                prediction = model.predict(valid)
                busy += time.perf_counter() - started
                scores.append(task.metric.score(task.y[fold.valid], prediction, task.classes))
                count += 1
            study.tell(trial, sum(scores) / len(scores))
    return time.perf_counter() - begun, busy, count


def range_of(y):
    """Row numbers of an array."""
    import numpy as np

    return np.arange(len(y))


def main() -> None:
    """Print both, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--dataset", default="breast_cancer")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        candidates, wall, busy, folds = harness(arguments.dataset, arguments.trials, Path(folder) / "run")
    plain_wall, plain_busy, plain_folds = plain_loop(arguments.dataset, candidates)
    cost, plain_cost = (wall - busy) / folds, (plain_wall - plain_busy) / plain_folds
    print(f"bench       {folds:4} folds  {busy / folds:.4f} s of fit and predict a fold, {cost:.4f} s beyond")
    print(
        f"plain loop  {plain_folds:4} folds  {plain_busy / plain_folds:.4f} s of fit and predict a fold, "
        f"{plain_cost:.4f} s beyond"
    )
    print(
        json.dumps({"beyond": cost, "plain_beyond": plain_cost, "limit": LIMIT_SECONDS, "met": cost <= LIMIT_SECONDS})
    )


if __name__ == "__main__":
    main()
