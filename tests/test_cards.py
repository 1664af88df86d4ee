"""Dataset cards: those that ship are sound, and a wrong one is named."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from bench.cards import card_key, find_card, list_cards, read_card
from bench.data import shipped
from bench.dataset import load_dataset
from bench.errors import DataError, RequestError

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
    keys = {key for path in shipped("datasets").glob("*.yaml") for key in yaml.safe_load(path.read_text())}
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
        ({"source": "mine.csv"}, "source must be one of builtin, file, openml with a value, got 'mine.csv'"),
        ({"source": {"url": "x"}}, "source must be one of builtin, file, openml"),
        ({"source": {"openml": 1, "file": "x"}}, "source must be one of builtin, file, openml"),
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
