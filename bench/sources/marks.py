"""What bytes occur in a file, looked for in one go: it decides how the file is read."""

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bench.table import each

T = TypeVar("T")

_CACHED_BYTES = 2**20
_NUL, _QUOTE, _RETURN = b'\0"\r'


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """Whether a file holds ASCII alone, and whether NUL, double quotes and carriage returns occur in it."""

    ascii: bool
    nul: bool
    quotes: bool
    returns: bool


def find_marks(content: mmap.mmap) -> Marks:
    """Look through all bytes of a file."""

    def look(block: npt.NDArray[np.uint8]) -> tuple[bool, ...]:
        return bool(block.max() < 128), *(bool((block == mark).any()) for mark in (_NUL, _QUOTE, _RETURN))

    plain, nul, quotes, returns = zip(*each_block(content, look), strict=True)
    return Marks(ascii=all(plain), nul=any(nul), quotes=any(quotes), returns=any(returns))


def each_block(content: mmap.mmap | memoryview, work: Callable[[npt.NDArray[np.uint8]], T], beyond: int = 0) -> list[T]:
    """Do the same to every block of some bytes, that stays in the processor's cache, and to so many bytes beyond it."""
    whole = np.frombuffer(content, dtype=np.uint8)
    return each(lambda at: work(whole[at : at + _CACHED_BYTES + beyond]), range(0, len(whole), _CACHED_BYTES))
