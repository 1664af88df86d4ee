"""Errors: the tree that the docstring draws, and the helpers for messages."""

import re

import pytest

from bench import errors
from bench.errors import BenchError, SkipError, choices, nearest


def test_the_docstring_draws_the_tree():
    drawn = dict(re.findall(r"(\w+Error) +exit code (\d)", errors.__doc__))
    classes = {
        name: each for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, BenchError)
    }
    assert drawn == {name: str(each.exit_code) for name, each in classes.items()}


def test_a_family_that_cannot_run_is_no_error_of_the_users():
    assert not issubclass(SkipError, BenchError)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lightgmb", " Did you mean 'lightgbm'?"),
        ("LightGBM", " Did you mean 'lightgbm'?"),
        ("boost", " Did you mean 'catboost' or 'xgboost'?"),
        ("svm", ""),
        ("", ""),
    ],
)
def test_names_that_are_near(name, expected):
    found = nearest(name, ["lightgbm", "catboost", "xgboost", "knn"])
    assert set(re.findall(r"'\w+'", found)) == set(re.findall(r"'\w+'", expected))
    assert bool(found) == bool(expected)
    assert found.startswith(" Did you mean ") or not found


def test_choices_are_sorted():
    assert choices({"b", "a", "c"}) == "a, b, c"
