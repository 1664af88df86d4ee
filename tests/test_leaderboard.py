import ast
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import CHEAP, ranked, table
from sklearn import metrics as sk
from test_ensemble import whole

import bench
from bench import engine, leaderboard
from bench.errors import RequestError, StoreError
from bench.leaderboard import COST, HEAD, TAIL, build_leaderboard, load_leaderboard, rescore
from bench.metric import METRICS, metrics_for
from bench.sealed import look, looks, seal
from bench.store import fold_folder, read_json, read_predictions
from bench.trial import FoldResult, TrialResult

KINDS = ("binary", "multiclass", "regression")
DOCUMENTED = (
    "rank",
    "model",
    "family",
    "status",
    "folds_ok",
    "folds_asked",
    "cv_mean",
    "cv_std",
    "test",
    "test_low",
    "test_high",
    "fit_seconds",
    "predict_seconds",
    "predict_seconds_per_1000",
    "peak_memory_mb",
)


@pytest.fixture(params=KINDS)
def finished(request):
    return request.getfixturevalue(request.param)


def predictions(finished, row):
    """Validation and test predictions of a row, fold by fold."""
    folds = range(len(finished.splits.folds))
    return [read_predictions(fold_folder(finished.folder, row["trial_id"], k)) for k in folds]


def strict(text):
    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def copied(finished, folder):
    shutil.copytree(finished.folder, folder)
    return folder


def test_columns_are_the_documented_ones_in_order(finished):
    kind = finished.task.kind
    names = [f"{part}_{metric.name}" for part in ("cv", "test") for metric in metrics_for(kind)]
    assert finished.frame.columns == [*DOCUMENTED, *names, "origin", "reason", "trial_id"]
    assert finished.frame.schema == HEAD | dict.fromkeys(names, pl.Float64) | TAIL


def test_predicting_is_told_by_the_thousand_rows(finished):
    predicted = sum(len(fold.valid) for fold in finished.splits.folds)
    for row in finished.ranked:
        assert row["predict_seconds_per_1000"] == pytest.approx(1000 * row["predict_seconds"] / predicted)


def test_rows_are_ordered_by_cross_validation_and_never_by_test(finished):
    metric = finished.task.metric
    errors = [metric.error(row["cv_mean"]) for row in finished.ranked]
    assert errors == sorted(errors)
    assert [row["rank"] for row in finished.ranked] == list(range(1, len(errors) + 1))
    assert len(finished.ranked) >= 6


def test_chosen_metric_agrees_with_its_own_columns(finished):
    name = finished.task.metric.name
    for row in finished.ranked:
        assert row["cv_mean"] == pytest.approx(row[f"cv_{name}"], abs=1e-12)
        assert row["test"] == row[f"test_{name}"]
        assert row["folds_ok"] == row["folds_asked"] == len(finished.splits.folds)


def test_interval_holds_the_test_score(finished):
    for row in finished.ranked:
        assert row["test_low"] <= row["test"] <= row["test_high"]
        assert row["test_low"] < row["test_high"] or row["test"] in (0.0, 1.0)


def test_scores_are_those_that_scikit_learn_takes_of_the_stored_predictions(finished):
    y, test = finished.task.y, finished.splits.test
    kind = finished.task.kind
    judges = {
        "regression": {"rmse": sk.root_mean_squared_error, "mae": sk.mean_absolute_error, "r2": sk.r2_score},
        "binary": {
            "roc_auc": lambda true, p: sk.roc_auc_score(true, p[:, 1]),
            "log_loss": sk.log_loss,
            "accuracy": lambda true, p: sk.accuracy_score(true, p.argmax(axis=1)),
        },
        "multiclass": {
            "roc_auc": lambda true, p: sk.roc_auc_score(true, p, multi_class="ovr"),
            "log_loss": sk.log_loss,
            "f1_macro": lambda true, p: sk.f1_score(true, p.argmax(axis=1), average="macro"),
        },
    }[kind]
    for row in finished.ranked:
        stored = predictions(finished, row)
        mean = np.mean([tested for _, tested in stored], axis=0)
        for name, judge in judges.items():
            folds = [judge(y[f.valid], v) for f, (v, _) in zip(finished.splits.folds, stored, strict=True)]
            assert row[f"cv_{name}"] == pytest.approx(np.mean(folds), abs=1e-9)
            assert row[f"test_{name}"] == pytest.approx(judge(y[test], mean), abs=1e-9)
            if name == finished.task.metric.name:
                assert row["cv_std"] == pytest.approx(np.std(folds, ddof=1), abs=1e-9)


