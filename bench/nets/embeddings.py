"""Embeddings of features: categories in tables, numbers by waves or by pieces of lines."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from bench.metric import Array

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


class CategoryEncoding(nn.Module):
    """Encode categories of few levels in fixed columns, one a level, or a single one of -1 and 1; embed the others.

    Code 0 (unknown or missing) starts at zero. `fit` scales the fixed columns as recipe ``nets`` scales numbers.

    **Shape**

    - Input: ``(batch, n_features)``, whole-number codes
    - Output: ``(batch, width)``, see the attribute ``width``

    >>> encoding = CategoryEncoding(cardinalities=(3, 4, 50), one_hot=9, embedding_width=8)
    >>> encoding(torch.tensor([[2, 0, 7], [1, 3, 0]]))[:, :4]
    tensor([[ 1.,  0.,  0.,  0.],
            [-1.,  0.,  0.,  1.]], grad_fn=<SliceBackward0>)
    """

    def __init__(self, *, cardinalities: Sequence[int], one_hot: int, embedding_width: int) -> None:
        """Make one table for each of ``cardinalities``, fixed for up to ``one_hot`` codes, code 0 counted in."""
        super().__init__()
        self.fixed = tuple(1 < n <= one_hot for n in cardinalities)
        for number, (n, fixed) in enumerate(zip(cardinalities, self.fixed, strict=True)):
            if fixed:
                self.register_buffer(f"table{number}", _one_hot_table(n))
            else:
                embedding = torch.cat([torch.zeros(1, embedding_width), torch.randn(n - 1, embedding_width)])
                self.register_parameter(f"embedding{number}", nn.Parameter(embedding))
        self.width = sum(self._table(number).shape[1] for number in range(len(cardinalities)))

    def _table(self, number: int) -> Tensor:
        """Table of one feature: [cardinality, width]."""
        return self.get_buffer(f"table{number}") if self.fixed[number] else self.get_parameter(f"embedding{number}")

    def fit(self, codes: Tensor) -> None:
        """Scale every fixed column by its median and quartiles among training rows, and clip it smoothly."""
        marks = torch.tensor([0.25, 0.5, 0.75])
        for number, column in enumerate(codes.unbind(1)):
            if self.fixed[number]:
                values = (table := self._table(number))[column]
                low, centre, high = values.quantile(marks, dim=0, interpolation="nearest")
                spread = torch.where(high > low, high - low, (values.amax(0) - values.amin(0)) / 2)
                scaled = torch.where(spread > 0, (table - centre) / spread, 0.0)
                table.copy_(scaled / (1 + (scaled / 3) ** 2).sqrt())

    def forward(self, codes: Tensor) -> Tensor:
        """Look the codes up."""
        if codes.ndim != 2 or codes.shape[1] != len(self.fixed):
            raise ValueError(f"codes must have shape (batch, {len(self.fixed)}), however: {tuple(codes.shape)=}")
        found = [F.embedding(column, self._table(number)) for number, column in enumerate(codes.unbind(1))]
        return torch.cat(found, dim=1)


def _one_hot_table(cardinality: int) -> Tensor:
    """One row a code: zeros for code 0, then the levels."""
    if cardinality == 3:
        return torch.tensor([[0.0], [-1.0], [1.0]])
    table = torch.zeros(cardinality, cardinality - 1)
    table[1:].fill_diagonal_(1.0)  # as `torch.eye` would, which imports torch's compiler on the meta device
    return table


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


class PBLDEmbedding(nn.Module):
    """Embed each numeric feature by cosines of trained frequencies and phases, a linear map of its own, and itself.

    "Periodic, bias, linear, DenseNet" of Holzmüller et al., Better by Default (2024).

    **Shape**

    - Input: ``(batch, n_features)``
    - Output: ``(batch, n_features * width)``

    >>> PBLDEmbedding(n_features=3, width=4, n_frequencies=16, frequency_scale=0.1)(torch.randn(2, 3)).shape
    torch.Size([2, 12])
    """

    def __init__(self, *, n_features: int, width: int, n_frequencies: int, frequency_scale: float) -> None:
        """Make an embedding whose frequencies start as normal draws with standard deviation ``frequency_scale``."""
        super().__init__()
        if min(n_features, n_frequencies) < 1 or width < 2 or frequency_scale <= 0:
            raise ValueError(
                "n_features and n_frequencies must be >= 1, width >= 2 and frequency_scale > 0, "
                f"however: {n_features=}, {n_frequencies=}, {width=}, {frequency_scale=}"
            )
        self.frequency_scale = frequency_scale
        self.frequencies = nn.Parameter(torch.empty(n_features, 1, n_frequencies))
        self.phases = nn.Parameter(torch.empty(n_features, 1, n_frequencies))
        self.weight = nn.Parameter(torch.empty(n_features, n_frequencies, width - 1))
        self.bias = nn.Parameter(torch.empty(n_features, 1, width - 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw everything anew."""
        nn.init.normal_(self.frequencies, std=self.frequency_scale)
        nn.init.uniform_(self.phases, -math.pi, math.pi)
        bound = self.weight.shape[1] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, numeric: Tensor) -> Tensor:
        """Embed the features."""
        if numeric.ndim != 2 or numeric.shape[1] != len(self.frequencies):
            raise ValueError(f"numeric must be (batch, {len(self.frequencies)}), however: {tuple(numeric.shape)=}")
        values = numeric.t().unsqueeze(2)  # [n_features, batch, 1]
        waves = torch.addcmul(self.phases, values, self.frequencies, value=2 * math.pi).cos()
        mapped = torch.baddbmm(self.bias, waves, self.weight)
        return torch.cat([mapped, values], dim=2).transpose(0, 1).flatten(1)


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


def _uniform(weight: Tensor, bias: Tensor, *, fan_in: int) -> None:
    """Draw a linear map's weights and bias from +-1 / sqrt(fan_in)."""
    bound = fan_in**-0.5
    nn.init.uniform_(weight, -bound, bound)
    nn.init.uniform_(bias, -bound, bound)
