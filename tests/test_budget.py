"""What can be afforded."""

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.budget import plan, within
from bench.resources import Machine
from bench.spec import make_spec


def here(cpus):
    return Machine(cpus=cpus, memory_bytes=1, gpus=0, cpus_why="test")


def spend(budget, *, cpus=4, **known):
    known = {"spent": 0.0, "cells": 0} | known
    return plan(make_spec(dataset="d", budget=budget), here(cpus), threading.Event(), **known)


@pytest.mark.parametrize(
    ("budget", "spent", "cells", "window"),
    [
        (300.0, 0.0, 0, 288.0),  # a twenty-fifth is kept back
        (60.0, 0.0, 0, 54.0),  # at least 6 seconds
        (3600.0, 0.0, 0, 3555.0),  # at most 45
        (10.0, 0.0, 0, 5.0),  # never more than half
        (300.0, 20.0, 5_000_000, 263.0),
        (10.0, 8.0, 0, 0.0),
        (10.0, 50.0, 0, 0.0),
    ],
)
def test_time_is_kept_back_for_what_follows_the_search(budget, spent, cells, window):
    made = spend(budget, spent=spent, cells=cells)
    assert made.window_seconds == pytest.approx(window)
    assert made.search.left == pytest.approx(window, abs=0.5)
    assert made.total.left == pytest.approx(max(0.0, budget - spent), abs=0.5)
    assert made.trials is None


@pytest.mark.parametrize(("probabilities", "window"), [(0, 54.0), (500_000, 51.0), (10**9, 49.8)])
def test_time_is_kept_back_for_ensembles_of_many_classes(probabilities, window):
    assert spend(60.0, probabilities=probabilities).window_seconds == pytest.approx(window)


@given(st.floats(0.1, 1e6), st.floats(0, 1e6), st.integers(0, 10**10))
def test_the_search_always_ends_before_the_command(budget, spent, cells):
    made = spend(budget, spent=spent, cells=cells)
    assert 0 <= made.window_seconds <= max(0.0, budget - spent)
    total = made.total.left  # read first: time passes
    assert made.search.left <= total


@pytest.mark.parametrize("spent", [0.0, 1e9])
def test_a_counted_run_knows_no_clock(spent):
    made = plan(make_spec(dataset="d", trials=7), here(16), threading.Event(), spent=spent, cells=10**9)
    assert (made.trials, made.slots) == (7, 16)
    assert made.search.left == made.total.left == math.inf


@pytest.mark.parametrize(
    ("asked", "limit"),
    [
        ({"trials": 7}, 3600.0),
        ({"trials": 7, "fit_limit": "90s"}, 90.0),
        ({"budget": 300.0}, math.inf),
        ({"budget": 300.0, "fit_limit": "2m"}, 120.0),
    ],
)
def test_a_fit_counts_as_hung_after_what_was_asked_for(asked, limit):
    made = plan(make_spec(dataset="d", **asked), here(4), threading.Event(), spent=0.0, cells=0)
    assert (made.fit_limit, made.counted) == (limit, "trials" in asked)


def test_one_fit_a_core_and_at_least_one():
    assert [spend(60.0, cpus=cpus).slots for cpus in (0, 1, 3)] == [1, 1, 3]


def test_time_is_kept_back_for_fitting_again():
    made = plan(make_spec(dataset="d", budget=300.0, refit=True), here(4), threading.Event(), spent=20.0, cells=0)
    assert made.total.left == pytest.approx(235.0, abs=0.5)
    assert made.window_seconds == pytest.approx(223.0)


@pytest.mark.parametrize("asked", [{"trials": 7}, {"budget": 300.0}])
def test_a_signal_makes_the_end_come_soon(asked):
    stop = threading.Event()
    made = plan(make_spec(dataset="d", **asked), here(4), stop, spent=0.0, cells=0)
    shares = within(made.total, iter([20.0] * 2))
    assert (made.total.left > 200, next(shares)) == (True, 20.0)
    stop.set()
    assert 0 < made.total.left < 10
    assert next(shares) < 10
