"""Learning the logarithm of a target."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from bench.family import Settings, discover, space_of
from bench.log_target import PARAMETER, LogTarget, build, is_skewed, load
from bench.memo import Memo
from bench.predictor import load_predictor
from bench.resources import Allotment, Deadline
from bench.result import load_run
from bench.samples import make_sample
from bench.store import read_events

RNG = np.random.default_rng(0)


def settings(**params):
    return Settings(params=params, kind="regression", n_classes=0, metric="rmse", seed=0)


def made(name, sample, *, watch=False, metric="rmse", memo=None, **params):
    estimator = build(discover()[name], replace(settings(**params), metric=metric))
    allotment = Allotment() if memo is None else Allotment(memo=memo)
    valid = (sample.test, sample.test_y) if watch else None
    estimator.fit(sample.train, sample.y, valid=valid, allotment=allotment, deadline=Deadline(None))
    return estimator


def growing(name="lightgbm"):
    """A family's sample, with a target that grows by factors."""
    sample = make_sample(discover()[name], "regression", n_rows=400)
    scale = sample.y.std()
    return replace(sample, y=np.exp(sample.y / scale), test_y=np.exp(sample.test_y / scale))


@pytest.mark.parametrize(
    ("y", "skewed"),
    [
        (RNG.lognormal(size=500), True),
        (RNG.poisson(0.3, size=500).astype(float), True),
        (RNG.normal(100.0, 1.0, size=500), False),
        (RNG.random(500), False),
        (-RNG.lognormal(size=500), False),
        (RNG.lognormal(size=500) - 1e-3 * 500, False),
        (np.full(500, 3.0), False),
    ],
)
def test_a_target_is_skewed_when_it_grows_by_factors(y, skewed):
    assert is_skewed(y) == skewed


@pytest.mark.parametrize("name", ["linear", "knn", "lightgbm"])
def test_logarithms_suit_what_grows_by_factors(name):
    sample = growing(name)
    errors = [
        np.abs(np.log(np.maximum(made(name, sample, **params).predict(sample.test), 1e-9) / sample.test_y)).mean()
        for params in ({}, {PARAMETER: True})
    ]
    assert errors[1] < errors[0]


def test_switched_off_the_family_is_what_is_built():
    for params in ({}, {PARAMETER: False}):
        assert type(build(discover()["linear"], settings(alpha=0.1, **params))) is type(
            discover()["linear"].build(settings(alpha=0.1))
        )


@pytest.mark.parametrize("zeros", [False, True])
def test_what_is_predicted_comes_back_from_disk(tmp_path, zeros):
    sample = growing()
    sample = replace(sample, y=np.floor(sample.y / np.median(sample.y)) if zeros else sample.y)
    estimator = made("random_forest", sample, n_estimators=10, **{PARAMETER: True})
    assert estimator.shift == (1.0 if zeros else 0.0)
    predicted = estimator.predict(sample.test)
    assert predicted.min() >= sample.y.min() - 0.05 * np.ptp(sample.y)
    estimator.save(tmp_path)
    again = load(discover()["random_forest"], tmp_path)
    assert isinstance(again, LogTarget)
    np.testing.assert_array_equal(again.predict(sample.test), predicted)


def test_means_are_what_squares_ask_for():
    sample = growing("knn")
    noisy = replace(sample, y=RNG.lognormal(0.0, 1.0, size=len(sample.y)))
    params = {"n_neighbors": 100, "weights": "uniform", PARAMETER: True}
    squared, absolute = (made("knn", noisy, metric=metric, **params) for metric in ("rmse", "mae"))
    assert absolute.factor == 1.0
    assert 1.2 < squared.factor < 2.0
    assert squared.predict(noisy.train).mean() == pytest.approx(noisy.y.mean(), rel=0.05)
    assert np.median(absolute.predict(noisy.train)) == pytest.approx(np.median(noisy.y), rel=0.2)


def test_rows_to_watch_are_watched_by_their_logarithms():
    sample = growing()
    estimator = made("lightgbm", sample, watch=True, n_estimators=300, **{PARAMETER: True})
    assert 0 < estimator.rounds < 300
    below = replace(sample, test_y=np.zeros_like(sample.test_y))
    assert np.isfinite(
        made("lightgbm", below, watch=True, n_estimators=20, **{PARAMETER: True}).predict(below.test)
    ).all()


def test_a_zero_among_the_rows_to_watch_does_not_decide_alone():
    """Nothing below the least that was learned from is told apart, or one row of a thousand would weigh most."""
    sample = growing()
    with_zero = replace(sample, test_y=np.concatenate([[0.0], sample.test_y[1:]]))
    usual, zero = (
        made("lightgbm", s, watch=True, n_estimators=300, **{PARAMETER: True}).rounds for s in (sample, with_zero)
    )
    assert zero == pytest.approx(usual, rel=0.3)


def test_what_workers_keep_of_rows_does_not_hold_the_other_target():
    sample = growing()
    sample = replace(sample, train=replace(sample.train, key="rows"))
    memo = Memo(2**30)
    params = {"n_estimators": 20}
    plain = made("lightgbm", sample, memo=memo, **params).predict(sample.test)
    logs = made("lightgbm", sample, memo=memo, **params, **{PARAMETER: True}).predict(sample.test)
    np.testing.assert_array_equal(made("lightgbm", sample, memo=memo, **params).predict(sample.test), plain)
    np.testing.assert_array_equal(logs, made("lightgbm", sample, **params, **{PARAMETER: True}).predict(sample.test))


def test_the_switch_is_for_skewed_targets_alone():
    space = space_of(discover()["lightgbm"])
    assert PARAMETER not in {p.name for p in space.narrowed(frozenset({"regression"})).parameters}
    assert PARAMETER in {p.name for p in space.narrowed(frozenset({"regression", "skewed"})).parameters}


def test_a_run_tries_both_and_ships_what_it_tried(tmp_path, cli):
    path = tmp_path / "prices.csv"
    x = RNG.normal(size=(300, 2))
    y = np.exp(x[:, 0] + 0.3 * RNG.normal(size=300))
    path.write_text("a,b,price\n" + "".join(f"{a},{b},{v}\n" for (a, b), v in zip(x, y, strict=True)))
    asked = ("run", "--dataset", path, "--target", "price", "--metric", "rmse", "--trials", 6, "--folds", 2)
    beside = ("--families", "linear,lightgbm", "--engine", "local", "--no-track", "--refit")
    assert cli(*asked, *beside, "--output", tmp_path / "run").code == 0
    events = [event for event in read_events(tmp_path / "run") if event["event"] == "candidate"]
    assert {None, True} <= {event["params"].get(PARAMETER) for event in events}
    logs = {event["trial_id"] for event in events if event["params"].get(PARAMETER)}
    board = load_run(tmp_path / "run").leaderboard.filter(pl.col("trial_id").is_in(logs), pl.col("rank").is_not_null())
    for folder, model in ((tmp_path / "run", board["model"][0]), (tmp_path / "run" / "refit", None)):
        predicted = load_predictor(folder).predict(path, model=model)
        assert np.corrcoef(np.log(predicted), np.log(y))[0, 1] > 0.8
