"""The MLflow adapter against real stores: SQLite files, an address where nobody listens, a database that is locked."""

import json
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import mlflow_fixture
import pytest
from mlflow_fixture import PARAMS, client_of, record, runs_of, trial

from bench.adapters.mlflow import MlflowTracker
from bench.adapters.mlflow_client import store_uri

pytestmark = mlflow_fixture.QUIET
empty_store, folder = mlflow_fixture.empty_store, mlflow_fixture.folder


def test_records_a_parent_with_a_child_for_every_trial(folder):
    where = record(
        folder,
        [trial(0, num_leaves=31, extra=None), trial(1, scores=(0.7,), asked=2, status="pruned", reason="behind")],
        metrics={"best_cv_roc_auc": 0.85, "nothing": float("nan")},
    )
    assert where == f"mlflow ui --backend-store-uri sqlite:///{folder.parent / 'mlflow.db'}"
    (parent,), children = runs_of(folder)
    assert parent.info.run_name == "adult-1"
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"dataset": "adult", "metric": "roc_auc", "budget": "60.0"}
    assert parent.data.metrics == {"best_cv_roc_auc": 0.85}
    assert {child.data.tags["mlflow.parentRunId"] for child in children.values()} == {parent.info.run_id}
    ok, pruned = children["trial0"], children["trial1"]
    assert (ok.info.run_name, ok.info.status) == ("lightgbm", "FINISHED")
    assert ok.data.params == {"family": "lightgbm", "origin": "default", "num_leaves": "31", "extra": "None"}
    assert (ok.info.start_time, ok.info.end_time) == (999_997_500, 1_000_010_000)
    assert (pruned.info.status, pruned.data.tags["bench.reason"]) == ("KILLED", "behind")
    assert pruned.data.tags["bench.state"] == "pruned 1/2"


def test_folds_are_steps_and_costs_are_sums(folder):
    record(folder, [trial(0, scores=(0.9, 0.7))])
    _, children = runs_of(folder)
    metrics = children["trial0"].data.metrics
    assert metrics["cv_roc_auc_mean"] == pytest.approx(0.8)
    assert metrics["cv_roc_auc_std"] == pytest.approx(0.02**0.5)
    assert metrics["cv_log_loss_mean"] == pytest.approx(0.2)
    assert (metrics["fit_seconds"], metrics["predict_seconds"], metrics["peak_memory_mb"]) == (4.0, 1.0, 101.0)
    history = client_of(folder).get_metric_history(children["trial0"].info.run_id, "cv_roc_auc")
    assert [(point.step, point.value) for point in history] == [(0, 0.9), (1, 0.7)]


def test_a_metric_that_the_rows_do_not_define_is_left_out(folder, caplog):
    result = trial(0)
    folds = tuple(replace(fold, scores={**fold.scores, "rmsle": float("nan")}) for fold in result.folds)
    record(folder, [replace(result, folds=folds)])
    _, children = runs_of(folder)
    assert children["trial0"].data.metrics["cv_roc_auc_mean"] == pytest.approx(0.85)
    assert not any("rmsle" in name for name in children["trial0"].data.metrics)
    assert not caplog.records


def test_uploads_the_files_and_names_the_dataset(folder):
    card = {"name": "adult", "source": "postgresql://ann:pw@db/adult", "fingerprint": "f" * 64, "n_rows": 9}
    (folder / "dataset.json").write_text(json.dumps(card))
    (folder / "report.html").write_text("<html></html>")
    (folder / "leaderboard.csv").write_text("rank\n1\n")
    (folder / "journal.jsonl").write_text("{}\n")
    record(folder)
    client = client_of(folder)
    (parent,), _ = runs_of(folder)
    names = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert names == {"dataset.json", "report.html", "leaderboard.csv"}
    assert parent.info.artifact_uri.startswith((folder.parent / "mlartifacts").as_uri())
    assert not any("pw" in path.read_text() for path in folder.parent.rglob("mlartifacts/**/*.json"))
    (entry,) = parent.inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("adult", "f" * 36)
    assert json.loads(entry.dataset.source) == {"uri": "postgresql://***@db/adult"}
    assert json.loads(entry.dataset.profile)["num_rows"] == 9


