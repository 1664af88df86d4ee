"""One encoded column by name, with the columns of the user's table that it is made of."""

from typing import NamedTuple


class Feature(NamedTuple):
    """A column of numbers or codes; a tuple, so that it lies in a document as it is."""

    name: str
    columns: tuple[str, ...]

    def part(self, label: str) -> "Feature":
        """Name what tells one thing about this feature."""
        return Feature(f"{self.name} ({label})", self.columns)

    def outputs(self, label: str, n_outputs: int) -> list["Feature"]:
        """Name what tells one thing about each output of the target."""
        return [self.part(label if n_outputs == 1 else f"{label} {number}") for number in range(n_outputs)]


def made_of(name: str, *parts: Feature) -> Feature:
    """Name what is made of several features."""
    return Feature(name, tuple(dict.fromkeys(column for part in parts for column in part.columns)))
