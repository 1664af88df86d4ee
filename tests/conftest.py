"""Fixtures that many tests share: three finished runs, and small problems to fit folds of."""

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import polars as pl
import pytest

import bench
from bench import keep, wrap_up
from bench.adapters.ray_runtime import import_ray
from bench.cli import main
from bench.dataset import Dataset, load_dataset
from bench.problem import Problem, make_problem
from bench.result import Run
from bench.sealed import seal
from bench.split import Splits, make_splits
from bench.store import read_json
from bench.task import Task, make_task

# A thread imports it while commands load their data. Warnings are errors here, and one in that thread would leave
# modules imported by half, which breaks whatever test comes next.
import_ray()

#: What the shared runs have in common: cheap families, few folds, one process, no tracking.
CHEAP = {
    "families": "linear,knn,decision_tree,naive_bayes",
    "folds": 2,
    "engine": "local",
    "cpus": 1,
    "track": False,
    "quiet": True,
}


def ranked(frame: pl.DataFrame) -> list[dict]:
    """Rows of a board that have a rank: what was given up on its way has none."""
    return frame.filter(pl.col("rank").is_not_null()).to_dicts()


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A finished run with the data that it was made from."""

    run: Run
    dataset: Dataset
    task: Task
    splits: Splits

    @property
    def folder(self) -> Path:
        return self.run.folder

    @property
    def frame(self) -> pl.DataFrame:
        return self.run.leaderboard

    @property
    def ranked(self) -> list[dict]:
        return ranked(self.frame)

    @property
    def problem(self) -> Problem:
        """The problem as the run had it, its test labels blotted out."""
        return make_problem(
            self.task.sealed(self.splits.test),
            self.splits,
            fingerprint=self.dataset.fingerprint,
            seed=0,
            folder=self.folder,
        )

    @property
    def features(self) -> pl.DataFrame:
        return self.dataset.frame.drop(self.task.target)

    @property
    def test_features(self) -> pl.DataFrame:
        return self.features[self.splits.test]


def finish(dataset: str, folder: Path, **settings) -> Finished:
    """Run on a built-in dataset, spending little time on what no test here looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wrap_up, "_IMPORTANCE_SECONDS", 0.1)
        run = bench.run(dataset, output=folder, **CHEAP | settings)
    loaded = load_dataset(dataset)
    task = make_task(loaded, metric=read_json(folder / "dataset.json")["metric"])
    return Finished(run=run, dataset=loaded, task=task, splits=make_splits(task, test_size=0.2, folds=2, seed=0))


@pytest.fixture(scope="session")
def binary(tmp_path_factory) -> Finished:
    """Eight candidates on breast_cancer, text labels, with both ensembles."""
    return finish("breast_cancer", tmp_path_factory.mktemp("runs") / "binary", trials=8)


@pytest.fixture(scope="session")
def multiclass(tmp_path_factory) -> Finished:
    """Eight candidates on penguins, with gaps and categories; but for one a family, models are evicted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keep, "KEPT_A_FAMILY", 1)
        return finish("penguins", tmp_path_factory.mktemp("runs") / "multiclass", trials=8)


@pytest.fixture(scope="session")
def regression(tmp_path_factory) -> Finished:
    """Six candidates on diabetes."""
    folder = tmp_path_factory.mktemp("runs") / "regression"
    return finish("diabetes", folder, trials=6, families="linear,knn,decision_tree")


def table(kind: str, rows: int = 120, seed: int = 0) -> pl.DataFrame:
    """Two numbers, one of them with gaps, a category, and a target called ``y`` that follows from them."""
    generator = np.random.default_rng(seed)
    a, b = generator.normal(size=(2, rows))
    colour = generator.choice(["red", "green", "blue"], rows)
    signal = a + 0.5 * (colour == "red") + 0.3 * generator.normal(size=rows)
    y = {
        "regression": 10 * signal + 0.5,
        "binary": np.where(signal > 0, "yes", "no"),
        "multiclass": np.array(["low", "mid", "top"])[np.digitize(signal, [-0.5, 0.5])],
    }[kind]
    gaps = pl.Series(b).set(pl.Series(generator.random(rows) < 0.1), None)
    return pl.DataFrame({"a": a, "b": gaps, "colour": colour, "y": y})


def small(folder: Path, kind: str, *, frame: pl.DataFrame | None = None, splits: Splits | None = None, **asked):
    """A sealed problem on a small table, with its vault, in a new folder."""
    dataset = load_dataset(table(kind) if frame is None else frame)
    task = make_task(dataset, target="y", task=kind, **asked)
    splits = splits or make_splits(task, test_size=0.2, folds=3, seed=0)
    folder.mkdir()
    seal(folder, task.y[splits.test])
    return make_problem(task.sealed(splits.test), splits, fingerprint=dataset.fingerprint, seed=0, folder=folder)


@pytest.fixture
def make_small(tmp_path) -> Callable[..., Problem]:
    """Gives ``make(kind, **parts)``: what `small` makes, each time in a folder of its own."""
    count = iter(range(1000))

    def make(kind: str = "binary", **parts):
        return small(tmp_path / f"problem-{next(count)}", kind, **parts)

    return make


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch, capfd) -> Callable[..., Told]:
    """Gives ``cli(*words)``: carry out a ``bench`` command in this process."""

    def leave(leaving: SystemExit) -> None:
        raise leaving  # where the command would end its process at once, the tests' process stays

    def call(*words: object) -> Told:
        monkeypatch.setattr(sys, "argv", ["bench", *map(str, words)])
        monkeypatch.setattr("bench.cli._leave", leave)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Told(code=ended.value.code or 0, **capfd.readouterr()._asdict())

    return call


@pytest.fixture(scope="module")
def moto():
    """A local S3; its address. moto keeps buckets in this process."""
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def s3(moto, monkeypatch):
    """Gives ``put(key, content)``, which returns the address; the environment is that of somebody who may read it."""
    import requests

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=reader/20240101/us-east-1/s3/aws4_request"}
    requests.put(f"{moto}/bucket", headers=signed, timeout=5)

    def put(key, content):
        requests.put(f"{moto}/bucket/{quote(key)}", content, headers=signed, timeout=5).raise_for_status()
        return f"s3://bucket/{key}"

    return put
