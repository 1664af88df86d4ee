"""The stages of a run in order, on real fits of small models: interrupted, gone on with, answered."""

import threading
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from conftest import table

from bench import wrap_up
from bench.engine import LocalEngine
from bench.errors import RunFailedError, StoreError
from bench.progress import NullProgress
from bench.resources import Machine
from bench.result import load_run
from bench.session import Clock
from bench.spec import make_spec
from bench.spine import Tools, run
from bench.store import DONE, read_events, read_json

HERE = Machine(cpus=1, memory_bytes=10**9, gpus=0, cpus_why="test")
#: Columns that measure, or tell of what happened on the way.
MEASURED = r"second|memory|mb$|_ms$|throughput|rows_per"


class Told(NullProgress):
    """Keeps what it is told, and sets ``stop`` after some folds."""

    def __init__(self, stop: threading.Event, folds: int) -> None:
        self.stages, self.notes, self.results, self.folds = [], [], [], 0
        self._stop, self._left = stop, folds

    def stage(self, name):
        self.stages.append(name)

    def note(self, sentence):
        self.notes.append(sentence)

    def folded(self, result):
        self.folds += 1
        if self.folds == self._left:
            self._stop.set()

    def closed(self, result):
        self.results.append(result)


@pytest.fixture(autouse=True)
def short_importance(monkeypatch):
    monkeypatch.setattr(wrap_up, "_IMPORTANCE_SECONDS", 0.05)


@pytest.fixture(scope="module")
def frame():
    return table("binary", rows=450)


def carry_out(frame, folder, *, folds=10**9, clock=None, **asked):
    """Run until ``folds`` folds are done: ``(run, what was told)``."""
    stop = threading.Event()
    told = Told(stop, folds)
    asked = {"families": "dummy,decision_tree,naive_bayes", "folds": 3, "track": False, "engine": "local"} | asked
    spec = make_spec(dataset="frame", target="y", metric="log_loss", output=str(folder), **asked)
    tools = Tools(machine=HERE, engine=LocalEngine(HERE), progress=told, stop=stop, clock=clock or Clock())
    return run(spec, tools, frame), told


def board(run):
    """The board without what is measured."""
    frame = run.leaderboard
    return frame.select(pl.exclude([name for name in frame.columns if pl.Series([name]).str.contains(MEASURED)[0]]))


def fitted(folder):
    return [(e["trial_id"], e["fold"]) for e in read_events(folder) if e["event"] == "fold"]


@pytest.fixture(scope="module")
def undisturbed(frame, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wrap_up, "_IMPORTANCE_SECONDS", 0.05)
        return carry_out(frame, tmp_path_factory.mktemp("run") / "whole", trials=5)


def test_stages_come_in_order(undisturbed):
    finished, told = undisturbed
    names = ["data", "audit", "search", "ensembles", "leaderboard", "predictor", "report"]
    assert [name for name in told.stages if name in names] == names
    assert not finished.interrupted
    assert len(told.results) == 5
    assert {"budget": None, "trials": 5}.items() <= read_json(finished.folder / DONE).items()
    assert not (finished.folder / "cache").exists()


def test_the_board_has_all_candidates_and_the_test_labels_stay_sealed(undisturbed):
    finished, told = undisturbed
    ids = set(finished.leaderboard["trial_id"])
    assert {r.candidate.trial_id for r in told.results} <= ids
    assert (finished.folder / "sealed" / "test_labels.npy").exists()


def test_the_same_command_again_is_answered_from_the_folder(undisturbed, frame):
    finished, _ = undisturbed
    before = (finished.folder / "journal.jsonl").read_bytes()
    again, told = carry_out(frame, finished.folder, trials=5)
    assert again.folder == finished.folder
    assert any("This run is complete" in note for note in told.notes)
    assert (finished.folder / "journal.jsonl").read_bytes() == before


def test_an_interrupted_run_ends_with_the_same_board(undisturbed, frame, tmp_path):
    whole = undisturbed[0]
    for cut in (8, 13):
        part, told = carry_out(frame, tmp_path / "run", folds=cut, trials=5)
        assert part.interrupted
        assert told.folds == cut
        assert not (part.folder / DONE).exists()
    finished, _ = carry_out(frame, tmp_path / "run", trials=5)
    assert board(finished).equals(board(whole))
    assert sorted(fitted(finished.folder)) == sorted(fitted(whole.folder)), "no fold is fitted twice"


def test_a_run_that_is_interrupted_before_anything_is_scored_says_so_and_can_go_on(undisturbed, frame, tmp_path):
    with pytest.raises(RunFailedError, match=r"none was\. dummy: the search ended after 1 of 6 folds"):
        carry_out(frame, tmp_path / "run", folds=1, trials=5)
    finished, _ = carry_out(frame, tmp_path / "run", trials=5)
    assert board(finished).equals(board(undisturbed[0]))


