"""Shipped predictors as MLflow models: logged, loaded again and asked, all for real."""

import json
import logging
import shutil
from datetime import datetime, timedelta

import mlflow_fixture
import numpy as np
import polars as pl
import pytest
from mlflow_fixture import client_of, record, runs_of, trial

from bench.adapters.mlflow_client import store_uri
from bench.adapters.mlflow_model import save_model
from bench.candidate import Candidate
from bench.dataset import load_dataset
from bench.ensemble import build_ensembles
from bench.predictor import load_predictor, write_predictor
from bench.problem import make_problem
from bench.resources import Allotment
from bench.split import make_splits
from bench.task import make_task
from bench.trial import TrialResult, run_fold

pytestmark = mlflow_fixture.QUIET
empty_store, folder = mlflow_fixture.empty_store, mlflow_fixture.folder


@pytest.fixture(scope="module")
def table():
    """Rows with every kind of column, among them whole numbers with gaps, which are floats in pandas."""
    generator, n_rows = np.random.default_rng(0), 120
    age = generator.integers(18, 90, n_rows)
    return pl.DataFrame(
        {
            "age": pl.Series([None if value < 25 else int(value) for value in age], dtype=pl.Int64),
            "income": generator.normal(size=n_rows),
            "job": generator.choice(["clerk", "cook", "nurse"], n_rows).tolist(),
            "member": (generator.random(n_rows) < 0.5).tolist(),
            "since": [datetime(2020, 1, 1) + timedelta(days=int(day)) for day in generator.integers(0, 900, n_rows)],
            "bought": np.where(age + generator.normal(scale=10, size=n_rows) > 50, "yes", "no").tolist(),
        }
    )


@pytest.fixture(scope="module")
def shipped(table, tmp_path_factory):
    """Fit two families and ship them with their ensembles."""
    folder = tmp_path_factory.mktemp("shipped")
    table.write_parquet(folder / "toy.parquet")
    dataset = load_dataset(str(folder / "toy.parquet"))
    task = make_task(dataset, target="bought", metric="roc_auc")
    splits = make_splits(task, test_size=0.2, folds=2, seed=0)
    problem = make_problem(
        task.sealed(splits.test), splits, fingerprint=dataset.fingerprint, seed=0, folder=folder / "run"
    )
    results = []
    for family in ("naive_bayes", "decision_tree"):
        candidate = Candidate(trial_id=family, family=family, params={}, origin="default", number=0, seed=0)
        folds = [
            run_fold(problem, candidate, fold, allotment=Allotment(), seconds=None) for fold in range(len(splits.folds))
        ]
        results.append(TrialResult(candidate=candidate, folds=tuple(folds), asked=len(folds), status="ok"))
    ensembles = build_ensembles(problem, results)
    write_predictor(problem, folder / "predictor", results, ensembles, ensembles[0].result.candidate.name)
    return folder / "predictor"


def logged_models(folder):
    (parent,), _ = runs_of(folder)
    return [client_of(folder).get_logged_model(output.model_id) for output in parent.outputs.model_outputs]


def test_best_model_and_ensemble_are_logged_and_predict(folder, shipped, table, monkeypatch, capfd):
    import mlflow

    shutil.copytree(shipped, folder / "predictor")
    record(folder)
    assert capfd.readouterr() == ("", "")
    logged = {model.name: model for model in logged_models(folder)}
    names = {title: model.params["model"] for title, model in logged.items()}
    assert names == {"best": "naive_bayes", "ensemble": "ensemble_greedy"}
    assert {str(model.status) for model in logged.values()} == {"READY"}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri(folder))
    frame = table.drop("bought").to_pandas().set_index(np.arange(len(table)) + 1000)
    for title, name in names.items():
        loaded = mlflow.pyfunc.load_model(f"models:/{logged[title].model_id}")
        prediction = loaded.predict(frame)
        expected = load_predictor(shipped).predict_frame(table, name)
        assert list(prediction.index) == list(frame.index)
        assert prediction.reset_index(drop=True).equals(expected.to_pandas())
        assert not prediction.isna().any(axis=None)


def test_models_come_with_signature_example_and_requirements_but_no_pickle(folder, shipped, monkeypatch):
    import mlflow

    shutil.copytree(shipped, folder / "predictor")
    record(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store_uri(folder))
    loaded = mlflow.pyfunc.load_model(f"models:/{logged_models(folder)[0].model_id}")
    inputs, outputs = loaded.metadata.signature.inputs, loaded.metadata.signature.outputs
    assert [(spec.name, str(spec.type)) for spec in inputs.inputs] == [
        ("age", "Any"),
        ("income", "DataType.double"),
        ("job", "DataType.string"),
        ("member", "DataType.boolean"),
        ("since", "Any"),
    ]
    assert outputs.input_names() == ["prediction", "probability_no", "probability_yes"]
    assert [str(spec.type) for spec in outputs.inputs] == ["DataType.string", *["DataType.double"] * 2]
    assert len(loaded.predict(loaded.input_example)) == len(loaded.input_example) > 0
    files = [path for path in (folder.parent / "mlartifacts" / "models").rglob("*") if path.is_file()]
    (lines, _) = [path.read_text().splitlines() for path in files if path.name == "requirements.txt"]
    assert any(line.startswith("scikit-learn==") for line in lines)
    assert any(line.startswith("automl-bench==") for line in lines)
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib")]


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.assign(age=frame["age"].fillna(30).astype("int64")),
        lambda frame: frame.assign(since=frame["since"].dt.strftime("%Y-%m-%d")),
        lambda frame: frame.assign(job=None, income=1.0, member=None),
        lambda frame: frame.assign(unheard_of=1),
    ],
    ids=["whole numbers without gaps", "dates as text", "missing values", "another column"],
)
def test_logged_model_takes_what_pandas_makes_of_the_columns(folder, shipped, table, change):
    import mlflow

    path = folder / "model"
    save_model(path, shipped, load_predictor(shipped), "naive_bayes", {"run_id": "r", "model_id": "m"})
    frame = change(table.drop("bought").head(10).to_pandas())
    assert set(mlflow.pyfunc.load_model(str(path)).predict(frame)["prediction"]) <= {"yes", "no"}


def test_models_are_logged_once_for_the_same_predictor(folder, shipped):
    shutil.copytree(shipped, folder / "predictor")
    record(folder)
    record(folder)
    assert len(logged_models(folder)) == 2
    (folder / "predictor" / "example.json").unlink()
    manifest = json.loads((folder / "predictor" / "manifest.json").read_text())
    del manifest["files"]["example.json"]
    (folder / "predictor" / "manifest.json").write_text(json.dumps(manifest))
    record(folder)
    assert len(logged_models(folder)) == 4


def test_a_predictor_that_cannot_be_read_costs_a_warning(folder, shipped, caplog):
    shutil.copytree(shipped, folder / "predictor")
    (folder / "predictor" / "predictor.json").write_text("{}")
    with caplog.at_level(logging.WARNING, logger="bench.track"):
        assert record(folder, [trial(0)]) is not None
    assert "lacks models of this run" in caplog.text
    (parent,), _ = runs_of(folder)
    assert parent.info.status == "FINISHED"
