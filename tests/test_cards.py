"""Dataset cards: those that ship are sound, and a wrong one is named."""

from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cards import Card, card_key, find_card, list_cards, read_card, spell_card
from bench.data import shipped
from bench.dataset import load_dataset
from bench.errors import DataError, RequestError
from bench.kinds import Kind
from bench.sources.base import ReadOptions

CARDS = list_cards()
GOOD = {
    "name": "mine",
    "title": "My table",
    "source": {"file": "mine.csv"},
    "target": "label",
    "task": "binary",
    "licence": "CC0-1.0",
}


def write_card(folder: Path, **changes: object) -> Path:
    path = folder / "mine.yaml"
    content = {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_shipped_card_is_complete(card) -> None:
    assert (shipped("datasets") / f"{card.name}.yaml").is_file()
    assert card.name == card_key(card.name)
    assert card.metric in {"binary": {"roc_auc"}, "multiclass": {"log_loss"}, "regression": {"rmse"}}[card.task]
    assert (card.positive_class is not None) == (card.task == "binary")
    assert card.rows
    assert card.reference
    if card.source_kind == "openml":
        assert card.source.isdigit()


def test_cards_have_names_and_openml_numbers_of_their_own() -> None:
    assert len({card.name for card in CARDS}) == len(CARDS)
    sources = [(card.source_kind, card.source) for card in CARDS]
    assert len(set(sources)) == len(sources)


def test_every_card_key_is_documented() -> None:
    text = (shipped("datasets") / "README.md").read_text()
    keys = {field.name for field in fields(Card)} - {"source_kind", "folder"}
    assert [key for key in sorted(keys) if f"| `{key}` |" not in text] == []


def test_hyphens_and_underscores_are_the_same() -> None:
    assert find_card("credit-g") == find_card("credit_g") != None  # noqa: E711
    assert find_card("no-such") is None


def test_penguins_ship() -> None:
    dataset = load_dataset("penguins")
    assert dataset.frame.shape == (344, 8)
    assert set(dataset.frame["species"]) == {"Adelie", "Chinstrap", "Gentoo"}
    assert {column.name: column.kind for column in dataset.columns}["sex"] == "categorical"
    assert dataset.notes == ("read as missing: 'NA' 19 times; --null adds other spellings.",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": "x"}, r"mine\.yaml' has an unknown key 'targets'\. Did you mean 'target'\?"),
        ({"source_kind": "file"}, "has an unknown key 'source_kind'"),
        ({"licence": ..., "target": ...}, r"mine\.yaml' must have target, licence"),
        ({"positive_class": True}, r"positive_class must be text, got True\. Put it in quotes"),
        ({"task": "ranking"}, "task must be one of binary, multiclass, regression, got 'ranking'"),
        ({"source": "mine.csv"}, "source must be one of builtin, file, openml, url with a value, got 'mine.csv'"),
        ({"source": {"path": "x"}}, "source must be one of builtin, file, openml"),
        ({"source": {"file": ""}}, "source must be one of builtin, file, openml"),
        ({"source": {"openml": 1, "file": "x"}}, "source must be one of builtin, file, openml"),
        ({"target": ""}, "target must not be empty"),
        ({"kinds": ["x"]}, "kinds must map columns to kinds, got"),
        (
            {"kinds": {"x": "number"}},
            "a kind must be one of boolean, categorical, datetime, numeric, text, got 'number'",
        ),
        ({"read": "x"}, "read must map settings to values, got 'x'"),
        ({"read": {"separator": ";"}}, r"read has an unknown key 'separator'"),
        ({"read": {"encodin": "x"}}, r"read has an unknown key 'encodin'\. Did you mean 'encoding'\?"),
        ({"read": {"null": ["x", 3]}}, r"null must be text, got \['x', 3\]\. Put it in quotes"),
        ({"read": {"bad_lines": "drop"}}, "bad_lines must be error or skip, got 'drop'"),
        ({"drop": ["x"]}, "drop must map columns to reasons"),
        ({"rows": "many"}, "rows must be a whole number above 0, got 'many'"),
    ],
)
def test_wrong_cards_are_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_card(write_card(tmp_path, **changes))


