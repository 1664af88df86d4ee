"""The files that ship with the package."""

import pytest

from bench import data
from bench.data import shipped


@pytest.mark.parametrize(("folder", "file"), [("search_spaces", "linear.yaml"), ("datasets", "penguins.csv")])
def test_folders_are_found(folder, file):
    assert (shipped(folder) / file).is_file()


def test_a_wheel_has_them_inside_the_package(monkeypatch, tmp_path):
    package = tmp_path / "site-packages" / "bench"
    monkeypatch.setattr(data, "_PACKAGE", package)
    assert shipped("datasets") == tmp_path / "site-packages" / "datasets"
    (package / "_data" / "datasets").mkdir(parents=True)
    assert shipped("datasets") == package / "_data" / "datasets"
