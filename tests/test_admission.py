"""Which fits run side by side: estimates from sizes, corrected by what was measured."""

from dataclasses import replace

import pytest
from conftest import small

from bench.admission import WORKER_BYTES, Admission, Packing
from bench.candidate import Candidate
from bench.family import discover
from bench.needs import HISTOGRAM_BYTES, Size, covariances, forest, histograms, kernel, matrices, outputs

GIB = 2.0**30


def candidate(family, **params):
    return Candidate(trial_id=family, family=family, params=params, origin="tuned", number=0, seed=0)


@pytest.fixture
def admission(tmp_path):
    return Admission(small(tmp_path / "run", "binary"))


def test_every_family_foretells_more_for_more_rows():
    few, many = (Size(rows=rows, columns=20, outputs=3) for rows in (1_000, 100_000))
    for family in discover().values():
        params = {"n_estimators": 100}
        assert 0 < family.memory(few, params) < family.memory(many, params), family.name


def test_estimates_follow_from_size_and_parameters():
    size = Size(rows=1000, columns=10, outputs=4)
    assert matrices(2.0)(size, {}) == 2 * 4 * 1000 * 10
    assert outputs(1.0)(size, {}) == 2 * 4 * 1000 * 10 + 8 * 1000 * 4
    assert kernel(1.0)(size, {}) >= 8 * 1000**2
    assert covariances(size, {"pooling": 0.5}) - covariances(size, {}) == 3 * 8 * 10**2
    few, many = (histograms(1.0)(replace(size, columns=columns), {}) for columns in (10, 100_000))
    assert few == outputs(1.0)(size, {}) + 64 * 16 * 256 * 10
    assert many == outputs(1.0)(replace(size, columns=100_000), {}) + HISTOGRAM_BYTES
    assert forest(size, {"n_estimators": 300}) > 2 * forest(size, {"n_estimators": 100})
    assert forest(size, {"min_samples_leaf": 10}) < forest(size, {"min_samples_leaf": 1})


def test_fits_are_admitted_as_long_as_there_is_room(admission):
    one, other = candidate("lightgbm"), candidate("linear")
    both = admission.needs(one) + admission.needs(other)
    assert admission.admits(one, room=both, beside=[other])
    assert not admission.admits(one, room=both - 1, beside=[other])
    assert admission.admits(one, room=0, beside=[]), "the first of all has to be tried"


def test_what_was_measured_takes_the_place_of_what_was_foretold(admission):
    one = candidate("lightgbm")
    admission.learn(one, WORKER_BYTES + GIB)
    assert admission.needs(one) == pytest.approx(GIB)
    admission.learn(one, WORKER_BYTES + GIB / 2)
    assert admission.needs(one) == pytest.approx(GIB), "the largest counts"
    assert admission.needs(candidate("linear")) < GIB, "of its family alone"


def test_a_fit_that_took_too_much_raises_its_family(admission):
    one = candidate("random_forest", n_estimators=100)
    larger = candidate("random_forest", n_estimators=400)
    admission.learn(one, WORKER_BYTES + GIB)
    before = admission.needs(larger)
    admission.exceeded(one, 2 * GIB)
    assert admission.needs(one) == pytest.approx(2 * GIB)
    assert admission.needs(larger) - 2 * GIB == pytest.approx(2 * (before - GIB))


def test_a_fit_is_given_an_equal_share_of_a_gpu_or_what_it_takes(tmp_path):
    packing = Packing(small(tmp_path / "run", "binary"))
    net, trees = candidate("tabm"), candidate("xgboost")

    def share(one, total=24 * GIB, most=1.0):
        return packing.share(one, least=0.25, most=most, total=total)

    assert share(net) == share(trees) == 0.25, "both are small"
    assert share(net, total=0) == 0.25, "nobody knows how much there is"
    packing.learn(net, 12 * GIB)
    assert (share(net), share(net, most=0.4), share(trees)) == (0.5, 0.4, 0.25)
    packing.exceeded(net, 12 * GIB)
    assert share(net) == 1.0
    packing.exceeded(trees, 6 * GIB)
    assert share(trees) == 0.5
