import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from conftest import CHEAP, table

import bench
from bench import trial
from bench.errors import AuditBlockedError, DataError, RequestError, RunFailedError, StoreError
from bench.leaderboard import COST
from bench.store import read_events
from bench.track import NullTracker

SMALL = CHEAP | {"families": "linear,decision_tree", "trials": 4, "target": "y"}


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """Without time for importances, in a folder of its own."""
    monkeypatch.setattr("bench.wrap_up._IMPORTANCE_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)


def run(data, **settings):
    return bench.run(data, **SMALL | settings)


def settled(board):
    """The board without what is measured."""
    return board.frame.drop(COST)


# --- names -----------------------------------------------------------------------------------------------------------

NAMES = {
    "Audit",
    "AuditBlockedError",
    "BenchError",
    "DataError",
    "Dataset",
    "Leaderboard",
    "Predictor",
    "RequestError",
    "Run",
    "RunFailedError",
    "StoreError",
    "SuiteRun",
    "check",
    "load_dataset",
    "load_predictor",
    "load_run",
    "run",
    "run_suite",
}


def test_public_names_are_those_in_all():
    assert set(bench.__all__) == NAMES
    assert sorted(bench.__all__) == list(bench.__all__) == dir(bench)
    for name in bench.__all__:
        assert getattr(bench, name).__name__ == name
        assert getattr(bench, name).__doc__


def test_other_names_are_absent():
    with pytest.raises(AttributeError, match="module 'bench' has no attribute 'rnu'"):
        _ = bench.rnu


def alone(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_modules_do_not_shadow_the_functions():
    """A submodule that is imported becomes an attribute of its package."""
    code = "import bench, bench.spine, bench.api, bench.cli.run, bench.cli.check; print(bench.run.__module__, "
    assert alone(code + "bench.check.__module__, callable(bench.run), callable(bench.check))") == (
        "bench.api bench.api True True"
    )


def test_import_loads_nothing_heavy():
    heavy = "{'numpy', 'polars', 'pandas', 'sklearn', 'torch', 'ray', 'mlflow', 'optuna', 'xgboost', 'lightgbm'}"
    assert alone(f"import sys, bench; print(sorted({heavy} & set(sys.modules)))") == "[]"


# --- runs ------------------------------------------------------------------------------------------------------------


def test_frames_of_polars_and_pandas_give_the_same_run(tmp_path):
    frame = table("binary")
    ours = run(frame, output=tmp_path / "polars")
    theirs = run(frame.to_pandas(), output=str(tmp_path / "pandas"))
    assert settled(ours.board).equals(settled(theirs.board))
    assert ours.folder == tmp_path / "polars"
    np.testing.assert_array_equal(ours.predictor.predict_proba(frame), theirs.predictor.predict_proba(frame))


def test_file_gives_the_run_that_its_frame_gives(tmp_path):
    frame = table("multiclass")
    frame.write_parquet(tmp_path / "rows.parquet")
    ours = run(frame, output=tmp_path / "frame")
    theirs = run(tmp_path / "rows.parquet", output=tmp_path / "file")
    assert settled(ours.board).equals(settled(theirs.board))


def test_result_is_reached_from_the_run(binary):
    found = binary.run
    assert found.board.best == binary.ranked[0]
    assert found.report.read_text().startswith("<!doctype html>")
    assert not found.interrupted
    again = bench.load_run(str(found.folder))
    assert again.leaderboard.equals(found.leaderboard)
    assert again.folder == found.folder
    assert bench.load_predictor(found.folder).models == found.predictor.models
    assert found.leaderboard_by("accuracy").metric == "accuracy"


@pytest.mark.parametrize("frame", [table("binary"), table("binary").to_pandas()], ids=["polars", "pandas"])
def test_a_test_set_comes_as_a_file(frame):
    with pytest.raises(RequestError, match=r"--test must be text, got DataFrame\. Pass a name or a path\."):
        run(frame, test=frame)


@pytest.mark.parametrize("made", [False, True])
def test_folder_that_is_no_run_is_refused(tmp_path, made):
    if made:
        (tmp_path / "other").mkdir()
    with pytest.raises(StoreError, match=r"other must be the folder of a run with a leaderboard. `bench list runs`"):
        bench.load_run(tmp_path / "other")


def test_run_without_an_output_goes_below_results(tmp_path):
    made = run(table("binary"))
    assert made.folder.parent == tmp_path / "results"
    assert made.folder.name.startswith("frame-roc_auc-")
    assert run(table("binary")).folder == made.folder
    assert run(table("binary", seed=1)).folder != made.folder


def test_same_request_again_answers_without_a_fit(tmp_path, monkeypatch):
    first = run(table("binary"), output="out")
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*") if path.name != ".lock"}
    monkeypatch.setattr("bench.engine.run_fold", None)
    monkeypatch.setattr("bench.spine.audit", None)
    second = run(table("binary"), output="out")
    assert second.leaderboard.equals(first.leaderboard)
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*") if path.name != ".lock"} == before


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_more_trials_go_on_with_the_run(tmp_path, monkeypatch, kind):
    """Regression targets below -1 leave rmsle undefined, which a journal has no number for."""
    frame = table(kind)
    fresh = run(frame, output="fresh", trials=7).board
    short = run(frame, output="grown", trials=4).board
    fits = []
    original = trial.run_fold

    def count(problem, candidate, fold, **rest):
        fits.append((candidate.trial_id, fold))
        return original(problem, candidate, fold, **rest)

    monkeypatch.setattr("bench.engine.run_fold", count)
    grown = run(frame, output="grown", trials=7)
    first = short.frame.filter(pl.col("origin") != "ensemble")
    assert not {trial_id for trial_id, _ in fits} & set(first["trial_id"])
    assert settled(grown.board).equals(settled(fresh))
    common = grown.leaderboard.filter(pl.col("trial_id").is_in(first["trial_id"].implode()))
    order = ["trial_id", *sorted(set(first.columns) - {"rank", "trial_id"})]
    assert common.select(order).sort("trial_id").equals(first.select(order).sort("trial_id"))


def test_a_metric_of_ones_own_that_raises_on_some_rows_costs_their_score_and_nothing_else(tmp_path):
    lines = [
        "def judge(y, p):",
        "    if len(y) < 30:",
        "        raise ValueError(len(y))",
        "    return -abs(y - p).mean()",
    ]
    (tmp_path / "picky_for_test.py").write_text("\n".join(lines))
    made = run(table("regression"), metric="picky_for_test:judge", folds=3)  # 24 test rows, 32 a fold
    sys.modules.pop("picky_for_test")
    whole = made.leaderboard.filter(pl.col("rank").is_not_null())
    assert whole["test"].null_count() == whole.height > 1
    assert whole["cv_mean"].null_count() == 0
    assert made.predictor.models


def test_other_data_or_settings_in_the_same_folder_are_refused(tmp_path):
    run(table("binary"), output="out")
    kept = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file() and p.name != ".lock"}
    for data, settings in ((table("binary", seed=1), {}), (table("binary"), {"seed": 1})):
        with pytest.raises(StoreError, match=r"out belongs to another run .* Choose another folder with --output"):
            run(data, output="out", **settings)
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file() and p.name != ".lock"} == kept


