"""The family mlp, beyond the contract that every family is held to."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from nets_fixture import NEVER, ONE_THREAD
from search_fixture import CountedDeadline

from bench.family import DeadlineReached, Settings, discover, space_of
from bench.recipes import Encoded
from bench.resources import Allotment
from bench.samples import make_sample

EMBEDDINGS = ("none", "periodic", "piecewise")


def estimator(sample, *, metric: str = "log_loss", allotment: Allotment = ONE_THREAD, seed: int = 0, **params):
    family = discover()["mlp"]
    chosen = {**space_of(family).defaults, "epochs": 8, **params}
    built = family.build(
        Settings(params=chosen, kind=sample.kind, n_classes=sample.n_classes, metric=metric, seed=seed)
    )
    built.fit(sample.train, sample.y, valid=sample.valid, allotment=allotment, deadline=NEVER)
    return built


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_what_is_loaded_predicts_the_same_bits(tmp_path, embedding, kind):
    sample = make_sample(discover()["mlp"], kind)
    fit = estimator(sample, numeric_embedding=embedding, normalization="batch", residual=True, layers=3)
    fit.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    before = torch.get_rng_state()
    loaded = discover()["mlp"].load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(loaded.predict(sample.test), fit.predict(sample.test))


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_row_is_predicted_to_the_bit_whatever_stands_beside_it(kind):
    sample = make_sample(discover()["mlp"], kind, n_rows=700)
    fit = estimator(sample)
    whole = fit.predict(sample.test)
    for index in ([5], [699, 0, 300], list(range(255, 600))):
        np.testing.assert_array_equal(fit.predict(sample.test.rows(np.array(index))), whole[index])


def test_no_rows_no_predictions():
    sample = make_sample(discover()["mlp"], "binary")
    assert estimator(sample).predict(sample.test.rows(np.arange(0))).shape == (0, 2)


def test_twenty_six_classes():
    sample = make_sample(discover()["mlp"], "multiclass", n_rows=800, n_classes=26)
    prediction = estimator(sample, epochs=30).predict(sample.test)
    np.testing.assert_allclose(prediction.sum(axis=1), 1.0, atol=1e-12)
    assert np.mean(np.abs(prediction.argmax(axis=1) - sample.test_y) <= 2) > 0.5


def test_values_stay_near_the_training_range():
    sample = make_sample(discover()["mlp"], "regression")
    fit = estimator(sample)
    far = Encoded(
        values=np.where(np.arange(5) < 3, 1000 * np.sign(sample.test.values), sample.test.values).astype(np.float32),
        categorical=sample.test.categorical,
        cardinalities=sample.test.cardinalities,
    )
    lowest, highest = sample.y.min(), sample.y.max()
    margin = 0.05 * (highest - lowest)
    prediction = fit.predict(far)
    assert prediction.min() == pytest.approx(lowest - margin)
    assert prediction.max() == pytest.approx(highest + margin)


@pytest.mark.parametrize("scale", [1e-6, 1e9])
def test_the_unit_of_the_target_does_not_matter(scale):
    sample = make_sample(discover()["mlp"], "regression")
    scaled = replace(sample, y=sample.y * scale, valid=(sample.valid[0], sample.valid[1] * scale))
    expected = estimator(sample).predict(sample.test)
    np.testing.assert_allclose(estimator(scaled).predict(sample.test) / scale, expected, rtol=1e-3)


def test_a_constant_target_is_predicted():
    sample = make_sample(discover()["mlp"], "regression")
    same = replace(sample, y=np.full_like(sample.y, 7.0), valid=(sample.valid[0], np.full_like(sample.valid[1], 7.0)))
    np.testing.assert_array_equal(estimator(same).predict(sample.test), 7.0)


def test_categories_alone_and_levels_never_seen():
    sample = make_sample(discover()["mlp"], "binary")

    def categories(X: Encoded) -> Encoded:
        return Encoded(values=X.values[:, 3:].copy(), categorical=(0, 1), cardinalities=X.cardinalities)

    train = categories(sample.train)
    train.values[train.values == 0] = 1
    fit = estimator(replace(sample, train=train, valid=(categories(sample.valid[0]), sample.valid[1])))
    unknown = replace(train, values=np.zeros((1, 2), dtype=np.float32))
    prediction = fit.predict(unknown)[0, 1]
    assert 0.2 < prediction < 0.8, "an unknown level must not decide"


def test_a_balanced_fit_sees_the_rare_class():
    sample = make_sample(discover()["mlp"], "binary", n_rows=400)
    rng = np.random.default_rng(0)
    rare = replace(
        sample,
        y=(rng.random(400) < 0.1).astype(np.int64),
        valid=(sample.valid[0], (rng.random(len(sample.valid[1])) < 0.1).astype(np.int64)),
    )
    plain, balanced = (
        estimator(rare, class_weight=weight).predict(sample.test)[:, 1].mean() for weight in (None, "balanced")
    )
    assert plain < 0.2 < 0.35 < balanced


def test_an_absolute_error_is_minimised_for_its_metric():
    sample = make_sample(discover()["mlp"], "regression")
    squared, absolute = (estimator(sample, metric=metric).predict(sample.test) for metric in ("rmse", "mae"))
    assert not np.array_equal(squared, absolute)


def test_embeddings_of_wide_tables_are_kept_small(tmp_path):
    rng = np.random.default_rng(0)
    sample = make_sample(discover()["mlp"], "binary", n_rows=40)

    def wide(X: Encoded) -> Encoded:
        return Encoded(values=rng.normal(size=(len(X.values), 800)).astype(np.float32))

    fit = estimator(replace(sample, train=wide(sample.train), valid=(wide(sample.valid[0]), sample.valid[1])), epochs=1)
    fit.save(tmp_path)
    architecture = json.loads((tmp_path / "model.json").read_text())["architecture"]
    assert (architecture["embedding_width"], architecture["n_bins"]) == (2, 5)


def test_an_estimator_resumes_from_its_allotment(tmp_path: Path):
    sample = make_sample(discover()["mlp"], "binary")
    family = discover()["mlp"]
    chosen = Settings(params={"epochs": 8}, kind="binary", n_classes=2, metric="log_loss", seed=0)
    allotment = Allotment(checkpoint=tmp_path)
    stopped = family.build(chosen)
    with pytest.raises(DeadlineReached):
        stopped.fit(sample.train, sample.y, valid=sample.valid, allotment=allotment, deadline=CountedDeadline(12))
    assert list(tmp_path.iterdir())
    resumed, whole = family.build(chosen), family.build(chosen)
    resumed.fit(sample.train, sample.y, valid=sample.valid, allotment=allotment, deadline=NEVER)
    whole.fit(sample.train, sample.y, valid=sample.valid, allotment=ONE_THREAD, deadline=NEVER)
    np.testing.assert_array_equal(resumed.predict(sample.test), whole.predict(sample.test))
