"""One Ray for all tests of the engine in this process, whose workers discover the families of `unruly`."""

import os
import sys
from collections.abc import Iterator

import pytest
import unruly

from bench.adapters.ray_actors import RayEngine
from bench.family import discover
from bench.resources import Machine

#: Two slots that share one GPU, which Ray need not find to reckon with it.
MACHINE = Machine(cpus=2, memory_bytes=2**40, gpus=1, cpus_why="told")  # the tests' own process counts, too


@pytest.fixture(scope="session")
def families_at_large(tmp_path_factory) -> Iterator[str]:
    """Families that misbehave are installed, and a GPU's driver, for this process and all that it starts."""
    folder = str(unruly.installed(tmp_path_factory.mktemp("site") / "packages"))
    driver = tmp_path_factory.mktemp("driver") / "nvidia-smi"
    driver.write_text(f"#!/bin/sh\necho {unruly.GPU_BYTES // 2**20}\n")
    driver.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", folder, prepend=os.pathsep)
        patch.setenv("PATH", str(driver.parent), prepend=os.pathsep)
        patch.syspath_prepend(folder)
        patch.delitem(sys.modules, "unruly", raising=False)  # the test's own copy has its search spaces elsewhere
        discover.cache_clear()
        yield folder
    discover.cache_clear()


@pytest.fixture(scope="session")
def engine(families_at_large) -> Iterator[RayEngine]:
    """An engine that is started once."""
    started = RayEngine(MACHINE)
    started.start()
    yield started
    started.close()