def test_files_agree(finished):
    frame = finished.frame
    assert frame.equals(pl.read_parquet(finished.folder / "leaderboard.parquet"))
    csv = pl.read_csv(finished.folder / "leaderboard.csv", schema=frame.schema)
    assert frame.equals(csv.with_columns(pl.col("reason").fill_null("")))
    document = strict((finished.folder / "leaderboard.json").read_text())
    assert document == finished.run.board.to_dict()
    assert document["schema"] == 1
    assert document["rows"] == frame.to_dicts()


def test_loaded_board_is_the_one_that_was_saved(finished):
    board = load_leaderboard(finished.folder)
    assert board.frame.equals(finished.frame)
    assert (board.metric, board.kind, board.test) == (finished.task.metric.name, finished.task.kind, "sealed")
    assert board.best == finished.ranked[0]
    assert len(board) == finished.frame.height


def test_loading_no_board_says_so(tmp_path):
    with pytest.raises(StoreError, match=r"leaderboard.json must be a file written by `bench run`"):
        load_leaderboard(tmp_path)


def test_test_labels_are_looked_at_by_board_and_report_alone(finished):
    purposes = [entry["purpose"] for entry in looks(finished.folder)]
    assert purposes[:2] == ["leaderboard", "report"]
    assert all(purpose.startswith("leaderboard by ") for purpose in purposes[2:])


def test_only_the_leaderboard_reads_sealed_labels():
    readers = set()
    for path in Path(bench.__file__).parent.rglob("*.py"):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module == "bench.sealed":
                readers |= {path.name for alias in node.names if alias.name != "seal"}
        if "test_labels" in text or "sealed/" in text:
            readers.add(path.name)
    assert readers == {"leaderboard.py", "sealed.py"}


# --- other metrics ---------------------------------------------------------------------------------------------------

OTHER = [("binary", "log_loss"), ("binary", "f1"), ("multiclass", "accuracy"), ("regression", "r2")]


@pytest.mark.parametrize(("kind", "name"), OTHER)
def test_board_by_another_metric_is_ordered_by_its_column(request, tmp_path, kind, name):
    finished = request.getfixturevalue(kind)
    folder = copied(finished, tmp_path / "run")
    board = rescore(folder, name)
    metric = METRICS[name]
    assert (board.metric, board.greater_is_better) == (name, metric.greater_is_better)
    rows = ranked(board.frame)
    columns = {row["trial_id"]: row for row in finished.ranked}
    assert {row["trial_id"] for row in rows} == set(columns)
    for row in rows:
        assert row["cv_mean"] == pytest.approx(columns[row["trial_id"]][f"cv_{name}"], abs=1e-12)
        assert row["test"] == pytest.approx(columns[row["trial_id"]][f"test_{name}"], abs=1e-12)
    expected = sorted(columns.values(), key=lambda row: (metric.error(row[f"cv_{name}"]), row["trial_id"]))
    assert [row["trial_id"] for row in rows] == [row["trial_id"] for row in expected]
    assert board.frame.columns == finished.frame.columns


def test_board_by_its_own_metric_is_the_same(binary, tmp_path):
    board = rescore(copied(binary, tmp_path / "run"), "roc_auc")
    assert ranked(board.frame) == binary.ranked
    assert board.frame["trial_id"].equals(binary.frame["trial_id"])


CUSTOM = """
from sklearn.metrics import fbeta_score, mean_pinball_loss, top_k_accuracy_score

def f2(y_true, y_pred):
    return fbeta_score(y_true, y_pred, beta=2, pos_label="malignant")

def low(y_true, y_pred):
    return mean_pinball_loss(y_true, y_pred, alpha=0.1)
low.greater_is_better = False

def second(y_true, y_pred):
    return top_k_accuracy_score(y_true, y_pred, k=2)
second.needs = "probabilities"

def raises(y_true, y_pred):
    raise ValueError("no such luck")

def nan(y_true, y_pred):
    return float("nan")

def only_some(y_true, y_pred):
    return float("nan") if len(set(y_pred)) > 1 and (y_true == y_pred).mean() > 0.955 else 0.5
"""


