"""Traces: what was noted while a run went on, laid out by process and added up."""

import json

import pytest
from conftest import Finished

from bench.store import read_events
from bench.trace import DRIVER, Recorder, Span, Trace, make_trace, this_process, write_trace


def stage(name, category, start, seconds):
    return {"event": "stage", "name": name, "category": category, "start": start, "seconds": seconds}


def fold(worker, number, *steps, trial="t1"):
    spans = [{"name": n, "category": c, "start": s, "seconds": d} for n, c, s, d in steps]
    return {"event": "fold", "trial_id": trial, "fold": number, "worker": worker, "spans": spans}


#: A command of 20 s with a search from 4 to 14 s on two workers, one of which comes up at 6 s.
EVENTS = (
    {"event": "session", "phase": "begin", "at": 100.0, "worker": "here:1", "workers": 2},
    {"event": "candidate", "trial_id": "t1", "name": "trees_1"},
    stage("start-up", "start-up", 100.0, 1.0),
    stage("data", "load", 101.0, 3.0),
    fold("here:1", 0, ("fit", "fit", 104.0, 0.5), ("store", "harness", 104.5, 0.5)),
    fold("here:2", 1, ("import", "start-up", 106.0, 1.0), ("fit", "fit", 107.0, 3.0), ("store", "harness", 110.0, 0.5)),
    fold("here:3", 2, ("fit", "fit", 106.0, 7.0), ("predict", "predict", 113.0, 1.0)),
    fold("here:2", 3, ("encode", "encode", 111.0, 0.5), ("fit", "fit", 111.5, 1.5)),
    stage("search", "search", 104.0, 10.0),
    stage("ensembles", "wrap-up", 114.0, 2.0),
    stage("tracking", "track", 116.0, 4.0),
)


@pytest.fixture
def trace() -> Trace:
    return make_trace(EVENTS)


def test_spans_are_laid_out_by_process(trace):
    lanes = {span.lane: span.name for span in trace.spans if span.category == "fit"}
    assert lanes == {
        DRIVER: "fit trees_1, fold 0",
        "worker 1": "fit trees_1, fold 3",
        "worker 2": "fit trees_1, fold 2",
    }
    assert [span.start for span in trace.spans] == sorted(span.start for span in trace.spans)


def test_gaps_of_a_worker_are_idle_until_the_search_ends(trace):
    idle = [(span.lane, span.start, span.seconds) for span in trace.spans if span.category == "idle"]
    assert idle == [("worker 1", 110.5, 0.5), ("worker 1", 113.0, 1.0)]


def test_shares_are_of_workers_times_the_search(trace):
    shares = trace.shares()
    assert shares["fit"] == pytest.approx((0.5 + 3.0 + 7.0 + 1.5) / 20)
    assert shares["predict"] == pytest.approx(1.0 / 20)
    assert shares["start-up"] == pytest.approx(1.0 / 20)
    assert trace.at_work == pytest.approx(13.0 / 20)
    assert sum(shares.values()) == pytest.approx(1.0)


def test_what_is_outside_the_search_takes_no_share_of_it():
    late = fold("here:2", 4, ("fit", "fit", 113.5, 60.0))
    assert make_trace([*EVENTS, late]).shares()["fit"] == pytest.approx((12.0 + 0.5) / 20)


def test_figures(trace):
    assert trace.first_score_seconds == pytest.approx(5.0)
    assert trace.first_fold_seconds == pytest.approx(6.0)
    assert trace.wrap_up_seconds == pytest.approx(6.0)
    # worker 1 from 107 to 113 s, 4.5 s of it in fits; worker 2 wastes nothing
    assert trace.harness_seconds == pytest.approx(1.5 / 4)


def test_only_the_last_command_counts():
    earlier = [dict(EVENTS[0], at=1.0), fold("old:9", 0, ("fit", "fit", 2.0, 50.0))]
    assert make_trace([*earlier, *EVENTS]) == make_trace(EVENTS)


@pytest.mark.parametrize("broken", [None, "spans", [3], [{"name": "fit"}], [{"name": 1, "category": 2, "start": "x"}]])
def test_what_is_no_span_is_left_out(broken):
    odd = {"event": "fold", "trial_id": None, "worker": "here:2", "spans": broken}
    assert make_trace([*EVENTS, odd]).spans == make_trace(EVENTS).spans


def test_a_journal_without_stages_has_a_trace_without_figures():
    empty = make_trace([{"event": "candidate", "trial_id": "t1"}])
    assert (empty.spans, empty.search, empty.first_fold_seconds, empty.at_work) == ((), (0.0, 0.0), None, 0.0)
    assert "first fold of a worker after never" in empty.to_text()


def test_the_chrome_format(trace):
    document = json.loads(json.dumps(trace.to_chrome()))
    names = {e["tid"]: e["args"]["name"] for e in document["traceEvents"] if e["ph"] == "M"}
    assert set(names.values()) == {DRIVER, "worker 1", "worker 2"}
    complete = [event for event in document["traceEvents"] if event["ph"] == "X"]
    assert len(complete) == len(trace.spans)
    store = next(event for event in complete if event["name"] == "store trees_1, fold 0")
    assert store == {
        "ph": "X",
        "name": "store trees_1, fold 0",
        "cat": "harness",
        "pid": 1,
        "tid": store["tid"],
        "ts": 4_500_000,
        "dur": 500_000,
    }
    assert names[store["tid"]] == DRIVER


def test_a_recorder_ends_one_thing_where_the_next_begins():
    recorder, told = Recorder(), []
    recorder.begin("a", "load", at=1.0)
    recorder.begin("b", "audit", at=3.0)
    recorder.tell(told.append)
    recorder.end(at=7.5)
    recorder.end(at=9.0)
    assert told == [
        Span(name="a", category="load", start=1.0, seconds=2.0),
        Span(name="b", category="audit", start=3.0, seconds=4.5),
    ]


def test_a_run_can_be_traced(binary: Finished):
    trace = write_trace(binary.folder)
    written = json.loads((binary.folder / "trace.json").read_text())["traceEvents"]
    assert len([event for event in written if event["ph"] == "X"]) == len(trace.spans)
    stages = [span.name for span in trace.spans if span.category not in ("fit", "predict", "harness", "encode")]
    order = ["start-up", "data", "audit", "search", "ensembles", "leaderboard", "predictor", "analysis", "report"]
    assert [name for name in stages if name in order] == order
    folds = [event for event in read_events(binary.folder) if event["event"] == "fold"]
    assert trace.folds == len(folds)
    fits = [span for span in trace.spans if span.category == "fit"]
    assert len(fits) == len(folds)
    begun, ended = trace.search
    assert all(begun <= span.start <= span.end <= ended + 0.01 for span in fits)
    assert sum(span.seconds for span in fits) == pytest.approx(sum(fold["fit_seconds"] for fold in folds), abs=0.1)
    assert {fold["worker"] for fold in folds} == {this_process()}
