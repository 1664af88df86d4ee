"""Rows fitted again from their record: the same, nearly, or otherwise, and what has changed since."""

import shutil
import signal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import CHEAP, finish, table
from processes import command
from search_fixture import CountedDeadline
from test_predictor import raw
from test_unpack import divided, evicted  # noqa: F401 - a fixture

import bench
from bench import keep, proposals, reproduce, trial
from bench.errors import RequestError, RunFailedError, StoreError
from bench.processor import FEATURES, Processor, processor
from bench.store import (
    PREDICTIONS,
    fold_folder,
    journal_line,
    read_events,
    read_json,
    read_predictions,
    write_json,
    write_predictions,
    write_sums,
)
from bench.trial import FoldResult
from bench.unpack import predictor_for

UNCHANGED = "Nothing has changed of what is recorded of where it was fitted."


def made(folder, model=None, **settings):
    return reproduce.reproduce(Path(folder), model, lambda _: None, **settings)


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def rewrite(folder, event, **content):
    """Change what all lines of a kind in the journal hold."""
    lines = list(read_events(folder))
    for line in lines:
        if line["event"] == event:
            line |= {name: value(line.get(name)) for name, value in content.items()}
    (folder / "journal.jsonl").write_bytes(b"".join(map(journal_line, lines)))


def alter(place, valid, test):
    """Have other predictions in a fold's folder, as if it had been written with them."""
    write_predictions(place, valid=valid, test=test)
    write_sums(place)


@pytest.fixture
def copy(multiclass, tmp_path):
    shutil.copytree(multiclass.folder, tmp_path / "run")
    return tmp_path / "run"


def test_what_predicts_is_the_same_and_the_run_is_only_read(multiclass, cli):
    before = files(multiclass.folder)
    told = cli("reproduce", multiclass.folder)
    default = multiclass.run.predictor.default
    assert (told.code, files(multiclass.folder)) == (0, before)
    first, scores, changed = told.out.splitlines()
    assert first == f"same: {default} predicts what the run has stored, bit for bit, on 4 folds."
    assert scores.startswith("log_loss: ")
    assert changed == UNCHANGED
    assert "is fitted again on 4 folds." in told.err


def test_evicted_models_and_ensembles_are_the_same(multiclass, regression):
    gone = evicted(multiclass.folder, multiclass.ranked)[0]
    for run, model in ((multiclass, gone), (multiclass, "ensemble_greedy"), (regression, "ensemble_stack")):
        outcome = made(run.folder, model)
        assert (outcome.verdict, outcome.changes) == ("same", ()), model
        assert outcome.board == next(row["cv_mean"] for row in run.ranked if row["model"] == model)
        assert outcome.score == pytest.approx(outcome.board, rel=1e-12)


def test_fits_that_time_has_ended_are_the_same(tmp_path, monkeypatch):
    """The first two folds are ended; the third takes over their rounds. Models that are gone are fitted again."""
    with monkeypatch.context() as patch:
        patch.setattr(trial, "Deadline", lambda seconds: CountedDeadline(60))
        patch.setattr(keep, "KEPT_A_FAMILY", 0)
        settings = {"families": "lightgbm,xgboost,dummy", "metric": "log_loss", "folds": 3, "repeats": 1}
        run = finish("penguins", tmp_path / "run", trials=3, ensembles=False, **settings)
    *_, worst = (row for row in run.ranked if row["family"] != "dummy")
    name, folders = worst["model"], [fold_folder(run.folder, worst["trial_id"], fold) for fold in range(3)]
    assert worst["reason"] == "its time was over after 60 rounds"
    assert evicted(run.folder, run.ranked) == [name, "dummy"]
    assert made(run.folder, name).verdict == "same"
    predictor = predictor_for(run.folder, name, lambda _: None)
    stored = np.mean([read_predictions(folder)[1] for folder in folders], axis=0)
    np.testing.assert_array_equal(raw(predictor, run.test_features, name), stored)


