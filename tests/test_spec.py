"""What is asked: read, checked, spelled out again."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import RequestError
from bench.spec import DEFAULT_BUDGET_SECONDS, FIELDS, RunSpec, make_spec, parse_duration, read_config


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("60s", 60),
        ("10m", 600),
        ("2h", 7200),
        ("1.5h", 5400),
        (" 3 m ", 180),
        ("0.5", 0.5),
        (45, 45),
        (2.5, 2.5),
        ("1036800s", 1036800),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5m", "5 minutes", "1h30m", "nan", "inf", "1e3", "m", "٣s", True, "5M"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(RequestError, match=r"must be a positive duration such as 60s, 10m or 2h, got"):
        parse_duration(text)


def test_defaults():
    spec = make_spec(dataset="adult")
    assert (spec.budget, spec.trials, spec.test_size, spec.families) == (DEFAULT_BUDGET_SECONDS, None, None, ())
    assert make_spec(dataset="adult", trials=5).budget is None
    assert make_spec(dataset="adult", metric=None, trials=None) == spec


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "a dataset is needed: --dataset FILE or NAME"),
        ({"dataset": ""}, "a dataset is needed"),
        ({"dataset": "d", "budgte": 3}, "'budgte' is not a setting of a run. Did you mean 'budget'?"),
        ({"dataset": "d", "budget": "1m", "trials": 3}, "--budget and --trials exclude each other"),
        ({"dataset": "d", "address": "auto", "memory": "4GiB"}, "--memory is for this machine"),
        ({"dataset": "d", "address": "auto", "engine": "local"}, "--address and --engine local exclude each other"),
        ({"dataset": "d", "address": "auto", "engine": "tune"}, "--engine tune is for this machine alone"),
        ({"dataset": "d", "memory": "4 apples"}, "--memory must be a size of at least 1GiB"),
        ({"dataset": "d", "memory": "500MiB"}, "--memory must be a size of at least 1GiB"),
        ({"dataset": "d", "splits": "a", "group": "b"}, "so --group has no meaning beside it"),
        ({"dataset": "d", "splits": "a", "time": "b"}, "so --time has no meaning beside it"),
        ({"dataset": "d", "splits": "a", "gap": 2}, "so --gap has no meaning beside it"),
        ({"dataset": "d", "splits": "a", "test_size": 0.3}, "--splits says how rows are divided, so --test-size has"),
        ({"dataset": "d", "test": "t.csv", "test_size": 0.3}, "so --test-size has no meaning beside it"),
        ({"dataset": "d", "test": "t.csv", "test_size": 0.0}, "so --test-size has no meaning beside it"),
        ({"dataset": "d", "trials": 0}, "--trials must be a whole number of at least 1, got 0."),
        ({"dataset": "d", "trials": 2.5}, "--trials must be a whole number of at least 1, got 2.5."),
        ({"dataset": "d", "trials": True}, "--trials must be a whole number of at least 1, got True."),
        ({"dataset": "d", "folds": 1}, "--folds must be a whole number of at least 2, got 1."),
        ({"dataset": "d", "seed": -1}, "--seed must be a whole number of at least 0, got -1."),
        ({"dataset": "d", "cpus": 0}, "--cpus must be a whole number of at least 1, got 0."),
        ({"dataset": "d", "gpus": -1}, "--gpus must be a whole number of at least 0, got -1."),
        ({"dataset": "d", "test_size": 0.95}, "--test-size must be a number from 0 to 0.9, got 0.95."),
        ({"dataset": "d", "test_size": float("nan")}, "--test-size must be a number from 0 to 0.9, got nan."),
        ({"dataset": "d", "test_size": "a"}, "--test-size must be a number from 0 to 0.9, got 'a'."),
        ({"dataset": "d", "task": "ranking"}, "--task must be one of binary, multiclass, regression, got 'ranking'."),
        ({"dataset": "d", "sampler": "cmaes"}, "--sampler must be one of grid, random, tpe, got 'cmaes'."),
        ({"dataset": "d", "engine": "dask"}, "--engine must be one of local, ray, tune, got 'dask'."),
        ({"dataset": "d", "target": 5}, "--target must be text, got 5. Put it in quotes."),
        ({"dataset": 61}, "--dataset must be text, got 61. Put it in quotes."),
        ({"dataset": "d", "positive_class": True}, "--positive-class must be text, got True. Put it in quotes."),
        ({"dataset": "d", "track": "no"}, "track must be true or false, got 'no'."),
        ({"dataset": "d", "families": 3}, "--families must be names joined by commas, or a list of names, got 3."),
        ({"dataset": "d", "families": [1]}, "--families must be names joined by commas, or a list of names, got [1]."),
        ({"dataset": "d", "slowdown": 0.5}, "--slowdown must be a number of at least 1, got 0.5."),
        ({"dataset": "d", "ensembles": "no"}, "ensembles must be true or false, got 'no'."),
        ({"dataset": "d", "budget": "soon"}, "--budget must be a positive duration"),
        ({"dataset": "d", "fit_limit": 0}, "--fit-limit must be a positive duration"),
    ],
)
def test_what_cannot_be_is_refused(content, message):
    with pytest.raises(RequestError, match=re.escape(message)):
        make_spec(**content)


@pytest.mark.parametrize("given", ["knn, linear,", ["knn", "linear"], ("knn,linear",), ["knn,", " linear "]])
def test_names_are_text_joined_by_commas_or_lists(given):
    assert make_spec(dataset="d", families=given).families == ("knn", "linear")


def test_text_group_and_time_are_fine():
    assert make_spec(dataset="d", test="t.csv").test == "t.csv"
    spec = make_spec(dataset="d", group="g", time="t", gap=7)
    assert (spec.group, spec.time, spec.gap) == ("g", "t", 7)


# --- identity -----------------------------------------------------------------------------------------------------

OTHERS = {
    "dataset": "other",
    "target": "y",
    "metric": "rmse",
    "task": "binary",
    "positive_class": "1",
    "budget": 17.0,
    "trials": 9,
    "preset": "best",
    "families": ("knn",),
    "ensembles": False,
    "slowdown": 3.0,
    "folds": 7,
    "test_size": 0.1,
    "test": "t.csv",
    "group": "g",
    "time": "t",
    "sampler": "grid",
    "seed": 5,
    "cpus": 1,
    "gpus": 0,
    "engine": "local",
    "output": "out",
    "allow": ("leak",),
    "track": False,
    "gap": 2.0,
    "repeats": 2,
    "splits": "fold",
    "max_rows": 1000,
    "kind": ("a=text",),
    "drop": ("a",),
    "sep": ";",
    "encoding": "latin-1",
    "decimal": ",",
    "null": ("-9",),
    "bad_lines": "skip",
    "query": "select 1",
    "offline": True,
    "refit": True,
    "address": "auto",
    "memory": 2**30,
    "fit_limit": 60.0,
}
CARRIED_OUT = {"budget", "trials", "cpus", "gpus", "memory", "engine", "address", "output", "allow", "track"}
CARRIED_OUT |= {"preset", "refit", "fit_limit"}
#: What decides what the data is, and so is in its fingerprint.
READ = {"drop", "sep", "encoding", "decimal", "null", "bad_lines", "query", "offline"}


def test_every_setting_is_looked_at():
    assert set(OTHERS) == FIELDS


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_identity_has_what_decides_results_and_nothing_else(name):
    spec = RunSpec(dataset="d")
    other = dataclasses.replace(spec, **{name: OTHERS[name]})
    assert (other.identity() == spec.identity()) == (name in CARRIED_OUT | READ)


def test_the_order_of_families_is_no_part_of_the_identity():
    one, other = (make_spec(dataset="d", families=names) for names in ("knn,linear", "linear,knn,knn"))
    assert one.identity() == other.identity()


# --- files --------------------------------------------------------------------------------------------------------

TEXT = st.text(min_size=1, max_size=12)
SPECS = st.fixed_dictionaries(
    {"dataset": TEXT},
    optional={
        "target": TEXT,
        "metric": st.sampled_from(["rmse", "mod:fn"]),
        "task": st.sampled_from(["binary", "regression"]),
        "positive_class": TEXT,
        "families": st.lists(st.sampled_from(["knn", "-linear", "yes"]), max_size=3),
        "preset": st.sampled_from(["quick", "best", "interpretable", "fast-inference", "standard"]),
        "folds": st.integers(2, 20),
        "sampler": st.sampled_from(["tpe", "grid"]),
        "seed": st.integers(0, 2**40),
        "cpus": st.integers(1, 99),
        "engine": st.just("local"),
        "output": TEXT,
        "allow": st.lists(st.sampled_from(["leak"]), max_size=1),
        "track": st.booleans(),
    },
)
ENDS = st.sampled_from([{}, {"trials": 3}, {"budget": "90s"}, {"budget": 1036800.5}, {"budget": 0.25}])
TESTS = st.sampled_from([{}, {"test": "t.csv"}, {"test_size": 0.0}, {"group": "g"}, {"time": "no"}])


@given(SPECS, ENDS, TESTS)
def test_a_request_comes_back_from_its_file(tmp_path_factory, content, end, test):
    spec = make_spec(**content, **end, **test)
    path = tmp_path_factory.getbasetemp() / "spec.yaml"
    path.write_text(spec.to_yaml(), encoding="utf-8")
    assert make_spec(**read_config(path)) == spec


def test_a_file_is_plain_to_read():
    assert make_spec(dataset="adult", families="knn", budget="5m").to_yaml() == (
        "dataset: adult\nbudget: 300s\nfamilies:\n- knn\n"
        "ensembles: true\nrefit: false\n"
        "bad_lines: error\noffline: false\nsampler: tpe\nseed: 0\nengine: ray\ntrack: true\n"
    )


def test_null_needs_no_quotes(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("dataset: d\nnull: ['-9', none]\n")
    assert make_spec(**read_config(path)).null == ("-9", "none")


def test_hyphens_and_underscores_are_the_same(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("dataset: adult\ntest-size: 0.3\npositive_class: '1'\nbudget: 10m\n")
    assert read_config(path) == {"dataset": "adult", "test_size": 0.3, "positive_class": "1", "budget": "10m"}


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "null", "---\n"])
def test_an_empty_file_asks_nothing(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    assert read_config(path) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "dataset: d\n\nmetrc: rmse\n",
            r"run\.yaml, line 3: 'metrc' is not a setting of a run\. Did you mean 'metric'",
        ),
        ("1: d\n", r"line 1: '1' is not a setting of a run\."),
        ("test-size: 0.1\ntest_size: 0.2\n", r"line 2: 'test_size' stands there twice\. Leave one of them out"),
        ("quiet: 1\n", r"run\.yaml: quiet must be true or false, got 1\."),
        ("- dataset\n", r"must hold keys and values such as `metric: roc_auc`, got list"),
        ("0\n", r"must hold keys and values such as `metric: roc_auc`, got int"),
        ("[]\n", r"must hold keys and values such as `metric: roc_auc`, got list"),
        ("dataset: [\n", r"--config must name a readable YAML file"),
        ("? [a]\n: b\n", r"--config must name a readable YAML file"),
        ("dataset: !!python/object:os.system x\n", r"--config must name a readable YAML file"),
        ("dataset: \x00\n", r"--config must name a readable YAML file"),
        ("a: 1\n---\nb: 2\n", r"--config must name a readable YAML file"),
    ],
)
def test_files_that_cannot_be_used_are_refused(tmp_path, text, message):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(RequestError, match=message):
        read_config(path, ("quiet",))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("target: größe\n".encode("latin-1"))
    for path in (tmp_path / "gone.yaml", tmp_path, tmp_path / "latin.yaml"):
        with pytest.raises(RequestError, match="--config must name a readable YAML file"):
            read_config(path)
