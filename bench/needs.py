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
#: What the histograms of one booster may take; beyond it a library counts them anew instead of keeping them.
HISTOGRAM_BYTES = 256 * 2**20
#: A bin's sums of gradients and of Hessians.
_BIN_BYTES = 2 * _FLOAT64
_BINS, _LEAVES = 256, 64


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


def nothing(size: Size, params: Params) -> float:
    """Unknown: of a GPU, no more than an equal share."""
    return 0.0


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


def histogram(columns: int, bins: float) -> float:
    """Bytes of what boosting sums up for one node of a tree."""
    return _BIN_BYTES * columns * bins


def histograms(times: float) -> Memory:
    """What boosting keeps, as ``outputs`` says, and the histograms of a tree's nodes."""

    def needed(size: Size, params: Params) -> float:
        kept = _LEAVES * histogram(size.columns, min(_BINS, size.rows))
        return outputs(times)(size, params) + min(HISTOGRAM_BYTES, kept)

    return needed


def forest(size: Size, params: Params) -> float:
    """The nodes of all trees, with shares of every output, once more while they are packed."""
    trees, leaf = _number(params, "n_estimators", 200.0), _number(params, "min_samples_leaf", 1.0)
    nodes = 2.0 * min(size.rows / max(1.0, leaf), 15_000.0)
    return matrices(3.0)(size, params) + 2 * trees * nodes * (_NODE_BYTES + _FLOAT64 * size.outputs)


def covariances(size: Size, params: Params) -> float:
    """The rows, and matrices of columns by columns: one, or one a class, and what shrinking one takes beside them."""
    matrix = _FLOAT64 * float(size.columns) ** 2
    return usual(size, params) + matrix * (4.0 + (size.outputs if _number(params, "pooling", 1.0) < 1.0 else 1.0))


def network(size: Size, params: Params) -> float:
    """The rows, and what a net's weights, its optimizer and a batch of activations take; a first guess for GPUs."""
    return 2e8 + matrices(2.0)(size, params) + 7.5e6 * size.columns


def kernel(times: float) -> Memory:
    """So many matrices of training rows by training rows."""

    def needed(size: Size, params: Params) -> float:
        return matrices(4.0)(size, params) + times * _FLOAT64 * float(size.rows) ** 2

    return needed
