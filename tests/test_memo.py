"""What fits of one process have in common is made once, and changes no bit of what comes out."""

import pytest
from conftest import table
from hypothesis import given
from hypothesis import strategies as st
from spies import candidate, watch

from bench.memo import Memo
from bench.resources import Allotment
from bench.store import SUMS, fold_folder
from bench.trial import run_fold

BOOSTERS = {
    "lightgbm": [
        {"min_data_in_leaf": 40, "learning_rate": 0.1, "feature_fraction": 0.6},
        {"min_data_in_leaf": 2, "learning_rate": 0.05, "feature_fraction": 0.6, "extra_trees": True},
    ],
    "xgboost": [{"max_depth": 3}, {"max_depth": 7, "subsample": 0.7, "grow_policy": "lossguide"}],
    "catboost": [{"depth": 4}, {"depth": 6, "subsample": 0.8, "one_hot_max_size": 2}],
}


def test_what_is_kept_is_made_once():
    memo, made = Memo(100), []
    for key in ("a", "b", "a", "b"):
        assert memo.get(key, lambda key=key: made.append(key) or key.upper(), n_bytes=40) == key.upper()
    assert made == ["a", "b"]


def test_what_was_asked_for_longest_ago_goes_first():
    memo, made = Memo(100), []
    for key in ("a", "b", "a", "c", "a", "b"):
        memo.get(key, lambda key=key: made.append(key), n_bytes=40)
    assert made == ["a", "b", "c", "b"]


@pytest.mark.parametrize("limit", [0, 39])
def test_what_there_is_no_room_for_is_made_each_time_and_drives_nothing_out(limit):
    memo, made = Memo(limit), []
    memo.get("small", lambda: made.append("small"), n_bytes=limit)
    for _ in range(2):
        memo.get("large", lambda: made.append("large"), n_bytes=40)
    memo.get("small", lambda: made.append("small"), n_bytes=limit)
    assert made == ["small", "large", "large"]


@given(asked=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60))), limit=st.integers(0, 150))
def test_no_more_is_held_than_there_is_room_for(asked, limit):
    memo, sizes = Memo(limit), {}
    for key, size in asked:
        assert memo.get(key, lambda key=key: key, n_bytes=sizes.setdefault(key, size)) == key
        assert sum(kept for _, kept in memo._kept.values()) == memo._held <= limit


def content(problem, made):
    """Every file of a fitted fold, but for CatBoost's model, which tells when it was made, and checksums."""
    files = sorted(
        path
        for path in fold_folder(problem.folder, made.trial_id, 0).iterdir()
        if path.suffix != ".cbm" and path.name != SUMS
    )
    return {path.name: path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("name", BOOSTERS)
def test_the_same_bits_with_and_without(name, kind, make_small):
    alone, together = (make_small(kind, frame=table(kind, rows=400)) for _ in range(2))
    memo = Memo(2**30)
    for seed, params in enumerate(BOOSTERS[name]):
        made = candidate(name, seed=seed, n_estimators=60, **params)
        for problem, allotment in ((alone, Allotment()), (together, Allotment(memo=memo))):
            assert run_fold(problem, made, 0, allotment=allotment, seconds=None).status == "ok"
        assert content(together, made) == content(alone, made)
    assert len(memo._kept) == 2, "the parts of the fold, and what the library made of them"


def test_class_weights_are_kept_apart(make_small):
    problem, memo = make_small("binary", frame=table("binary", rows=400)), Memo(2**30)
    for seed, weight in enumerate(["balanced", None, "balanced"]):
        made = candidate("lightgbm", seed=seed, n_estimators=20, class_weight=weight)
        run_fold(problem, made, 0, allotment=Allotment(memo=memo), seconds=None)
    assert len(memo._kept) == 3


def test_folds_and_features_are_kept_apart(monkeypatch, make_small):
    seen, problem, memo = watch(monkeypatch, watches=True), make_small("binary"), Memo(2**30)
    for seed, (fold, counts) in enumerate([(0, False), (1, False), (0, True), (0, False)]):
        made = candidate(seed=seed, features_counts=counts)
        run_fold(problem, made, fold, allotment=Allotment(memo=memo), seconds=None)
    keys = [spy.X.key for spy in seen]
    assert keys[0] == keys[3]
    assert len(set(keys)) == 3
    assert seen[0].X is seen[3].X
