"""What is asked of a GPU's driver, and what PyTorch is made to give back."""

import sys
import time
from types import SimpleNamespace

import pytest
import spies
from conftest import small

from bench import gpu
from bench.gpu import gpu_bytes, gpu_use, visible_gpu
from bench.resources import Allotment
from bench.trial import run_fold


@pytest.fixture
def driver(monkeypatch, tmp_path):
    """Gives a function that puts a script in the place of ``nvidia-smi``, or nothing."""

    def put(script):
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
        if script is not None:
            (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / "nvidia-smi").chmod(0o755)

    return put


@pytest.mark.parametrize(("visible", "first"), [("", ""), ("3", "3"), ("2,5", "2"), ("GPU-8c, GPU-9d", "GPU-8c")])
def test_the_first_visible_gpu_is_ours(visible, first, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpu() == first


@pytest.mark.parametrize(
    ("script", "size"),
    [
        ('[ "$1" = --id=GPU-8c ] && echo 143771', 143_771 * 2**20),
        ("echo '[N/A]'", 0),
        ("echo", 0),
        ("echo 'No devices were found'; exit 6", 0),
        (None, 0),
    ],
)
def test_memory_is_what_the_driver_tells(script, size, driver):
    driver(script)
    assert gpu_bytes("GPU-8c") == size


@pytest.mark.parametrize(
    ("script", "mebibytes"),
    [
        ('[ "$1" = --id=GPU-8c ] && printf "17, 9\\n%s, 530\\n" $PPID', 530),
        ('printf "17, 9\\n"', 0),  # whose processes have other numbers there
        ('echo "$PPID, [N/A]"', 0),
        ("exit 6", 0),
        (None, 0),
    ],
)
def test_what_a_fit_takes_is_what_the_driver_tells_of_its_process(script, mebibytes, driver, monkeypatch, tmp_path):
    class Slow(spies.Spy):
        def fit(self, X, y, **more):
            super().fit(X, y, **more)
            time.sleep(0.3)

    driver(script)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8c")
    monkeypatch.setattr(gpu, "_FIRST_SECONDS", 0.05)
    monkeypatch.setattr(gpu, "_cuda", lambda: None)
    spies.register(monkeypatch, spies.family(Slow))
    problem = small(tmp_path / "run", "binary")
    allotment = Allotment(cpus=1, gpu=1.0, device="cuda")
    result = run_fold(problem, spies.candidate(), 0, allotment=allotment, seconds=None)
    assert (result.status, result.gpu_memory_mb) == ("ok", mebibytes * 2**20 / 1e6)


def pytorch(monkeypatch, *, used=True, kept=2, most=7, fails=False):
    """Put something in PyTorch's place that keeps so much of a GPU and had ``most`` of it; gives what it was told."""
    done = []

    def empty():
        if fails:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        done.append("emptied")

    cuda = SimpleNamespace(
        is_initialized=lambda: used,
        memory_reserved=lambda: kept,
        max_memory_reserved=lambda: most,
        empty_cache=empty,
        reset_peak_memory_stats=lambda: done.append("reset"),
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    return done


@pytest.mark.parametrize("used", [True, False])
def test_what_pytorch_keeps_is_given_back_where_it_is_in_use(used, driver, monkeypatch):
    driver(None)
    done = pytorch(monkeypatch, used=used)
    with gpu_use("cuda") as use:
        pass
    assert (use.bytes, done) == ((7.0, ["emptied", "reset"]) if used else (0.0, []))


def test_what_pytorch_keeps_of_a_net_is_not_what_a_booster_takes_after_it(driver, monkeypatch):
    driver('echo "$PPID, 530"')
    monkeypatch.setattr(gpu, "_FIRST_SECONDS", 0.01)
    pytorch(monkeypatch, kept=7, most=7)
    with gpu_use("cuda") as use:
        time.sleep(0.3)
    assert use.bytes == 530 * 2**20


def test_a_gpu_that_has_failed_fails_no_more_than_the_fit(driver, monkeypatch):
    """Every call of PyTorch's raises from then on."""
    driver(None)
    pytorch(monkeypatch, fails=True)
    with gpu_use("cuda") as use:
        pass
    assert use.bytes == 0.0


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_only_fits_on_a_gpu_ask_the_driver(device, driver, monkeypatch, tmp_path):
    driver(f"touch {tmp_path}/asked")
    monkeypatch.setattr(gpu, "_FIRST_SECONDS", 0.01)
    with gpu_use(device):
        time.sleep(0.3)
    assert (tmp_path / "asked").exists() == (device == "cuda")


@pytest.mark.parametrize(
    ("script", "part"),
    [
        ("echo 80000, 80000", 0.25),
        ("echo 80000, 40000", 0.5),
        ("echo '80000, [N/A]'", 0.25),
        ("echo", 0.25),
        (None, 0.25),
    ],
)
def test_a_share_of_a_gpu_is_told_as_a_part_of_what_is_free(script, part, driver):
    """CatBoost takes its part of that; the first of four would have a quarter, the last one less than a tenth."""
    driver(script)
    assert gpu.part_of_free(0.25) == part
