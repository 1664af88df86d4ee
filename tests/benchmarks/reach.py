"""What a run must reach, on data that is no part of the project.

    python tests/benchmarks/reach.py DATA [--only adult] [--budget 120]

DATA is a folder with adult.parquet, letter.parquet and california_housing.parquet. First `bench run` on breast_cancer
at 60 s: wall clock, finished candidates, a tuned candidate of every tunable family. Then each table at the budget: the
sealed test rows' ensemble against the row ranked first and against LightGBM with the library's defaults fitted once on
all development rows, by paired bootstrap.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.cards import find_card
from bench.dataset import load_dataset
from bench.family import discover, space_of
from bench.leaderboard import load_leaderboard
from bench.metric import get_metric
from bench.recipes import make_recipe
from bench.split import load_splits
from bench.stats import Resamples, paired_bootstrap
from bench.store import fold_folder, read_predictions
from bench.task import make_task

TABLES = {"adult": "roc_auc", "letter": "log_loss", "california_housing": "rmse"}


def command(*arguments):
    """Run bench as a user would; return the seconds it took."""
    begun = time.monotonic()
    subprocess.run(["bench", "run", *map(str, arguments), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def breast_cancer(folder):
    """The first minute."""
    seconds = command("--dataset", "breast_cancer", "--metric", "roc_auc", "--budget", "60s", "--output", folder)
    board = load_leaderboard(folder).frame
    tuned = set(board.filter((board["origin"] == "tuned") & (board["status"] == "ok"))["family"])
    tunable = {name for name, family in discover().items() if space_of(family).parameters}
    candidates = board.filter((board["status"] == "ok") & (board["family"] != "ensemble")).height
    ensemble = board.filter(board["family"] == "ensemble")["cv_mean"].max()
    print(f"breast_cancer at 60 s: {seconds:.1f} s of wall clock (63 at most), {candidates} candidates (20 at least)")
    print(f"  families without a whole tuned candidate: {sorted(tunable - tuned) or 'none'}")
    print(f"  best ensemble, cross-validated: {ensemble:.5f} (0.99 at least)", flush=True)


def default_lightgbm(task, splits):
    """Test predictions of LightGBM as it comes, fitted on all development rows."""
    import lightgbm

    rows = np.setdiff1d(np.arange(task.n_rows), splits.test)
    recipe = make_recipe("trees", task.schema, task.kind, 0)
    train, test = recipe.fit_transform(task.features[rows], task.y[rows]), recipe.transform(task.features[splits.test])
    model = lightgbm.LGBMRegressor if task.kind == "regression" else lightgbm.LGBMClassifier
    fitted = model(verbosity=-1).fit(train.values, task.y[rows], categorical_feature=list(train.categorical))
    return fitted.predict(test.values) if task.kind == "regression" else fitted.predict_proba(test.values)


def table(name, data, budget, folder):
    """One of the three tables."""
    card, metric_name = find_card(name), TABLES[name]
    path = data / f"{name}.parquet"
    seconds = command(
        "--dataset",
        path,
        "--target",
        card.target,
        "--metric",
        metric_name,
        "--budget",
        f"{budget}s",
        "--output",
        folder,
    )
    task = make_task(load_dataset(str(path)), target=card.target, metric=metric_name)
    splits, metric = load_splits(folder / "splits.npz"), get_metric(metric_name)
    board = load_leaderboard(folder).frame
    y = task.y[splits.test]

    def stored(trial_id):
        folds = [fold_folder(folder, trial_id, fold) for fold in range(len(splits.folds))]
        return np.mean([read_predictions(fold)[1] for fold in folds], axis=0)

    ensemble = board.filter(board["family"] == "ensemble").row(0, named=True)
    rivals = {
        f"first by CV ({board['model'][0]})": stored(board["trial_id"][0]),
        "LightGBM": default_lightgbm(task, splits),
    }
    best_single = board.filter((board["family"] != "ensemble") & board["rank"].is_not_null()).row(0, named=True)
    rivals[f"best single ({best_single['model']})"] = stored(best_single["trial_id"])
    mine = stored(ensemble["trial_id"])
    resamples = Resamples(n_rows=len(y), seed=0, labels=None if task.kind == "regression" else y)
    print(
        f"{name} at {budget} s: {seconds:.1f} s; {ensemble['model']} "
        f"{metric.score(y, mine, task.classes):.5f} on the test"
    )
    for rival, theirs in rivals.items():
        compared = paired_bootstrap(
            lambda rows: -metric.error(metric.score(y[rows], mine[rows], task.classes)),
            lambda rows, theirs=theirs: -metric.error(metric.score(y[rows], theirs[rows], task.classes)),
            resamples,
        )
        score = metric.score(y, theirs, task.classes)
        verdict = "worse" if compared.high < 0 else "better" if compared.low > 0 else "no worse"
        gain = f"gain {compared.difference:+.5f} [{compared.low:+.5f}, {compared.high:+.5f}]"
        print(f"  against {rival:34} {score:.5f}  {gain}  {verdict}", flush=True)


def main():
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--budget", type=int, default=120)
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else ["breast_cancer", *TABLES]
    with tempfile.TemporaryDirectory() as scratch:
        if "breast_cancer" in wanted:
            breast_cancer(Path(scratch) / "breast_cancer")
        for name in TABLES:
            if name in wanted:
                table(name, arguments.data, arguments.budget, Path(scratch) / name)


if __name__ == "__main__":
    main()
