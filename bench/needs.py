"""What a fit needs of a machine's memory, foretold from the size of its rows and from its parameters.

Estimates are for room beside the worker itself; `bench.admission` corrects them by what was measured, and
``tests/benchmarks/memory.py`` shows both side by side.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bench.space import Params

_FLOAT32, _FLOAT64 = 4, 8
#: A node of a tree, beside its class shares.
_NODE_BYTES = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How much a fit sees: training ``rows``, encoded ``columns``, and ``outputs``: classes, or 1 of a regression."""

    rows: int
    columns: int
    outputs: int


#: Bytes that a fit takes, beside the encoded rows and the libraries.
Memory = Callable[[Size, Params], float]


def _number(params: Params, name: str, default: float) -> float:
    """A parameter where it is a number, as not all ways to say it are."""
    value = params.get(name)
    return float(value) if isinstance(value, (int, float)) else default


def usual(size: Size, params: Params) -> float:
    """Four copies of the encoded training rows in single precision."""
    return matrices(4.0)(size, params)


def matrices(times: float) -> Memory:
    """So many copies of the encoded training rows in single precision."""

    def needed(size: Size, params: Params) -> float:
        return times * _FLOAT32 * size.rows * size.columns

    return needed


def outputs(times: float) -> Memory:
    """So many numbers a training row and output, beside two copies of the encoded rows: what boosting keeps."""

    def needed(size: Size, params: Params) -> float:
        return matrices(2.0)(size, params) + times * _FLOAT64 * size.rows * size.outputs

    return needed


def forest(size: Size, params: Params) -> float:
    """The nodes of all trees, with shares of every output, once more while they are packed."""
    trees, leaf = _number(params, "n_estimators", 200.0), _number(params, "min_samples_leaf", 1.0)
    nodes = 2.0 * min(size.rows / max(1.0, leaf), 15_000.0)
    return matrices(3.0)(size, params) + 2 * trees * nodes * (_NODE_BYTES + _FLOAT64 * size.outputs)


def kernel(times: float) -> Memory:
    """So many matrices of training rows by training rows."""

    def needed(size: Size, params: Params) -> float:
        return matrices(4.0)(size, params) + times * _FLOAT64 * float(size.rows) ** 2

    return needed
