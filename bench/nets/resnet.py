"""ResNet for tables: Gorishniy et al., Revisiting Deep Learning Models for Tabular Data (2021)."""

from dataclasses import dataclass

import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from bench.nets.features import FeatureEmbedding, Inputs
from bench.nets.modules import Dropout


@dataclass(frozen=True, kw_only=True, slots=True)
class ResNetArchitecture(Inputs):
    """All that decides the shapes of a `ResNet`; within a block the width is ``expansion`` times as large."""

    layers: int = 2
    width: int = 192
    expansion: float = 2.0
    hidden_dropout: float = 0.25
    residual_dropout: float = 0.1


class ResidualBlock(nn.Module):
    """Batch normalization, linear, ReLU, dropout, linear, dropout, added to the input.

    **Shape**

    - Input: ``(batch, width)``
    - Output: that of the input

    >>> import torch
    >>> ResidualBlock(width=4, hidden=8, hidden_dropout=0.1, residual_dropout=0.1)(torch.randn(3, 4)).shape
    torch.Size([3, 4])
    """

    def __init__(self, *, width: int, hidden: int, hidden_dropout: float, residual_dropout: float) -> None:
        """Make a block."""
        super().__init__()
        self.normalization = nn.BatchNorm1d(width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.hidden_dropout = Dropout(p=hidden_dropout)
        self.residual_dropout = Dropout(p=residual_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        hidden = self.hidden_dropout(F.relu(self.widen(self.normalization(x))))
        added: Tensor = self.residual_dropout(self.narrow(hidden))
        return x + added


class ResNet(nn.Module):
    """Embedded features, a linear layer, residual blocks, normalization, ReLU and a linear head.

    **Shape**

    - Input: ``(batch, n_numeric)`` and ``(batch, len(cardinalities))``; either may have no columns
    - Output: ``(batch, n_outputs)``: logits of classes, or one value

    >>> import torch
    >>> net = ResNet(architecture=ResNetArchitecture(n_numeric=4, cardinalities=(3,), n_outputs=2))
    >>> net(torch.randn(5, 4), torch.zeros(5, 1, dtype=torch.int64)).shape
    torch.Size([5, 2])
    """

    def __init__(self, *, architecture: ResNetArchitecture, edges: Tensor | None = None) -> None:
        """Make a network; ``edges`` are the knots of piecewise linear embeddings, left out where weights are loaded."""
        super().__init__()
        width = architecture.width
        if min(architecture.layers, width) < 1 or architecture.expansion <= 0:
            raise ValueError(f"layers and width must be at least 1 and expansion > 0, however: {architecture=}")
        self.features = FeatureEmbedding(inputs=architecture, edges=edges)
        self.first = nn.Linear(self.features.width, width)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    width=width,
                    hidden=max(1, round(width * architecture.expansion)),
                    hidden_dropout=architecture.hidden_dropout,
                    residual_dropout=architecture.residual_dropout,
                )
                for _ in range(architecture.layers)
            )
        )
        self.normalization = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, architecture.n_outputs)

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Compute logits or values."""
        x = self.blocks(self.first(self.features(numeric, codes)))
        output: Tensor = self.head(F.relu(self.normalization(x)))
        return output
