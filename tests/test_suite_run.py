"""A suite as one job: a row a dataset and model, failures as rows, and nothing lost by signals and kills."""

import json
import signal
import time
from pathlib import Path

import polars as pl
import pytest
import yaml
from conftest import CHEAP, table
from processes import board, command, events, finished_folds

import bench
from bench import suite_run
from bench.errors import RequestError, StoreError
from bench.mirror import copy_of
from bench.spec import make_spec
from bench.suite_run import FACTS, OF_ONE_DATASET, _named
from bench.suites import Suite

#: What a suite may take to end after a signal, on a machine that has other things to do.
SOON = 20
COUNTED = ("--trials", 4, "--families", "dummy,naive_bayes,linear,decision_tree", "--seed", 1)
QUICK = ("--trials", 2, "--families", "dummy,naive_bayes", "--folds", 2, "--engine", "local", "--no-track")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of one's own, where importances get no time."""
    monkeypatch.setattr("bench.wrap_up._IMPORTANCE_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_suite(folder: Path, *entries: object) -> Path:
    """Write a suite called ``mine``."""
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "title": "My tables", "entries": list(entries)}))
    return path


def write_card(folder: Path, name: str, frame: pl.DataFrame, **more: object) -> Path:
    """Write a table and its card."""
    frame.write_csv(folder / f"{name}.csv")
    card = {"name": name, "title": name, "source": {"file": f"{name}.csv"}, "target": "y", "task": "binary"}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({**card, "licence": "CC0", **more}))
    return folder / f"{name}.yaml"


def suite_table(folder: Path) -> pl.DataFrame:
    """The table of a suite, which is the same in both files."""
    stored = pl.read_parquet(folder / "suite.parquet")
    spelled = pl.read_csv(folder / "suite.csv", schema=stored.schema)
    assert spelled["dataset"].equals(stored["dataset"])
    assert spelled["cv_mean"].equals(stored["cv_mean"])
    return stored


def test_one_row_a_dataset_and_model_and_what_fails_is_a_row(cli, place):
    frame = table("binary")
    write_card(place, "broken", frame, target="z")
    write_card(place, "single", frame.with_columns(y=pl.lit("yes")))
    write_card(place, "leaky", frame.with_columns(copy=pl.col("y") + "!"))
    suite = write_suite(place, "iris", "broken.yaml", "single.yaml", "leaky.yaml", {"far": "openml:61"}, "wine")
    asked = ("suite", "run", suite, *QUICK, "--offline", "--output", "out")
    told = cli(*asked)
    assert told.code == 1
    rows = suite_table(place / "out")
    outcomes = dict(rows.select("dataset", "outcome").unique().iter_rows())
    failed = {"broken": "failed", "single": "failed", "leaky": "blocked", "far": "failed"}
    assert outcomes == {"iris": "complete", "wine": "complete", **failed}
    for name in ("iris", "wine"):
        own = pl.read_parquet(place / "out" / name / "leaderboard.parquet")
        mine = rows.filter(pl.col("dataset") == name)
        assert mine.drop(FACTS).equals(own.select(mine.drop(FACTS).columns))
        assert set(mine["metric"]) == {"log_loss"}
    reasons = {row["dataset"]: row["reason"] for row in rows.filter(pl.col("model").is_null()).to_dicts()}
    assert reasons.keys() == failed.keys()
    assert "must have the target column 'z'" in reasons["broken"]
    assert "the target must vary, but 'y' holds only 'yes'" in reasons["single"]
    assert "--allow target_leakage" in reasons["leaky"]
    assert "--offline" in reasons["far"]
    assert all(f"{name} {outcome}" in told.out for name, outcome in failed.items())
    assert "4 of 6: leaky" in told.err
    assert "My tables: 6 of 6 datasets to run, 2 candidates each" in told.err

    write_card(place, "broken", frame)
    journal = (place / "out" / "iris" / "journal.jsonl").read_bytes()
    told = cli(*asked, "--json")
    assert told.code == 1
    assert "1 of 6: iris" not in told.err
    assert (place / "out" / "iris" / "journal.jsonl").read_bytes() == journal
    endings = {row["dataset"]: row["outcome"] for row in json.loads(told.out)["datasets"]}
    assert endings == outcomes | {"broken": "complete"}
    assert suite_table(place / "out").filter(pl.col("dataset") == "broken")["model"].null_count() == 0


