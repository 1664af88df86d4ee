"""A package of model families that fit nothing: what is left is proposing, handing out, storing and telling."""

import functools
import shutil
import time
from pathlib import Path

import numpy as np

from bench.family import ENTRY_POINTS, Family

STUDIES = 8
PARAMETERS = 8
#: Families whose fits sleep for so many seconds, beside those that do not.
SLEEP = 0.5


class Noop:
    """Predicts one probability for all rows, which its parameters decide."""

    def __init__(self, seconds, settings):
        self._seconds = seconds
        bowl = sum((float(settings.params[f"x{i}"]) - 0.1 * i) ** 2 for i in range(PARAMETERS))
        self._share = 1.0 / (1.0 + np.exp(-bowl))

    def fit(self, X, y, *, valid, allotment, deadline):
        time.sleep(self._seconds)

    def predict(self, X):
        return np.tile([1.0 - self._share, self._share], (len(X.values), 1))

    def save(self, folder):
        (folder / "share.txt").write_text(str(self._share))

    @classmethod
    def load(cls, folder):
        raise NotImplementedError(folder)


def _family(name, seconds):
    return Family(
        name=name,
        summary=name,
        tasks=frozenset({"binary"}),
        recipe="blank",
        build=functools.partial(Noop, seconds),
        load=Noop.load,
        libraries=(),
        order=1,
        space=Path(__file__).with_name(f"{name}.yaml"),
    )


FAMILIES = {f"noop{i}": _family(f"noop{i}", 0.0) for i in range(STUDIES)}
FAMILIES["sleeper"] = _family("sleeper", SLEEP)
globals().update(FAMILIES)


def installed(folder: Path) -> Path:
    """Make ``folder`` a place for PYTHONPATH from which these families are discovered."""
    folder.mkdir()
    shutil.copy(__file__, folder / "noop.py")
    ranges = "\n".join(f"  x{i}: {{type: float, low: 0.0, high: 1.0}}" for i in range(PARAMETERS))
    defaults = ", ".join(f"x{i}: 0.9" for i in range(PARAMETERS))
    for name in FAMILIES:
        text = f"family: {name}\nparams:\n{ranges}\ndefaults: {{{defaults}}}\n"
        (folder / f"{name}.yaml").write_text(text)
    about = folder / "noop-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: noop\nVersion: 1.0\n")
    points = "\n".join(f"{name} = noop:{name}" for name in FAMILIES)
    (about / "entry_points.txt").write_text(f"[{ENTRY_POINTS}]\n{points}\n")
    return folder
