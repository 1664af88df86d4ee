"""Fits on two devices beside each other; here the CPU stands for both, or a family that comes out otherwise on one."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from bench import parity
from bench.families import _estimator
from bench.families.lightgbm import built_for_cuda
from bench.family import discover
from bench.parity import compare, gpu_checks


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_the_same_fit_twice_agrees_to_the_last_bit(kind):
    found = compare(discover()["xgboost"], kind, device="cpu")
    assert found.cpu_loss == found.gpu_loss
    assert found.agrees
    assert 0 < found.cpu_loss < 0.5


class Lazy:
    """Learns only on the CPU."""

    def __init__(self, estimator):
        self._estimator = estimator

    def fit(self, X, y, *, valid, allotment, deadline):
        y = y if allotment.device == "cpu" else y[::-1].copy()
        self._estimator.fit(X, y, valid=valid, allotment=replace(allotment, device="cpu"), deadline=deadline)

    def predict(self, X):
        return self._estimator.predict(X)


def checked(monkeypatch, **families):
    monkeypatch.setattr(parity, "discover", lambda: families)
    monkeypatch.setattr(parity, "available_gpus", lambda: 1)
    return list(gpu_checks())


def test_a_family_that_comes_out_otherwise_is_an_error(monkeypatch):
    tree = discover()["decision_tree"]
    lazy = replace(tree, uses_gpu=True, build=lambda settings: Lazy(tree.build(settings)))
    checks = checked(monkeypatch, lazy=lazy, cpu_only=discover()["linear"])
    assert [check.name for check in checks] == [f"decision_tree, {kind}" for kind in sorted(tree.tasks)]
    assert {check.status for check in checks} == {"error"}
    assert all("--gpus 0" in check.hint for check in checks)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a torch that finds no GPU")
def test_a_library_that_cannot_use_the_device_says_why(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as the fit would, for good
    checks = checked(monkeypatch, mlp=replace(discover()["mlp"], uses_gpu=True))
    assert {check.status for check in checks} == {"error"}
    assert all("cuda" in check.detail.lower() for check in checks)


def test_a_build_that_takes_no_gpu_is_named(monkeypatch):
    told = [replace(discover()[name], uses_gpu=lambda: False) for name in ("mlp", "lightgbm")]
    checks = checked(monkeypatch, **{family.name: family for family in told})
    assert [(check.name, check.status) for check in checks] == [("mlp", "warning"), ("lightgbm", "warning")]
    assert [check.detail for check in checks] == [
        f"the installed build of {library} takes no GPU" for library in ("torch", "lightgbm")
    ]


@pytest.fixture
def asked_anew():
    built_for_cuda.cache_clear()
    yield
    built_for_cuda.cache_clear()


@pytest.mark.parametrize(
    ("library", "takes"),
    [(b"..CUDA Tree Learner was not enabled in this build.\n", False), (b"..cudaMalloc..", True), (None, False)],
)
def test_lightgbm_takes_a_gpu_where_its_build_allows(library, takes, tmp_path, monkeypatch, asked_anew):
    (tmp_path / "lib").mkdir()
    if library is not None:
        (tmp_path / "lib" / "lib_lightgbm.so").write_bytes(library)
    monkeypatch.setattr(_estimator, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[tmp_path]))
    assert discover()["lightgbm"].takes_gpu is takes


def test_the_build_of_lightgbm_is_told_right_and_a_fit_is_told_its_device(monkeypatch, asked_anew):
    checks = checked(monkeypatch, lightgbm=replace(discover()["lightgbm"], uses_gpu=True))
    refused = all("CUDA Tree Learner was not enabled" in check.detail for check in checks)
    assert built_for_cuda() != refused


def test_without_a_gpu_there_is_nothing_to_compare(monkeypatch):
    monkeypatch.setattr(parity, "available_gpus", lambda: 0)
    (check,) = gpu_checks()
    assert (check.status, check.detail) == ("error", "no GPU to compare the CPU with")


def test_doctor_compares_when_asked(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parity, "available_gpus", lambda: 0)
    assert "parity" not in cli("doctor", "--no-ray").out
    told = cli("doctor", "--no-ray", "--gpu")
    assert told.code == 1
    assert "no GPU to compare the CPU with" in told.out
