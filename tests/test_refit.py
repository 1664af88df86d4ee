"""One model a member, fitted on all rows."""

import json
import shutil
import signal
from types import SimpleNamespace

import lightgbm
import numpy as np
import polars as pl
import pytest
from conftest import finish
from test_predictor import raw

import bench
from bench import refit
from bench.dataset import load_dataset
from bench.errors import RequestError, RunFailedError
from bench.families.lightgbm import LightgbmEstimator
from bench.family import DeadlineReached
from bench.folds import Fold
from bench.nets import fit
from bench.predictor import load_predictor
from bench.store import fold_folder, read_events, read_json
from bench.unpack import problem_of


@pytest.fixture(scope="module")
def boosted(tmp_path_factory):
    """A run whose best model are boosted trees."""
    folder = tmp_path_factory.mktemp("boosted") / "run"
    return finish("penguins", folder, trials=3, families="lightgbm,decision_tree", metric="log_loss")


@pytest.fixture
def copy(boosted, tmp_path):
    shutil.copytree(boosted.folder, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("model", ["lightgbm", "ensemble_stack"])
def test_one_model_a_member_takes_the_place_of_the_bag(boosted, copy, model):
    told = []
    single = next(name for name in boosted.run.predictor.models if not name.startswith("ensemble"))
    name = single if model == "lightgbm" else model
    predictor = refit.refit(copy, name, told.append)
    assert (predictor.default, predictor.models, predictor.fitted_on) == (name, (name,), "all rows")
    assert boosted.run.predictor.fitted_on == "folds"
    described = read_json(copy / "refit" / "predictor.json")
    assert {entry["folds"] for entry in described["trials"].values()} == {1}
    assert len(told) == len(described["trials"])
    rows = boosted.task.n_rows - len(boosted.splits.test)
    assert all(f"is fitted on {rows:,} rows" in sentence for sentence in told)
    assert not (copy / "cache").exists()


def test_refitted_model_predicts_about_what_the_bag_does(boosted, copy):
    predictor = refit.refit(copy, None, lambda _: None)
    ours, theirs = raw(predictor, boosted.test_features), raw(boosted.run.predictor, boosted.test_features)
    assert ours.shape == theirs.shape
    assert not np.array_equal(ours, theirs)
    assert np.abs(ours - theirs).mean() < 0.05
    again = raw(load_predictor(copy / "refit"), boosted.test_features)
    np.testing.assert_array_equal(again, ours)


def test_rounds_are_the_mean_over_the_folds(copy):
    described = read_json(copy / "predictor" / "predictor.json")["trials"]
    trial = next(trial for trial, entry in described.items() if entry["family"] == "lightgbm")
    folds = [event for event in read_events(copy) if event["event"] == "fold" and event["trial_id"] == trial]
    rounds = [event["rounds"] for event in folds]
    assert len(set(rounds)) > 1
    model = next(name for name, entry in _models(copy).items() if trial in entry["trials"])
    refit.refit(copy, model, lambda _: None)
    trees = lightgbm.Booster(model_file=fold_folder(copy / "refit", trial, 0) / "model.txt")
    assert trees.current_iteration() == round(np.mean(rounds))


def test_nets_learn_for_as_many_epochs_as_their_fold_models_in_the_mean(tmp_path, monkeypatch):
    run = finish("penguins", tmp_path / "run", trials=1, families="mlp", metric="log_loss").run
    epochs = [event["rounds"] for event in read_events(run.folder) if event["event"] == "fold"]
    assert len(set(epochs)) > 1
    done, told, fit_net = [], [], fit.fit_net

    def noted(*arguments, **more):
        done.append(fit_net(*arguments, **more))
        return done[-1]

    monkeypatch.setattr(fit, "fit_net", noted)
    refit.refit(run.folder, "mlp", told.append)
    assert [summary.best_epoch for summary in done] == [round(np.mean(epochs))]
    assert told[0].endswith(f"for {round(np.mean(epochs))} epochs.")


def _models(folder):
    return json.loads((folder / "predictor" / "predictor.json").read_text())["models"]


def test_model_that_was_not_shipped_is_refused(copy):
    with pytest.raises(RequestError, match="--model must be one of the predictor's models, got 'nothing'"):
        refit.refit(copy, "nothing", lambda _: None)


def test_command_tells_that_scores_are_the_bags(cli, boosted, copy, tmp_path):
    told = cli("refit", copy, "--cpus", "1")
    assert told.code == 0
    assert told.out == f"{copy / 'refit'}\n"
    assert "was fitted on all rows. Its scores on the board are those of its fold models." in told.err
    boosted.test_features.write_parquet(tmp_path / "rows.parquet")
    told = cli("predict", copy / "refit", tmp_path / "rows.parquet", "--output", tmp_path / "out.parquet")
    assert ", fitted on all rows: " in told.err
    assert pl.read_parquet(tmp_path / "out.parquet").height == len(boosted.splits.test)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_command_leaves_no_half_of_a_predictor(cli, copy, monkeypatch, number, code):
    monkeypatch.setattr(refit, "write_text", lambda *_: signal.raise_signal(number))
    before = sorted(copy.rglob("*"))
    told = cli("refit", copy)
    assert (told.code, told.out) == (code, "")
    assert "Traceback" not in told.err
    assert sorted(copy.rglob("*")) == before


def test_nothing_is_begun_that_takes_longer_than_there_is_time(copy):
    before = sorted(copy.rglob("*"))
    problem, name = problem_of(copy), load_predictor(copy).default
    told = r"on all rows takes about \d+ s, of --budget 0 are left. Run `bench refit"
    with pytest.raises(RunFailedError, match=told):
        refit.fit_again(problem, name, lambda _: None, cpus=1, seconds=0.0)
    assert sorted(copy.rglob("*")) == before
    assert refit.fit_again(problem, name, lambda _: None, cpus=1, seconds=1e6).fitted_on == "all rows"


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ValueError("no such\nthing"), "could not be fitted on all rows: ValueError: no such thing"),
        (DeadlineReached(), "was not fitted on all rows in the time that was left for it"),
    ],
)
def test_a_member_that_cannot_be_fitted_on_all_rows_leaves_the_fold_models_alone(copy, monkeypatch, raised, told):
    def fit(*_, **__):
        raise raised

    monkeypatch.setattr(LightgbmEstimator, "fit", fit)
    with pytest.raises(RunFailedError, match=told):
        refit.refit(copy, "lightgbm", lambda _: None)
    assert not (copy / "refit").exists()
    assert not (copy / "cache").exists()
    assert load_predictor(copy).fitted_on == "folds"