@pytest.mark.parametrize(
    ("shift", "options", "code", "verdict"),
    [
        (0.1, (), 1, "different"),
        (1e-9, (), 0, "within tolerance"),
        (1e-9, ("--tolerance", "0"), 1, "different"),
        (0.1, ("--tolerance", "0.2"), 0, "within tolerance"),
    ],
)
def test_altered_predictions_are_told(copy, cli, shift, options, code, verdict):
    place = fold_folder(copy, next(row["trial_id"] for row in rows(copy) if row["model"] == "linear"), 1)
    valid, test = read_predictions(place)
    valid[3, :2] += np.array([shift, -shift]) * (1 if valid[3, 0] < 0.5 else -1)
    alter(place, valid, test)
    told = cli("reproduce", copy, "--model", "linear", *options)
    assert told.code == code
    assert told.out.startswith(f"{verdict}: linear predicts up to {shift:.2g} of a probability off what the run has")
    assert "on 1 of 4 folds; up to " in told.out
    assert ("they are not those that the board tells of" in told.out) == (shift > 1e-5)


def rows(folder):
    return read_json(folder / "leaderboard.json")["rows"]


@pytest.mark.parametrize("which", [0, 1])
def test_altered_predictions_of_an_ensemble_are_told(copy, which):
    row = next(row for row in rows(copy) if row["model"] == "ensemble_stack")
    place = fold_folder(copy, row["trial_id"], 0)
    parts = list(read_predictions(place))
    parts[which] = parts[which][::-1]
    alter(place, *parts)
    outcome = made(copy, "ensemble_stack")
    assert outcome.verdict == "different"
    assert np.flatnonzero(outcome.gaps).tolist() == [0]
    assert outcome.score == pytest.approx(row["cv_mean"], rel=1e-12)
    assert (outcome.stored != pytest.approx(row["cv_mean"])) == (which == 0)


def test_predictions_of_other_rows_are_an_error(copy):
    row = next(row for row in rows(copy) if row["model"] == "knn")
    place = fold_folder(copy, row["trial_id"], 0)
    valid, test = read_predictions(place)
    alter(place, valid[1:], test)
    with pytest.raises(StoreError, match=r"must hold finite predictions \(\d+, 3\), got \(\d+, 3\): it was altered"):
        made(copy, "knn")
    (place / PREDICTIONS).unlink()
    with pytest.raises(StoreError, match=r"must hold 4 folds of knn, got predictions of 3\."):
        made(copy, "knn")


def test_what_the_record_says_otherwise_is_named(copy):
    def older(environment):
        libraries = environment["libraries"] | {"numpy": "0.1", "gone": "3"}
        return environment | {"python": "2.7", "libraries": libraries}

    rewrite(copy, "session", environment=lambda old: old and older(old))
    lacking = next(feature for feature in FEATURES if feature not in processor().features)
    then = Processor(model="Z80", features=(lacking,))
    rewrite(copy, "fold", processor=lambda _: str(then), threads=lambda _: 4096, device=lambda _: "cuda")
    changes = {change.what: (change.then, change.now) for change in made(copy, "decision_tree").changes}
    assert changes["Python"][0] == "2.7"
    assert changes["numpy"] == ("0.1", np.__version__)
    assert changes["gone"] == ("3", "none")
    assert changes["threads a fit"][0] == "4096"
    assert changes["device"] == ("cuda", "cpu")
    assert changes["CPU"][0] == "Z80"
    assert lacking in changes["CPU features"][0]
    assert any(what.startswith("trial id of decision_tree") for what in changes)  # it hashes the version of numpy
    assert "scipy" not in changes


def test_other_parameters_than_those_that_were_fitted_are_told(copy):
    rewrite(copy, "candidate", params=lambda old: old | ({"max_depth": 1} if "max_depth" in old else {}))
    outcome = made(copy, "decision_tree")
    assert outcome.verdict == "different"
    (change,) = outcome.changes
    assert change.what.startswith("trial id of decision_tree (data, target, splits, seed, parameters,")


