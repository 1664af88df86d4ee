import csv
import hashlib
import io
import json
import os
import pickletools
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import small, table
from sklearn import metrics as sk
from test_ensemble import whole
from test_trial import splits_of

from bench import leaderboard
from bench.ensemble import build_ensembles
from bench.errors import DataError, RequestError, StoreError
from bench.predictor import load_predictor, write_predictor
from bench.store import fold_folder, read_predictions

KINDS = ("binary", "multiclass", "regression")


@pytest.fixture(params=KINDS)
def finished(request):
    return request.getfixturevalue(request.param)


def raw(predictor, frame, model=None):
    """Probabilities in the task's own order of classes, or values."""
    if predictor.task == "regression":
        return predictor.predict(frame, model)
    table = predictor.predict_frame(frame, model)
    return table.select(pl.exclude("prediction")).to_numpy()


def shipped(problem, folder, *results, default=None):
    """Write and open a predictor of some candidates and their ensembles."""
    ensembles = build_ensembles(problem, results)
    write_predictor(problem, folder, results, ensembles, default=default or results[0].candidate.name)
    return load_predictor(folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A predictor on a small table with a category and gaps; ``(folder, predictor, problem)``."""
    folder = tmp_path_factory.mktemp("plain")
    problem = small(folder / "problem", "binary")
    results = [whole(problem, name) for name in ("linear", "decision_tree")]
    return folder / "predictor", shipped(problem, folder / "predictor", *results), problem


@pytest.fixture
def altered(plain, tmp_path):
    """A copy of that predictor's folder to spoil."""
    import shutil

    shutil.copytree(plain[0], tmp_path / "predictor")
    return tmp_path / "predictor"


def rewrite_manifest(folder, change):
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content)))


# --- the same everywhere ---------------------------------------------------------------------------------------------


def test_models_are_the_ensembles_and_the_best_single_one(finished):
    predictor = finished.run.predictor
    told = [entry["what"] for entry in json.loads((finished.folder / "decisions.json").read_text())]
    assert any(sentence.startswith(f"{predictor.default} predicts") for sentence in told)
    single = next(row["model"] for row in finished.ranked if row["origin"] != "ensemble")
    assert predictor.default == predictor.models[0]
    assert predictor.default in {next(r["model"] for r in finished.ranked if r["origin"] == "ensemble"), single}
    assert set(predictor.models) == {"ensemble_greedy", "ensemble_stack", single}
    assert (predictor.task, predictor.target) == (finished.task.kind, finished.task.target)


def test_test_rows_are_predicted_as_they_were_in_the_run(finished):
    predictor = finished.run.predictor
    for model in predictor.models:
        row = next(row for row in finished.ranked if row["model"] == model)
        folders = [fold_folder(finished.folder, row["trial_id"], k) for k in range(row["folds_asked"])]
        stored = np.mean([read_predictions(folder)[1] for folder in folders], axis=0)
        np.testing.assert_array_equal(raw(predictor, finished.test_features, model), stored, err_msg=model)


def test_one_fold_is_predicted_as_it_was_in_the_run(finished):
    predictor = finished.run.predictor
    trial_id = next(row["trial_id"] for row in finished.ranked if row["model"] == predictor.default)
    frame, _ = predictor.schema.coerce(finished.test_features)
    for fold in (0, 1):
        stored = read_predictions(fold_folder(finished.folder, trial_id, fold))[1]
        np.testing.assert_array_equal(predictor.predict_fold(frame, fold), stored)


def test_each_model_gets_the_features_that_it_was_fitted_on(tmp_path):
    problem = small(tmp_path / "problem", "binary")
    switched_on = {"features_missing": True, "features_arithmetic": True}
    results = [whole(problem, "linear"), whole(problem, "naive_bayes", **switched_on)]
    predictor = shipped(problem, tmp_path / "predictor", *results)
    frame = problem.task.features[problem.splits.test]
    for result in results:
        folders = [fold_folder(problem.folder, result.candidate.trial_id, fold) for fold in range(result.asked)]
        stored = np.mean([read_predictions(folder)[1] for folder in folders], axis=0)
        np.testing.assert_array_equal(raw(predictor, frame, result.candidate.name), stored)
    recipes = sorted(path.name for path in (tmp_path / "predictor" / "recipes").iterdir())
    assert len(recipes) == 2
    assert recipes[1] == f"{recipes[0]}-arithmetic-missing"


