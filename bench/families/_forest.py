"""Decision trees and forests: grown by scikit-learn in chunks, kept as plain arrays.

A forest's trees are held as scikit-learn's own compiled trees, for their speed, rebuilt from arrays that take 15 to 28
bytes a node on disk where scikit-learn's own take 80 and more: a leaf keeps the number of its value in a table of
distinct values, thresholds are float32. Features are float32, so a threshold rounded down to float32 splits them
exactly as before.
"""

from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import DataError
from bench.families._estimator import FamilyEstimator, number, row_weights
from bench.family import DeadlineReached
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

_MODEL_FILE = "forest.npz"
_LEAF = -1
#: Values of the array X that one chunk of trees is grown over, which bounds how late a deadline is seen.
_CHUNK_CELLS = 2_000_000
_MAX_LEAVES = 15_000


def _round_down(threshold: Array) -> Array:
    """Round float64 thresholds to the largest float32 that is not above them."""
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _distinct(rows: Array) -> tuple[Array, Array]:
    """Find distinct rows [m, k] and the number of each row's; a hash a row is much faster to sort than the row."""
    multipliers = np.random.default_rng(0).integers(1, 2**63, size=rows.shape[1], dtype=np.uint64) | np.uint64(1)
    bits = np.ascontiguousarray(rows).view(np.uint64)
    mixed = (bits ^ (bits >> np.uint64(29))) * multipliers
    keys = (mixed ^ (mixed >> np.uint64(31))).sum(axis=1, dtype=np.uint64)
    _, first, number = np.unique(keys, return_index=True, return_inverse=True)
    table = rows[first]
    if not np.array_equal(table[number], rows):
        table, number = np.unique(rows, axis=0, return_inverse=True)
    return table, number.reshape(-1)


class Forest:
    """Trees as flat arrays, one tree after the other; ``right`` of a leaf is the number of its value in ``table``.

    Arrays: ``counts`` [n_trees] nodes a tree; ``left``, ``right``, ``feature``, ``threshold``, ``missing_left``
    [n_nodes]; ``table`` [n_values, n_outputs]; ``n_features`` a scalar.
    """

    def __init__(self, arrays: dict[str, Array]) -> None:
        """Take ownership of the arrays.

        Raises:
            DataError: an index points outside its array.
        """
        self.arrays = arrays
        self._check()
        ends = np.cumsum(arrays["counts"])
        spans = [slice(end - count, end) for end, count in zip(ends, arrays["counts"], strict=True)]
        self._trees = [self._compiled(span) for span in spans]
        # Numbers into the table, read at leaves alone.
        self._numbers = [arrays["right"][span] for span in spans]

    @classmethod
    def of(cls, trees: list[Any], n_features: int) -> "Forest":
        """Take over fitted scikit-learn trees."""
        states = [tree.tree_.__getstate__() for tree in trees]
        nodes = np.concatenate([state["nodes"] for state in states])
        leaves = nodes["left_child"] == _LEAF
        table, number = _distinct(np.concatenate([state["values"][:, 0, :] for state in states])[leaves])
        right = nodes["right_child"].astype(np.int32)
        right[leaves] = number
        return cls(
            {
                "counts": np.array([state["node_count"] for state in states], dtype=np.int32),
                "left": nodes["left_child"].astype(np.int32),
                "right": right,
                "feature": nodes["feature"].astype(np.int16 if n_features < 2**15 else np.int32),
                "threshold": _round_down(nodes["threshold"]),
                "missing_left": nodes["missing_go_to_left"].astype(np.uint8),
                "table": table,
                "n_features": np.array(n_features),
            }
        )

    def _check(self) -> None:
        """Compiled trees trust their indices, so a damaged file must not reach them."""
        arrays = self.arrays
        inner = arrays["left"] != _LEAF
        sizes = np.repeat(arrays["counts"], arrays["counts"])
        bounded = [
            (arrays["left"][inner], sizes[inner]),
            (arrays["right"][inner], sizes[inner]),
            (arrays["right"][~inner], len(arrays["table"])),
            (arrays["feature"][inner], arrays["n_features"]),
        ]
        if not all(bool(np.all((index >= 0) & (index < limit))) for index, limit in bounded):
            raise DataError("A forest's indices must lie inside its arrays, got some outside. Fit the model again.")

    def _compiled(self, span: slice) -> Any:
        """Rebuild one of scikit-learn's compiled trees; it finds leaves and holds no values."""
        from sklearn.tree._tree import NODE_DTYPE, Tree

        left, right = self.arrays["left"][span], self.arrays["right"][span]
        nodes = np.zeros(len(left), dtype=NODE_DTYPE)
        nodes["left_child"] = left
        nodes["right_child"] = np.where(left == _LEAF, _LEAF, right)
        nodes["feature"] = self.arrays["feature"][span]
        nodes["threshold"] = self.arrays["threshold"][span]
        nodes["missing_go_to_left"] = self.arrays["missing_left"][span]
        tree = Tree(int(self.arrays["n_features"]), np.ones(1, dtype=np.intp), 1)
        values = np.zeros((len(nodes), 1, 1))
        tree.__setstate__({"max_depth": 0, "node_count": len(nodes), "nodes": nodes, "values": values})
        return tree

    def predict(self, values: Array) -> Array:
        """Average the trees' leaf values over float32 rows, in a fixed order: [n_rows, n_outputs]."""
        table = self.arrays["table"]
        total = np.zeros((len(values), table.shape[1]))
        for tree, numbers in zip(self._trees, self._numbers, strict=True):
            total += table[numbers[tree.apply(values)]]
        return total / len(self._trees)


