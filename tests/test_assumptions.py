"""What is said of a table: one sentence for all columns alike, with the option that overrules it."""

import polars as pl

from bench.dataset import load_dataset
from bench.task import make_task


def told(frame: pl.DataFrame, **asked: str) -> list[str]:
    dataset = load_dataset(frame)
    return [*dataset.notes, *make_task(dataset, target="y", **asked).notes]


def test_many_columns_alike_are_told_in_one_sentence() -> None:
    rows = range(60)
    frame = pl.DataFrame(
        {f"price_{n}": [f"${row % 7},000" for row in rows] for n in range(50)}
        | {f"flag_{n}": ["yes", "no"] * 30 for n in range(50)}
        | {f"when_{n}": ["03/04/2024", "05/06/2024", "?"] * 20 for n in range(5)}
        | {"y": [0.5, 1.5, 2.5] * 20}
    )
    assert told(frame) == [
        "read as missing: '?' 100 times; --null adds other spellings.",
        "columns 'price_0', 'price_1', 'price_2' and 47 more hold numbers as text, such as '$0,000'; --kind "
        "NAME=categorical overrules this.",
        "columns 'when_0', 'when_1', 'when_2' and 2 more hold dates with the month first, such as '03/04/2024', though "
        "every value could be read with the other order, too; --kind NAME=categorical overrules this.",
        "columns 'flag_0', 'flag_1', 'flag_2' and 47 more are boolean: values are 'no', 'yes'; --kind "
        "NAME=categorical overrules this.",
    ]


def test_lost_values_are_counted_over_all_columns_and_shown() -> None:
    frame = pl.DataFrame({"a": ["1"] * 98 + ["n.b.", "x"], "b": ["2024-01-05"] * 99 + ["soon"], "y": [0.5, 1.5] * 50})
    assert told(frame)[:1] == [
        "3 values in columns 'a', 'b' are no numbers or dates (such as 'n.b.') and became missing; --kind "
        "NAME=categorical keeps them."
    ]


def test_the_target_is_no_column_to_tell_of() -> None:
    frame = pl.DataFrame({"a": [0.5, 1.5, 2.5] * 20, "y": ["yes", "no", "no"] * 20})
    assert told(frame) == [
        "'yes' is the positive class, as the second of 'no' and 'yes'; --positive-class overrules this."
    ]


def test_classes_that_look_alike_are_told() -> None:
    frame = pl.DataFrame({"a": [0.5, 1.5, 2.5] * 20, "y": ["Yes", "no", "yes ", "1", "True", "no"] * 10})
    assert told(frame) == [
        "labels of 'y' look like one class in several spellings, but count as classes of their own: '1', 'True'; "
        "'Yes', 'yes '. Mend them in the data where they mean the same."
    ]