@pytest.mark.slow
def test_kernels_for_another_processor_are_named(multiclass, tmp_path):
    blas = read_json(multiclass.folder / "environment.json")["blas"]
    if "openblas" not in blas or blas.endswith("Katmai"):
        pytest.skip(f"NumPy computes with {blas}, whose kernels OPENBLAS_CORETYPE does not choose")
    asked = ("reproduce", multiclass.folder, "--model", "linear")
    with command(*asked, folder=tmp_path, OPENBLAS_CORETYPE="Prescott") as started:
        code = started.wait()
        assert code == started.stdout.startswith("different: ")
        assert f"\n  BLAS of NumPy: {blas} then, " in started.stdout
        assert "\n  OPENBLAS_CORETYPE: none then, Prescott now\n" in started.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_command_leaves_no_scratch(multiclass, tmp_path, number):
    with command("reproduce", multiclass.folder, folder=tmp_path) as started:
        started.wait_until(lambda: list(started.temporary.glob("bench-reproduce-*")))
        started.process.send_signal(number)
        assert started.wait(30) == 128 + number
        assert not list(started.temporary.glob("bench-reproduce-*"))


def test_each_fold_belongs_to_the_session_that_fitted_it(tmp_path, monkeypatch):
    settings = CHEAP | {"families": "decision_tree,naive_bayes", "output": tmp_path / "run", "ensembles": False}
    bench.run("penguins", trials=2, **settings)
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    bench.run("penguins", trials=3, **settings)
    monkeypatch.delenv("MKL_CBWR")
    first, second = (made(tmp_path / "run", model) for model in ("decision_tree", "decision_tree_1"))
    assert [str(change) for change in first.changes] == []
    assert [str(change) for change in second.changes] == ["MKL_CBWR: COMPATIBLE then, none now"]
    assert {first.verdict, second.verdict} == {"same"}


def test_fit_that_fails_now_says_what_has_changed(copy, monkeypatch):
    rewrite(copy, "session", environment=lambda old: old and old | {"python": "2.7"})
    monkeypatch.setattr(reproduce, "run_fold", lambda *_, **__: FoldResult.failed("x", 0, "error", "ValueError: no"))
    with pytest.raises(
        RunFailedError, match=r"knn could not be .* on fold 0: ValueError: no\. Changed .*: Python: 2\.7"
    ):
        made(copy, "knn")


def test_rows_without_a_score_and_unknown_rows_are_refused(copy, cli):
    board = read_json(copy / "leaderboard.json")
    board["rows"][-1] |= {"folds_ok": 0, "rank": None, "status": "error"}
    write_json(copy / "leaderboard.json", board)
    with pytest.raises(RequestError, match=r"must name a row with a score; .* has none, with status error"):
        made(copy, board["rows"][-1]["model"])
    told = cli("reproduce", copy, "--model", "linaer")
    assert (told.code, "Did you mean 'linear'" in told.err) == (2, True)
    assert cli("reproduce", copy, "--tolerance", "-1").code == 2


def test_row_that_was_given_up_is_compared_on_the_folds_it_has(copy):
    board = read_json(copy / "leaderboard.json")
    row = next(row for row in board["rows"] if row["model"] == "knn")
    row |= {"folds_ok": 3, "rank": None, "status": "pruned"}
    write_json(copy / "leaderboard.json", board)
    (fold_folder(copy, row["trial_id"], 3) / PREDICTIONS).unlink()
    outcome = made(copy, "knn")
    assert (outcome.verdict, len(outcome.gaps)) == ("same", 3)


@pytest.fixture
def moved(divided, tmp_path):  # noqa: F811
    """A copy of a run on a file, by groups, with a test file; its spec names the files beside it."""
    shutil.copytree(divided, tmp_path / "place")
    spec = tmp_path / "place" / "run" / "spec.yaml"
    spec.write_text(spec.read_text().replace(str(divided), str(tmp_path / "place")))
    return tmp_path / "place"


