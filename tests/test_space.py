"""Search space files: what is read, what is refused, what a task leaves out."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data import shipped
from bench.errors import BenchError
from bench.space import Parameter, Space, load_space
from bench.testing import draw

FILES = sorted(shipped("search_spaces").glob("*.yaml"))


@pytest.fixture
def written(tmp_path: Path):
    """Read a space from text, as the file of family ``some``."""

    def read(text: str) -> Space:
        path = tmp_path / "some.yaml"
        path.write_text(text)
        return load_space(path)

    return read


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_files_are_sound(path):
    assert load_space(path).family == path.stem


def test_a_file_is_read_whole(written):
    space = written("""
family: some
params:
  rate: {type: float, low: 0.1, high: 1, log: true}
  depth: {type: int, low: 2, high: 9, when: classification}
  weight: {type: categorical, choices: [null, balanced], when: imbalanced}
defaults: {rate: 0.5, rounds: 100}
quick: {rounds: 10}
portfolio: [{rate: 0.2, rounds: 7}, {rate: 0.1}]
costs: {quick: 0.1, portfolio: [0.5, 3], search: 4.5}
""")
    rate, depth, weight = space.parameters
    assert rate == Parameter(name="rate", type="float", low=0.1, high=1, log=True)
    assert depth == Parameter(name="depth", type="int", low=2, high=9, when="classification")
    assert weight.choices == (None, "balanced")
    assert space.defaults == {"rate": 0.5, "rounds": 100}
    assert space.portfolio == ({"rate": 0.2, "rounds": 7}, {"rate": 0.1})
    assert space.quick == {"rate": 0.5, "rounds": 10}
    points = ({}, space.quick, *space.portfolio, {"rate": 0.3})
    assert [space.cost_of(space.complete(point)) for point in points] == [1.0, 0.1, 0.5, 3.0, 4.5]
    assert space.narrowed(frozenset()).cost_of({"rate": 0.1, "rounds": 100}) == 3.0


@pytest.mark.parametrize(
    ("asked", "cost", "left"),
    [
        ({"n_estimators": 10_000}, 12.3456, {"n_estimators": 1200}),
        ({"n_estimators": 10_000, "rate": 0.3}, 200.0, {"n_estimators": 10_000, "rate": 0.3}),
        ({"n_estimators": 10_000}, 0.0, {"n_estimators": 100}),  # as many as by default in any case
        ({"n_estimators": 40}, 0.5, {"n_estimators": 40}),
        ({"epochs": 256}, 3.0, {"epochs": 256}),  # of what the defaults do not have
    ],
)
def test_iterations_are_limited_to_what_so_many_default_fits_take(written, asked, cost, left):
    assert written("family: some\ndefaults: {n_estimators: 100}").limited(asked, cost) == left


@pytest.mark.parametrize(
    ("asked", "cost", "rounds", "rate"),
    [
        (0.02, 20.0, 2000, 0.02),  # enough for what such a point usually takes
        (0.02, 5.0, 500, 0.04),
        (0.02, 1.0, 100, 0.2),  # more than is searched
        (0.02, 0.5, 100, 0.2),  # as many as by default in any case
        (0.05, 1.0, 100, 0.3),
    ],
)
def test_rounds_that_are_taken_away_are_made_up_for_by_the_learning_rate(written, asked, cost, rounds, rate):
    space = written("""
family: some
defaults: {n_estimators: 100, learning_rate: 0.3}
base: {n_estimators: 10000}
params: {learning_rate: {type: float, low: 0.01, high: 0.1}}
costs: {search: 10}
""")
    asked = {"n_estimators": 10_000, "learning_rate": asked}
    assert space.limited(asked, cost) == {"n_estimators": rounds, "learning_rate": rate}


def test_a_limited_point_costs_no_more_than_its_iterations_and_is_known_by_the_rest(written):
    space = written("""
