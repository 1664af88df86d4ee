"""What may be used: control groups, affinity, SLURM, flags; and holding fits to it."""

import math
import os
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from bench import resources
from bench.errors import RequestError
from bench.resources import (
    Allotment,
    Deadline,
    available_cpus,
    available_gpus,
    available_memory,
    limit_threads,
    machine,
    shares,
    thread_environment,
)


@pytest.fixture
def host(monkeypatch, tmp_path):
    """A machine of 64 cores without limits: ``host(name=text)`` writes files of its control groups."""
    monkeypatch.setattr(resources.os, "cpu_count", lambda: 64)
    monkeypatch.setattr(resources.os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.setattr(resources, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(resources, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def write(files, own="0::/\n"):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


V1 = "12:memory:/job/7\n4:cpu,cpuacct:/job/7\n1:name=systemd:/x\n"
V2 = "0::/slurm/job_7/step\n"


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        ({}, "", (64, "cores of the machine")),
        ({"cpu.max": "max 100000\n"}, "0::/\n", (64, "cores of the machine")),
        ({"cpu.max": "400000 100000\n"}, "0::/\n", (4, "cgroup quota")),
        ({"cpu.max": "350000 100000\n"}, "0::/\n", (3, "cgroup quota")),
        ({"cpu.max": "50000 100000\n"}, "0::/\n", (1, "cgroup quota")),
        ({"cpu.max": "9900000 100000\n"}, "0::/\n", (64, "cores of the machine")),
        ({"cpu.max": ""}, "0::/\n", (64, "cores of the machine")),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, V1, (3, "cgroup quota")),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, V1, (64, "cores of the machine")),
        ({"cpu/job/7/cpu.cfs_quota_us": "500000", "cpu/job/7/cpu.cfs_period_us": "100000"}, V1, (5, "cgroup quota")),
        ({"cpu/job/cpu.cfs_quota_us": "600000", "cpu/job/cpu.cfs_period_us": "100000"}, V1, (6, "cgroup quota")),
        ({"slurm/job_7/cpu.max": "800000 100000", "slurm/cpu.max": "max 100000"}, V2, (8, "cgroup quota")),
        ({"slurm/job_7/cpu.max": "800000 100000", "slurm/cpu.max": "700000 100000"}, V2, (7, "cgroup quota")),
        ({"other/cpu.max": "100000 100000"}, V2, (64, "cores of the machine")),
    ],
)
def test_quotas_of_control_groups(host, files, own, expected):
    host(files, own)
    assert available_cpus() == expected


def test_without_any_control_group(host):
    assert available_cpus() == (64, "cores of the machine")
    assert available_memory() > 0


def test_the_smallest_limit_decides(host, monkeypatch):
    host({"cpu.max": "800000 100000"})
    monkeypatch.setattr(resources.os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    assert available_cpus() == (6, "CPU affinity")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "5")
    assert available_cpus() == (5, "SLURM_CPUS_PER_TASK")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "none")
    assert available_cpus() == (6, "CPU affinity")


def test_an_affinity_mask_is_respected():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cpus()[0] == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("files", "own", "limit"),
    [
        ({"memory.max": "max\n"}, "0::/\n", None),
        ({"memory.max": "1000000\n"}, "0::/\n", 1_000_000),
        ({"memory/memory.limit_in_bytes": "2000000\n"}, V1, 2_000_000),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, V1, None),
        ({"memory/job/7/memory.limit_in_bytes": "3000000"}, V1, 3_000_000),
        ({"slurm/job_7/memory.max": "4000000", "slurm/job_7/step/memory.max": "max"}, V2, 4_000_000),
    ],
)
def test_memory_limits(host, files, own, limit):
    host(files, own)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert available_memory() == (total if limit is None else limit)


@pytest.mark.parametrize(
    ("visible", "expected"), [(None, 3), ("", 0), ("-1", 0), ("0", 1), ("0,2", 2), ("0,1,2,3,4", 3), ("GPU-ab12", 1)]
)
def test_gpus_are_counted_by_their_device_files(host, monkeypatch, tmp_path, visible, expected):
    for name in ("nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm", "nvidia0x"):
        (tmp_path / name).touch()
    monkeypatch.setattr(resources, "Path", lambda _: tmp_path)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert available_gpus() == expected


def test_flags_lower_what_is_found(host, monkeypatch):
    monkeypatch.setattr(resources, "available_gpus", lambda: 2)
    monkeypatch.setattr(resources, "available_memory", lambda: 2**37)
    found = machine()
    assert (found.cpus, found.gpus, found.cpus_why) == (64, 2, "cores of the machine")
    lowered = machine(cpus=3, gpus=0)
    assert (lowered.cpus, lowered.gpus, lowered.cpus_why) == (3, 0, "--cpus")


def test_memory_lowers_the_number_of_fits_at_once(host, monkeypatch):
    monkeypatch.setattr(resources, "available_memory", lambda: 2**37)
    few = machine(memory=2**32)
    assert (few.cpus, few.memory_bytes, few.cpus_why) == (4, 2**32, "memory")
    assert machine(cpus=2, memory=2**32).cpus_why == "--cpus"
    assert machine(memory=2**30).cpus == 1
    with pytest.raises(RequestError, match=r"--memory must be at most 128\.0GiB here, got 256\.0GiB"):
        machine(memory=2**38)


def test_more_than_there_is_is_refused(host, monkeypatch):
    host({"cpu.max": "400000 100000"})
    monkeypatch.setattr(resources, "available_gpus", lambda: 0)
    message = r"--cpus must be at most 4 here \(cgroup quota\), got 5\. Leave --cpus out to use all of them\."
    with pytest.raises(RequestError, match=message):
        machine(cpus=5)
    with pytest.raises(RequestError, match=r"--gpus must be at most 0 here, got 1\. Leave --gpus out, or pass 0\."):
        machine(gpus=1)


def test_deadlines():
    never = Deadline(None)
    assert never.left == math.inf
    assert not never.passed
    assert Deadline(0.0).passed
    soon = Deadline(0.02)
    assert 0 < soon.left <= 0.02
    assert not soon.passed
    time.sleep(0.03)
    assert soon.passed
    assert soon.left < 0


def test_threads_are_limited_within_the_block_only():
    np.ones((8, 8)) @ np.ones((8, 8))  # have BLAS loaded
    before = [pool["num_threads"] for pool in threadpool_info()]
    assert before, "numpy must bring a BLAS whose threads can be limited"
    with limit_threads(1):
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_environment_of_new_processes():
    environment = thread_environment(3)
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"} <= set(environment)
    assert set(environment.values()) == {"3"}


def test_a_fit_is_given_one_thread_and_no_gpu_by_default():
    assert Allotment() == Allotment(cpus=1, gpu=0.0, device="cpu", checkpoint=None)


def test_shares_leave_what_is_not_used_to_those_that_follow():
    parts = shares(10.0, 2)
    assert next(parts) == pytest.approx(5.0, abs=0.1)
    assert next(parts) == pytest.approx(10.0, abs=0.1)
    assert list(shares(None, 3)) == [float("inf")] * 3
    assert list(shares(-1.0, 2)) == [0.0, 0.0]
    assert list(shares(10.0, 9, most=4)) == pytest.approx([2.5] * 6 + [10 / 3, 5.0, 10.0], abs=0.1)