@pytest.fixture
def custom(tmp_path, monkeypatch):
    (tmp_path / "judges_for_test.py").write_text(CUSTOM)
    monkeypatch.chdir(tmp_path)
    yield "judges_for_test:"
    import sys

    sys.modules.pop("judges_for_test", None)


def test_custom_metric_of_labels_is_scored_from_stored_predictions(binary, tmp_path, custom):
    board = rescore(copied(binary, tmp_path / "run"), custom + "f2")
    labels, y = np.array(binary.task.classes), binary.task.y
    for row in ranked(board.frame):
        stored = predictions(binary, row)
        folds = [
            sk.fbeta_score(labels[y[f.valid]], labels[v.argmax(axis=1)], beta=2, pos_label="malignant")
            for f, (v, _) in zip(binary.splits.folds, stored, strict=True)
        ]
        mean = np.mean([tested for _, tested in stored], axis=0)
        test = labels[y[binary.splits.test]]
        assert row["cv_mean"] == pytest.approx(np.mean(folds), abs=1e-12)
        assert row["test"] == pytest.approx(
            sk.fbeta_score(test, labels[mean.argmax(axis=1)], beta=2, pos_label="malignant"), abs=1e-12
        )
    assert board.frame["cv_mean"].drop_nulls().is_sorted(descending=True)


def test_custom_loss_of_values_is_ordered_from_the_lowest(regression, tmp_path, custom):
    board = rescore(copied(regression, tmp_path / "run"), custom + "low")
    assert not board.greater_is_better
    assert board.frame["cv_mean"].is_sorted()
    row, y = board.frame.row(0, named=True), regression.task.y
    folds = [
        sk.mean_pinball_loss(y[f.valid], v, alpha=0.1)
        for f, (v, _) in zip(regression.splits.folds, predictions(regression, row), strict=True)
    ]
    assert row["cv_mean"] == pytest.approx(np.mean(folds), abs=1e-12)


def test_custom_metric_of_probabilities(multiclass, tmp_path, custom):
    board = rescore(copied(multiclass, tmp_path / "run"), custom + "second")
    row, y = board.frame.row(0, named=True), multiclass.task.y
    folds = [
        sk.top_k_accuracy_score(y[f.valid], v, k=2)
        for f, (v, _) in zip(multiclass.splits.folds, predictions(multiclass, row), strict=True)
    ]
    assert row["cv_mean"] == pytest.approx(np.mean(folds), abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        (
            "regression",
            "roc_auc",
            "metric 'roc_auc' needs class probabilities; task .* is regression. Choose one of: rm",
        ),
        ("binary", "rmse", "metric 'rmse' needs a numeric target; task .* is binary"),
        ("binary", "roc_acu", "no metric is called 'roc_acu'. Did you mean 'roc_auc'"),
        ("binary", "judges_for_test:raises", "must score any prediction, but raised ValueError: no such luck"),
        ("binary", "judges_for_test:nan", "must return a finite number, got nan"),
        ("binary", "nowhere_for_test:f", "importing 'nowhere_for_test' raised ModuleNotFoundError"),
    ],
)
def test_metric_that_cannot_judge_is_refused(request, tmp_path, custom, kind, name, text):
    finished = request.getfixturevalue(kind)
    with pytest.raises(RequestError, match=text):
        rescore(copied(finished, tmp_path / "run"), name)


def test_metric_whose_range_the_target_leaves_is_refused(make_small):
    problem = make_small("regression")
    _board_of(problem, [whole(problem, "knn")]).save(problem.folder)
    _describe(problem)
    with pytest.raises(RequestError, match="metric 'rmsle' needs a target that is never negative"):
        rescore(problem.folder, "rmsle")


