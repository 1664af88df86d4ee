"""What a net makes of its features: embedded numbers beside embedded categories."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from bench.nets.embeddings import CategoryEmbedding, PeriodicEmbedding, PiecewiseLinearEmbedding, category_width

NumericEmbedding = Literal["none", "periodic", "piecewise"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """What goes in and out, and how numbers are embedded; architectures add to it.

    ``embedding_width``, ``n_bins`` and ``frequency_scale`` matter to the numeric embeddings that use them.
    """

    n_numeric: int
    cardinalities: tuple[int, ...]
    n_outputs: int
    numeric_embedding: NumericEmbedding = "none"
    embedding_width: int = 8
    n_bins: int = 32
    frequency_scale: float = 0.1


class FeatureEmbedding(nn.Module):
    """Embed numbers and categories, and concatenate.

    **Shape**

    - Input: ``(batch, n_numeric)`` and ``(batch, len(cardinalities))``; either may have no columns
    - Output: ``(batch, width)``, see the attributes ``width`` and ``widths``, one a feature

    >>> embedding = FeatureEmbedding(inputs=Inputs(n_numeric=4, cardinalities=(3,), n_outputs=2))
    >>> embedding(torch.randn(5, 4), torch.zeros(5, 1, dtype=torch.int64)).shape
    torch.Size([5, 7])
    """

    def __init__(self, *, inputs: Inputs, edges: Tensor | None = None) -> None:
        """Make an embedding; ``edges`` are the knots of piecewise linear ones, left out where weights are loaded."""
        super().__init__()
        self.n_numeric, self.n_categorical = inputs.n_numeric, len(inputs.cardinalities)
        if self.n_numeric + self.n_categorical < 1 or inputs.n_outputs < 1:
            raise ValueError(f"there must be a feature and an output at least, however: {inputs=}")
        self.numeric, numeric_width = _numeric_embedding(inputs, edges)
        self.categorical = CategoryEmbedding(cardinalities=inputs.cardinalities) if inputs.cardinalities else None
        self.widths = (*[numeric_width] * self.n_numeric, *(category_width(n) for n in inputs.cardinalities))
        self.width = sum(self.widths)

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Embed the features."""
        if numeric.shape[1:] != (self.n_numeric,) or codes.shape != (len(numeric), self.n_categorical):
            raise ValueError(
                f"numeric must have shape (batch, {self.n_numeric}) and codes (batch, {self.n_categorical}), "
                f"however: {tuple(numeric.shape)=}, {tuple(codes.shape)=}"
            )
        features: Tensor = self.numeric(numeric)
        return features if self.categorical is None else torch.cat([features, self.categorical(codes)], dim=1)


def _numeric_embedding(inputs: Inputs, edges: Tensor | None) -> tuple[nn.Module, int]:
    """Make the embedding of the numeric features, and tell the width of each."""
    n, width = inputs.n_numeric, inputs.embedding_width
    if n == 0 or inputs.numeric_embedding == "none":
        return nn.Identity(), 1
    if inputs.numeric_embedding == "periodic":
        periodic = PeriodicEmbedding(
            n_features=n, width=width, n_frequencies=2 * width, frequency_scale=inputs.frequency_scale
        )
        return periodic, width + 1
    if inputs.numeric_embedding == "piecewise":
        knots = torch.zeros(n, inputs.n_bins + 1) if edges is None else edges
        return PiecewiseLinearEmbedding(edges=knots, width=width), width
    raise ValueError(f"numeric_embedding must be one of none, periodic, piecewise, however: {inputs=}")