_ELSEWHERE = """
import sys, numpy as np, polars as pl, bench
for place in sys.argv[1:]:
    predictor = bench.load_predictor(place + "/run")
    frame = pl.read_parquet(place + "/rows.parquet")
    parts = {m: predictor.predict_frame(frame, m).select(pl.exclude(pl.String)).to_numpy() for m in predictor.models}
    np.savez(place + "/told.npz", **parts)
assert not {"mlflow", "ray", "torch", "optuna"} & set(sys.modules)
"""


def test_new_process_predicts_the_same_to_the_last_bit(binary, multiclass, regression, tmp_path):
    places = []
    for finished in (binary, multiclass, regression):
        place = tmp_path / finished.task.kind
        place.mkdir()
        (place / "run").symlink_to(finished.folder)
        finished.test_features.write_parquet(place / "rows.parquet")
        places.append(str(place))
    free = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    subprocess.run([sys.executable, "-c", _ELSEWHERE, *places], check=True, env=free)
    for finished in (binary, multiclass, regression):
        predictor = finished.run.predictor
        with np.load(tmp_path / finished.task.kind / "told.npz") as told:
            assert set(told) == set(predictor.models)
            for model in predictor.models:
                here = predictor.predict_frame(finished.test_features, model).select(pl.exclude(pl.String))
                np.testing.assert_array_equal(here.to_numpy(), told[model], err_msg=model)


def test_row_is_predicted_alike_alone_and_in_its_table(finished):
    predictor = finished.run.predictor
    for model in predictor.models:
        together = raw(predictor, finished.test_features, model)
        alone = [raw(predictor, finished.test_features[k], model)[0] for k in (0, 3, 7)]
        np.testing.assert_allclose(np.stack(alone), together[[0, 3, 7]], rtol=1e-12, atol=1e-14, err_msg=model)


def test_fold_that_lacks_a_class_is_predicted_as_in_the_run(tmp_path):
    frame = table("multiclass").sort("y")
    others = np.flatnonzero(frame["y"][:110] != "mid")
    folds = splits_of(others[::2], np.setdiff1d(np.arange(110), others[::2]), range(110, 120))
    problem = small(tmp_path / "problem", "multiclass", frame=frame, splits=folds, metric="accuracy")
    predictor = shipped(problem, tmp_path / "predictor", whole(problem, "linear"))
    stored = read_predictions(fold_folder(problem.folder, "linear-7", 0))[1]
    np.testing.assert_array_equal(raw(predictor, frame[110:]), stored)
    assert (stored[:, 1] == 0).all()


# --- scikit-learn's habits -------------------------------------------------------------------------------------------


def test_labels_are_those_of_the_most_probable_class(finished):
    predictor = finished.run.predictor
    predicted = predictor.predict(finished.test_features)
    if predictor.task == "regression":
        assert predicted.dtype == np.float64
        assert predictor.classes_.tolist() == []
        return
    probabilities = predictor.predict_proba(finished.test_features)
    np.testing.assert_array_equal(predicted, predictor.classes_[probabilities.argmax(axis=1)])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert list(predictor.classes_) == sorted(finished.task.classes)


def test_table_of_predictions_spells_classes(finished):
    predictor = finished.run.predictor
    told = predictor.predict_frame(finished.test_features)
    assert told.height == len(finished.splits.test)
    assert told["prediction"].to_list() == predictor.predict(finished.test_features).tolist()
    assert told.columns == ["prediction", *(f"probability_{label}" for label in finished.task.classes)]
    for code, label in enumerate(predictor.classes_):
        expected = predictor.predict_proba(finished.test_features)[:, code]
        np.testing.assert_array_equal(told[f"probability_{label}"].to_numpy(), expected)


