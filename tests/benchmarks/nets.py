"""Nets beside the reference implementations that they follow: the same rows to learn from, to watch and to score.

    python tests/benchmarks/nets.py FOLDER [--pairs realmlp,tabm] [--tables a,b] [--rows 3000] [--seeds 3]
        [--params '{"epochs": 256}']

FOLDER holds tables as parquet files, each with a card beside it (a YAML file with `target`). Of each table so many
rows are drawn and divided anew for each seed: 60 % to learn from, 20 % to watch, 20 % to score. The reference of
`realmlp` is RealMLP-TD of the package pytabkit, without label smoothing and keeping the epoch of the best log loss;
that of `tabm` is the training of the example of the package tabm, which needs rtdl_num_embeddings, keeping the epoch of
the best loss. None of these is needed to use `bench`. All run on one thread; seconds are those of the processor.

A line a table gives the mean log loss (classes) or root mean squared error (values) of both, their difference in per
cent of the reference's (below 0: ours is better), and its noise: the standard error of the mean difference over seeds,
which two seeds can but hint at. `--params` changes our parameters, which are the family's defaults.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
import yaml

from bench.dataset import load_dataset
from bench.family import Settings, discover, space_of
from bench.metric import Array
from bench.recipes import Features, make_recipe, without_switches
from bench.recipes.features import conditions
from bench.resources import Allotment, Deadline
from bench.space import Params
from bench.task import Task, make_task

TABLES = ("adult", "ames_housing", "california_housing", "credit_g", "letter", "satimage")
PATIENCE, BATCH_SIZE, BINS = 16, 256, 48


@dataclass(frozen=True, kw_only=True, slots=True)
class Trio:
    """Row numbers of one division of a task."""

    task: Task
    learn: Array
    watch: Array
    score: Array
    seed: int

    @property
    def outputs(self) -> int:
        """Outputs of a net."""
        return max(1, len(self.task.classes))


def load_task(folder: Path, table: str, rows: int) -> Task:
    """Draw rows of a table."""
    card = yaml.safe_load((folder / f"{table}.yaml").read_text())
    whole = load_dataset(pl.read_parquet(folder / f"{table}.parquet").drop(card.get("group_columns") or []))
    dataset = replace(whole, frame=whole.frame.sample(min(rows, whole.frame.height), seed=0))
    return make_task(dataset, target=card["target"], metric="rmse" if card["task"] == "regression" else "log_loss")


def divide(task: Task, seed: int) -> Trio:
    """Divide the rows; every class is learned from."""
    order = np.random.default_rng(seed).permutation(task.n_rows)
    learn, watch, score = np.split(order, [int(0.6 * len(order)), int(0.8 * len(order))])
    if task.kind != "regression" and len(np.unique(task.y[learn])) < len(task.classes):
        raise SystemExit(f"every class must be learned from; seed {seed} leaves one out: ask for more --rows.")
    return Trio(task=task, learn=learn, watch=watch, score=score, seed=seed)


def ours(name: str, trio: Trio, changes: Params) -> Array:
    """Fit a family as a run would, but for the rows that it watches."""
    family, task = discover()[name], trio.task
    held = {"regression" if task.kind == "regression" else "classification", *conditions(task.schema)}
    space = space_of(family).narrowed(frozenset(held))
    params = {**space.defaults, **changes}
    recipe = make_recipe(family.recipe, task.schema, task.kind, trio.seed, Features.of(params))
    learn = recipe.fit_transform(task.features[trio.learn], task.y[trio.learn])
    settings = Settings(
        params=without_switches(params),
        kind=task.kind,
        n_classes=len(task.classes),
        metric=task.metric.name,
        seed=trio.seed,
    )
    estimator = family.build(settings)
    watch = recipe.transform(task.features[trio.watch]), task.y[trio.watch]
    estimator.fit(learn, task.y[trio.learn], valid=watch, allotment=Allotment(), deadline=Deadline(None))
    return estimator.predict(recipe.transform(task.features[trio.score]))


def plain_columns(trio: Trio) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Numbers, gaps filled with medians and shown by indicators, and everything else as text, gaps filled, too."""
    frame = trio.task.features
    numbers = frame.select(pl.selectors.numeric().cast(pl.Float64).fill_nan(None))
    gaps = [name for name in numbers.columns if numbers[name].has_nulls()]
    indicators = [pl.col(name).is_null().cast(pl.String).alias(f"{name} is missing") for name in gaps]
    texts = frame.select(~pl.selectors.numeric()).select(pl.all().cast(pl.String).fill_null("missing"))
    medians = {name: numbers[trio.learn][name].median() for name in numbers.columns}
    filled = numbers.with_columns(pl.col(name).fill_null(medians[name]) for name in gaps)
    return filled, pl.concat([texts, numbers.select(indicators)], how="horizontal") if indicators else texts