def test_same_folder_continues_its_run_and_repeats_nothing(folder):
    (folder / "dataset.json").write_text(json.dumps({"name": "adult", "fingerprint": "abc"}))
    record(folder, [trial(0), trial(1, scores=(0.7,), asked=2, status="timeout")], status="KILLED")
    (parent,), first = runs_of(folder)
    assert parent.info.status == "KILLED"
    again = [trial(0), trial(1, scores=(0.7, 0.6)), trial(2)]
    record(folder, again, params={**PARAMS, "budget": 120.0}, metrics={"best": 0.9})
    (continued,), second = runs_of(folder)
    assert continued.info.run_id == parent.info.run_id
    assert continued.info.status == "FINISHED"
    assert continued.data.params["budget"] == "60.0"
    assert len(continued.inputs.dataset_inputs) == 1
    assert set(second) == {"trial0", "trial1", "trial2"}
    assert second["trial0"].info.run_id == first["trial0"].info.run_id
    assert (first["trial1"].info.status, second["trial1"].info.status) == ("FAILED", "FINISHED")
    history = client_of(folder).get_metric_history(second["trial1"].info.run_id, "cv_roc_auc")
    assert [(point.step, point.value) for point in history] == [(0, 0.7), (1, 0.6)]


def test_a_child_cut_off_half_way_is_finished_later(folder):
    record(folder, [trial(0)])
    client = client_of(folder)
    _, children = runs_of(folder)
    client.update_run(children["trial0"].info.run_id, status="RUNNING")
    record(folder, [trial(0)])
    _, children = runs_of(folder)
    assert children["trial0"].info.status == "FINISHED"


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted run", "unknown run"])
def test_a_run_that_is_gone_is_recorded_anew(folder, deleted):
    record(folder, [trial(0)])
    (parent,), _ = runs_of(folder)
    if deleted:
        client_of(folder).delete_run(parent.info.run_id)
    else:
        (folder / "mlflow.json").write_text(json.dumps({store_uri(folder): {"run_id": "0" * 32, "token": "0" * 32}}))
    record(folder, [trial(0)])
    (newest, *_), _ = runs_of(folder)
    assert newest.info.run_id != parent.info.run_id
    memory = json.loads((folder / "mlflow.json").read_text())
    assert memory[store_uri(folder)]["run_id"] == newest.info.run_id


def test_a_run_whose_creation_was_not_answered_is_found_again(folder):
    record(folder, [trial(0)])
    (parent,), _ = runs_of(folder)
    memory = json.loads((folder / "mlflow.json").read_text())[store_uri(folder)]
    (folder / "mlflow.json").write_text(json.dumps({store_uri(folder): {"token": memory["token"]}}))
    record(folder, [trial(0), trial(1)])
    (found,), children = runs_of(folder)
    assert found.info.run_id == parent.info.run_id
    assert set(children) == {"trial0", "trial1"}


def test_a_trial_whose_creation_was_not_answered_is_recorded_once(folder, monkeypatch):
    from mlflow import MlflowClient

    create, lost = MlflowClient.create_run, []

    def create_run(self, *args, **more):
        run = create(self, *args, **more)
        if "mlflow.parentRunId" in more["tags"] and not lost:
            lost.append(run)
            raise TimeoutError("no answer")
        return run

    monkeypatch.setattr(MlflowClient, "create_run", create_run)
    record(folder, [trial(0), trial(1)])
    _, children = runs_of(folder)
    client = client_of(folder)
    experiment = client.get_experiment_by_name("bench/adult/roc_auc").experiment_id
    assert lost
    assert len(client.search_runs([experiment])) == 1 + 2
    assert children["trial0"].info.run_id == lost[0].info.run_id
    assert {child.info.status for child in children.values()} == {"FINISHED"}