@pytest.mark.parametrize(
    ("labels", "columns", "dtype"),
    [
        ([False, True], ["probability_False", "probability_True"], pl.Boolean),
        ([0, 1], ["probability_0", "probability_1"], pl.Int64),
        ([-1, 7], ["probability_-1", "probability_7"], pl.Int64),
        ([1.0, 2.0], ["probability_1", "probability_2"], pl.Int64),
        (["<=50K", ">50K"], ["probability_<=50K", "probability_>50K"], pl.String),
        (["a,b", 'c"d'], ["probability_a,b", 'probability_c"d'], pl.String),
    ],
    ids=str,
)
def test_labels_come_back_as_the_data_spells_them(tmp_path, labels, columns, dtype):
    source = table("binary")
    frame = source.with_columns(y=pl.Series([labels[text == "yes"] for text in source["y"]]))
    problem = small(tmp_path / "problem", "binary", frame=frame)
    predictor = shipped(problem, tmp_path / "predictor", whole(problem, "linear"))
    told = predictor.predict_frame(frame)
    assert told.columns == ["prediction", *columns]
    assert told["prediction"].dtype == dtype
    assert set(told["prediction"]) == set(labels)
    assert (predictor.predict(frame) == frame["y"].to_numpy()).mean() > 0.7
    assert predictor.classes_.tolist() == labels
    header, first, *_ = csv.reader(io.StringIO(told.write_csv()))
    assert header == told.columns
    assert first[0].lower() == str(told["prediction"][0]).lower()


def test_scorers_of_scikit_learn_agree_with_the_board(binary):
    predictor, rows = binary.run.predictor, binary.splits.test
    frame, labels = binary.test_features, np.array(binary.task.classes)[binary.task.y[rows]]
    shipped = next(row for row in binary.ranked if row["model"] == predictor.default)
    expected = {"accuracy": "accuracy", "roc_auc": "roc_auc", "neg_log_loss": "log_loss", "f1_macro": "f1_macro"}
    for name, ours in expected.items():
        told = sk.get_scorer(name)(predictor, frame.to_pandas(), labels)
        assert abs(told) == pytest.approx(shipped[f"test_{ours}"], abs=1e-9), name


def test_scorers_are_right_when_the_positive_class_is_not_the_last(tmp_path):
    """scikit-learn takes the columns of ``predict_proba`` for sorted by label."""
    frame = table("binary")
    problem = small(tmp_path / "problem", "binary", frame=frame, positive_class="no")
    assert problem.task.classes == ("yes", "no")
    predictor = shipped(problem, tmp_path / "predictor", whole(problem, "linear"))
    assert predictor.classes_.tolist() == ["no", "yes"]
    for name in ("roc_auc", "neg_log_loss", "accuracy"):
        told = sk.get_scorer(name)(predictor, frame, frame["y"].to_numpy())
        assert told > (-0.6 if name == "neg_log_loss" else 0.75), (name, told)
    assert predictor.predict_frame(frame).columns == ["prediction", "probability_yes", "probability_no"]


def test_scorers_of_values_agree_with_the_board(regression):
    predictor, y = regression.run.predictor, regression.task.y[regression.splits.test]
    shipped = next(row for row in regression.ranked if row["model"] == predictor.default)
    for name, ours in {"neg_root_mean_squared_error": "rmse", "neg_mean_absolute_error": "mae", "r2": "r2"}.items():
        told = sk.get_scorer(name)(predictor, regression.test_features.to_pandas(), y)
        assert abs(told) == pytest.approx(shipped[f"test_{ours}"], abs=1e-9), name


def test_probabilities_of_a_regression_are_refused(regression):
    with pytest.raises(RequestError, match=r"predict_proba needs a classification task; this predictor is for regr"):
        regression.run.predictor.predict_proba(regression.test_features)


def test_unknown_model_is_told_with_near_names(finished):
    with pytest.raises(
        RequestError, match=r"'ensemble_gredy' is not in this predictor. Did you mean 'ensemble_greedy'"
    ):
        finished.run.predictor.predict(finished.test_features, "ensemble_gredy")


# --- tables that differ from the one learned from --------------------------------------------------------------------


def test_pandas_frame_is_predicted_like_polars(finished):
    predictor = finished.run.predictor
    ours, theirs = (raw(predictor, frame) for frame in (finished.test_features, finished.test_features.to_pandas()))
    np.testing.assert_array_equal(ours, theirs)


def test_file_is_predicted_like_its_frame(multiclass, tmp_path):
    predictor = multiclass.run.predictor
    expected = raw(predictor, multiclass.test_features)
    multiclass.test_features.write_csv(tmp_path / "rows.csv")
    multiclass.test_features.write_parquet(tmp_path / "rows.parquet")
    for name in ("rows.csv", "rows.parquet"):
        np.testing.assert_array_equal(raw(predictor, tmp_path / name), expected)