def pytabkit_realmlp(trio: Trio) -> Array:
    """RealMLP-TD of pytabkit."""
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    numbers, texts = plain_columns(trio)
    X = pl.concat([numbers, texts], how="horizontal").to_pandas()
    X = X.astype(dict.fromkeys(texts.columns, "category"))
    given: dict[str, Any] = {"random_state": trio.seed, "n_threads": 1, "device": "cpu", "n_cv": 1, "verbosity": 0}
    if trio.task.kind == "regression":
        model = RealMLP_TD_Regressor(**given)
    else:
        model = RealMLP_TD_Classifier(**given, use_ls=False, val_metric_name="cross_entropy")
    rows = np.concatenate([trio.learn, trio.watch])
    model.fit(X.iloc[rows], trio.task.y[rows], val_idxs=np.arange(len(trio.learn), len(rows)))
    scored = X.iloc[trio.score]
    prediction: Array = model.predict(scored) if trio.task.kind == "regression" else model.predict_proba(scored)
    return prediction.reshape(len(scored), -1).squeeze() if trio.task.kind == "regression" else prediction


def tabm_example(trio: Trio) -> Array:
    """Train the package's TabM as its example does."""
    import rtdl_num_embeddings
    import tabm

    torch.set_num_threads(1)
    torch.manual_seed(trio.seed)
    numeric, codes, cardinalities = _tensors(trio)
    y, centre, scale = _target(trio)
    embeddings = None
    if numeric.shape[1]:
        bins = rtdl_num_embeddings.compute_bins(numeric[trio.learn], n_bins=min(BINS, len(trio.learn) - 1))
        embeddings = rtdl_num_embeddings.PiecewiseLinearEmbeddings(bins, d_embedding=16, activation=False, version="B")
    model = tabm.TabM.make(
        n_num_features=numeric.shape[1],
        cat_cardinalities=cardinalities,
        d_out=trio.outputs,
        num_embeddings=embeddings,
    )

    def outputs(rows: Array) -> torch.Tensor:
        """Outputs of the members: [rows, members, outputs]."""
        return model(numeric[rows] if numeric.shape[1] else None, codes[rows] if cardinalities else None)

    @torch.inference_mode()
    def mean(rows: Array) -> Array:
        model.eval()
        raw = torch.cat([outputs(part) for part in np.array_split(rows, max(1, len(rows) // 500))]).double()
        if trio.task.kind == "regression":
            return (raw.mean(dim=1).squeeze(1) * scale + centre).numpy()
        return raw.softmax(dim=-1).mean(dim=1).numpy()

    _train(
        model,
        trio,
        lambda rows: _member_loss(outputs(rows), y[rows]),
        lambda: _loss(trio, mean(trio.watch), trio.watch),
    )
    return mean(trio.score)


def _member_loss(outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean of the members' losses, who share their batches."""
    y = y.repeat_interleave(outputs.shape[1])
    if y.is_floating_point():
        return torch.nn.functional.mse_loss(outputs.flatten(), y)
    return torch.nn.functional.cross_entropy(outputs.flatten(0, 1), y)


def _train(
    model: torch.nn.Module, trio: Trio, loss: Callable[[Array], torch.Tensor], watched: Callable[[], float]
) -> None:
    """Train until so many epochs bring nothing better; keep the best."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=3e-4)
    best, best_state, waited = np.inf, model.state_dict(), 0
    rng = np.random.default_rng(trio.seed)
    while waited < PATIENCE:
        order = rng.permutation(trio.learn)
        for first in range(0, len(order), BATCH_SIZE):
            model.train()
            optimizer.zero_grad()
            loss(order[first : first + BATCH_SIZE]).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        waited += 1
        if (now := watched()) < best:
            best, waited = now, 0
            best_state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(best_state)


def _tensors(trio: Trio) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Numbers as normal quantiles, and codes of texts: 0 for what was not learned from."""
    from sklearn.preprocessing import OrdinalEncoder, QuantileTransformer

    numbers, texts = plain_columns(trio)
    values = numbers.to_numpy().astype(np.float32)
    values = values[:, np.ptp(values[trio.learn], axis=0) > 1e-6]
    if values.shape[1]:
        quantiles = QuantileTransformer(
            n_quantiles=max(min(len(trio.learn) // 30, 1000), 10), output_distribution="normal", subsample=10**9
        )
        noise = np.random.default_rng(0).normal(0.0, 1e-5, values[trio.learn].shape).astype(np.float32)
        values = quantiles.fit(values[trio.learn] + noise).transform(values)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    if not texts.width:
        return torch.from_numpy(values), torch.empty(len(values), 0, dtype=torch.int64), []
    table = texts.to_numpy()
    encoder.fit(table[trio.learn])
    codes = torch.from_numpy(encoder.transform(table).astype(np.int64) + 1)
    return torch.from_numpy(values.astype(np.float32)), codes, [len(levels) + 1 for levels in encoder.categories_]


def _target(trio: Trio) -> tuple[torch.Tensor, float, float]:
    """Codes, or standardised values with their mean and deviation."""
    y = trio.task.y
    if trio.task.kind != "regression":
        return torch.from_numpy(y.astype(np.int64)), 0.0, 1.0
    centre, scale = float(y[trio.learn].mean()), float(y[trio.learn].std())
    return torch.from_numpy(((y - centre) / scale).astype(np.float32)), centre, scale


REFERENCES: dict[str, Callable[[Trio], Array]] = {"realmlp": pytabkit_realmlp, "tabm": tabm_example}


def _loss(trio: Trio, prediction: Array, rows: Array) -> float:
    """Score a prediction by the task's metric, lower is better."""
    return trio.task.metric.error(trio.task.metric.score(trio.task.y[rows], prediction, trio.task.classes))


def _timed(trio: Trio, predict: Callable[[], Array]) -> tuple[float, float]:
    """Loss on the rows to score, and seconds of the processor."""
    begun = time.process_time()
    prediction = predict()
    return _loss(trio, prediction, trio.score), time.process_time() - begun


def compare(name: str, task: Task, table: str, seeds: int, changes: Params) -> str:
    """Fit both for every seed; one line of the result."""
    pairs = []
    for seed in range(seeds):
        trio = divide(task, seed)
        own = _timed(trio, lambda trio=trio: ours(name, trio, changes))
        pairs.append((own, _timed(trio, lambda trio=trio: REFERENCES[name](trio))))
    (mine, my_seconds), (theirs, their_seconds) = (
        [statistics.mean(values) for values in zip(*side, strict=True)] for side in zip(*pairs, strict=True)
    )
    differences = [100 * (own[0] - other[0]) / theirs for own, other in pairs]
    noise = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else float("nan")
    return (
        f"| {name} | {table} | {mine:.5g} | {theirs:.5g} | {statistics.mean(differences):+.1f} | {noise:.1f} "
        f"| {my_seconds:.1f} | {their_seconds:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", default=",".join(REFERENCES))
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--params", type=json.loads, default={})
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    print("| family | table | ours | reference | difference, % | noise, % | s, ours | s, reference |")
    print("|---|---|---|---|---|---|---|---|")
    for name in asked.pairs.split(","):
        for table in asked.tables.split(","):
            task = load_task(asked.folder, table, asked.rows)
            print(compare(name, task, table, asked.seeds, asked.params), flush=True)


if __name__ == "__main__":
    main()