@pytest.mark.parametrize(
    ("text", "message"), [("- a\n", "must be a YAML mapping, got list"), ("a: [", "cannot be read")]
)
def test_cards_that_are_no_mapping(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_card(path)


def test_a_card_of_ones_own(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": range(30), "x": [0.5, 1.5] * 15, "label": ["yes", "no"] * 15, "g": [1, 2, 3] * 10})
    frame.write_csv(tmp_path / "mine.csv")
    path = write_card(
        tmp_path, drop={"id": "row number", "gone": "never there"}, positive_class="yes", group="g", rows=31
    )
    dataset = load_dataset(str(path))
    assert (dataset.name, dataset.target, dataset.positive_class, dataset.group) == ("mine", "label", "yes", "g")
    assert dataset.frame.columns == ["x", "label", "g"]
    assert dataset.notes == (
        "the card of 'mine' states 31 rows, the data has 30",
        "column 'id' was left out: row number",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "labels"}, r"'mine' must have the target column 'labels'; .* Did you mean 'label'\?"),
        ({"group": "h"}, "'mine' must have the group column 'h'"),
        ({"time": "when"}, "'mine' must have the time column 'when'"),
        ({"sha256": "0" * 64}, "must have the SHA-256 that its card states, and does not"),
        ({"source": {"file": "other.csv"}}, r"other\.csv' is not there"),
        ({"source": {"builtin": "moons"}}, "a built-in must be one of"),
    ],
)
def test_cards_are_held_against_the_data(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    pl.DataFrame({"x": [0.5, 1.5] * 15, "label": ["yes", "no"] * 15}).write_csv(tmp_path / "mine.csv")
    with pytest.raises((DataError, RequestError), match=message):
        load_dataset(write_card(tmp_path, **changes))


def test_what_a_card_says_of_reading_holds_where_nothing_else_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("x;y|label\n" + "1;2|yes\nnil|no\n4;-9|no\n" * 10)
    path = write_card(tmp_path, read={"sep": "|", "null": "nil"})
    frame = load_dataset(path).frame
    assert frame.columns == ["x;y", "label"]
    assert frame["x;y"].null_count() == 10
    assert load_dataset(path, options=ReadOptions(null=("4;-9",))).frame["x;y"].to_list()[:3] == ["1;2", "nil", None]
    with pytest.raises(DataError, match=r"must have the target column 'label'; the table has 'x', 'y\|label'"):
        load_dataset(path, options=ReadOptions(sep=";", bad_lines="skip"))


def test_kinds_of_a_card_hold_where_nothing_else_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("x,y,label\n" + "1,2,yes\n3,4,no\n" * 15)
    path = write_card(tmp_path, kinds={"x": "categorical", "y": "text"})

    def kinds(**asked: Kind) -> list[Kind]:
        return [column.kind for column in load_dataset(path, kinds=asked).columns][:2]

    assert kinds() == ["categorical", "text"]
    assert kinds(x="numeric") == ["numeric", "text"]


def test_null_needs_no_quotes(tmp_path: Path) -> None:
    path = write_card(tmp_path)
    path.write_text(path.read_text() + "read: {null: [none, '-']}\n")
    assert read_card(path).read == {"null": ("none", "-")}


def test_a_url_is_a_source(tmp_path: Path) -> None:
    path = write_card(tmp_path, source={"url": "gopher://mine"})
    assert (read_card(path).source_kind, read_card(path).source) == ("url", "gopher://mine")
    with pytest.raises(RequestError, match="a reference's scheme must be one of"):
        load_dataset(path)


@settings(max_examples=50, deadline=None)
@given(
    name=st.text(min_size=1),
    title=st.text(min_size=1),
    kinds=st.dictionaries(st.text(), st.sampled_from(["numeric", "text"])),
    drop=st.dictionaries(st.text(), st.text()),
    null=st.lists(st.text(), min_size=1),
    comment=st.text(),
)
def test_spelled_cards_are_read_as_they_were(tmp_path_factory, name, title, kinds, drop, null, comment) -> None:
    folder = tmp_path_factory.getbasetemp()
    card = Card(
        name=name,
        title=title,
        source_kind="file",
        source="no",
        folder=folder,
        target="yes",
        task="binary",
        licence="1.0",
        positive_class="true",
        kinds=kinds,
        drop=drop,
        read={"null": tuple(null)},
        rows=3,
    )
    path = folder / "spelled.yaml"
    path.write_text(spell_card(card, {"task": comment}, dict.fromkeys(kinds, comment)), encoding="utf-8")
    assert read_card(path) == card


TABLE = "id;when;colour;x;const;label\n" + "".join(
    f"{row + 1000};2024-01-{row % 28 + 1:02d};{('blue', 'red')[row % 3 > 0]};{row * 7 % 11},5;1;"
    f"{('yes', 'no')[row % 4 > 0]}\n"
    for row in range(60)
)


def test_a_card_that_is_written_runs_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "table.csv").write_text(TABLE)
    told = cli("card", "data/table.csv", "--target", "label", "--time", "when", "--output", "mine.yaml")
    assert (told.code, told.out, told.err) == (0, "mine.yaml\n", "")
    card, text = read_card(tmp_path / "mine.yaml"), (tmp_path / "mine.yaml").read_text()
    assert (card.name, card.source, card.target, card.task) == ("mine", "data/table.csv", "label", "binary")
    assert (card.positive_class, card.metric, card.time, card.rows) == ("yes", "roc_auc", "when", 60)
    assert card.kinds == {"colour": "categorical", "x": "numeric"}
    assert set(card.drop) == {"id", "const"}
    assert "  x: numeric  # values are numbers\n" in text
    assert "licence: unknown  # not known: state it\n" in text
    plain, again = load_dataset("data/table.csv"), load_dataset("mine.yaml")
    assert again.frame.equals(plain.frame.drop("id", "const"))
    ran = cli(
        *("run", "--dataset", "mine.yaml", "--trials", 1, "--families", "linear", "--engine", "local", "--folds", 2),
        *("--cpus", 1, "--no-track", "--quiet", "--output", "out"),
    )
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("roc_auc (higher is better)")
    with (tmp_path / "data" / "table.csv").open("a") as file:
        file.write("1;2024-02-01;red;1,5;1;no\n")
    with pytest.raises(DataError, match="must have the SHA-256 that its card states"):
        load_dataset("mine.yaml")