def test_groups_and_a_test_file_are_the_same(moved):
    for row in rows(moved / "run"):
        outcome = made(moved / "run", row["model"])
        assert (outcome.verdict, outcome.unit) == ("same", "of the target's standard deviation")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda place: (place / "data.csv").unlink(), "data.csv' is not there"),
        (lambda place: recoloured(place / "data.csv"), "data.csv' has changed since: its fingerprint was"),
        (lambda place: (place / "test.csv").unlink(), "test.csv' is not there"),
        (lambda place: recoloured(place / "test.csv"), "test.csv' has changed since: its fingerprint was"),
        (
            lambda place: write_json(place / "run" / "splits.json", {"fingerprint": "other"}),
            "splits.npz must hold splits other of splits.json, got ",
        ),
    ],
    ids=["gone", "changed", "test gone", "test changed", "splits changed"],
)
def test_what_is_not_as_it_was_is_an_error(moved, cli, change, text):
    change(moved)
    told = cli("reproduce", moved / "run")
    assert told.code == 2
    assert text in told.err


def recoloured(path):
    path.write_text(path.read_text().replace("red", "blue"))


def test_frame_is_not_stored_with_its_run(tmp_path, cli):
    bench.run(table("binary"), target="y", output=tmp_path / "run", **CHEAP | {"families": "dummy", "trials": 1})
    told = cli("reproduce", tmp_path / "run")
    assert (told.code, "was a frame, which is not stored with it" in told.err) == (2, True)


@pytest.mark.parametrize("division", ["time", "splits"])
def test_time_and_given_folds_are_the_same(tmp_path, division):
    frame = table("binary", rows=160).with_columns(when=pl.int_range(160), part=pl.int_range(160) // 120)
    frame.write_csv(tmp_path / "data.csv")
    asked = {"time": "when"} if division == "time" else {"splits": "part"}
    settings = {key: value for key, value in CHEAP.items() if key != "folds"} | {"families": "linear,decision_tree"}
    bench.run(tmp_path / "data.csv", target="y", trials=4, output=tmp_path / "run", **asked, **settings)
    models = [row["model"] for row in rows(tmp_path / "run")]
    assert "ensemble_stack" in models
    assert {made(tmp_path / "run", model).verdict for model in models} == {"same"}


def test_folds_get_the_rounds_that_they_were_lent(tmp_path):
    run = finish("penguins", tmp_path / "run", trials=1, families="lightgbm", folds=4)
    assert made(run.folder, "lightgbm").verdict == "same"
    rewrite(run.folder, "fold", rounds=lambda old: old + 40)
    outcome = made(run.folder, "lightgbm")
    assert np.flatnonzero(outcome.gaps).tolist() == [2, 3]  # the first two find their own


def test_candidates_on_a_sample_of_the_rows_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(proposals, "_ALL_ROWS", 100)
    monkeypatch.setattr(proposals, "_FIRST_ROWS", 50)
    monkeypatch.setattr(proposals, "_LEAST_ROWS", 50)
    settings = CHEAP | {"families": "decision_tree", "budget": "8s", "output": tmp_path / "run"}
    bench.run("breast_cancer", **settings)
    capped = [row for row in rows(tmp_path / "run") if row["reason"].startswith("learned from 50 rows")]
    assert capped
    assert made(tmp_path / "run", capped[0]["model"]).verdict == "same"


@pytest.mark.slow
def test_boosters_and_nets_of_a_run_on_ray_are_the_same(tmp_path):
    families = "lightgbm,mlp,tabm"
    asked = ("run", "--dataset", "penguins", "--families", families, "--trials", 6, "--folds", 4, "--repeats", 1)
    with command(*asked, "--no-track", "--output", "run", folder=tmp_path) as started:
        assert started.wait(240) == 0, started.stderr
    models = {row["model"] for row in rows(tmp_path / "run") if row["rank"] is not None}
    assert models >= {"lightgbm", "mlp", "tabm", "ensemble_greedy"}
    for model in ("lightgbm", "mlp", "tabm", "ensemble_greedy"):
        with command("reproduce", "run", "--model", model, folder=tmp_path) as started:
            assert (started.wait(120), started.stdout.partition(":")[0]) == (0, "same"), started.stdout
            assert UNCHANGED in started.stdout
