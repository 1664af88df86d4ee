"""Candidates: names, and a way to JSON and back."""

import json

import pytest

from bench.candidate import Candidate


def make(**changes):
    plain = {"trial_id": "ab12", "family": "knn", "params": {"k": 5}, "origin": "tuned", "number": 2, "seed": 3}
    return Candidate(**plain | changes)


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"number": 0}, "knn"), ({}, "knn_2"), ({"label": "ensemble"}, "ensemble"), ({"number": 0, "label": "x"}, "x")],
)
def test_names(changes, name):
    assert make(**changes).name == name


@pytest.mark.parametrize("changes", [{}, {"patient": True}, {"label": "ensemble", "origin": "ensemble"}])
def test_candidates_come_back_from_json_with_what_else_stands_there(changes):
    candidate = make(params={"k": 5, "rate": 0.1, "kind": None, "on": True, "text": "ü"}, **changes)
    line = json.dumps({"event": "candidate", "at": 1.5} | candidate.to_dict())
    again = Candidate.from_dict(json.loads(line))
    assert again == candidate
    assert list(map(type, again.params.values())) == list(map(type, candidate.params.values()))
    assert json.loads(line)["name"] == candidate.name


def test_what_is_given_out_is_a_copy():
    candidate = make()
    candidate.to_dict()["params"]["k"] = 99
    assert candidate.params["k"] == 5
