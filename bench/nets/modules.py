"""A multilayer perceptron for tabular data, and the parts that it is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from bench.nets.features import FeatureEmbedding, Inputs

Activation = Literal["relu", "silu", "mish"]
Normalization = Literal["none", "batch", "layer"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "silu": F.silu, "mish": F.mish}
_NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda width: nn.Identity(),
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}


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
class Architecture(Inputs):
    """All that decides the shapes of an `MLP`, in plain values."""

    layers: int = 2
    width: int = 256
    activation: Activation = "relu"
    normalization: Normalization = "none"
    dropout: float = 0.0
    residual: bool = False


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
        if architecture.layers < 1:
            raise ValueError(f"there must be a layer at least, however: {architecture.layers=}")
        self.features = FeatureEmbedding(inputs=architecture, edges=edges)
        self.blocks = nn.Sequential(
            *(
                Block(
                    n_inputs=architecture.width if layer else self.features.width,
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
        output: Tensor = self.head(self.blocks(self.features(numeric, codes)))
        return output