def test_a_card_is_printed_and_keeps_what_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(TABLE)
    words = ("--target", "x", "--metric", "mae", "--drop", "when", "--null", "blue", "--bad-lines", "skip")
    told = cli("card", "table.csv", *words)
    assert (told.code, told.err) == (0, "")
    (tmp_path / "copy.yaml").write_text(told.out)
    card = read_card(tmp_path / "copy.yaml")
    assert (card.name, card.task, card.metric, card.positive_class) == ("table", "regression", "mae", None)
    assert card.drop["when"] == "left out by --drop"
    assert card.read == {"null": ("blue",), "bad_lines": "skip"}
    read = load_dataset("copy.yaml")
    assert read.frame["colour"].null_count() == 20
    assert read.frame["x"].dtype == pl.Float64


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("penguins",), "bench card describes a table that has no card, and 'penguins' is one"),
        (("mine.yaml", "--target", "x"), "bench card describes a table that has no card, and 'mine.yaml' is one"),
        (("table.csv",), "--target must name the column to predict"),
        (("table.csv", "--target", "labl"), "Did you mean 'label'"),
        (("table.csv", "--target", "label", "--output", "card.txt"), "--output must be a new file that ends in .yaml"),
        (("table.csv", "--target", "label", "--output", "mine.yaml"), "--output must be a new file that ends in .yaml"),
        (("table.csv", "--target", "label", "--output", "no/mine.yaml"), "--output must be a file that can be written"),
    ],
)
def test_cards_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli, words, message) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    told = cli("card", *words)
    assert told.code == 2
    assert message in told.err
