"""Modules: embeddings of numeric and categorical features, and a multilayer perceptron over them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from bench.metric import Array

Activation = Literal["relu", "silu", "mish"]
Normalization = Literal["none", "batch", "layer"]
NumericEmbedding = Literal["none", "periodic", "piecewise"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "silu": F.silu, "mish": F.mish}
_NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda width: nn.Identity(),
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
_MAX_CATEGORY_WIDTH = 32
_QUANTILE_ROWS = 20_000


def category_width(cardinality: int) -> int:
    """Width of a category's embedding: 1.6 * cardinality^0.56 (the rule of fastai), at least 1 and at most 32."""
    return max(1, min(_MAX_CATEGORY_WIDTH, round(1.6 * math.pow(cardinality, 0.56))))


def quantile_edges(values: Array, n_bins: int) -> Tensor:
    """Edges of bins that hold about equally many of at most 20 000 evenly spaced rows.

    Where one value fills several bins (zeros, mostly), the bins that this leaves free go to the other values.

    Args:
        values: [n_rows, n_features].
        n_bins: number of bins; a feature with fewer distinct values gets empty ones at the end.

    Returns:
        [n_features, n_bins + 1], ascending along the last axis.
    """
    sample = values[:: max(1, len(values) // _QUANTILE_ROWS)]
    return torch.from_numpy(np.stack([_edges(column, n_bins) for column in sample.T]))


def _edges(column: Array, n_bins: int) -> Array:
    """Edges of one feature."""
    edges = np.unique(np.quantile(column, np.linspace(0.0, 1.0, n_bins + 1)).astype(np.float32))
    others = column[~np.isin(column, edges)]
    if (free := n_bins + 1 - len(edges)) and len(others):
        more = np.quantile(others, np.linspace(0.0, 1.0, free + 2)[1:-1]).astype(np.float32)
        edges = np.unique(np.concatenate([edges, more]))
    return np.pad(edges, (0, n_bins + 1 - len(edges)), mode="edge")


class CategoryEmbedding(nn.Module):
    """Embed each categorical feature in a table of its own, and concatenate.

    Code 0 (unknown or missing) starts at zero, the middle of the others, so that it is harmless where training rows
    never show it.

    **Shape**

    - Input: ``(batch, n_features)``, whole-number codes
    - Output: ``(batch, width)``, see the attribute ``width``

    >>> embedding = CategoryEmbedding(cardinalities=(3, 50))
    >>> embedding(torch.tensor([[0, 49], [2, 1]])).shape
    torch.Size([2, 17])
    """

    def __init__(self, *, cardinalities: tuple[int, ...]) -> None:
        """Make one table for each of ``cardinalities``, code 0 counted in."""
        super().__init__()
        if not cardinalities or min(cardinalities) < 1:
            raise ValueError(f"cardinalities must hold one number >= 1 a feature, however: {cardinalities=}")
        self.tables = nn.ModuleList(nn.Embedding(n, category_width(n)) for n in cardinalities)
        self.width = sum(category_width(n) for n in cardinalities)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every table anew, with rows of expected length 1 whatever their width; code 0 is zero."""
        for table in self.tables:
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=table.embedding_dim**-0.5)
            nn.init.zeros_(table.weight[0].detach())

    def forward(self, codes: Tensor) -> Tensor:
        """Look the codes up."""
        if codes.ndim != 2 or codes.shape[1] != len(self.tables):
            raise ValueError(f"codes must have shape (batch, {len(self.tables)}), however: {tuple(codes.shape)=}")
        return torch.cat([table(column) for table, column in zip(self.tables, codes.unbind(1), strict=True)], dim=1)


class PeriodicEmbedding(nn.Module):
    """Embed each numeric feature by sines and cosines of trained frequencies, one linear map shared by all, and ReLU.

    "PLR(lite)" of Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning (2022), with the
    feature itself put beside its embedding.

    **Shape**

    - Input: ``(batch, n_features)``
    - Output: ``(batch, n_features * (width + 1))``

    >>> embedding = PeriodicEmbedding(n_features=3, width=8, n_frequencies=16, frequency_scale=0.1)
    >>> embedding(torch.randn(2, 3)).shape
    torch.Size([2, 27])
    """

    def __init__(self, *, n_features: int, width: int, n_frequencies: int, frequency_scale: float) -> None:
        """Make an embedding whose frequencies start as normal draws with standard deviation ``frequency_scale``."""
        super().__init__()
        if min(n_features, width, n_frequencies) < 1 or frequency_scale <= 0:
            raise ValueError(
                "n_features, width and n_frequencies must be >= 1 and frequency_scale > 0, "
                f"however: {n_features=}, {width=}, {n_frequencies=}, {frequency_scale=}"
            )
        self.frequency_scale = frequency_scale
        self.frequencies = nn.Parameter(torch.empty(n_features, n_frequencies))
        self.weight = nn.Parameter(torch.empty(width, 2 * n_frequencies))
        self.bias = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw frequencies (cut off at three standard deviations) and the linear map anew."""
        bound = 3 * self.frequency_scale
        nn.init.trunc_normal_(self.frequencies, std=self.frequency_scale, a=-bound, b=bound)
        _uniform(self.weight, self.bias, fan_in=self.weight.shape[1])

    def forward(self, numeric: Tensor) -> Tensor:
        """Embed the features."""
        if numeric.ndim != 2 or numeric.shape[1] != len(self.frequencies):
            raise ValueError(f"numeric must be (batch, {len(self.frequencies)}), however: {tuple(numeric.shape)=}")
        angles = 2 * math.pi * self.frequencies * numeric.unsqueeze(-1)
        waves = torch.cat([angles.cos(), angles.sin()], dim=-1)
        return torch.cat([numeric, F.relu(F.linear(waves, self.weight, self.bias)).flatten(1)], dim=1)


class PiecewiseLinearEmbedding(nn.Module):
    """Embed each numeric feature by a trained piecewise linear function with knots at the given edges.

    The encoding is that of Gorishniy et al. (2022), section 3.2; a plain linear term is added and the pieces start at
    zero, so that training starts from a linear model of each feature.

    **Shape**

    - Input: ``(batch, n_features)``
    - Output: ``(batch, n_features * width)``

    >>> edges = torch.linspace(-1.0, 1.0, 5).repeat(3, 1)  # 3 features, 4 bins
    >>> PiecewiseLinearEmbedding(edges=edges, width=8)(torch.randn(2, 3)).shape
    torch.Size([2, 24])
    """

    edges: Tensor

    def __init__(self, *, edges: Tensor, width: int) -> None:
        """Make an embedding with ``edges`` of shape ``(n_features, n_bins + 1)``, see `quantile_edges`."""
        super().__init__()
        if edges.ndim != 2 or edges.shape[1] < 2 or width < 1:
            raise ValueError(f"edges must be (n_features, >= 2), width >= 1, however: {tuple(edges.shape)=}, {width=}")
        n_features, n_bins = edges.shape[0], edges.shape[1] - 1
        self.register_buffer("edges", edges)
        self.pieces = nn.Parameter(torch.empty(n_features, n_bins, width))
        self.weight = nn.Parameter(torch.empty(n_features, 1, width))
        self.bias = nn.Parameter(torch.empty(n_features, 1, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the linear terms anew; the pieces are zero."""
        nn.init.zeros_(self.pieces)
        _uniform(self.weight, self.bias, fan_in=1)

    def forward(self, numeric: Tensor) -> Tensor:
        """Embed the features."""
        if numeric.ndim != 2 or numeric.shape[1] != len(self.edges):
            raise ValueError(f"numeric must be (batch, {len(self.edges)}), however: {tuple(numeric.shape)=}")
        bins = self.edges.diff(dim=1).unsqueeze(1)
        values = numeric.t().unsqueeze(2)
        # [n_features, batch, n_bins]: within its bin a piece rises from 0 to 1; an empty bin takes no part.
        risen = ((values - self.edges[:, None, :-1]) * torch.where(bins > 0, 1 / bins, 0.0)).clamp(0, 1)
        pieces = torch.baddbmm(self.bias, risen, self.pieces)
        return torch.addcmul(pieces, values, self.weight).transpose(0, 1).flatten(1)


class Dropout(nn.Module):
    """Zero each element with probability ``p`` while training, and scale the others by 1 / (1 - p).

    The same as `torch.nn.Dropout`, from 16 random bits an element: where torch draws a number for each on one CPU
    thread, that takes as long as the matrix product before it, and this less than half. ``p`` is rounded to 1/65536.

    **Shape**

    - Input: any
    - Output: that of the input

    >>> Dropout(p=0.5)(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, *, p: float) -> None:
        """Make a dropout; ``p`` is at least 0 and below 1."""
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"p must be at least 0 and below 1, however: {p=}")
        self.p = round(p * 2**16) / 2**16

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements out in training mode; return the input itself otherwise."""
        if not self.training or self.p == 0:
            return x
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        bits = words.view(torch.int16)[: x.numel()].view(x.shape)
        return x * (bits >= round(self.p * 2**16) - 2**15).to(x.dtype).mul_(1 / (1 - self.p))


class Block(nn.Module):
    """One layer: linear, normalization, activation, dropout, and around them the identity where asked and possible.

    **Shape**

    - Input: ``(batch, n_inputs)``
    - Output: ``(batch, width)``

    >>> block = Block(n_inputs=5, width=8, activation="relu", normalization="batch", dropout=0.1, residual=False)
    >>> block(torch.randn(2, 5)).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        *,
        n_inputs: int,
        width: int,
        activation: Activation,
        normalization: Normalization,
        dropout: float,
        residual: bool,
    ) -> None:
        """Make one layer; the identity is added where ``residual`` and ``n_inputs`` equals ``width``."""
        super().__init__()
        if activation not in _ACTIVATIONS or normalization not in _NORMALIZATIONS:
            raise ValueError(
                f"activation must be one of {list(_ACTIVATIONS)} and normalization one of {list(_NORMALIZATIONS)}, "
                f"however: {activation=}, {normalization=}"
            )
        self.linear = nn.Linear(n_inputs, width)
        self.normalization = _NORMALIZATIONS[normalization](width)
        self.activation = _ACTIVATIONS[activation]
        self.dropout = Dropout(p=dropout)
        self.residual = residual and n_inputs == width
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew (He et al. 2015); the bias is zero."""
        nn.init.kaiming_normal_(self.linear.weight, nonlinearity="relu")
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        if x.ndim != 2 or x.shape[1] != self.linear.in_features:
            raise ValueError(f"x must have shape (batch, {self.linear.in_features}), however: {tuple(x.shape)=}")
        y: Tensor = self.dropout(self.activation(self.normalization(self.linear(x))))
        return x + y if self.residual else y


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """All that decides the shapes of an `MLP`, in plain values.

    ``embedding_width``, ``n_bins`` and ``frequency_scale`` matter to the numeric embeddings that use them.
    """

    n_numeric: int
    cardinalities: tuple[int, ...]
    n_outputs: int
    layers: int = 2
    width: int = 256
    activation: Activation = "relu"
    normalization: Normalization = "none"
    dropout: float = 0.0
    residual: bool = False
    numeric_embedding: NumericEmbedding = "none"
    embedding_width: int = 8
    n_bins: int = 32
    frequency_scale: float = 0.1


class MLP(nn.Module):
    """A multilayer perceptron: numeric features beside embedded categories, then blocks, then a linear head.

    **Shape**

    - Input: ``(batch, n_numeric)`` and ``(batch, len(cardinalities))``; either may have no columns
    - Output: ``(batch, n_outputs)``: logits of classes, or one value

    >>> mlp = MLP(architecture=Architecture(n_numeric=4, cardinalities=(3,), n_outputs=2))
    >>> mlp(torch.randn(5, 4), torch.zeros(5, 1, dtype=torch.int64)).shape
    torch.Size([5, 2])
    """

    def __init__(self, *, architecture: Architecture, edges: Tensor | None = None) -> None:
        """Make a network; ``edges`` are the knots of piecewise linear embeddings, left out where weights are loaded."""
        super().__init__()
        n_numeric, cardinalities = architecture.n_numeric, architecture.cardinalities
        if n_numeric + len(cardinalities) < 1 or architecture.layers < 1 or architecture.n_outputs < 1:
            raise ValueError(f"there must be a feature, a layer and an output at least, however: {architecture=}")
        self.n_numeric = n_numeric
        self.n_categorical = len(cardinalities)
        self.numeric, numeric_width = _numeric_embedding(architecture, edges)
        self.categorical = CategoryEmbedding(cardinalities=cardinalities) if cardinalities else None
        n_inputs = numeric_width + (self.categorical.width if self.categorical is not None else 0)
        self.blocks = nn.Sequential(
            *(
                Block(
                    n_inputs=architecture.width if layer else n_inputs,
                    width=architecture.width,
                    activation=architecture.activation,
                    normalization=architecture.normalization,
                    dropout=architecture.dropout,
                    residual=architecture.residual,
                )
                for layer in range(architecture.layers)
            )
        )
        self.head = nn.Linear(architecture.width, architecture.n_outputs)

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Compute logits or values."""
        if numeric.shape[1:] != (self.n_numeric,) or codes.shape != (len(numeric), self.n_categorical):
            raise ValueError(
                f"numeric must have shape (batch, {self.n_numeric}) and codes (batch, {self.n_categorical}), "
                f"however: {tuple(numeric.shape)=}, {tuple(codes.shape)=}"
            )
        features = self.numeric(numeric)
        if self.categorical is not None:
            features = torch.cat([features, self.categorical(codes)], dim=1)
        output: Tensor = self.head(self.blocks(features))
        return output


def _numeric_embedding(architecture: Architecture, edges: Tensor | None) -> tuple[nn.Module, int]:
    """Make the embedding of the numeric features, and tell the width of its output."""
    n, width = architecture.n_numeric, architecture.embedding_width
    if n == 0 or architecture.numeric_embedding == "none":
        return nn.Identity(), n
    if architecture.numeric_embedding == "periodic":
        periodic = PeriodicEmbedding(
            n_features=n, width=width, n_frequencies=2 * width, frequency_scale=architecture.frequency_scale
        )
        return periodic, n * (width + 1)
    if architecture.numeric_embedding == "piecewise":
        knots = torch.zeros(n, architecture.n_bins + 1) if edges is None else edges
        return PiecewiseLinearEmbedding(edges=knots, width=width), n * width
    raise ValueError(f"numeric_embedding must be one of none, periodic, piecewise, however: {architecture=}")


def _uniform(weight: Tensor, bias: Tensor, *, fan_in: int) -> None:
    """Draw a linear map's weights and bias from +-1 / sqrt(fan_in)."""
    bound = fan_in**-0.5
    nn.init.uniform_(weight, -bound, bound)
    nn.init.uniform_(bias, -bound, bound)