def test_an_error_of_a_library_is_the_failure_of_one_dataset(cli, place, monkeypatch):
    from bench import suite_run

    execute = suite_run.execute

    def fragile(spec, **more):
        return execute(spec, **more) if spec.dataset == "iris" else [][0]

    monkeypatch.setattr(suite_run, "execute", fragile)
    assert cli("suite", "run", write_suite(place, "wine", "iris"), *QUICK, "--output", "out", "--quiet").code == 1
    (reason,) = suite_table(place / "out").filter(pl.col("outcome") == "failed")["reason"]
    assert "IndexError: list index out of range" in reason
    assert "fragile" in (place / "out" / "wine.traceback.txt").read_text()


def test_from_python(place, capfd):
    done = bench.run_suite(write_suite(place, "iris"), trials=2, **CHEAP | {"families": ["dummy", "naive_bayes"]})
    assert done.folder.parent == place / "results"
    assert done.folder.name.startswith("mine-")
    assert (done.failed, done.interrupted) == ((), False)
    (row,) = done.summary.to_dicts()
    assert (row["dataset"], row["outcome"], row["metric"]) == ("iris", "complete", "log_loss")
    assert row["model"] == bench.load_run(done.folder / "iris").board.best["model"]
    assert row["seconds"] > 0
    assert set(done.table["dataset"]) == {"iris"}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--families", "liner"), "Did you mean 'linear'"),
        (("--metric", "roc_uac"), "Did you mean 'roc_auc'"),
        (("--allow", "leak"), "'leak'"),
        (("--budget", "60s", "--trials", 3), "exclude each other"),
        (("--config", "run.yaml"), "'target' is a setting of one dataset, and a suite has many"),
    ],
)
def test_a_wrong_request_is_refused_before_there_is_a_folder(cli, place, asked, message):
    (place / "run.yaml").write_text("target: y\n")
    told = cli("suite", "run", "smoke", *asked, "--output", "out")
    assert (told.code, told.out) == (2, "")
    assert message in told.err
    assert not (place / "out").exists()


def test_what_is_asked_of_one_dataset_is_no_option_of_a_suite():
    from bench.cli.suite import run
    from bench.spec import FIELDS

    offered = run.__annotations__.keys() & FIELDS
    assert offered.isdisjoint(OF_ONE_DATASET)
    assert FIELDS - offered - OF_ONE_DATASET == {"track"}


def test_a_folder_of_another_suite_is_refused(place):
    asked = {"trials": 1, "output": place / "out", **CHEAP, "families": "dummy"}
    bench.run_suite(write_suite(place, "iris"), **asked)
    with pytest.raises(StoreError, match="belongs to another run"):
        bench.run_suite(write_suite(place, "iris"), **asked | {"seed": 5})
    with pytest.raises(RequestError, match="'kind' is a setting of one dataset"):
        bench.run_suite(write_suite(place, "iris"), **asked, kind=["a=text"])


def test_datasets_have_names_of_their_own_without_secrets():
    entries = ("iris", "openml:task/31", "a/data.csv", "b/Data.csv", "postgresql://ann:s3cret@host/db#t", "car")
    names = _named(Suite(name="s", title="s", entries=entries, names={"car": "my cars/2"}))
    assert names["iris"] == "iris"
    assert names["openml:task/31"] == "openml-task-31"
    assert names["a/data.csv"] == "data"
    assert names["b/Data.csv"].startswith("Data-")
    assert names["car"] == "my-cars-2"
    assert "s3cret" not in "".join(names.values())
    assert len({name.casefold() for name in names.values()}) == len(entries)


def finished(folder: Path) -> list[tuple[str, int]]:
    """Folds that went well."""
    return [(fold["trial_id"], fold["fold"]) for fold in events(folder, "fold") if fold["status"] == "ok"]