def test_same_seed_gives_the_same_board_and_another_seed_another(tmp_path):
    boards = [settled(run(table("binary"), output=f"out{n}", seed=seed).board) for n, seed in enumerate((3, 3, 4))]
    assert boards[0].equals(boards[1])
    assert not boards[0].equals(boards[2])


def test_lists_and_paths_are_taken_as_settings(tmp_path):
    table("binary", seed=1).write_csv(tmp_path / "test.csv")
    made = run(
        table("binary"),
        families=["decision_tree", "dummy"],
        allow=["duplicate_rows"],
        test=tmp_path / "test.csv",
        output=tmp_path / "out",
    )
    assert made.board.test == "given"
    assert set(made.leaderboard["family"]) == {"decision_tree", "dummy", "ensemble"}


def test_budget_stops_a_run_by_the_clock(tmp_path):
    settings = {name: value for name, value in SMALL.items() if name != "trials"}
    made = bench.run(table("binary"), budget=8, output="out", **settings | {"families": "decision_tree,dummy"})
    assert made.board.best is not None
    assert "budget: 8s" in (made.folder / "spec.yaml").read_text()


def test_progress_is_told_on_stderr_alone(tmp_path, capsys):
    run(table("binary"), quiet=False, output="out")
    told = capsys.readouterr()
    assert told.out == ""
    assert "decision_tree" in told.err
    assert "\x1b" not in told.err
    run(table("binary"), quiet=True, output="out2")
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def ends(monkeypatch):
    """What engine and tracker are told at the end of a run."""
    told = []

    class Tracker(NullTracker):
        def finish(self, folder, *, status, metrics, seconds):
            told.append((status, "cv_mean" in metrics))

    monkeypatch.setattr("bench.start.make_tracker", lambda spec: Tracker())
    monkeypatch.setattr("bench.engine.LocalEngine.close", lambda self: told.append("closed"))
    return told


def test_engine_is_closed_and_the_tracker_told_how_it_went(tmp_path, ends):
    run(table("binary"), output="out")
    assert ends[:2] == ["closed", ("FINISHED", True)]  # before the tracker is told, and once more at the end