def test_order_of_columns_does_not_matter_and_extra_ones_are_left_out(plain):
    _, predictor, _ = plain
    frame = table("binary", seed=5)
    expected = raw(predictor, frame.select("a", "b", "colour"))
    assert predictor.notes == ()
    turned = frame.select("colour", "y", "b", pl.lit(1).alias("extra"), "a")
    np.testing.assert_array_equal(raw(predictor, turned), expected)
    assert predictor.notes == ("columns 'y', 'extra' are not used and were left out",)


def test_missing_columns_are_named(plain):
    with pytest.raises(DataError, match=r"columns 'a', 'colour' must be there; the table has 'b'"):
        plain[1].predict(table("binary").select("b"))


def test_numbers_as_text_are_read_as_numbers(plain):
    frame = table("binary", seed=5)
    text = frame.with_columns(pl.col("a", "b").cast(pl.String))
    np.testing.assert_array_equal(raw(plain[1], text), raw(plain[1], frame))


def test_values_of_the_wrong_type_become_missing_and_are_counted(plain):
    _, predictor, _ = plain
    frame = table("binary", seed=5)
    wrong = frame.with_columns(a=pl.when(pl.int_range(120) < 3).then(pl.lit("soon")).otherwise(pl.col("a").cast(str)))
    told = raw(predictor, wrong.drop("y"))
    assert predictor.notes == ("column 'a': 3 values that are not numeric (such as 'soon') became missing",)
    absent = frame.with_columns(a=pl.when(pl.int_range(120) < 3).then(None).otherwise(pl.col("a")))
    np.testing.assert_array_equal(told, raw(predictor, absent))


def test_column_of_the_wrong_type_is_refused(plain):
    with pytest.raises(DataError, match=r"column 'a' must be numeric, got values like 'soon'"):
        plain[1].predict(table("binary").with_columns(a=pl.lit("soon")))


@pytest.mark.parametrize("column", ["a", "b", "colour"])
@pytest.mark.parametrize("dtype", [pl.Null, pl.String, pl.Float64])
def test_column_without_a_value_is_predicted(plain, column, dtype):
    told = raw(plain[1], table("binary").with_columns(pl.lit(None, dtype=dtype).alias(column)))
    assert np.isfinite(told).all()


def test_unseen_category_and_infinite_number_are_predicted(plain):
    _, predictor, _ = plain
    frame = table("binary").with_columns(colour=pl.lit("violet"), b=pl.lit(float("inf")))
    assert np.isfinite(raw(predictor, frame)).all()
    assert "column 'b': 120 infinite values became missing" in predictor.notes


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_give_no_predictions(tmp_path, kind):
    problem = small(tmp_path / "problem", kind)
    predictor = shipped(problem, tmp_path / "predictor", *[whole(problem, name) for name in ("linear", "knn")])
    none = table(kind).clear()
    for model in predictor.models:
        assert len(predictor.predict(none, model)) == 0
        assert predictor.predict_frame(none, model).height == 0


@pytest.mark.parametrize("rows", [[1, 2], {"a": [1]}, None], ids=lambda rows: type(rows).__name__)
def test_rows_that_are_no_table_are_refused(plain, rows):
    with pytest.raises(RequestError, match="rows must come as a file or a frame; got "):
        plain[1].predict(rows)


# --- the folder ------------------------------------------------------------------------------------------------------


def test_manifest_covers_every_file(finished):
    folder = finished.folder / "predictor"
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    del found["manifest.json"]
    assert listed == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}
    assert not any("predictions" in name for name in listed)


