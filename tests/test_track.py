from bench.track import NullTracker


def test_null_tracker_takes_every_call(tmp_path):
    tracker = NullTracker()
    tracker.start(tmp_path, "run", {})
    assert tracker.finish(tmp_path, status="FINISHED", metrics={}, seconds=1.0) is None
    assert list(tmp_path.iterdir()) == []
