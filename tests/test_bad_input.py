"""What users get wrong. One row: what is on disk, the command, and what is said; nothing is left behind."""

import gzip
import re

import polars as pl
import pytest
from conftest import table

BINARY = table("binary")
REGRESSION = table("regression")
METRICS = """
def raises(y_true, y_pred):
    raise ValueError("no such luck")

def nan(y_true, y_pred):
    return float("nan")

def text(y_true, y_pred):
    return "good"

def leaves(y_true, y_pred):
    raise SystemExit(3)
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty working directory on a machine without GPUs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.resources.available_gpus", lambda: 0)
    return tmp_path


# --- what is on disk -------------------------------------------------------------------------------------------------


def rows(frame=BINARY, name="data.csv"):
    """A table in a file."""
    return lambda place: frame.write_csv(place / name)


def raw(content, name="data.csv"):
    """Bytes or text in a file."""
    return lambda place: (place / name).write_bytes(content.encode() if isinstance(content, str) else content)


def folder(name, *files):
    """A folder like that of a run, maybe with files in it; and a table beside it."""

    def build(place):
        (place / name / "trials").mkdir(parents=True)
        for file in files:
            (place / name / file).write_text('{"identity": "of another run", "format": 1}')
        rows()(place)

    return build


def both(*builders):
    return lambda place: [build(place) for build in builders]


def nothing(place):
    pass


def with_column(**columns):
    return rows(BINARY.with_columns(**columns))


def target(*values):
    """The table with these targets over and over."""
    return rows(BINARY.with_columns(y=pl.Series([values[n % len(values)] for n in range(120)])))


custom = raw(METRICS, "badly_judged.py")
named_twice = raw("a,b,a,y\n" + "1,2,3,no\n2,1,3,yes\n" * 20)
ragged = raw("a,y\n" + "1,no\n2,yes\n" * 20 + "3,no,extra\n")
constant = rows(BINARY.with_columns(a=pl.lit(1), b=pl.lit(2.0), colour=pl.lit("red")))
mostly_missing = with_column(y=pl.when(pl.int_range(120) < 70).then(None).otherwise(pl.col("y")))
mostly_infinite = rows(
    REGRESSION.with_columns(y=pl.when(pl.int_range(120) < 70).then(float("inf")).otherwise(pl.col("y")))
)
no_two_alike = with_column(y=pl.int_range(120).cast(pl.String) + "th")
some_groups_missing = with_column(unit=pl.when(pl.int_range(120) < 5).then(None).otherwise(pl.int_range(120) % 9))

RUN = "run --dataset data.csv --target y --engine local --no-track --trials 2 --families dummy,decision_tree"
CLOCK = "run --dataset data.csv --target y --engine local --no-track"

CASES = {
    # the dataset
    "no dataset": (nothing, "run --no-track", r"a dataset is needed: --dataset FILE or NAME. `bench list datasets`"),
    "unknown dataset": (nothing, "run --dataset irsi", r"'irsi'.*Did you mean 'iris'"),
    "missing file": (nothing, "run --dataset absent.csv --target y", r"'absent.csv' is not there"),
    "dangling link": (
        lambda place: (place / "data.csv").symlink_to("gone.csv"),
        RUN,
        r"'data.csv' is not there. $",
    ),
    "misspelled file": (rows(), "run --dataset dta.csv --target y", r"'dta.csv' is not there. Did you mean 'data.csv'"),
    "missing folder": (
        nothing,
        "run --dataset no/data.csv --target y",
        r"is not there. Its folder 'no' is not there eit",
    ),
    "folder": (folder("data"), "run --dataset ./data --target y", r"'data' is a folder without a table in it"),
    "folder named as a file": (
        lambda p: (p / "data.csv").mkdir(),
        RUN,
        r"'data.csv' is a folder without a table in it",
    ),
    "unknown type": (
        raw("a", "data.xyz"),
        "run --dataset data.xyz --target y",
        r"'data.xyz' holds no table that bench knows",
    ),
    "no parquet": (
        raw(b"\0" * 90, "data.parquet"),
        "run --dataset data.parquet --target y",
        r"holds no table that bench knows, although its name promises parquet",
    ),
    "torn parquet named csv": (raw(b"PAR1" + bytes(90)), RUN, r"'data.csv' is damaged or cut short"),
    "torn parquet": (raw(b"PAR1abc", "data.parquet"), "run --dataset data.parquet --target y", r"damaged or cut short"),
    "torn gzip": (
        raw(gzip.compress(b"a,y\n" * 999)[:-9], "data.csv.gz"),
        "run --dataset data.csv.gz --target y",
        r"damaged or cut short .*Get the file again",
    ),
    "latin-1 as UTF-8": (
        raw("a,y\n1,na\xefve\n".encode("latin-1") * 30),
        RUN + " --encoding utf-8",
        r"must be UTF-8; line 2 is not \(byte 0xef\)",
    ),
    "NUL bytes": (raw(b"a,y\n1,\0\n"), RUN, r"must be text, got NUL bytes"),
    "ragged": (ragged, RUN, r"must have 2 fields in every line.*line 42 has 3"),
    "no JSON": (raw('{"a": 1}\n[2]\n', "data.jsonl"), "run --dataset data.jsonl --target a", r"line 2 is none"),
    "empty file": (raw(""), RUN, r"'data.csv' is empty; it must hold a table"),
    "header only": (raw("a,b,y\n"), RUN, r"'data.csv' holds (a header and )?no rows"),
    "few rows": (rows(table("binary", rows=19)), RUN, r"at least 20 rows are needed, got 19"),
    "column named twice": (named_twice, RUN, r"column names must be unique, got 'a' more than once. Rename them"),
    "constant features": (constant, RUN, r"at least one usable feature is needed, .*'a' \(constant: .*Bring a column"),
    # the target
    "no target": (
        rows(),
        "run --dataset data.csv",
        r"--target must name the column to predict.* columns are: a, b, col",
    ),
    "absent target": (
        rows(),
        RUN + " --target color",
        r"--target must name a column, got 'color'. Did you mean 'colour'",
    ),
    "one class": (target("no"), RUN, r"the target must vary, but 'y' holds only 'no' in all 120 rows. Choose another"),
    "mostly missing target": (
        mostly_missing,
        RUN,
        r"known in at least half of the rows, but 70 of 120 rows .* lack 'y'",
    ),
    "mostly infinite target": (mostly_infinite, RUN, r"known in at least half of the rows, but 70 of 120 rows"),
    "class a row": (no_two_alike, RUN, r"classes must repeat to be learned, but 'y' holds 120 distinct values in 120"),
    "text as regression": (rows(), RUN + " --task regression", r"--task regression needs a numeric target.*'(no|yes)'"),
    "three classes as two": (target("a", "b", "c"), RUN + " --task binary", r"a target of 2 classes, .* holds 3. Use"),
    "unknown task": (
        rows(),
        RUN + " --task clustering",
        r"--task must be one of binary, multiclass, regression, got 'clu",
    ),
    "wrong positive class": (
        rows(),
        RUN + " --positive-class yess",
        r"must be a class, got 'yess'. Did you mean 'yes'",
    ),
    "positive class of values": (
        rows(REGRESSION),
        RUN + " --positive-class 1",
        r"is for binary tasks; this one is regr",
    ),
    # the metric
    "unknown metric": (rows(), RUN + " --metric roc_acu", r"no metric is called 'roc_acu'. Did you mean 'roc_auc'"),
    "metric of values": (
        rows(),
        RUN + " --metric rmse",
        r"'rmse' needs a numeric target; task 'data' is binary. .*roc_auc",
    ),
    "metric of classes": (
        rows(REGRESSION),
        RUN + " --metric roc_auc",
        r"metric 'roc_auc' needs class probabilities; task 'data' is regression. Choose one of: rmse, mae, r2",
    ),
    "metric out of range": (
        rows(REGRESSION),
        RUN + " --metric rmsle",
        r"needs a target that is never negative; got \d+",
    ),
    "custom metric nowhere": (
        rows(),
        RUN + " --metric no_such_module:f",
        r"importing 'no_such_module' raised ModuleNot",
    ),
    "custom metric absent": (
        both(rows(), custom),
        RUN + " --metric badly_judged:rases",
        r"none called 'rases'. Did you",
    ),
    "custom metric raises": (
        both(rows(), custom),
        RUN + " --metric badly_judged:raises",
        r"raised ValueError: no such lu",
    ),
    "custom metric that ends the process": (
        both(rows(), custom),
        RUN + " --metric badly_judged:leaves",
        r"raised SystemExit: 3 on a constant prediction of 120 rows. Mend the function",
    ),
    "squares overflow": (
        rows(REGRESSION.with_columns(pl.col("y") * 1e200)),
        RUN + " --metric rmse",
        r"'rmse' must return a finite number, .*Bring the target to a smaller scale, or choose one of: mae, ",
    ),
    "custom metric of NaN": (
        both(rows(), custom),
        RUN + " --metric badly_judged:nan",
        r"must return a finite number, got",
    ),
    "custom metric of text": (
        both(rows(), custom),
        RUN + " --metric badly_judged:text",
        r"must return a number, got str",
    ),
    # families
    "unknown family": (
        rows(),
        RUN + " --families lihgtgbm",
        r"must name known families, got 'lihgtgbm'. Did you mean 'lig",
    ),
    "no family left": (rows(), RUN + " --families dummy,-dummy", r"must leave at least one family, got 'dummy,-dummy'"),
    "unfit family": (
        rows(REGRESSION),
        RUN + " --families naive_bayes",
        r"at least one family must fit the task. naive_bay",
    ),
    # where it goes
    "file for a folder": (
        both(rows(), raw("", "out")),
        RUN + " --output out",
        r"must be writable.*Choose another .*--output",
    ),
    "empty name for a folder": (rows(), [*RUN.split(), "--output", ""], r"--output must not be empty. Leave it out"),
    "folder below a file": (both(rows(), raw("", "out")), RUN + " --output out/run", r"output folder must be writable"),
    "folder of another run": (
        folder("out", "identity.json"),
        RUN + " --output out",
        r"belongs to another run.*--output",
    ),
    "folder of other things": (
        folder("out", "novel.txt"),
        RUN + " --output out",
        r"must be new, empty or of the same run",
    ),
    # how it is divided
    "one fold": (rows(), RUN + " --folds 1", r"--folds must be a whole number of at least 2, got 1"),
    "more folds than rows": (
        rows(REGRESSION),
        RUN + " --folds 500",
        r"--folds must be at most the 96 rows .*, got 500",
    ),
    "test of all rows": (rows(), RUN + " --test-size 1", r"--test-size must be a number from 0 to 0.9, got 1"),
    "negative test": (rows(), RUN + " --test-size -0.1", r"--test-size must be a number from 0 to 0.9, got -0.1"),
    "test twice": (
        rows(),
        RUN + " --test data.csv --test-size 0.2",
        r"--test FILE is the test set.*Leave one of them out",
    ),
    "absent test file": (rows(), RUN + " --test absent.csv", r"'absent.csv' is not there"),
    "test without target": (
        both(rows(), rows(BINARY.drop("y"), "test.csv")),
        RUN + " --test test.csv",
        r"--test must hold the target column 'y'. The columns are: a, b, colour",
    ),
    "test of an unseen class": (
        both(rows(), rows(BINARY.with_columns(y=pl.lit("maybe")), "test.csv")),
        RUN + " --test test.csv",
        r"every class of --test must occur in the training rows, but these do not: maybe",
    ),
    "absent group": (rows(), RUN + " --group colur", r"--group must name a column, got 'colur'. Did you mean 'colour'"),
    "absent time": (rows(), RUN + " --time wehn", r"--time must name a column, got 'wehn'. The columns are: a, b"),
    "text for time": (
        rows(),
        RUN + " --time colour",
        r"--time must name a column of numbers or dates, but 'colour' holds",
    ),
    "group not always known": (
        some_groups_missing,
        RUN + " --group unit",
        r"must be known in every row, but 5 rows lack",
    ),
    "target as group": (rows(), RUN + " --group y", r"--group must name another column than the target, got 'y'"),
    # how long, and on what
    "no trials": (rows(), CLOCK + " --trials 0", r"--trials must be a whole number of at least 1, got 0"),
    "trials in words": (rows(), CLOCK + " --trials two", r"Invalid value for '--trials'"),
    "no budget": (rows(), CLOCK + " --budget 0", r"--budget must be a positive duration such as 60s.*got '0'"),
    "negative budget": (rows(), CLOCK + " --budget=-1", r"--budget must be a positive duration .*got '-1'"),
    "budget in words": (rows(), CLOCK + " --budget abc", r"--budget must be a positive duration .*got 'abc'"),
    "budget and trials": (rows(), RUN + " --budget 60s", r"--budget and --trials exclude each other"),
    "no CPU": (rows(), RUN + " --cpus 0", r"--cpus must be a whole number of at least 1, got 0"),
    "CPUs that are not there": (
        rows(),
        RUN + " --cpus 9999",
        r"--cpus must be at most \d+ here .*, got 9999. Leave --cpus",
    ),
    "GPU that is not there": (rows(), RUN + " --gpus 1", r"--gpus must be at most 0 here, got 1. Leave --gpus out"),
    "unknown engine": (rows(), RUN + " --engine spark", r"--engine must be one of local, ray, tune, got 'spark'"),
    "unknown sampler": (rows(), RUN + " --sampler tpee", r"--sampler must be one of grid, random, tpe, got 'tpee'"),
    "negative seed": (rows(), RUN + " --seed -1", r"--seed must be a whole number of at least 0, got -1"),
    "unknown finding": (rows(), RUN + " --allow target_leak", r"got 'target_leak'. Did you mean 'target_leakage'"),
    # the run file
    "unknown key": (
        both(rows(), raw("dataset: data.csv\n\ntarget: y\nfamilys: dummy\n", "run.yaml")),
        "run --config run.yaml",
        r"run.yaml, line 4: 'familys' is not a setting of a run. Did you mean 'families'",
    ),
    "no YAML": (
        raw("a: [1\n", "run.yaml"),
        "run --config run.yaml",
        r"--config must name a readable YAML file, got 'run",
    ),
    "no keys": (raw("- a\n- b\n", "run.yaml"), "run --config run.yaml", r"must hold keys and values .*, got list"),
    "no run file": (nothing, "run --config run.yaml", r"--config must name a readable YAML file, got 'run.yaml'"),
    "wrong value": (
        both(rows(), raw("dataset: data.csv\ntarget: y\nfolds: many\n", "run.yaml")),
        "run --config run.yaml",
        r"--folds must be a whole number of at least 2, got 'many'",
    ),
    # finished runs
    "board of no run": (
        folder("out"),
        "leaderboard out",
        r"out must be the folder of a run with a leaderboard. `bench list",
    ),
    "board of nothing": (nothing, "leaderboard out", r"out must be the folder of a run with a leaderboard"),
    "report of no run": (folder("out"), "report out", r"out must be the folder of a run with a leaderboard"),
    "predictions of no run": (
        folder("out"),
        "predict out data.csv --output told.csv",
        r"out must be the folder of a run",
    ),
    "board in two shapes": (
        nothing,
        "leaderboard out --json --csv",
        r"--json and --csv exclude each other. Choose one",
    ),
    # the other verbs
    "check of nothing": (nothing, "check irsi", r"'irsi'.*Did you mean 'iris'"),
    "check without target": (rows(), "check data.csv", r"--target must name the column to predict"),
    "fetch of nothing": (rows(), "fetch adlut --from data.csv", r"'adlut'.*Did you mean 'adult'"),
    "fetch of other data": (
        rows(),
        "fetch adult --from data.csv",
        r"dataset 'adult' must have the target column 'class'",
    ),
    "unknown verb": (nothing, "rnu", r"No such command 'rnu'"),
}


def everything(place):
    found = (path for path in place.rglob("*") if path.name != ".lock")
    return {path: path.read_bytes() if path.is_file() else None for path in found}


def check(told, place, before, text):
    said = re.sub(r"\s*│?\n│?\s*", " ", told.err)
    assert told.code == 2, told.err
    assert re.search(text, said), said
    assert told.out == ""
    assert "Traceback" not in told.err
    assert everything(place) == before


@pytest.mark.parametrize(("build", "command", "text"), CASES.values(), ids=CASES)
def test_mistake_is_told_and_leaves_nothing_behind(cli, place, build, command, text):
    build(place)
    before = everything(place)
    told = cli(*(command.split() if isinstance(command, str) else command))
    sys_modules_of_tests()
    check(told, place, before, text)


def sys_modules_of_tests():
    """Forget the user's own modules, which another test may bring anew."""
    import sys

    sys.modules.pop("badly_judged", None)


