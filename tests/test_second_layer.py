"""Boosted trees over the members' predictions."""

import json

import numpy as np
import pytest
from predictions_fixture import classified, valued

from bench import second_layer
from bench.combine import LogLinear, combiner_from_dict
from bench.metric import METRICS
from bench.second_layer import fit_layer
from bench.stacking import fit_stacker

KINDS = {"binary": 2, "multiclass": 3, "regression": 0}
ALL = np.arange(4000)


def members(kind, seed=0, rows=4000):
    classes = KINDS[kind]
    return valued(3, rows, seed) if kind == "regression" else classified(3, rows, classes, seed)


def regional(kind):
    """Two members, each of which knows the truth where a third is high or low, and nothing elsewhere."""
    generator = np.random.default_rng(1)
    (good, _, _), y = members(kind)
    mixed = generator.permutation(good)
    tell = generator.random(len(y))
    here = (tell > 0.5).reshape(-1, *[1] * (good.ndim - 1))
    if kind == "regression":
        third = tell
    else:
        third = np.column_stack([tell, *[(1 - tell) / (good.shape[1] - 1)] * (good.shape[1] - 1)])
    return np.stack([np.where(here, good, mixed), np.where(here, mixed, good), third]), y


def layer(predictions, y, kind, *, inputs=(0, 1, 2), rows=ALL, **options):
    inner = fit_stacker(predictions, y, kind, 0, rows=rows)
    return fit_layer(inner, predictions, y, kind, 0, inputs=np.array(inputs), rows=rows, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_trees_learn_where_which_member_is_right(kind):
    predictions, y = regional(kind)
    found = layer(predictions, y, kind, rows=ALL[:3000])
    metric, judged = METRICS["rmse" if kind == "regression" else "log_loss"], predictions[:, 3000:]
    linear = metric.score(y[3000:], found.inner.combine(judged))
    assert metric.score(y[3000:], found.combine(judged)) < 0.98 * linear


@pytest.mark.parametrize("kind", KINDS)
def test_layer_survives_json_and_rows_are_combined_alike_wherever_they_stand(kind):
    predictions, y = members(kind)
    found = layer(predictions, y, kind)
    again = combiner_from_dict(json.loads(json.dumps(found.to_dict())))
    assert again == found
    whole = found.combine(predictions)
    assert whole.shape == predictions.shape[1:]
    np.testing.assert_array_equal(again.combine(predictions), whole)
    for span in (slice(0, 1), slice(7, 30)):
        np.testing.assert_array_equal(found.combine(predictions[:, span]), whole[span])
    assert found.combine(predictions[:, :0]).shape == whole[:0].shape
    if kind != "regression":
        np.testing.assert_allclose(whole.sum(axis=1), 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_members_that_count_for_nothing_may_be_let_go(kind):
    predictions, y = members(kind)
    idle = np.full_like(predictions[:1], 0.0 if kind == "regression" else 1 / max(1, KINDS[kind]))
    stacked = np.concatenate([predictions[:1], idle, predictions[1:], predictions[:1]])
    inner = fit_stacker(stacked, y, kind, 0, near=np.array([0.5, 0.0, 0.5, 0.0, 0.0]))
    found = fit_layer(inner, stacked, y, kind, 0, inputs=np.array([0, 1, 3]), rows=ALL)
    assert [weight > 0 for weight in found.weights] == [True, False, True, True, False]
    fewer = found.of([0, 2, 3])
    assert fewer.weights == tuple(found.weights[k] for k in (0, 2, 3))
    np.testing.assert_array_equal(fewer.combine(stacked[[0, 2, 3]]), found.combine(stacked))


@pytest.mark.parametrize("kind", KINDS)
def test_other_rows_do_not_count_and_a_seed_gives_the_same_bits(kind):
    predictions, y = members(kind)
    rows = ALL[::2]
    inner = fit_stacker(predictions, y, kind, 0, rows=rows)
    spoiled = np.where(np.isin(ALL, rows), y, y[::-1])
    first, again = (
        fit_layer(inner, predictions, target, kind, 0, inputs=np.arange(3), rows=rows) for target in (y, spoiled)
    )
    assert first == again
    assert first != fit_layer(inner, predictions, y, kind, 1, inputs=np.arange(3), rows=rows)


def test_layer_cut_short_is_a_smaller_correction():
    predictions, y = regional("multiclass")
    metric = METRICS["log_loss"]
    hasty, whole = layer(predictions, y, "multiclass", seconds=0.0), layer(predictions, y, "multiclass")
    losses = [metric.score(y, told) for told in (c.combine(predictions) for c in (whole, hasty, whole.inner))]
    assert losses == sorted(losses)
    assert losses[0] < losses[1] < losses[2]


def test_many_classes_get_fewer_rounds(monkeypatch):
    monkeypatch.setattr(second_layer, "_MOST_TREES", 9)
    predictions, y = members("multiclass")
    assert layer(predictions, y, "multiclass").trees.count("Tree=") == 9


def test_large_tables_are_sampled(monkeypatch):
    predictions, y = members("binary")
    inner = LogLinear(weights=(0.3, 0.3, 0.4), bias=(0.0, 0.0))
    monkeypatch.setattr(second_layer, "_MOST_ROWS", 500)
    rows = second_layer.sample(ALL, 500, second_layer.seed_for(0, "layer"))
    sampled = fit_layer(inner, predictions, y, "binary", 0, inputs=np.arange(3), rows=ALL)
    assert sampled == fit_layer(inner, predictions, y, "binary", 0, inputs=np.arange(3), rows=rows)
