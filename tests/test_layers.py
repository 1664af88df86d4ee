"""The house: imports point down, each heavy library has one owner, the package's face stays light and small."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("ray", "mlflow", "torch", "sklearn", "scipy", "xgboost", "lightgbm", "catboost", "optuna", "pandas")


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after running some code."""
    program = f"{code}\nimport sys\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("code", ["import bench", "import bench.cli"])
def test_import_is_light(code: str) -> None:
    assert not loaded_by(code) & {*HEAVY, "numpy", "polars"}


def test_help_is_light() -> None:
    code = "from typer.testing import CliRunner\nfrom bench.cli import app\n"
    code += "assert 'run' in CliRunner().invoke(app, ['--help']).output"
    assert not loaded_by(code) & {*HEAVY, "numpy", "polars"}


def test_the_spine_loads_no_model_library() -> None:
    assert not loaded_by("import bench.spine") & {"ray", "mlflow", "torch", "xgboost", "lightgbm", "catboost"}


def test_spine_stays_a_table_of_contents() -> None:
    import bench.spine

    assert len(inspect.getsource(bench.spine._stages).splitlines()) <= 80