family: some
defaults: {n_estimators: 100}
base: {n_estimators: 10000}
portfolio: [{rate: 0.2}, {rate: 0.01}]
params: {rate: {type: float, low: 0.01, high: 1}}
costs: {portfolio: [2, 40], search: 7}
""")
    quick, slow, drawn = ({"rate": rate, "n_estimators": 1000} for rate in (0.2, 0.01, 0.5))
    assert [space.cost_of(params) for params in (quick, slow, drawn)] == [2.0, 10.0, 7.0]


def test_a_family_without_parameters_has_an_empty_space(written):
    assert written("family: some") == Space(family="some", parameters=(), defaults={}, portfolio=())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("family: other", r"some\.yaml must be a mapping with keys among .*, family: some"),
        ("[1, 2]", r"some\.yaml must be a mapping"),
        ("family: some\nextra: 1", r"keys among \['base', 'costs', 'defaults', 'family', .*, 'portfolio', 'quick'\]"),
        ("family: some\nparams: {a: 1}", r"parameter 'a' must be a mapping with keys among"),
        ("family: some\nparams: {a: {type: float, low: 0, hi: 1}}", r"parameter 'a' must be a mapping with keys among"),
        ("family: some\nparams: {a: {type: real, low: 0, high: 1}}", r"'a' must have type float, int or categorical"),
        ("family: some\nparams: {a: {type: categorical}}", r"categorical parameter 'a' must have choices"),
        ("family: some\nparams: {a: {type: float, low: 1, high: 1}}", r"'a' must have low < high"),
        ("family: some\nparams: {a: {type: float, low: x, high: 1}}", r"'a' must have low < high"),
        ("family: some\nparams: {a: {type: int, low: 0, high: 9, log: true}}", r"low > 0 with log: true"),
        (
            "family: some\nparams: {a: {type: int, low: 1, high: 2, when: sunny}}",
            r"'a' must have a when among \['classification', .*'gaps'\]",
        ),
        (
            "family: some\ncosts: [1]",
            r"costs must be a mapping with keys among \['portfolio', 'quick', 'search'\], of numbers above 0",
        ),
        ("family: some\ncosts: {search: 0}", r"costs must be a mapping .* of numbers above 0"),
        ("family: some\ncosts: {portfolio: 3}", r"costs must be a mapping"),
        ("family: some\ncosts: {tuned: 2}", r"costs must be a mapping"),
        ("family: some\ncosts: {portfolio: [1, 2]}", r"costs must have 0 numbers, one for each portfolio point"),
        ("family: some\ndefaults: {a: 1}\nportfolio: [{a: 2, b: 3}]", r"unknown parameters \['b'\]"),
        ("family: some\ndefaults: {a: 1}\nquick: {b: 3}", r"unknown parameters \['b'\]"),
    ],
)
def test_a_broken_file_is_refused(written, text, message):
    with pytest.raises(BenchError, match=message):
        written(text)


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        (set(), ["always"]),
        ({"classification"}, ["always", "depth"]),
        ({"classification", "imbalanced"}, ["always", "depth", "weight"]),
        ({"regression"}, ["always"]),
    ],
)
def test_conditions_narrow_search_defaults_and_portfolio(written, conditions, left):
    space = written("""
family: some
params:
  always: {type: float, low: 0, high: 1}
  depth: {type: int, low: 2, high: 9, when: classification}
  weight: {type: categorical, choices: [null, balanced], when: imbalanced}
defaults: {always: 1, depth: 3, weight: null, rounds: 10}
portfolio: [{depth: 4, always: 0.5}]
""").narrowed(frozenset(conditions))
    assert [parameter.name for parameter in space.parameters] == left
    assert set(space.defaults) == {*left, "rounds"}
    assert set(space.portfolio[0]) == {"always", "depth"} & set(left)


@st.composite
def ranges(draw_from) -> Parameter:
    log = draw_from(st.booleans())
    kind = draw_from(st.sampled_from(["float", "int"]))
    number = st.integers(1, 10_000) if kind == "int" else st.floats(1e-6, 1e6, allow_nan=False)
    low, high = sorted([draw_from(number), draw_from(number)])
    return Parameter(name="a", type=kind, low=low, high=high + 1, log=log)


@given(ranges(), st.integers(2, 12))
def test_a_grid_spans_the_range_in_order(parameter, points):
    grid = parameter.grid(points)
    assert 2 <= len(grid) <= points
    assert grid[0] == pytest.approx(parameter.low)
    assert grid[-1] == pytest.approx(parameter.high)
    assert list(grid) == sorted(grid)
    assert all(isinstance(value, int) for value in grid) == (parameter.type == "int")


def test_a_logarithmic_grid_has_equal_ratios():
    grid = Parameter(name="a", type="float", low=0.01, high=1.0, log=True).grid(3)
    assert grid == pytest.approx((0.01, 0.1, 1.0))


def test_the_grid_of_a_categorical_parameter_is_its_choices():
    assert Parameter(name="a", type="categorical", choices=(None, "x", 3)).grid(2) == (None, "x", 3)


@given(ranges(), st.integers(0, 2**32))
def test_draws_lie_in_the_range(parameter, seed):
    value = draw(parameter, np.random.default_rng(seed))
    assert parameter.low <= value <= parameter.high
    assert isinstance(value, int) == (parameter.type == "int")