def test_row_that_a_metric_cannot_score_loses_its_rank(binary, tmp_path, custom):
    board = rescore(copied(binary, tmp_path / "run"), custom + "only_some")
    lost = board.frame.filter(pl.col("rank").is_null())
    assert 0 < lost.height < board.frame.height
    assert lost["cv_mean"].is_null().all()
    assert board.frame["rank"].drop_nulls().to_list() == list(range(1, board.frame.height - lost.height + 1))
    assert board.frame.tail(lost.height).equals(lost)
    strict(json.dumps(board.to_dict()))


def test_every_rescoring_is_a_look_at_the_test(binary, tmp_path):
    folder = copied(binary, tmp_path / "run")
    before = len(list(looks(folder)))
    for _ in range(2):
        rescore(folder, "log_loss")
    after = list(looks(folder))
    assert [entry["purpose"] for entry in after[before:]] == ["leaderboard by log_loss"] * 2


# --- rows that went wrong --------------------------------------------------------------------------------------------


def _board_of(problem, results):
    return build_leaderboard(problem, results, test="sealed")


def _describe(problem):
    """What rescoring reads beside the board."""
    from bench.split import save_splits
    from bench.store import write_json

    save_splits(problem.splits, problem.folder / "splits.npz")
    np.save(problem.folder / leaderboard.TARGETS, problem.task.y)
    write_json(problem.folder / "dataset.json", {"labels": list(problem.task.classes)})


def test_intervals_for_which_there_is_no_time_are_left_out(make_small):
    problem = make_small("binary")
    results = [whole(problem, "knn"), whole(problem, "linear")]
    rows = build_leaderboard(problem, results, test="sealed", seconds=0.0).frame
    assert rows["test"].null_count() == rows["test_accuracy"].null_count() == 0
    assert rows["test_low"].null_count() == rows["test_high"].null_count() == 2


def _failed(result, status, folds=0):
    made = replace(result.candidate, trial_id=f"{status}-{folds}", number=9)
    kept = result.folds[:folds]
    lost = FoldResult.failed(made.trial_id, folds, "error" if status == "pruned" else status, "why")
    return TrialResult(candidate=made, folds=(*kept, lost), asked=result.asked, status=status, reason=f"{status}!")


def test_rows_that_are_not_whole_come_last_without_a_rank(make_small):
    problem = make_small("regression")
    good = whole(problem, "knn")
    better_but_pruned = _failed(replace(good, folds=tuple(replace(f, score=0.0) for f in good.folds)), "pruned", 3)
    results = [_failed(good, "error"), better_but_pruned, _failed(good, "timeout", 1), good]
    board = _board_of(problem, results)
    rows = board.frame.to_dicts()
    assert [row["rank"] for row in rows] == [1, None, None, None]
    assert [row["trial_id"] for row in rows[1:]] == sorted(row["trial_id"] for row in rows[1:])
    assert board.best["trial_id"] == good.candidate.trial_id
    by_status = {row["status"]: row for row in rows}
    assert {status: row["folds_ok"] for status, row in by_status.items()} == {
        "ok": good.asked,
        "error": 0,
        "pruned": 3,
        "timeout": 1,
    }
    assert by_status["error"]["reason"] == "error!"
    for row in rows[1:]:
        assert row["test"] is row["test_rmse"] is row["test_low"] is None
    assert by_status["pruned"]["cv_mean"] == 0.0
    assert by_status["error"]["cv_mean"] is by_status["error"]["cv_rmse"] is None


def test_board_without_a_whole_row_has_no_best(make_small):
    problem = make_small("regression")
    failed = _failed(whole(problem, "knn"), "error")
    board = _board_of(problem, [failed])
    board.save(problem.folder)
    assert board.best is None
    assert load_leaderboard(problem.folder).frame.equals(board.frame)
    assert _board_of(problem, []).best is None


def test_ties_are_broken_by_trial_id(make_small):
    problem = make_small("binary")
    first = whole(problem, "dummy", seed=2)
    second = whole(problem, "dummy", seed=1)
    assert first.mean == second.mean
    for results in ([first, second], [second, first]):
        assert _board_of(problem, results).frame["trial_id"].to_list() == ["dummy-1", "dummy-2"]