@pytest.mark.slow
def test_a_suite_that_is_killed_goes_on_where_it_was(tmp_path):
    names = ("iris", "penguins", "wine")
    suite = write_suite(tmp_path, *names)
    asked = ("suite", "run", suite, *COUNTED, "--no-track", "--output")
    with command(*asked, tmp_path / "out", folder=tmp_path / "first") as started:
        started.wait_until(lambda: len(finished(tmp_path / "out" / "penguins")) > 6)
        started.process.send_signal(signal.SIGKILL)
        started.wait(5)
    assert set(suite_table(tmp_path / "out")["dataset"]) == {"iris"}
    with command(*asked, tmp_path / "out", folder=tmp_path / "second") as started:
        assert started.wait(200) == 0, started.stderr
        assert "1 of 3: iris" not in started.stderr
        assert started.wait_until_gone(5) == {}
    with command(*asked, tmp_path / "whole", "--engine", "local", folder=tmp_path / "third") as started:
        assert started.wait(200) == 0, started.stderr
    for name in names:
        folder = tmp_path / "out" / name
        assert len(finished(folder)) == len(set(finished(folder))), "a finished fold was fitted again"
        assert board(folder).equals(board(tmp_path / "whole" / name))
    assert list(suite_table(tmp_path / "out")["dataset"].unique(maintain_order=True)) == list(names)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code", "engine"), [(signal.SIGINT, 130, "ray"), (signal.SIGTERM, 143, "local")])
def test_a_signal_ends_the_dataset_under_way_with_its_board_and_the_suite(tmp_path, number, code, engine):
    suite = write_suite(tmp_path, "iris", "penguins", "wine")
    asked = ("suite", "run", suite, "--families", "dummy,naive_bayes,linear,knn", "--no-track", "--output", "out")
    with command(*asked, "--budget", "10m", "--engine", engine, folder=tmp_path) as started:
        started.wait_until(lambda: len(finished(tmp_path / "out" / "iris")) > 40)
        begun = time.monotonic()
        started.process.send_signal(number)
        assert started.wait(SOON) == code, started.stderr
        assert time.monotonic() - begun < SOON
        assert started.wait_until_gone(5) == {}
        assert [line for line in started.stdout.splitlines() if "waiting" in line]
    rows = suite_table(tmp_path / "out")
    assert set(rows.select("dataset", "outcome").iter_rows()) == {("iris", "interrupted")}
    assert rows["rank"].min() == 1
    assert not (tmp_path / "out" / "penguins").exists()
    with command(*asked, "--trials", 4, "--engine", "local", folder=tmp_path) as started:
        assert started.wait(100) == 0, started.stderr
    assert set(suite_table(tmp_path / "out")["outcome"]) == {"complete"}


def test_cores_of_a_cluster_are_not_those_of_this_machine():
    suite_run._check(make_spec(dataset="d", address="auto", cpus=4096))
    with pytest.raises(RequestError, match="--cpus must be at most"):
        suite_run._check(make_spec(dataset="d", cpus=4096))


def test_a_suite_in_an_object_store_goes_on_on_another_machine(cli, s3, place, monkeypatch):
    s3("ready", b"")
    quick = ("--families", "dummy,linear", "--folds", 2, "--engine", "local", "--no-track")
    asked = ("suite", "run", write_suite(place, "iris", "wine"), *quick, "--output", "s3://bucket/mine")
    mine, wine = "s3://bucket/mine", "s3://bucket/mine/wine"

    def carry_out(machine, trials):
        monkeypatch.setenv("BENCH_CACHE", str(place / machine))
        told = cli(*asked, "--trials", trials)
        assert told.code == 0, told.err
        assert f"table: {mine}/suite.csv" in told.err
        return told.err, suite_table(copy_of(mine))

    _, first = carry_out("one", 2)
    assert set(first.select("dataset", "outcome").iter_rows()) == {("iris", "complete"), ("wine", "complete")}
    told, again = carry_out("two", 2)
    assert f"This suite is complete: {mine}." in told
    assert again.equals(first)
    assert not (copy_of(wine) / "trials").exists()  # nobody needs its models here
    known = finished_folds(copy_of(wine))
    carry_out("three", 4)
    folds = finished_folds(copy_of(wine))
    assert len(folds) == len(set(folds)) == 2 * len(known)


def test_an_answer_that_is_damaged_is_no_answer_and_ends_no_suite(tmp_path):
    part = suite_run.Part(name="a", spec=make_spec(dataset="penguins", output=str(tmp_path / "a"), trials=1))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "DONE").write_text("{")
    assert not part.answered
