"""Presets: what they stand for, and what overrules them."""

import re
from dataclasses import asdict

import pytest

from bench.errors import RequestError
from bench.family import select
from bench.presets import PRESETS, preset_notes
from bench.spec import DEFAULT_BUDGET_SECONDS, FIELDS, RunSpec, make_spec


def told(**content) -> tuple[str, ...]:
    spec = make_spec(dataset="d", **content)
    return preset_notes(spec.preset, asdict(spec))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_the_settings_it_stands_for(name):
    settings = PRESETS[name].settings
    assert settings.keys() <= FIELDS - {"dataset", "preset"}
    spec = make_spec(dataset="d", preset=name)
    assert {key: getattr(spec, key) for key in settings} == dict(settings)
    assert asdict(spec) == asdict(make_spec(dataset="d", **settings)) | {"preset": name}


@pytest.mark.parametrize("name", PRESETS)
def test_families_of_a_preset_exist(name):
    assert select(PRESETS[name].settings.get("families", ()))


def test_no_preset_is_the_standard_one():
    assert asdict(make_spec(dataset="d", preset="standard")) == asdict(RunSpec(dataset="d", preset="standard"))
    assert told() == ()


def test_the_best_takes_longer_than_the_standard_and_the_quick_less():
    budgets = [make_spec(dataset="d", preset=name).budget for name in ("quick", "standard", "best")]
    assert budgets == sorted(budgets)
    assert budgets[1] == DEFAULT_BUDGET_SECONDS


@pytest.mark.parametrize(
    ("given", "key", "value", "sentence"),
    [
        ({"folds": 5}, "folds", 5, "--folds 5 overrules --folds 3 of preset quick."),
        ({"budget": "2m"}, "budget", 120.0, "--budget 120s overrules --budget 60s of preset quick."),
        ({"trials": 9}, "budget", None, "--trials overrules --budget 60s of preset quick."),
        ({"splits": "fold"}, "folds", None, "--splits overrules --folds 3 of preset quick."),
        ({"families": "knn"}, "families", ("knn",), "--families knn overrules --families dummy,naive_bayes,"),
    ],
)
def test_what_is_given_overrules_a_preset_and_that_is_told(given, key, value, sentence):
    assert getattr(make_spec(dataset="d", preset="quick", **given), key) == value
    first, second = told(preset="quick", **given)
    assert first.startswith("Preset quick, a first answer in a minute")
    assert second.startswith(sentence)


def test_ensembles_can_be_asked_for_beside_a_preset_without():
    assert make_spec(dataset="d", preset="interpretable", ensembles=True).ensembles
    assert told(preset="interpretable", ensembles=True)[1] == (
        "--ensembles overrules --no-ensembles of preset interpretable."
    )


def test_what_is_given_as_the_preset_has_it_overrules_nothing():
    assert len(told(preset="quick", folds=3)) == 1


def test_an_unknown_preset_is_answered_with_the_nearest():
    text = "--preset must be one of best, fast-inference, interpretable, quick, standard, got 'quik'."
    with pytest.raises(RequestError, match=re.escape(f"{text} Did you mean 'quick'?")):
        make_spec(dataset="d", preset="quik")


def test_a_preset_decides_a_result_by_its_settings_alone():
    plain = make_spec(dataset="d", folds=8)
    assert make_spec(dataset="d", preset="best").identity() == plain.identity()