def test_folder_is_whole_where_links_cannot_be_made(plain, tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    _, predictor, problem = plain
    copied = shipped(problem, tmp_path / "predictor", *[whole(problem, name) for name in ("linear", "decision_tree")])
    assert all(path.stat().st_nlink == 1 for path in (tmp_path / "predictor").rglob("*") if path.is_file())
    frame = table("binary", seed=5)
    np.testing.assert_array_equal(raw(copied, frame), raw(predictor, frame))


@pytest.mark.parametrize("pattern", ["predictor.json", "example.json", "recipes/*/fold-1/*", "trials/*/fold-2/*"])
def test_flipped_byte_is_found(altered, pattern):
    for path in sorted(altered.glob(pattern)):
        content = path.read_bytes()
        path.unlink()  # a hard link would reach the run's own file
        flipped = bytearray(content)
        flipped[len(flipped) // 2] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(StoreError, match=rf"{path.name} is missing or was altered since it was written"):
            load_predictor(altered)
        path.write_bytes(content)
    load_predictor(altered)


def test_missing_file_is_found(altered):
    next(altered.glob("trials/*/fold-0/*.npz")).unlink()
    with pytest.raises(StoreError, match=r"is missing or was altered"):
        load_predictor(altered)


@pytest.mark.parametrize("name", ["../outside.txt", "{absolute}", "recipes/../../outside.txt", "link.txt"])
def test_manifest_cannot_lead_out_of_the_folder(altered, name):
    outside = altered.parent / "outside.txt"
    outside.write_text("anything")
    (altered / "link.txt").symlink_to(outside)
    name = name.format(absolute=outside)
    digest = hashlib.sha256(b"anything").hexdigest()
    rewrite_manifest(altered, lambda content: {"files": content["files"] | {name: digest}})
    with pytest.raises(StoreError, match=r"is missing or was altered"):
        load_predictor(altered)


@pytest.mark.parametrize("content", [{}, [], {"files": []}, {"files": {}}, {"files": None}, 3], ids=str)
def test_manifest_that_lists_nothing_is_refused(altered, content):
    rewrite_manifest(altered, lambda _: content)
    with pytest.raises(StoreError, match="must have a manifest that lists its files"):
        load_predictor(altered)


def test_torn_manifest_is_refused(altered):
    (altered / "manifest.json").write_text('{"files": {"predict')
    with pytest.raises(StoreError, match=r"manifest.json must be a file written by `bench run`"):
        load_predictor(altered)


def test_later_format_is_refused(altered):
    path = altered / "predictor.json"
    content = path.read_text().replace('"format": 1', '"format": 99')
    path.unlink()
    path.write_text(content)
    digest = hashlib.sha256(content.encode()).hexdigest()
    rewrite_manifest(altered, lambda manifest: {"files": manifest["files"] | {"predictor.json": digest}})
    with pytest.raises(StoreError, match=r"has format 99, this bench reads 1. Update bench"):
        load_predictor(altered)


def test_folder_without_a_predictor_says_so(tmp_path):
    with pytest.raises(StoreError, match=r"must be the folder of a run with a predictor. `bench list runs` shows"):
        load_predictor(tmp_path)


def test_example_can_be_predicted(finished):
    rows = json.loads((finished.folder / "predictor" / "example.json").read_text())
    assert len(rows) == 5
    assert len(finished.run.predictor.predict(pl.DataFrame(rows, infer_schema_length=None))) == 5


def is_pickle(content):
    """Whether bytes are a pickle of protocol 2 or later, whole."""
    if content[:1] != b"\x80" or content[1:2] not in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return False
    try:
        return [op.name for op, _, _ in pickletools.genops(content)][-1] == "STOP"
    except ValueError:
        return False


def files_inside(folder):
    """Every file below a folder, and every member of those that are archives."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    yield from ((f"{path.name}:{name}", archive.read(name)) for name in archive.namelist())


def test_scan_knows_a_pickle():
    import pickle

    assert is_pickle(pickle.dumps([1, 2]))
    assert is_pickle(pickle.dumps(np.zeros(3), protocol=2))
    assert not is_pickle(b"\x80\x05 is no pickle")


def test_run_folders_hold_no_pickle(finished):
    names = 0
    for name, content in files_inside(finished.folder):
        names += 1
        assert not name.endswith((".pkl", ".pickle", ".joblib", ".pt", ".pth", ".bin")), name
        assert not is_pickle(content), name
        if content[:6] == b"\x93NUMPY":
            np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    assert names > 100


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "catboost", "random_forest", "extra_trees"])
def test_models_of_large_libraries_are_shipped_without_pickle(tmp_path, name):
    from bench.deal import holdout

    problem = small(tmp_path / "problem", "binary")
    rows = holdout("binary", problem.task.y, np.flatnonzero(problem.task.y >= 0), None, None, 0)
    problem = replace(problem, splits=splits_of(*rows, test=problem.splits.test))
    result = whole(problem, name)
    predictor = shipped(problem, tmp_path / "predictor", result)
    for file, content in files_inside(tmp_path / "predictor"):
        assert not is_pickle(content), file
    features = problem.task.features[problem.splits.test]
    np.testing.assert_array_equal(raw(predictor, features), leaderboard.test_prediction(problem, result))
