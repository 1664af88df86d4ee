"""Fitted scikit-learn objects as skops files: no pickle, and only types from a fixed list."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from bench.errors import DataError, choices

#: Types that skops does not trust by itself, yet which fitted scikit-learn objects hold. They carry numbers and no
#: code. Trees, however, do not check the indices they are given: read only files whose checksum was verified.
TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
)


def dump_sklearn(obj: Any, path: Path) -> None:
    """Write a fitted scikit-learn object; the caller sees to it that the file appears whole."""
    import skops.io

    skops.io.dump(obj, path)


def load_sklearn(path: Path) -> Any:
    """Read what `dump_sklearn` wrote.

    Raises:
        DataError: the file is not a whole skops file, or holds a type that is not trusted; the message names it.
    """
    import skops.io

    try:
        untrusted = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED_TYPES)
    except (BadZipFile, KeyError, ValueError) as error:
        raise DataError(
            f"{path.name} must be a whole skops file, got one that cannot be read ({error}). Write it again."
        ) from error
    if untrusted:
        raise DataError(
            f"{path.name} must hold trusted types only, got {choices(untrusted)}. "
            "Load files that this package wrote itself, and no others."
        )
    return skops.io.load(path, trusted=list(TRUSTED_TYPES))
