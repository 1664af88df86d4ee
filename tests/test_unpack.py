import contextlib
import json
import shutil

import numpy as np
import polars as pl
import pytest
from conftest import CHEAP, table
from test_predictor import raw

import bench
from bench import keep
from bench.dataset import load_dataset
from bench.errors import DataError, RequestError, RunFailedError, StoreError
from bench.predictor import load_predictor
from bench.store import PREDICTIONS, SUMS, RunStore, fold_folder, read_json, read_predictions
from bench.trial import FoldResult
from bench.unpack import predictor_for


@pytest.fixture
def copy(multiclass, tmp_path):
    """A copy of the run of which models were evicted, to unpack from."""
    shutil.copytree(multiclass.folder, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def told():
    return []


def evicted(folder, rows):
    """Single models of the board that are not on disk."""
    singles = [row for row in rows if row["origin"] != "ensemble"]
    files = {row["model"]: list(fold_folder(folder, row["trial_id"], 0).iterdir()) for row in singles}
    return [name for name, found in files.items() if {path.name for path in found} == {PREDICTIONS, SUMS}]


def stored_test(folder, row):
    folds = range(row["folds_asked"])
    return np.mean([read_predictions(fold_folder(folder, row["trial_id"], k))[1] for k in folds], axis=0)


def test_every_ranked_row_predicts_as_it_did_in_the_run(multiclass, copy, told):
    singles = [row for row in multiclass.ranked if row["origin"] != "ensemble"]
    gone = evicted(copy, multiclass.ranked)
    assert 0 < len(gone) < len(singles)
    for row in multiclass.ranked:
        told.clear()
        before = stored_test(copy, row)
        predictor = predictor_for(copy, row["model"], told.append)
        np.testing.assert_array_equal(raw(predictor, multiclass.test_features, row["model"]), before)
        np.testing.assert_array_equal(stored_test(copy, row), before)
        assert bool(told) == (row["model"] in gone), row["model"]
        if told:
            assert told == [
                f"{row['model']} was fitted again, as the models of all but the best few candidates are not kept."
            ]
    assert not (copy / "cache").exists()


def test_model_is_fitted_again_once(multiclass, copy, told, monkeypatch):
    model = evicted(copy, multiclass.ranked)[0]
    first = predictor_for(copy, model, told.append)
    monkeypatch.setattr("bench.unpack.ensure_models", None)
    second = predictor_for(copy, model, told.append)
    assert len(told) == 1
    assert second.default == model
    np.testing.assert_array_equal(first.predict_proba(multiclass.features), second.predict_proba(multiclass.features))


def test_fit_that_fails_now_is_told(multiclass, copy, told, monkeypatch):
    monkeypatch.setattr(
        "bench.keep.run_fold", lambda *parts, **rest: FoldResult.failed("x", 0, "error", "ValueError: no luck")
    )
    model = evicted(copy, multiclass.ranked)[0]
    with pytest.raises(RunFailedError, match=rf"{model} could not be fitted again on fold 0: ValueError: no luck"):
        predictor_for(copy, model, told.append)
    assert not (copy / "predictors").exists()


def test_no_name_means_what_predicts(multiclass, told):
    assert predictor_for(multiclass.folder, None, told.append).default == multiclass.run.predictor.default


def test_shipped_model_needs_neither_data_nor_lock(multiclass, copy, told, monkeypatch):
    monkeypatch.setattr("bench.unpack.load_dataset", None)
    with contextlib.closing(RunStore(copy, read_json(copy / "identity.json")["identity"])):
        assert predictor_for(copy, "ensemble_greedy", told.append).models == load_predictor(copy).models


def test_unknown_model_is_told_with_near_names(copy, told):
    with pytest.raises(
        RequestError, match=r"--model must name a row of the board, got 'linaer'. Did you mean 'linear'"
    ):
        predictor_for(copy, "linaer", told.append)


def test_row_that_is_not_whole_has_no_predictor(multiclass, copy, told):
    path = copy / "leaderboard.json"
    board = json.loads(path.read_text())
    board["rows"][-1] |= {"rank": None, "status": "pruned"}
    path.write_text(json.dumps(board))
    model = board["rows"][-1]["model"]
    with pytest.raises(RequestError, match=rf"{model}' has status pruned. Choose one of: .*ensemble_greedy"):
        predictor_for(copy, model, told.append)


def test_run_at_work_is_not_disturbed(multiclass, copy, told):
    model = evicted(copy, multiclass.ranked)[0]
    with (
        contextlib.closing(RunStore(copy, read_json(copy / "identity.json")["identity"])),
        pytest.raises(StoreError, match=r"is in use by process \d+"),
    ):
        predictor_for(copy, model, told.append)
    assert not (copy / "predictors").exists()


def make_run(folder, data, **settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keep, "KEPT_A_FAMILY", 1)
        patch.setattr("bench.ensemble._OF_A_FAMILY", 1)  # no ensemble, whose members would be kept
        patch.setattr("bench.wrap_up._IMPORTANCE_SECONDS", 0.0)
        return bench.run(
            data, output=folder, **CHEAP | {"families": "decision_tree", "trials": 2, "target": "y"} | settings
        )


@pytest.fixture(scope="module")
def divided(tmp_path_factory):
    """A run on a file, by groups, with a test file of its own; ``(folder, data, test rows)``."""
    place = tmp_path_factory.mktemp("divided")
    frame = table("regression", rows=140).with_columns(unit=pl.int_range(140) % 20)
    frame[:100].write_csv(place / "data.csv")
    frame[100:].write_csv(place / "test.csv")
    make_run(place / "run", place / "data.csv", test=place / "test.csv", group="unit")
    return place


def test_data_divided_by_groups_and_a_test_file_is_made_again(divided, told):
    folder = divided / "run"
    rows = bench.load_run(folder).leaderboard.to_dicts()
    (model,) = evicted(folder, rows)
    row = next(row for row in rows if row["model"] == model)
    predictor = predictor_for(folder, model, told.append)
    assert told
    test = load_dataset(divided / "test.csv").frame
    np.testing.assert_array_equal(raw(predictor, test, model), stored_test(folder, row))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda path: path.unlink(),
            r"the run's data must be where it was, '.*data.csv', but '.*data.csv' is not there",
        ),
        (
            lambda path: path.write_text(path.read_text().replace("red", "blue")),
            "must be as it was, but .* has changed",
        ),
    ],
    ids=["gone", "changed"],
)
def test_data_that_is_not_as_it_was_is_told(divided, tmp_path, told, change, text):
    shutil.copytree(divided, tmp_path / "place")
    folder = tmp_path / "place" / "run"
    shutil.rmtree(folder / "predictors", ignore_errors=True)
    rows = bench.load_run(folder).leaderboard.to_dicts()
    for row in rows:
        for path in (folder / "trials" / row["trial_id"]).glob("fold-*/*"):
            if path.name not in (PREDICTIONS, SUMS):
                path.unlink()
    spec = folder / "spec.yaml"
    spec.write_text(spec.read_text().replace(str(divided), str(tmp_path / "place")))
    change(tmp_path / "place" / "data.csv")
    model = next(row["model"] for row in rows if row["model"] not in load_predictor(folder).models)
    with pytest.raises(DataError, match=f"{text}.*needed to fit models again"):
        predictor_for(folder, model, told.append)


def test_frame_is_not_stored_with_its_run(tmp_path, told):
    run = make_run(tmp_path / "run", table("regression"))
    (model,) = evicted(run.folder, run.leaderboard.to_dicts())
    with pytest.raises(DataError, match="the run's data was a frame, which is not stored with it"):
        predictor_for(run.folder, model, told.append)