def test_trials_that_fail_for_a_while_are_all_written_in_the_end(folder, monkeypatch):
    from mlflow import MlflowClient

    create, refused = MlflowClient.create_run, []

    def create_run(self, *args, **more):
        if "mlflow.parentRunId" in more["tags"]:
            refused.append(more)
            raise ConnectionError("the server is being restarted")
        return create(self, *args, **more)

    tracker = MlflowTracker()
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_run", create_run)
        tracker.start(folder, "adult-1", PARAMS)
        for number in range(5):
            tracker.trial(trial(number))
        deadline = time.monotonic() + 60.0
        while len(refused) < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert tracker.finish(folder, status="FINISHED", metrics={}, seconds=30.0) is not None
    assert set(runs_of(folder)[1]) == {f"trial{number}" for number in range(5)}


def test_parameters_are_cut_spelled_and_redacted(folder):
    params = {
        **PARAMS,
        "dataset": "postgresql://ann:s3cret@db/adult",
        "api_key": "s3cret",
        "families": ["a", "b"],
        "long": "x" * 10_000,
        "odd/key:name": 1,
        **{f"many_{index}": index for index in range(230)},
    }
    record(folder, params=params)
    (parent,), _ = runs_of(folder)
    assert "s3cret" not in json.dumps(parent.data.params)
    assert parent.data.params["families"] == '["a", "b"]'
    assert parent.data.params["odd_key_name"] == "1"
    assert len(parent.data.params["long"]) == 6000
    assert parent.data.params["many_229"] == "229"


def test_tracking_uri_of_the_environment_is_respected(folder, empty_store, monkeypatch, tmp_path):
    elsewhere = tmp_path / "elsewhere.db"
    shutil.copy(empty_store, elsewhere)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere}")
    assert str(elsewhere) in record(folder, [trial(0)])
    (parent,), children = runs_of(folder)
    assert parent.info.artifact_uri.startswith(folder.parent.as_uri())
    assert len(children) == 1
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert client_of(folder).get_experiment_by_name("bench/adult/roc_auc") is None


@pytest.mark.slow
def test_start_and_trial_return_at_once_and_print_nothing(folder, capfd, tmp_path):
    (folder.parent / "mlflow.db").unlink()
    begin = time.monotonic()
    tracker = MlflowTracker()
    tracker.start(folder, "adult-1", PARAMS)
    for number in range(20):
        tracker.trial(trial(number))
    assert time.monotonic() - begin < 0.5
    assert tracker.finish(folder, status="FINISHED", metrics={}, seconds=60.0) is not None
    assert len(runs_of(folder)[1]) == 20
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize("name", ["with blank", "50%41", "what?", "a#b", "größe"])
def test_folders_with_unusual_names(folder, name):
    odd = folder.parent.parent / name / "run"
    odd.mkdir(parents=True)
    shutil.copy(folder.parent / "mlflow.db", odd.parent / "mlflow.db")
    (odd / "report.md").write_text("text")
    record(odd, [trial(0)])
    (parent,), children = runs_of(odd)
    assert len(children) == 1
    assert [item.path for item in client_of(odd).list_artifacts(parent.info.run_id)] == ["report.md"]


def test_server_that_is_down_costs_one_warning(folder, caplog, capfd, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:s3cret@127.0.0.1:9")
    begin = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="bench.track"):
        assert record(folder, [trial(0), trial(1)]) is None
    assert time.monotonic() - begin < 5.0
    (warning,) = [entry for entry in caplog.records if entry.levelno >= logging.WARNING]
    assert capfd.readouterr() == ("", "")
    assert "MLflow at http://***@127.0.0.1:9 could not open the store" in warning.getMessage()
    assert "s3cret" not in caplog.text


