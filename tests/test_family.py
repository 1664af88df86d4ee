"""Discovery and choice of families, and the search spaces they come with."""

import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import BenchError, RequestError
from bench.family import ALL_TASKS, CLASSIFICATION, discover, select, space_of
from bench.testing import ITERATION_LIMITS, yield_checks

NAMES = {
    "catboost",
    "decision_tree",
    "discriminant",
    "dummy",
    "explainable_boosting",
    "extra_trees",
    "gaussian_process",
    "knn",
    "lightgbm",
    "linear",
    "naive_bayes",
    "random_forest",
    "svm",
    "xgboost",
}


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a distribution with one entry point, whose module holds the given source."""

    def install(source: str, name: str = "outside") -> None:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[bench.families]\n{name} = {name}:FAMILY\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, name, raising=False)
        discover.cache_clear()

    yield install
    discover.cache_clear()


def test_all_families_are_found_and_each_under_its_own_name():
    families = discover()
    assert set(families) >= NAMES
    assert all(name == family.name for name, family in families.items())
    orders = [family.order for family in families.values()]
    assert orders == sorted(orders)


def test_baselines_come_first_and_the_dummy_before_all():
    baselines = [name for name, family in discover().items() if family.baseline]
    assert baselines == ["dummy", "naive_bayes", "decision_tree", "linear", "knn"]
    assert list(discover())[: len(baselines)] == baselines


def test_only_models_of_the_classes_are_limited_to_classification():
    tasks = {name: discover()[name].tasks for name in NAMES}
    assert tasks.pop("naive_bayes") == tasks.pop("discriminant") == CLASSIFICATION
    assert set(tasks.values()) == {ALL_TASKS}


def test_discovery_loads_no_heavy_library():
    code = """
        import sys
        from bench.family import discover, space_of
        for family in discover().values():
            space_of(family)
        heavy = {"sklearn", "xgboost", "lightgbm", "catboost", "pandas", "torch", "scipy", "skops", "optuna", "ray"}
        print(sorted(heavy & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_third_party_family_is_found_with_its_own_space(plugin, tmp_path):
    (tmp_path / "outside.yaml").write_text("family: outside\nparams: {depth: {type: int, low: 1, high: 3}}\n")
    plugin(f"""
        from dataclasses import replace
        from pathlib import Path
        from bench.families.dummy import FAMILY
        FAMILY = replace(FAMILY, name="outside", order=7, space=Path({str(tmp_path / "outside.yaml")!r}))
    """)
    family = discover()["outside"]
    assert [parameter.name for parameter in space_of(family).parameters] == ["depth"]
    assert select(["outside"]) == (family,)


def test_a_family_without_a_space_file_is_named(plugin):
    plugin("""
        from dataclasses import replace
        from bench.families.dummy import FAMILY
        FAMILY = replace(FAMILY, name="outside")
    """)
    with pytest.raises(BenchError, match=r"Family 'outside' must have a search space, got no file outside\.yaml"):
        space_of(discover()["outside"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_library", r"entry point 'outside' \(outside:FAMILY\) failed: ModuleNotFoundError: .*library"),
        ("1 / 0", r"entry point 'outside' .* failed: ZeroDivisionError: division by zero\. Repair or uninstall it"),
        ("OTHER = 1", r"entry point 'outside' .* failed: AttributeError"),
        ("FAMILY = 1", r"entry point 'outside' .* must export a bench\.family\.Family, got int"),
        (
            "from bench.families.knn import FAMILY",
            r"must be unique, got 'knn' from both bench\.families\.knn and entry",
        ),
    ],
)
def test_a_broken_plug_in_fails_loudly_with_its_name(plugin, source, message):
    plugin(source)
    with pytest.raises(BenchError, match=message):
        discover()


@pytest.mark.parametrize(
    ("expressions", "names"),
    [
        (["lightgbm,dummy"], ["dummy", "lightgbm"]),
        (["lightgbm", "dummy", "dummy"], ["dummy", "lightgbm"]),
        ([" linear , knn,"], ["linear", "knn"]),
        (["linear,knn,-knn"], ["linear"]),
    ],
)
def test_names_choose_in_the_families_order(expressions, names):
    assert [family.name for family in select(expressions)] == names


@pytest.mark.parametrize("expressions", [["-knn,-dummy"], ["-knn", "-dummy"]])
def test_a_minus_leaves_out(expressions):
    assert {family.name for family in select(expressions)} == set(discover()) - {"knn", "dummy"}


def test_no_names_choose_all():
    assert select([]) == tuple(discover().values())


@pytest.mark.parametrize("expression", ["lightgmb", "-lightgmb", "knn,LightGMB"])
def test_an_unknown_name_is_answered_with_the_nearest(expression):
    with pytest.raises(RequestError, match=r"got '(?i:lightgmb)'\. Did you mean 'lightgbm'\? Choose among: .*xgboost"):
        select([expression])


def test_an_empty_choice_is_refused():
    with pytest.raises(RequestError, match=r"must leave at least one family, got 'knn,-knn'\. Choose among: catboost"):
        select(["knn,-knn"])


@pytest.mark.parametrize("name", sorted(NAMES))
def test_spaces_start_inside_their_ranges(name):
    space = space_of(discover()[name])
    parameters = {parameter.name: parameter for parameter in space.parameters}
    assert bool(parameters) == (name not in {"dummy", "naive_bayes"})
    for point in (space.complete({}), *space.portfolio):
        for key, value in point.items():
            if (parameter := parameters.get(key)) is None:
                assert key in ITERATION_LIMITS
            elif parameter.type == "categorical":
                assert value in parameter.choices
            else:
                assert parameter.low <= value <= parameter.high, (name, key, value)


def test_checks_have_unique_names_and_fit_the_tasks_of_the_family():
    names = [name for name, _ in yield_checks(discover()["naive_bayes"])]
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.endswith("regression")]
    assert "many_classes-multiclass" in names
    assert "many_classes-binary" not in names


class Broken:
    """A dummy that breaks one promise."""

    def __init__(self, promise: str, inner) -> None:
        self.promise, self.inner = promise, inner

    def fit(self, X, y, **rest):
        if self.promise == "leaves_inputs":
            X.values.setflags(write=True)
        self.inner.fit(X, y, **rest)

    def predict(self, X):
        prediction = self.inner.predict(X)
        if self.promise == "fits":
            return prediction.astype("float32")
        return prediction * (1 + X.values.mean()) if self.promise == "row_by_row" else prediction

    def save(self, folder):
        if self.promise == "saves":
            import pickle

            (folder / "model.bin").write_bytes(pickle.dumps([1.0]))
        self.inner.save(folder)


@pytest.mark.parametrize(
    ("promise", "message"),
    [
        ("fits", "must be float64, got float32"),
        ("leaves_inputs", "inputs must stay read-only"),
        ("row_by_row", "rows must be predicted one by one"),
        ("saves", r"without pickle, got \['model.bin'\]"),
    ],
)
def test_a_broken_promise_is_told(promise, message):
    dummy = discover()["dummy"]
    family = replace(dummy, build=lambda settings: Broken(promise, dummy.build(settings)))
    check = dict(yield_checks(family))[f"{promise}-regression"]
    with pytest.raises(AssertionError, match=message):
        check()
