"""Text from data may do nothing to a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.text import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("Größe 日本 ½ €", "Größe 日本 ½ €"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\u202eevil", "\\u202eevil"),
        ("\u2028", "\\u2028"),
        ("\x9b1m", "\\x9b1m"),
        ("\udcff", "\\udcff"),
        ("\U000e0001tag", "\\U000e0001tag"),
        (5, "5"),
        (None, "None"),
    ],
)
def test_control_characters_are_spelled_out(text, expected):
    assert printable(text) == expected


@given(st.text())
def test_nothing_moves_the_cursor_and_printing_twice_changes_nothing(text):
    shown = printable(text)
    assert shown.splitlines() in ([shown], [])
    assert printable(shown) == shown
    assert shown.encode().decode() == shown  # no lone surrogate
