"""What every family of nets promises beyond the contract; the family mlp has a file of its own."""

import contextlib
import importlib.util
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from nets_fixture import NEVER, ONE_THREAD
from search_fixture import CountedDeadline

from bench.errors import SkipError
from bench.families import _estimator, _net
from bench.family import DeadlineReached, Settings, discover, space_of
from bench.nets.fit import FitSummary
from bench.recipes import Encoded
from bench.resources import Allotment
from bench.samples import make_sample

NETS = ("ft_transformer", "realmlp", "resnet", "tabm")
SMALL = {"width": 16, "members": 4, "embedding_width": 4, "bins": 6, "head_width": 4, "epochs": 6}


def build(name: str, sample, *, seed: int = 0, **params):
    family = discover()[name]
    chosen = {**space_of(family).defaults, **SMALL, **params}
    return family.build(
        Settings(params=chosen, kind=sample.kind, n_classes=sample.n_classes, metric="log_loss", seed=seed)
    )


def fitted(name: str, sample, *, allotment: Allotment = ONE_THREAD, seed: int = 0, **params):
    estimator = build(name, sample, seed=seed, **params)
    estimator.fit(sample.train, sample.y, valid=sample.valid, allotment=allotment, deadline=NEVER)
    return estimator


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_what_is_loaded_predicts_the_same_bits(tmp_path, name, kind):
    sample = make_sample(discover()[name], kind)
    estimator = fitted(name, sample)
    estimator.save(tmp_path)
    before = torch.get_rng_state()
    loaded = discover()[name].load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(loaded.predict(sample.test), estimator.predict(sample.test))


def test_nothing_imports_torchs_compiler():
    """It takes seconds, once in each process, and no net is compiled."""
    program = """
import sys, tempfile
from pathlib import Path
from test_net_families import SMALL, discover, fitted, make_sample
folder = Path(tempfile.mkdtemp())
for name in ("mlp", "realmlp", "tabm"):
    estimator = fitted(name, make_sample(discover()[name], "binary"))
    estimator.save(folder)
    discover()[name].load(folder)
    assert "torch._dynamo" not in sys.modules, name
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", NETS)
def test_the_same_seed_gives_the_same_bits(name):
    sample = make_sample(discover()[name], "binary")
    first, second, other = (fitted(name, sample, seed=seed).predict(sample.test) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", NETS)
def test_a_row_is_predicted_to_the_bit_whatever_stands_beside_it(name):
    sample = make_sample(discover()[name], "binary", n_rows=400)
    estimator = fitted(name, sample, epochs=2)
    whole = estimator.predict(sample.test)
    for index in ([5], [399, 0, 300], list(range(200, 390))):
        np.testing.assert_array_equal(estimator.predict(sample.test.rows(np.array(index))), whole[index])


@pytest.mark.parametrize("name", NETS)
def test_an_interrupted_fit_ends_with_the_same_bits(tmp_path: Path, name):
    sample = make_sample(discover()[name], "regression")
    allotment = Allotment(checkpoint=tmp_path)
    with pytest.raises(DeadlineReached):
        build(name, sample).fit(
            sample.train, sample.y, valid=sample.valid, allotment=allotment, deadline=CountedDeadline(5)
        )
    assert list(tmp_path.iterdir())
    resumed = fitted(name, sample, allotment=allotment)
    np.testing.assert_array_equal(resumed.predict(sample.test), fitted(name, sample).predict(sample.test))


@pytest.mark.parametrize("name", NETS)
def test_mixed_precision_learns_as_well(name, monkeypatch):
    sample = make_sample(discover()[name], "binary", n_rows=300)
    config = _net.NetEstimator._config

    def mixed(self, y, allotment):
        from dataclasses import replace

        return replace(config(self, y, allotment), precision="bfloat16")

    monkeypatch.setattr(_net.NetEstimator, "_config", mixed)
    prediction = fitted(name, sample, epochs=20).predict(sample.test)
    assert np.mean(prediction.argmax(axis=1) == sample.test_y) > 0.8


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", NETS)
def test_a_gpu_learns(name):
    sample = make_sample(discover()[name], "binary", n_rows=300)
    prediction = fitted(name, sample, allotment=Allotment(device="cuda", gpu=1.0), epochs=20).predict(sample.test)
    assert np.mean(prediction.argmax(axis=1) == sample.test_y) > 0.8


class OutOfMemoryError(RuntimeError):
    """Called as torch's own."""


