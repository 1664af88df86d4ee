"""What follows the search is imported during it, once, and only for what may be a member of an ensemble."""

import sys
import threading
from dataclasses import replace

import pytest
from search_fixture import fold_result

from bench import ahead
from bench.candidate import Candidate
from bench.family import discover
from bench.trial import TrialResult


def closed(observer, family, status="ok"):
    candidate = Candidate(trial_id="t", family=family, params={}, origin="default", number=0, seed=1)
    folds = (fold_result(candidate, 0, 1.0),)
    observer.closed(TrialResult(candidate=candidate, folds=folds, asked=1, status=status))
    for thread in threading.enumerate():
        if thread.name == "bench-importing":
            thread.join(10)


@pytest.fixture
def imported(monkeypatch):
    """What was imported, in order; nothing is in fact."""
    discover()
    names = []
    monkeypatch.setattr(ahead.importlib, "import_module", names.append)
    return names


def test_a_familys_first_whole_candidate_has_what_it_needs_imported_once(imported):
    observer = ahead.Ahead()
    closed(observer, "linear")
    closed(observer, "xgboost", status="pruned")
    assert imported == []
    closed(observer, "xgboost")
    closed(observer, "xgboost")
    assert imported == ["scipy.optimize", "lightgbm", *discover()["xgboost"].imports]
    closed(observer, "lightgbm")
    assert len(imported) == len(set(imported))


def test_what_cannot_be_imported_harms_nobody(monkeypatch):
    lacking = replace(discover()["xgboost"], imports=("no_such_module", "json.tool"))
    monkeypatch.setattr(ahead, "discover", lambda: {"xgboost": lacking})
    monkeypatch.delitem(sys.modules, "json.tool", raising=False)
    closed(ahead.Ahead(), "xgboost")
    assert "json.tool" in sys.modules
