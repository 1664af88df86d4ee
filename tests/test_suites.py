"""Suites: those that ship hold what they state, and a wrong one is named."""

from pathlib import Path

import pytest
import yaml

from bench.cards import find_card
from bench.data import shipped
from bench.errors import DataError, RequestError
from bench.suites import list_suites, load_suite, read_suite

SUITES = {suite.name: suite for suite in list_suites()}
COUNTS = {"amlb": 104, "openml_cc18": 72, "openml_ctr23": 35, "tabarena": 51, "smoke": 6}


def test_every_suite_has_the_number_of_datasets_that_its_project_states() -> None:
    assert {name: len(suite.entries) for name, suite in SUITES.items()} == COUNTS


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_shipped_suites_are_of_tasks_and_say_where_from_or_of_cards(suite) -> None:
    assert (shipped("datasets") / "suites" / f"{suite.name}.yaml").is_file()
    if suite.name == "smoke":
        cards = [find_card(entry) for entry in suite.entries]
        assert {card.source_kind for card in cards} == {"builtin", "file"}
    else:
        assert all(entry.startswith("openml:task/") and entry[12:].isdecimal() for entry in suite.entries)
        assert " at commit " in suite.reference
        assert len(suite.reference.rpartition(" ")[2]) == 40
        assert suite.copied == "2026-11-24"


def test_well_known_tasks_are_where_they_belong() -> None:
    assert SUITES["amlb"].names["openml:task/359983"] == "adult"
    assert SUITES["tabarena"].names["openml:task/363626"] == "credit-g"
    assert {"openml:task/31", "openml:task/7592"} <= set(SUITES["openml_cc18"].entries)
    assert not set(SUITES["openml_cc18"].entries) & set(SUITES["openml_ctr23"].entries)


def test_every_suite_key_is_documented() -> None:
    text = (shipped("datasets") / "README.md").read_text().partition("## Suites")[2]
    keys = {key for path in (shipped("datasets") / "suites").glob("*.yaml") for key in yaml.safe_load(path.read_text())}
    assert [key for key in sorted(keys) if f"| `{key}` |" not in text] == []


def test_hyphens_and_underscores_are_the_same() -> None:
    assert load_suite("openml-cc18") == load_suite("openml_cc18") == SUITES["openml_cc18"]


def test_unknown_suites_offer_the_nearest() -> None:
    message = r"got 'tabarna'\. Did you mean 'tabarena'\? `bench list suites` shows all"
    with pytest.raises(RequestError, match=message):
        load_suite("tabarna")


def test_a_suite_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    path = tmp_path / "mine.yaml"
    content = {"name": "mine", "title": "Mine", "entries": ["car", 31, {"other": "openml:adult"}, "table.csv"]}
    path.write_text(yaml.safe_dump(content))
    suite = load_suite(str(path))
    assert suite.entries == ("car", "openml:task/31", "openml:adult", str(tmp_path / "table.csv"))
    assert suite.names == {"openml:adult": "other"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entrys": []}, r"mine\.yaml' has an unknown key 'entrys'\. Did you mean 'entries'\?"),
        ({"entries": None}, r"mine\.yaml' must have entries"),
        ({"entries": [], "title": ""}, r"mine\.yaml' must have title, entries"),
        ({"entries": "car"}, "entries must be a list, got str"),
        ({"entries": ["car", "car"]}, "must hold each dataset once, got 'car' more often"),
        ({"entries": ["cra"]}, "an entry must be a card, a file, .* got 'cra'"),
        ({"entries": [True]}, "an entry must be .* got True"),
        ({"entries": [{"a": 1, "b": 2}]}, "an entry must be .* got {'a': 1, 'b': 2}"),
    ],
)
def test_wrong_suites_are_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "title": "Mine", "entries": ["car"]} | changes))
    with pytest.raises(DataError, match=message):
        read_suite(path)


@pytest.mark.parametrize(("text", "message"), [("- a\n", "must be a YAML mapping"), (None, "cannot be read")])
def test_files_that_are_no_suites(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_suite(str(path))


def test_suites_are_listed(cli) -> None:
    told = cli("list", "suites")
    assert (told.code, told.err) == (0, "")
    assert all(name in told.out for name in COUNTS)
    told = cli("list", "suites", "amlb")
    assert "openml:task/168868" in told.out
    assert "APSFailure" in told.out
    told = cli("list", "suites", "amlbb")
    assert told.code == 2
    assert "Did you mean 'amlb'" in told.err


def test_a_suite_is_no_dataset(cli) -> None:
    told = cli("run", "--dataset", "amlb")
    assert told.code == 2
    assert "a run has one dataset, and 'amlb' is a suite of many. `bench list suites amlb` shows them" in told.err