@pytest.mark.parametrize(
    ("device", "room", "tries", "fits"),
    [("cuda", 1.0, 1, True), ("cuda", 0.5, 2, True), ("cuda", 0.25, 2, False), ("cpu", 0.5, 1, False)],
)
def test_item_53_a_batch_that_a_gpu_has_no_room_for_is_halved_once(monkeypatch, device, room, tries, fits):
    sample, tried = make_sample(discover()["tabm"], "binary"), []

    def train(module, rows, watched, *, config, allotment, deadline):
        tried.append(config.batch_size)
        if tried[-1] > room * tried[0]:
            raise OutOfMemoryError
        return FitSummary(losses=(), best_epoch=1)

    monkeypatch.setattr("bench.nets.fit.fit_net", train)
    monkeypatch.setattr("bench.nets.determinism.reproducible", lambda seed, allotment: contextlib.nullcontext())
    with contextlib.nullcontext() if fits else pytest.raises(OutOfMemoryError):
        fitted("tabm", sample, allotment=Allotment(device=device))
    assert tried == [tried[0], tried[0] // 2][:tries]


def test_what_a_fit_had_on_a_gpu_is_let_go_of_before_it_is_tried_again(monkeypatch):
    """An exception that is still being handled holds on to its frames, and these to all tensors of the fit."""
    sample, held = make_sample(discover()["tabm"], "binary"), []

    class Tensors:
        """What a fit has allocated."""

    def train(module, rows, watched, *, config, allotment, deadline):
        alive = [reference() for reference in held if reference() is not None]
        assert not alive, "the failed fit still has its tensors"
        tensors = Tensors()
        held.append(weakref.ref(tensors))
        if len(held) == 1:
            raise OutOfMemoryError
        return FitSummary(losses=(), best_epoch=1)

    monkeypatch.setattr("bench.nets.fit.fit_net", train)
    monkeypatch.setattr("bench.nets.determinism.reproducible", lambda seed, allotment: contextlib.nullcontext())
    fitted("tabm", sample, allotment=Allotment(device="cuda"))
    assert len(held) == 2


@pytest.mark.parametrize("built", [True, False])
def test_nets_take_a_gpu_where_pytorch_is_a_build_for_it(built, monkeypatch, tmp_path):
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    (tmp_path / "torch" / "__init__.py").touch()
    for part in ("libtorch_cpu.so", *(["libtorch_cuda.so"] if built else [])):
        (tmp_path / "torch" / "lib" / part).touch()
    found = importlib.util.spec_from_file_location(
        "torch", tmp_path / "torch" / "__init__.py", submodule_search_locations=[str(tmp_path / "torch")]
    )
    monkeypatch.setattr(_estimator, "find_spec", lambda name: found)
    _net.torch_has_cuda.cache_clear()
    try:
        assert {discover()[name].takes_gpu for name in ("mlp", "realmlp", "tabm", "resnet", "ft_transformer")} == {
            built
        }
    finally:
        _net.torch_has_cuda.cache_clear()


def test_members_may_have_batches_of_their_own():
    sample = make_sample(discover()["tabm"], "binary")
    shared, own = (fitted("tabm", sample, shared_batches=shared).predict(sample.test) for shared in (True, False))
    assert not np.array_equal(shared, own)


def test_a_transformer_is_skipped_where_features_are_many():
    sample = make_sample(discover()["ft_transformer"], "binary", n_rows=20)
    wide = Encoded(values=np.zeros((20, 65), dtype=np.float32))
    with pytest.raises(SkipError, match="takes at most 64 encoded features on a CPU, here are 65"):
        build("ft_transformer", sample).fit(wide, sample.y, valid=None, allotment=ONE_THREAD, deadline=NEVER)


@pytest.mark.parametrize(("rows", "epochs"), [(100, 64), (1_000, 64), (16_000, 32), (10**9, 8)])
def test_more_rows_take_fewer_epochs(rows, epochs):
    assert _net.fewer_epochs(64, rows, least=8) == epochs
