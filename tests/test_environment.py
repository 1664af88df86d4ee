import json
import subprocess
import sys
from importlib import metadata

import pytest

from bench import environment as module
from bench import release
from bench.environment import Requirement, doctor, environment, git_changes, git_commit, requirements, versions
from bench.processor import processor
from bench.release import version
from bench.resources import Machine

MACHINE = Machine(cpus=2, memory_bytes=2**33, gpus=0, cpus_why="--cpus")


def named(checks, name):
    (check,) = [check for check in checks if check.name == name]
    return check


def test_environment_is_plain_json_and_says_what_was_used(monkeypatch):
    for name in module._VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    content = environment(MACHINE)
    assert json.loads(json.dumps(content)) == content
    assert (content["cpus"], content["memory_bytes"], content["gpus"]) == (2, 2**33, 0)
    assert content["python"] == ".".join(map(str, sys.version_info[:3]))
    assert content["libraries"]["numpy"] == metadata.version("numpy")
    assert content["cpu_model"] == processor().model
    assert content["cpu_features"] == list(processor().features)
    assert content["blas"].split()[0] in ("openblas", "mkl", "blis", "flexiblas")
    assert content["variables"] == {"MKL_CBWR": "COMPATIBLE"}
    assert environment(MACHINE, ["pytest"])["libraries"]["pytest"] == metadata.version("pytest")


def test_environment_imports_no_heavy_library():
    code = (
        "import sys; from bench.environment import environment; from bench.resources import machine;"
        "environment(machine()); print({'torch', 'pandas', 'sklearn', 'ray', 'polars'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "set()"


def test_versions_leaves_out_what_is_not_installed():
    assert versions(["numpy", "no-such-distribution"]) == {"numpy": metadata.version("numpy")}


def test_requirements_are_those_of_the_package_without_extras():
    needed = {requirement.name: requirement.specifier for requirement in requirements()}
    assert set(needed["optuna"].split(",")) == {">=5.0", "<6"}
    assert needed["ray"].startswith(("<", ">"))
    assert "pytest" not in needed


def test_a_checkout_that_is_not_installed_reads_its_project_file(monkeypatch):
    installed = {requirement.name for requirement in requirements()}
    for place in (module, release):
        monkeypatch.setattr(place, "DISTRIBUTION", "no-such-distribution")
    assert {requirement.name for requirement in requirements()} == installed
    assert version() == metadata.version("automl-bench")


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_git_commit_of_a_checkout(tmp_path):
    git(tmp_path, "init")
    assert git_commit(tmp_path) is None
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    assert git_commit(tmp_path) == git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "file").write_text("2")
    assert git_commit(tmp_path) == git(tmp_path, "rev-parse", "HEAD") + "-dirty"
    changes = git_changes(tmp_path)
    (tmp_path / "file").write_text("3")
    assert None is not changes != git_changes(tmp_path) is not None
    git(tmp_path, "checkout", "file")
    assert git_changes(tmp_path) is None


def test_git_commit_outside_of_a_checkout_or_without_git(tmp_path, monkeypatch):
    assert git_commit(tmp_path) is None
    git(tmp_path, "init")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path) is None


def test_doctor_checks_everything_and_leaves_nothing_behind(tmp_path):
    output = tmp_path / "not" / "there"
    checks = doctor(output)
    names = [check.name for check in checks]
    assert len(names) == len(set(names))
    assert {"python", "numpy", "cpus", "memory", "gpus", "output folder", "home", "open files"} <= set(names)
    assert named(checks, "output folder").status == "ok"
    assert named(checks, "numpy").detail == metadata.version("numpy")
    assert all(check.hint for check in checks if check.status != "ok")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("specifier", "status", "detail"),
    [(">=2", "ok", "2.5.0"), (">=3", "error", "2.5.0, must be >=3"), ("<2.5", "error", "2.5.0, must be <2.5")],
)
def test_doctor_compares_versions_with_ranges(monkeypatch, tmp_path, specifier, status, detail):
    monkeypatch.setattr(module, "requirements", lambda: (Requirement(name="thing", specifier=specifier),))
    monkeypatch.setattr(metadata, "version", lambda name: "2.5.0")
    check = named(doctor(tmp_path), "thing")
    assert (check.status, check.detail) == (status, detail)
    assert check.hint == ("" if status == "ok" else f"pip install 'thing{specifier}'")


def test_doctor_names_a_library_that_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "requirements", lambda: (Requirement(name="no-such-thing", specifier=">=1"),))
    check = named(doctor(tmp_path), "no-such-thing")
    assert (check.status, check.detail) == ("error", "is not installed")
    assert check.hint == "pip install 'no-such-thing>=1'"


def test_doctor_finds_an_output_that_is_a_file(tmp_path):
    (tmp_path / "results").write_text("")
    check = named(doctor(tmp_path / "results" / "deeper"), "output folder")
    assert check.status == "error"
    assert "cannot be written to" in check.detail
    assert "--output" in check.hint


def test_doctor_takes_a_cache_that_cannot_be_written_for_a_warning(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "file" / "cache"))
    assert named(doctor(tmp_path), "cache folder").status == "warning"


@pytest.mark.parametrize("home", ["/no/such/home", "/proc"])
def test_doctor_warns_of_a_home_that_cannot_be_used(monkeypatch, tmp_path, home):
    monkeypatch.setenv("HOME", home)
    check = named(doctor(tmp_path), "home")
    assert (check.status, "Set HOME" in check.hint) == ("warning", True)


def test_doctor_warns_of_little_memory_disk_and_files(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "available_memory", lambda: 2**30)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    monkeypatch.setattr(module.resource, "getrlimit", lambda which: (256, 256))
    checks = doctor(tmp_path)
    for name in ("memory", "output folder", "open files"):
        assert named(checks, name).status == "warning", name
    assert "ulimit -n" in named(checks, "open files").hint


def test_doctor_asks_torch_whether_it_can_use_a_device(monkeypatch, tmp_path):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(module, "available_gpus", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    check = named(doctor(tmp_path), "gpus")
    assert check.status == "warning"
    assert f"torch {torch.__version__} cannot use them" in check.detail
    assert "--gpus 0" in check.hint
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert named(doctor(tmp_path), "gpus").status == "ok"


def test_doctor_starts_ray_when_told_how(tmp_path):
    started = []
    checks = doctor(tmp_path, start_ray=lambda: started.append(True))
    assert started == [True]
    assert named(checks, "ray start").status == "ok"


def test_doctor_says_why_ray_does_not_start(tmp_path):
    def fail():
        raise OSError("no ports left\nmore")

    check = named(doctor(tmp_path, start_ray=fail), "ray start")
    assert (check.status, check.detail) == ("error", "cannot start: OSError: no ports left")
    assert "--engine local" in check.hint


def test_doctor_without_a_way_to_start_ray_says_nothing_of_it(tmp_path):
    assert "ray start" not in [check.name for check in doctor(tmp_path)]
