"""Who takes part in a search, and what of their spaces."""

from dataclasses import replace

import polars as pl
import pytest
from conftest import table

from bench import roster
from bench.family import discover, select
from bench.resources import Machine
from bench.spec import make_spec


def conditions(problem):
    return roster._conditions(problem)


def test_conditions_say_what_the_task_and_its_columns_are_like(make_small):
    assert conditions(make_small("regression")) == {"regression", "numbers", "mixed", "gaps"}
    frame = table("binary").with_columns(town=pl.Series([f"town {index % 20}" for index in range(120)]))
    assert conditions(make_small(frame=frame)) == {
        "classification",
        "numbers",
        "mixed",
        "gaps",
        "categories",
        "many_levels",
    }


def test_a_table_of_many_cells_gets_no_features(make_small, monkeypatch):
    problem = make_small()
    monkeypatch.setattr(roster, "_MAX_FEATURE_CELLS", 120 * len(problem.task.schema.columns) - 1)
    assert conditions(problem) == {"classification"}


def test_features_are_part_of_a_trial_s_identity(make_small):
    family, problem = discover()["linear"], make_small()
    ids = {
        roster.trial_identity(each, family, "cpu", {"C": 1.0, **switches}, 0)
        for each in (problem, replace(problem, identity="another"))
        for switches in ({}, {"features_crosses": True}, {"features_crosses": False})
    }
    assert len(ids) == 6


@pytest.mark.parametrize(("seconds_a_row", "trials", "rows"), [(1e-5, None, None), (10.0, None, 20), (10.0, 6, None)])
def test_rows_that_take_long_are_taken_in_steps_by_the_clock(make_small, monkeypatch, seconds_a_row, trials, rows):
    """60 s of a search and two classes, or one output: a fold of LightGBM's default may take 7.2 s of them."""
    monkeypatch.setattr(roster, "_SECONDS_A_ROW", seconds_a_row)
    monkeypatch.setattr("bench.proposals._LEAST_ROWS", 20)
    machine, problem = Machine(cpus=2, memory_bytes=2**30, gpus=0, cpus_why="told"), make_small()
    spec = make_spec(dataset="frame", target="y", **({"trials": trials} if trials else {"budget": 60}))
    proposals = roster.make_proposals(problem, select(["lightgbm"]), spec, machine, seconds=60.0)
    candidate = proposals.propose(share=lambda name, cost: 0.0)
    assert (candidate.family, candidate.rows) == ("lightgbm", rows)
    train = len(problem.splits.folds[0].train)
    first = rows or train
    taken = proposals.cost_of(candidate) * proposals.guessed_seconds("lightgbm", 1.0)
    assert taken == pytest.approx(0.05 + seconds_a_row * first, rel=0.01)
