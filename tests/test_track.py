import pytest

from bench.track import NullTracker, redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://ann:s3cret@db.example.org/adult", "postgresql://***@db.example.org/adult"),
        ("postgresql://ann:p@ss@db/adult", "postgresql://***@db/adult"),
        ("https://ghp_token@github.com/x", "https://***@github.com/x"),
        ("https://host/data.csv?token=abc&rows=5", "https://host/data.csv?token=***&rows=5"),
        ('{"source": "http://u:p@h/x", "to": "a@b.org"}', '{"source": "http://***@h/x", "to": "a@b.org"}'),
        ("two http://a:b@c and http://d:e@f", "two http://***@c and http://***@f"),
    ],
)
def test_redact_blots_out_credentials(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    ["adult", "data/adult.csv", "http://127.0.0.1:5000/", "sqlite:////home/x/mlflow.db", "ann@example.org", "{}"],
)
def test_redact_leaves_the_rest_alone(text):
    assert redact(text) == text


def test_redact_twice_is_redact_once():
    once = redact("mysql://a:b@c?password=x")
    assert redact(once) == once


def test_null_tracker_takes_every_call(tmp_path):
    tracker = NullTracker()
    tracker.start(tmp_path, "run", {})
    assert tracker.finish(tmp_path, status="FINISHED", metrics={}, seconds=1.0) is None
    assert list(tmp_path.iterdir()) == []