def test_server_that_never_answers_costs_no_more_than_was_given(folder, caplog, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        begin = time.monotonic()
        with caplog.at_level(logging.WARNING, logger="bench.track"):
            assert record(folder, [trial(0)], seconds=1.0) is None
        assert time.monotonic() - begin < 2.0
    assert "lacks 1 trial, outcome, files, dataset, models of this run: they did not fit in 1 s" in caplog.text


def test_trials_told_to_a_locked_database_are_written_when_it_opens(folder, caplog):
    record(folder, [trial(0)])
    lock = sqlite3.connect(folder.parent / "mlflow.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    tracker = MlflowTracker()
    tracker.start(folder, "adult-1", PARAMS)
    tracker.trial(trial(1))
    time.sleep(1.0)
    lock.execute("ROLLBACK")
    lock.close()
    assert tracker.finish(folder, status="FINISHED", metrics={}, seconds=30.0) is not None
    assert set(runs_of(folder)[1]) == {"trial0", "trial1"}
    assert [entry for entry in caplog.records if entry.name == "bench.track"] == []


def test_store_that_was_out_of_reach_at_first_gets_it_all_in_the_end(folder, empty_store, caplog):
    store = folder.parent / "mlflow.db"
    store.write_text("this is no database")
    tracker = MlflowTracker()
    with caplog.at_level(logging.WARNING, logger="bench.track"):
        tracker.start(folder, "adult-1", PARAMS)
        tracker.trial(trial(0))
        deadline = time.monotonic() + 20.0
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.05)
        shutil.copy(empty_store, store)
        assert tracker.finish(folder, status="FINISHED", metrics={}, seconds=30.0) is not None
    assert [entry.getMessage().split(":")[0] for entry in caplog.records] == ["MLflow at sqlite"]
    assert set(runs_of(folder)[1]) == {"trial0"}


def test_database_locked_to_the_end_costs_a_warning_and_the_time_given(folder, caplog):
    lock = sqlite3.connect(folder.parent / "mlflow.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    begin = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="bench.track"):
        assert record(folder, [trial(0), trial(1)], seconds=1.0) is None
    assert time.monotonic() - begin < 2.0
    lock.execute("ROLLBACK")
    lock.close()
    assert "lacks 2 trials, outcome, files, dataset, models" in caplog.text


def test_one_trial_that_cannot_be_written_is_named_and_the_rest_is_there(folder, caplog):
    whole = trial(1)
    broken = replace(whole, folds=(replace(whole.folds[0], finished_at=float("inf")),))
    with caplog.at_level(logging.WARNING, logger="bench.track"):
        record(folder, [trial(0), broken, trial(2)])
    (parent,), children = runs_of(folder)
    assert parent.info.status == "FINISHED"
    assert {"trial0", "trial2"} <= set(children)
    assert "lacks 1 trial of this run" in caplog.text


def test_importing_the_adapter_loads_no_heavy_library():
    heavy = ["mlflow", "pandas", "sklearn", "torch", "ray", "sqlalchemy"]
    code = f"import sys, bench.adapters.mlflow; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"


@pytest.mark.slow
def test_an_interpreter_that_exits_without_finish_does_not_wait(folder):
    code = (
        "import sys, time; from pathlib import Path; from bench.adapters.mlflow import MlflowTracker;"
        f"MlflowTracker().start(Path({str(folder)!r}), 'run', {{'dataset': 'adult'}}); print(time.time())"
    )
    environment = {**os.environ, "MLFLOW_TRACKING_URI": "http://10.255.255.1:9"}
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert time.time() - float(answer.stdout) < 5.0


def test_finish_without_start_does_nothing(folder):
    assert MlflowTracker().finish(folder, status="FINISHED", metrics={}, seconds=1.0) is None
    assert list(folder.iterdir()) == []
