"""The sealed labels: put away whole, each look written down."""

from datetime import datetime

import numpy as np
import pytest

from bench.sealed import look, looks, seal


@pytest.mark.parametrize("labels", [np.array([0, 2, 1]), np.array([0.5, -1.25]), np.array([], dtype=np.int64)])
def test_labels_come_back_as_they_were(tmp_path, labels):
    seal(tmp_path, labels)
    again = look(tmp_path, "leaderboard")
    assert again.dtype == labels.dtype
    assert np.array_equal(again, labels)


def test_each_look_is_counted_with_its_purpose(tmp_path):
    assert list(looks(tmp_path)) == []
    seal(tmp_path, np.array([1]))
    assert list(looks(tmp_path)) == []
    for purpose in ("leaderboard", "report\u2028of\nlines", "leaderboard"):
        look(tmp_path, purpose)
    entries = list(looks(tmp_path))
    assert [entry["purpose"] for entry in entries] == ["leaderboard", "report\u2028of\nlines", "leaderboard"]
    assert all(datetime.fromisoformat(entry["at"]).tzinfo is not None for entry in entries)


def test_a_look_is_written_down_before_the_labels_are_read(tmp_path):
    (tmp_path / "sealed").mkdir()
    with pytest.raises(FileNotFoundError):
        look(tmp_path, "early")
    assert [entry["purpose"] for entry in looks(tmp_path)] == ["early"]


def test_sealing_again_keeps_the_looks(tmp_path):
    seal(tmp_path, np.array([1, 2]))
    look(tmp_path, "first")
    seal(tmp_path, np.array([1, 2]))
    look(tmp_path, "second")
    assert len(list(looks(tmp_path))) == 2
    assert sorted(path.name for path in (tmp_path / "sealed").iterdir()) == ["looks.jsonl", "test_labels.npy"]


def test_labels_are_no_pickle(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        seal(tmp_path, np.array([object()]))
    assert list((tmp_path / "sealed").iterdir()) == []
