"""Who takes part in a search, and what of their spaces."""

from dataclasses import replace

import polars as pl
from conftest import table

from bench import roster
from bench.family import discover


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