def test_a_larger_count_goes_on_with_a_finished_run(undisturbed, frame, tmp_path):
    carry_out(frame, tmp_path / "run", trials=3)
    finished, told = carry_out(frame, tmp_path / "run", trials=5)
    assert board(finished).equals(board(undisturbed[0]))
    assert told.folds < len(fitted(finished.folder))


def test_an_answer_is_taken_back_while_a_longer_one_is_made(frame, tmp_path):
    carry_out(frame, tmp_path / "run", trials=1)
    part, _ = carry_out(frame, tmp_path / "run", folds=1, trials=4)
    assert part.interrupted
    again, told = carry_out(frame, tmp_path / "run", trials=1)
    assert not any("This run is complete" in note for note in told.notes)
    assert again.leaderboard.filter(~pl.col("family").str.contains("ensemble")).height == 1


def test_a_run_that_broke_after_the_search_is_finished_without_a_fit(undisturbed, frame, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(wrap_up, "write_report", lambda folder: 1 / 0)
        carry_out(frame, tmp_path / "run", trials=5)
    assert not (tmp_path / "run" / DONE).exists()
    finished, told = carry_out(frame, tmp_path / "run", trials=5)
    assert told.folds == 0
    assert board(finished).equals(board(undisturbed[0]))


def test_a_budget_that_is_gone_still_gives_a_board_with_the_baseline(frame, tmp_path):
    finished, told = carry_out(frame, tmp_path / "run", budget="3s", clock=Clock(before=60.0))
    assert [(r.candidate.family, r.status) for r in told.results] == [("dummy", "ok")]
    assert load_run(finished.folder).board.best["family"] == "dummy"


def test_a_longer_budget_goes_on_where_a_shorter_one_ended(frame, tmp_path):
    carry_out(frame, tmp_path / "run", budget="2s", clock=Clock(before=60.0))
    before = fitted(tmp_path / "run")
    again, told = carry_out(frame, tmp_path / "run", budget="2s")
    assert any("This run is complete" in note for note in told.notes)
    finished, told = carry_out(frame, tmp_path / "run", budget="66s", clock=Clock(before=0.0))
    done = fitted(finished.folder)
    assert len(done) > len(before)
    assert len(set(done)) == len(done)
    assert told.results[0].candidate.family == "dummy"


def test_nothing_that_was_scored_is_a_failure_that_names_reasons(frame, tmp_path):
    with pytest.raises(RunFailedError, match=r"none was\. There was no time to begin one\. Raise --budget, or read"):
        carry_out(frame, tmp_path / "run", budget="3s", clock=Clock(before=60.0), families="random_forest")


def test_a_folder_of_other_data_is_refused(undisturbed, frame):
    with pytest.raises(StoreError, match="belongs to another run"):
        carry_out(frame.head(400), undisturbed[0].folder, trials=5)


def test_without_ensembles_single_models_are_all_there_is(frame, tmp_path):
    finished, told = carry_out(
        frame, tmp_path / "run", trials=3, preset="interpretable", families="dummy,decision_tree"
    )
    assert "ensemble" not in set(finished.leaderboard["origin"])
    assert finished.predictor.default == finished.leaderboard["model"][0]
    notes = " ".join(told.notes)
    assert "Preset interpretable, models that can be read" in notes
    assert "--families dummy,decision_tree overrules --families dummy," in notes


@pytest.mark.parametrize(("times", "default"), [(2.9, "both"), (3.1, "alone")])
def test_an_ensemble_that_is_too_slow_is_not_what_predicts_by_default(monkeypatch, times, default):
    part = SimpleNamespace(
        task=SimpleNamespace(features=table("binary", rows=450)),
        splits=SimpleNamespace(folds=[SimpleNamespace(valid=np.arange(200))]),
    )
    asked, sentences = [], []
    predictor = SimpleNamespace(default="both", predict=lambda X, model: asked.append((model, X.height)))
    seconds = {"alone": 0.1, "both": 0.1 * times}

    def measured(predict):
        predict()
        return seconds[asked[-1][0]]

    monkeypatch.setattr(wrap_up, "predict_seconds", measured)
    record = SimpleNamespace(decisions=sentences.append)
    assert wrap_up._quick_default(part, predictor, "alone", 3.0, record) == default
    assert asked == [("alone", 200), ("both", 200)]
    assert sentences[0].startswith(f"both predicts 1,000 rows in {500 * times:.3g} ms, alone alone in 500: it is ")
    assert ("it is shipped" in sentences[0]) == (default == "both")


def test_members_of_an_ensemble_stay_within_the_slowdown(frame, tmp_path):
    finished, _ = carry_out(frame, tmp_path / "run", trials=6, slowdown=1.0, families="dummy,decision_tree,linear,knn")
    rows = finished.leaderboard.filter(pl.col("rank").is_not_null()).to_dicts()
    single = next(row for row in rows if row["origin"] != "ensemble")
    times = [row["predict_seconds"] for row in rows if row["origin"] == "ensemble"]
    assert all(seconds <= single["predict_seconds"] for seconds in times)