class ForestEstimator(FamilyEstimator):
    """Grows trees over ordinal codes and native missing values; a subclass owes ``_make``."""

    _forest: Forest

    def fit(
        self,
        X: Encoded,
        y: Array,
        *,
        valid: tuple[Encoded, Array] | None,
        allotment: Allotment,
        deadline: Deadline,
    ) -> None:
        """Fit as the contract says; the rows in ``valid`` are not used."""
        if deadline.passed:
            raise DeadlineReached
        weights = row_weights(self._settings, y, training=y)
        # Growing best first, as a limit on leaves demands, is slower: only where the limit can bind.
        limit = _MAX_LEAVES if len(y) > _MAX_LEAVES else None
        # A copy, for scikit-learn 1.9 refuses read-only arrays that hold missing values.
        trees = self._grow(X.values.copy(), y, weights, self._make(limit, allotment.cpus), deadline)
        self._forest = Forest.of(trees, X.values.shape[1])

    def _make(self, max_leaf_nodes: int | None, threads: int) -> Any:
        """Make the unfitted model, without its number of trees."""
        raise NotImplementedError

    def _grow(self, values: Array, y: Array, weights: Array | None, model: Any, deadline: Deadline) -> list[Any]:
        """Grow ``n_estimators`` trees in chunks: the same trees whatever the size of a chunk."""
        model.set_params(warm_start=True)
        wanted = int(number(self._settings, "n_estimators", 300))
        chunk = max(model.n_jobs, _CHUNK_CELLS // values.size)
        for grown in range(chunk, wanted + chunk, chunk):
            if deadline.passed:
                raise DeadlineReached
            model.set_params(n_estimators=min(grown, wanted)).fit(values, y, sample_weight=weights)
        return list(model.estimators_)

    def _raw(self, X: Encoded) -> Array:
        return self._forest.predict(np.ascontiguousarray(X.values, dtype=np.float32))

    def _write(self, folder: Path) -> None:
        np.savez(folder / _MODEL_FILE, **self._forest.arrays)  # type: ignore[arg-type]

    def _read(self, folder: Path) -> None:
        with np.load(folder / _MODEL_FILE, allow_pickle=False) as arrays:
            self._forest = Forest(dict(arrays))