def test_engine_is_closed_and_the_tracker_told_when_a_run_breaks(tmp_path, monkeypatch, ends):
    monkeypatch.setattr("bench.spine.make_proposals", lambda *parts, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(table("binary"), output="out")
    assert set(ends) == {"closed", ("FAILED", False)}


def test_run_in_which_nothing_fits_says_why_and_leaves_its_board(tmp_path, monkeypatch, ends):
    def fail(problem, candidate, fold, **rest):
        return trial.FoldResult.failed(candidate.trial_id, fold, "error", "ValueError: no luck")

    monkeypatch.setattr("bench.engine.run_fold", fail)
    with pytest.raises(
        RunFailedError, match=r"at least one candidate .* none was. .*ValueError: no luck.* Raise --budget"
    ):
        run(table("binary"), output="out")
    assert set(ends) == {"closed", ("FAILED", False)}
    assert set(bench.load_run("out").leaderboard["status"]) == {"error"}
    assert not (tmp_path / "out" / "DONE").exists()


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"tirals": 3}, RequestError, "'tirals' is not a setting of a run. Did you mean 'trials'"),
        ({"trials": 0}, RequestError, "--trials must be a whole number of at least 1, got 0"),
        ({"trials": None, "budget": [1]}, RequestError, "budget must be a duration such as '60s' or seconds"),
        ({"trials": None, "budget": -1.5}, RequestError, "--budget must be a positive duration"),
        ({"folds": "3"}, RequestError, "--folds must be a whole number of at least 2, got '3'"),
        ({"target": "z"}, RequestError, "--target must name a column, got 'z'"),
        ({"target": None}, RequestError, "--target must name the column to predict"),
    ],
)
def test_wrong_setting_is_told_before_there_is_a_folder(tmp_path, settings, error, text):
    with pytest.raises(error, match=text):
        run(table("binary"), output="out", **settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [None, 3, {"y": [1]}, [1, 2]], ids=lambda data: type(data).__name__)
def test_data_that_is_no_table_is_refused(tmp_path, data):
    with pytest.raises(RequestError, match=r"dataset must be a name, a path or a frame; got "):
        run(data)
    assert list(tmp_path.iterdir()) == []


def test_pandas_index_and_names_that_are_no_text_are_taken(tmp_path):
    frame = table("binary").to_pandas().rename(columns={"a": 0, "b": 1})
    frame.index = [f"row {number}" for number in range(len(frame))]
    made = run(frame, output="out")
    assert set(made.predictor.schema.names) == {"0", "1", "colour"}
    assert len(made.predictor.predict(frame)) == len(frame)


# --- check -----------------------------------------------------------------------------------------------------------


def test_check_finds_a_leak_that_a_run_refuses(tmp_path):
    leaky = table("binary").with_columns(copy=pl.col("y") + "!")
    found = bench.check(leaky, target="y")
    assert [finding.code for finding in found.blocking()] == ["target_leakage"]
    assert bench.check(leaky.to_pandas(), target="y").to_dict() == found.to_dict()
    with pytest.raises(AuditBlockedError, match=r"\[target_leakage\] .*'copy'.*--allow target_leakage"):
        run(leaky, output="out")
    assert run(leaky, output="out", allow="target_leakage").board.best["cv_mean"] == 1.0


def test_check_of_sound_data_blocks_nothing():
    assert bench.check("iris").blocking() == ()
    assert bench.check(table("regression"), target="y", task="regression").blocking() == ()
    with pytest.raises(DataError, match="at least 20 rows"):
        bench.check(table("binary", rows=12), target="y")


# --- records ---------------------------------------------------------------------------------------------------------


def test_folder_holds_what_is_documented(binary):
    names = {path.name for path in binary.folder.iterdir()}
    assert names >= {
        "DONE",
        "analysis.json",
        "audit.json",
        "dataset.json",
        "decisions.json",
        "environment.json",
        "identity.json",
        "journal.jsonl",
        "leaderboard.csv",
        "leaderboard.json",
        "leaderboard.parquet",
        "predictor",
        "report.html",
        "report.md",
        "sealed",
        "spec.yaml",
        "splits.json",
        "splits.npz",
        "targets.npy",
        "trials",
    }
    assert "cache" not in names
    assert not [path for path in binary.folder.rglob("*") if path.name.endswith((".tmp", ".old", ".checkpoint"))]


def test_records_agree_with_the_task(binary):
    dataset = json.loads((binary.folder / "dataset.json").read_text())
    assert dataset["fingerprint"] == binary.dataset.fingerprint
    assert (dataset["target"], dataset["task"], dataset["metric"]) == (binary.task.target, "binary", "roc_auc")
    assert dataset["labels"] == list(binary.task.classes)
    developed = np.setdiff1d(np.arange(binary.task.n_rows), binary.splits.test)
    counts = np.bincount(binary.task.y[developed])
    assert list(dataset["class_counts"].values()) == counts.tolist()
    targets = np.load(binary.folder / "targets.npy")
    np.testing.assert_array_equal(targets, binary.problem.task.y)
    assert (targets[binary.splits.test] == -1).all()
    trials = {event["trial_id"] for event in read_events(binary.folder) if event["event"] == "candidate"}
    assert trials == set(binary.frame.filter(pl.col("origin") != "ensemble")["trial_id"])


def test_run_is_a_value(binary):
    assert replace(binary.run) == binary.run