@pytest.mark.parametrize(
    ("sampled", "expected"), [(None, 10 * (100 / 80 + 3 * 100 / 50) / 2), (40, 10 * (2.5 + 7.5) / 2)]
)
def test_time_on_all_rows_is_told_by_what_fold_models_learned_from(sampled, expected):
    candidate = SimpleNamespace(rows=sampled)
    member = SimpleNamespace(candidate=candidate, folds=[SimpleNamespace(fit_seconds=s) for s in (10.0, 30.0)])
    folds = [Fold(train=np.arange(n), valid=np.arange(0)) for n in (80, 50)]
    assert refit._foretold(member, folds, 100) == pytest.approx(expected)


def test_run_that_is_asked_to_fits_again_at_its_end(cli, tmp_path):
    asked = ("run", "--dataset", "penguins", "--families", "decision_tree,linear", "--trials", 2, "--refit")
    told = cli(*asked, "--engine", "local", "--no-track", "--output", tmp_path / "run")
    assert told.code == 0
    assert f"Fitted on all rows: {tmp_path / 'run' / 'refit'}." in told.err
    again, bag = (load_predictor(tmp_path / "run" / name) for name in ("refit", "predictor"))
    assert (again.default, again.fitted_on) == (bag.default, "all rows")
    told = cli(*asked, "--engine", "local", "--no-track", "--output", tmp_path / "run")
    assert f"`bench refit {tmp_path / 'run'}` fits on all rows" in told.err


def test_run_of_a_frame_fits_again_from_what_it_holds(tmp_path):
    frame = load_dataset("penguins").frame
    settings = {"families": "decision_tree", "trials": 1, "engine": "local", "track": False, "quiet": True}
    run = bench.run(frame, target="species", refit=True, output=tmp_path / "run", **settings)
    assert load_predictor(run.folder / "refit").fitted_on == "all rows"


def test_run_without_the_time_says_so_and_keeps_its_bag(tmp_path, monkeypatch):
    monkeypatch.setattr(refit, "_foretold", lambda *_: 1e6)
    settings = {"families": "decision_tree", "budget": "8s", "engine": "local", "track": False, "quiet": True}
    run = bench.run("penguins", refit=True, output=tmp_path / "run", **settings)
    assert not (run.folder / "refit").exists()
    assert "on all rows takes about" in (run.folder / "decisions.json").read_text()