def test_score_that_is_not_defined_is_missing_in_every_file(make_small):
    """Targets below -1 leave rmsle undefined."""
    problem = make_small("regression")
    board = _board_of(problem, [whole(problem, "knn")])
    row = board.frame.row(0, named=True)
    assert row["cv_rmsle"] is row["test_rmsle"] is None
    assert row["rank"] == 1
    board.save(problem.folder)
    assert load_leaderboard(problem.folder).frame.equals(board.frame)
    csv = pl.read_csv(io.BytesIO((problem.folder / "leaderboard.csv").read_bytes()))
    assert csv["cv_rmsle"].null_count() == 1
    strict((problem.folder / "leaderboard.json").read_text())


def test_test_scores_do_not_order_the_board(make_small):
    problem = make_small("regression")
    results = [whole(problem, name) for name in ("linear", "knn", "decision_tree", "dummy")]
    before = _board_of(problem, results).frame
    labels = look(problem.folder, "test")
    seal(problem.folder, -labels)
    after = _board_of(problem, results).frame
    shown = [name for name in before.columns if name.startswith("test")]
    assert before.drop(shown).equals(after.drop(shown))
    assert not before["test"].equals(after["test"])
    assert not after["test"].is_sorted()


def test_run_without_test_rows_reads_no_labels(make_small):
    problem = make_small("regression")
    problem = replace(problem, splits=replace(problem.splits, test=np.empty(0, dtype=np.int64)))
    board = build_leaderboard(problem, [whole(problem, "knn")], test="none")
    assert board.frame["test"].is_null().all()
    assert list(looks(problem.folder)) == []


def test_board_draws_itself_in_notebooks(binary):
    html = binary.run.board._repr_html_()
    assert "<table" in html
    assert "ensemble_greedy" in html
    assert "trial_id" not in html
    assert binary.run._repr_html_() == html


# --- leaks -----------------------------------------------------------------------------------------------------------


def _measured(name):
    return name in COST or name.startswith("test")


def _content(folder, *, leave_out=()):
    """Bytes of what a run learned: predictions, models, recipes, the predictor."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("trials", "recipes", "predictor")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }


def _run_small(folder, frame, **settings):
    cheap = CHEAP | {"families": "linear,decision_tree", "trials": 4, "target": "y"}
    return bench.run(frame, output=folder, **cheap | settings)


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_sealed_labels_decide_nothing_but_test_columns(tmp_path, monkeypatch, kind):
    """Other labels are put into the vault before the search begins: nothing but what is scored by them may differ."""
    frame = table(kind, rows=150)
    honest = _run_small(tmp_path / "honest", frame)
    work = engine.LocalEngine.run

    def swap(self, *parts):
        labels = look(tmp_path / "swapped", "test")
        seal(tmp_path / "swapped", labels[::-1].copy())
        work(self, *parts)

    monkeypatch.setattr(engine.LocalEngine, "run", swap)
    swapped = _run_small(tmp_path / "swapped", frame)
    ours, theirs = honest.leaderboard, swapped.leaderboard
    shown = [name for name in ours.columns if _measured(name)]
    assert ours.drop(shown).equals(theirs.drop(shown))
    assert not ours["test"].equals(theirs["test"])
    assert _content(honest.folder) == _content(swapped.folder)
    one, two = (read_json(run.folder / "analysis.json") for run in (honest, swapped))
    assert one.pop("test") != two.pop("test")
    assert [one.pop("importance"), two.pop("importance")]
    assert one == two


def test_labels_of_a_given_test_file_decide_nothing_but_test_columns(tmp_path):
    """Seen from outside: the same test rows under other labels."""
    train, rows = table("multiclass", rows=150), table("multiclass", rows=60, seed=1)
    boards = []
    for name, labels in (("a", rows["y"]), ("b", rows["y"].reverse())):
        rows.with_columns(y=labels).write_csv(tmp_path / f"{name}.csv")
        boards.append(_run_small(tmp_path / name, train, test=tmp_path / f"{name}.csv"))
    ours, theirs = (run.leaderboard for run in boards)
    shown = [name for name in ours.columns if _measured(name)]
    assert boards[0].board.test == "given"
    assert ours.drop(shown).equals(theirs.drop(shown))
    assert not ours["test"].equals(theirs["test"])
    assert _content(boards[0].folder) == _content(boards[1].folder)