def less(finished, *leave_out):
    return lambda place: finished.test_features.drop(*leave_out).write_csv(place / "rows.csv")


PREDICTIONS = {
    "missing column": ("rows.csv --output told.csv", r"columns 'mean radius' must be there; the table has"),
    "unknown model": ("data.csv --output told.csv --model linaer", r"--model must name a row .* Did you mean 'linear'"),
    "unknown suffix": ("data.csv --output told.xlsx", r"--output must end in .csv, .parquet, .jsonl, got 'told.xlsx'"),
    "no suffix": ("data.csv --output told", r"--output must end in .csv, .parquet, .jsonl, got 'told'"),
    "no such folder": (
        "data.csv --output no/told.csv",
        r"--output must be a file that can be written, got 'no/told.csv'",
    ),
    "a folder": ("data.csv --output told.csv", r"--output must be a file that can be written, got 'told.csv'"),
    "no data": ("absent.csv --output told.csv", r"'absent.csv' is not there"),
    "header only": ("none.csv --output told.csv", r"'none.csv' holds (a header and )?no rows"),
}


@pytest.mark.parametrize(("words", "text"), PREDICTIONS.values(), ids=PREDICTIONS)
def test_predictions_that_cannot_be_made_are_told(cli, place, binary, request, words, text):
    binary.test_features.write_csv(place / "data.csv")
    binary.test_features.drop("mean radius").write_csv(place / "rows.csv")
    (place / "none.csv").write_text(",".join(binary.test_features.columns) + "\n")
    if "a folder" in request.node.name:
        (place / "told.csv").mkdir()
    before = everything(place)
    check(cli("predict", binary.folder, *words.split()), place, before, text)


@pytest.mark.parametrize(
    ("frame", "left_out"),
    [
        (BINARY.with_columns(y=pl.when(pl.int_range(120) < 7).then(None).otherwise(pl.col("y"))), 7),
        (REGRESSION.with_columns(y=pl.when(pl.int_range(120) < 9).then(float("inf")).otherwise(pl.col("y"))), 9),
    ],
    ids=["missing", "infinite"],
)
def test_rows_without_a_target_are_left_out_and_counted(cli, place, frame, left_out):
    rows(frame)(place)
    told = cli(*RUN.split(), "--output", "out", "--folds", 2)
    assert told.code == 0, told.err
    assert (
        f"{left_out} of 120 rows of the training data are left out, as their target is missing or infinite" in told.err
    )
