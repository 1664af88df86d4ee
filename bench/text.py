"""Text for terminals: nothing that comes from data may move the cursor, change colours or fake a line."""

import unicodedata


def printable(text: object) -> str:
    """Replace control and direction-changing characters of a value's text by ``\\xNN`` or ``\\uNNNN`` spellings."""
    return "".join(
        char if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else ascii(char)[1:-1]
        for char in str(text)
    )
