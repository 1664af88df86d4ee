"""What is asked of a GPU's driver, and what PyTorch is made to give back."""

import sys
from types import SimpleNamespace

import pytest

from bench.gpu import gpu_bytes, release_gpu, visible_gpu


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
def test_memory_is_what_the_driver_tells(script, size, monkeypatch, tmp_path):
    if script is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_bytes("GPU-8c") == size


@pytest.mark.parametrize("used", [True, False])
def test_what_pytorch_keeps_is_given_back_where_it_is_in_use(used, monkeypatch):
    done = []
    cuda = SimpleNamespace(
        is_initialized=lambda: used,
        max_memory_reserved=lambda: 7,
        empty_cache=lambda: done.append("emptied"),
        reset_peak_memory_stats=lambda: done.append("reset"),
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert (release_gpu(), done) == ((7.0, ["emptied", "reset"]) if used else (0.0, []))
