"""What is dear to make and asked for again, kept as long as there is room."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Made = TypeVar("Made")


class Memo:
    """Keeps what was made up to a number of bytes; what was asked for longest ago goes first.

    What is kept is shared by all who ask: nobody may change it.
    """

    def __init__(self, limit_bytes: int = 0) -> None:
        """Keep up to ``limit_bytes``; with 0 nothing is kept, and everything made anew."""
        self._limit, self._held = limit_bytes, 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Made], *, n_bytes: int) -> Made:
        """Return what is kept under a key, else make it; ``n_bytes`` is about what it takes."""
        if key in self._kept:
            self._kept.move_to_end(key)
            kept: Made = self._kept[key][0]
            return kept
        made = make()
        if n_bytes <= self._limit:
            self._kept[key] = made, n_bytes
            self._held += n_bytes
        while self._held > self._limit:
            _, (_, released) = self._kept.popitem(last=False)
            self._held -= released
        return made
