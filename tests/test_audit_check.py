"""``bench check``: its page in the terminal, as HTML and as JSON, and the overview in a run's report."""

import json
import re

import numpy as np
import polars as pl
import pytest
from conftest import table
from report_fixture import write_run
from test_report import NASTY, _Page, _reported

import bench
from bench.audit.overview import ClassView, ColumnView, Overview

NAME = "a\x1b[31m<script>alert(1)</script>"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory with ``data.csv`` in it."""
    monkeypatch.chdir(tmp_path)
    table("binary", rows=300).write_csv(tmp_path / "data.csv")
    return tmp_path


def test_findings_come_first_then_the_target_then_columns(cli, place):
    frame = table("binary", rows=300)
    frame.with_columns(leak=pl.col("y") + "!", gap=pl.when(pl.col("a") > 0).then(None).otherwise(1.5)).write_csv(
        "d.csv"
    )
    told = cli("check", "d.csv", "--target", "y")
    assert told.code == 1, told.err
    places = [told.out.index(part) for part in ("target_leakage", "missing_values", "Target y", "Columns; alone")]
    assert places == sorted(places)
    assert "Findings: 1 blocking" in told.out
    assert "  do      Leave it out with --drop 'leak'" in told.out
    assert "'leak' is 'yes!' in 100%" in told.out


def test_regression_shows_quantiles(cli, place):
    table("regression", rows=300).write_csv("r.csv")
    told = cli("check", "r.csv", "--target", "y")
    assert "Target y: min -" in told.out
    assert "R² of the column by itself" in told.out


def test_hostile_names_move_no_cursor(cli, place):
    frame = table("binary", rows=300).rename({"a": "\x1b[2J", "b": "b\u202e"})
    frame.with_columns(y=pl.col("y") + "\x1b[31m").write_parquet("n.parquet")
    told = cli("check", "n.parquet", "--target", "y")
    assert told.code == 0
    assert not set("\x1b\u202e") & set(told.out)
    assert r"\x1b[2J" in told.out


def test_json_carries_everything(cli, place):
    told = cli("check", "data.csv", "--target", "y", "--json")
    document = json.loads(told.out)
    assert document["schema"] == 1
    assert document["dataset"]["n_rows"] == 300
    assert {"code", "severity", "message", "effect", "advice", "columns", "evidence"} == set(document["findings"][0])
    columns = document["overview"]["columns"]
    assert columns[0]["name"] == "a"
    assert sum(columns[0]["counts"]) == 300
    assert {entry["label"] for entry in document["overview"]["classes"]} == {"no", "yes"}


def test_many_columns_are_cut_and_said(cli, place):
    matrix = np.random.default_rng(0).normal(size=(150, 60))
    pl.DataFrame({"y": [n % 2 for n in range(60)], **{f"x{k}": row for k, row in enumerate(matrix)}}).write_csv("w.csv")
    told = cli("check", "w.csv", "--target", "y")
    assert "and 51 more columns; --json tells more of them" in told.out


def test_a_test_file_a_group_and_a_time_are_looked_at(cli, place):
    frame = table("binary", rows=300, seed=1)
    frame.with_columns(a=pl.col("a") + 3).write_csv("test.csv")
    told = cli("check", "data.csv", "--target", "y", "--test", "test.csv")
    assert "test_shift" in told.out
    table("binary", rows=300).with_columns(at=pl.int_range(300) // 3 * 2).write_csv("at.csv")
    assert cli("check", "at.csv", "--target", "y", "--group", "at").code == 0
    assert cli("check", "at.csv", "--target", "y", "--time", "at").code == 0
    told = cli("check", "at.csv", "--target", "y", "--time", "nowhere")
    assert (told.code, "--time must name a column" in told.err) == (2, True)


def test_the_page_is_whole_and_asks_for_nothing(cli, place):
    frame = table("binary", rows=300).rename({"colour": NAME}).with_columns(y=pl.col("y") + "<b>")
    frame.write_parquet("p.parquet")
    told = cli("check", "p.parquet", "--target", "y", "--html", "page.html")
    assert told.code == 0, told.err
    text = (place / "page.html").read_text("utf-8")
    page = _Page(text)
    assert page.open == []
    assert len(page.ids()) == len(set(page.ids()))
    assert {"audit", "target", "columns"} <= set(page.ids())
    assert "https://" not in text
    assert "http://" not in text
    assert "\x1b" not in text
    assert "<script>alert" not in text
    assert "<script>alert(1)</script>" in page.text
    assert text.count('class="spark"') == 3


def test_a_page_that_cannot_be_written(cli, place):
    told = cli("check", "data.csv", "--target", "y", "--html", "nowhere/page.html")
    assert told.code == 2
    assert "--html must name a file that can be written, got 'nowhere/page.html': No such file" in told.err


def test_check_from_python():
    found = bench.check(table("binary", rows=300), target="y", test_size=0.1)
    assert found.blocking() == ()
    assert found.overview.columns[0].name == "a"


# --- the report of a run ----------------------------------------------------------------------------------------------


def overview(columns: int, name: str = "column") -> dict:
    views = tuple(
        ColumnView(name=f"{name}_{k}", association=k / columns, counts=tuple(range(20)), low="0", high="1")
        for k in range(columns)
    )
    classes = (ClassView(label=NASTY, rows=30, share=0.75, trait=f"{NASTY} is high"),)
    return Overview(measure="ROC AUC", rows=2000, columns=views, classes=classes).to_dict()


def add_overview(folder, content):
    audit = json.loads((folder / "audit.json").read_text("utf-8"))
    (folder / "audit.json").write_text(json.dumps(audit | {"overview": content}), encoding="utf-8")


def with_columns(folder, columns: int, name: str = "column"):
    dataset = json.loads((folder / "dataset.json").read_text("utf-8"))
    dataset["columns"] = [dataset["columns"][0] | {"name": f"{name}_{k}"} for k in range(columns)]
    (folder / "dataset.json").write_text(json.dumps(dataset), encoding="utf-8")


def test_the_overview_stands_in_the_report(tmp_path):
    folder = write_run(tmp_path)
    with_columns(folder, 5)
    add_overview(folder, overview(5))
    page, _ = _reported(folder)
    assert "“Alone” is the ROC AUC" in page.text
    assert re.search(r"column_4 numeric Distribution of column_4 .*? 0 1 0\.8000", page.text)
    assert "<script>alert(1)</script>" in page.text
    assert (folder / "report.html").read_text("utf-8").count('class="spark"') == 5


def test_a_thousand_columns_keep_the_page_small_and_show_the_strongest(tmp_path):
    folder = write_run(tmp_path)
    with_columns(folder, 1000, "c" * 60)
    add_overview(folder, overview(1000, "c" * 60))
    page, _ = _reported(folder)
    assert (folder / "report.html").stat().st_size < 3_000_000
    assert "800 more columns in dataset.json; shown are those that tell most of the target" in page.text
    assert "c_999 " in page.text
    assert "c_100 " not in page.text


def test_effects_and_advice_stand_in_both_documents(tmp_path):
    folder = write_run(tmp_path)
    audit = json.loads((folder / "audit.json").read_text("utf-8"))
    audit["findings"][0] |= {"effect": "Scores mean nothing.", "advice": "Drop it & go."}
    (folder / "audit.json").write_text(json.dumps(audit), encoding="utf-8")
    page, markdown = _reported(folder)
    assert "What it does to scores. Scores mean nothing. What to do. Drop it & go." in page.text
    assert r"Scores mean nothing. Drop it \& go." in markdown


@pytest.mark.parametrize("torn", [[], {"columns": [{"name": 3, "counts": "x"}], "classes": 7}, {"columns": [None]}])
def test_a_torn_overview_is_no_obstacle(tmp_path, torn):
    folder = write_run(tmp_path)
    add_overview(folder, torn)
    page, _ = _reported(folder)
    assert page.open == []


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_a_run_lists_doubtful_rows(request, kind):
    run = request.getfixturevalue(kind)
    issues = pl.read_parquet(run.folder / "audit" / "label_issues.parquet")
    evidence = ["probability_given", "probability_suggested"] if kind == "multiclass" else ["deviations"]
    assert issues.columns == ["row", "given", "suggested", *evidence]
    told = [f for f in json.loads((run.folder / "audit.json").read_text())["findings"] if f["code"] == "label_noise"]
    assert sum(f["evidence"]["rows"] for f in told) == len(issues)
    if kind == "multiclass":
        given = run.dataset.frame[run.task.target].cast(pl.String)
        assert given.gather(issues["row"]).to_list() == issues["given"].to_list()
