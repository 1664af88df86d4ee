"""What the families for small tables are worth beside LightGBM: `bench run` by count, five folds, nothing sealed.

    python tests/benchmarks/small.py TABLE... [--families svm,lightgbm] [--trials 12]

A table is a parquet file with a card beside it (a YAML file with `target`), or one that ships with bench. Prints a row
a table and family: the default's cross-validated score, the best candidate's, and what the default costs.
"""

import argparse
import tempfile
from pathlib import Path

import polars as pl
import yaml

import bench

FAMILIES = "naive_bayes,linear,discriminant,svm,gaussian_process,explainable_boosting,lightgbm,extra_trees"


def measure(table: str, families: str, trials: int, folder: str) -> pl.DataFrame:
    """Run, and take from the board what is told of each family."""
    asked = {"families": families, "trials": trials, "folds": 5, "repeats": 1, "test_size": 0.0}
    if (card := Path(table).with_suffix(".yaml")).is_file():
        asked["target"] = yaml.safe_load(card.read_text())["target"]
    run = bench.run(table, output=folder, engine="local", cpus=1, track=False, quiet=True, ensembles=False, **asked)
    board = run.leaderboard.filter(pl.col("rank").is_not_null())
    defaults = board.filter(pl.col("origin").is_in(["baseline", "default"]))
    best = board.unique("family", keep="first", maintain_order=True).select("family", best="cv_mean", candidate="model")
    folds = run.leaderboard["folds_asked"].max()
    return defaults.join(best, on="family").select(
        pl.lit(f"{Path(table).stem} ({run.board.metric})").alias("table"),
        "family",
        "cv_mean",
        "cv_std",
        "best",
        "candidate",
        fit_a_fold=pl.col("fit_seconds") / folds,
        predict=pl.col("predict_seconds_per_1000"),
    )


def main() -> None:
    """Measure each table and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--families", default=FAMILIES)
    parser.add_argument("--trials", type=int, default=16)
    asked = parser.parse_args()
    print("| table | family | default | ± | best | of | fit s a fold | predict s a 1,000 rows |")
    print("|---|---|---|---|---|---|---|---|")
    for table in asked.tables:
        with tempfile.TemporaryDirectory() as folder:
            for row in measure(table, asked.families, asked.trials, f"{folder}/run").rows():
                cells = [f"{cell:.4g}" if isinstance(cell, float) else cell for cell in row]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
