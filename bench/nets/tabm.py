"""TabM of Gorishniy, Kotelnikov and Babenko (2025): an ensemble whose members share most of their weights."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from bench.nets.features import FeatureEmbedding, Inputs
from bench.nets.modules import Dropout
from bench.nets.weights import Group, decay_linear


@dataclass(frozen=True, kw_only=True, slots=True)
class TabMArchitecture(Inputs):
    """All that decides the shapes of a `TabM`, in plain values.

    With ``full`` every layer has adapters, "TabM"; else only the features have, "TabM-mini".
    """

    members: int = 32
    layers: int = 2
    width: int = 512
    dropout: float = 0.1
    full: bool = False


class MemberLinear(nn.Module):
    """One linear layer for all members; with ``full`` each scales its inputs and outputs and has its own bias.

    **Shape**

    - Input: ``(members, batch, n_inputs)``
    - Output: ``(members, batch, n_outputs)``

    >>> MemberLinear(members=4, n_inputs=5, n_outputs=3, full=True)(torch.randn(4, 2, 5)).shape
    torch.Size([4, 2, 3])
    """

    def __init__(self, *, members: int, n_inputs: int, n_outputs: int, full: bool) -> None:
        """Make a layer; scales start at 1."""
        super().__init__()
        self.linear = nn.Linear(n_inputs, n_outputs, bias=not full)
        self.scales_in = nn.Parameter(torch.ones(members, 1, n_inputs)) if full else None
        self.scales_out = nn.Parameter(torch.ones(members, 1, n_outputs)) if full else None
        bound = n_inputs**-0.5
        self.bias = nn.Parameter(torch.empty(members, 1, n_outputs).uniform_(-bound, bound)) if full else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        if self.scales_in is None or self.scales_out is None or self.bias is None:
            shared: Tensor = self.linear(x)
            return shared
        return torch.addcmul(self.bias, self.linear(x * self.scales_in), self.scales_out)


class TabM(nn.Module):
    """An ensemble of perceptrons that share their weights but for adapters and heads.

    While it is trained each member has an output of its own, for rows of its own or for the same ones; afterwards they
    are averaged: values, or the probabilities of classes, of which it gives the logarithm.

    **Shape**

    - Input: ``(batch, n_numeric)`` and ``(batch, len(cardinalities))``; either may have no columns. In training
      also ``(members, batch, ...)``
    - Output: ``(batch, n_outputs)``; in training ``(members, batch, n_outputs)``

    >>> net = TabM(architecture=TabMArchitecture(n_numeric=4, cardinalities=(3,), n_outputs=2, members=8, width=16))
    >>> numeric, codes = torch.randn(5, 4), torch.zeros(5, 1, dtype=torch.int64)
    >>> net(numeric, codes).shape, net.eval()(numeric, codes).shape
    (torch.Size([8, 5, 2]), torch.Size([5, 2]))
    """

    def __init__(self, *, architecture: TabMArchitecture, edges: Tensor | None = None) -> None:
        """Make a network; ``edges`` are the knots of piecewise linear embeddings, left out where weights are loaded."""
        super().__init__()
        members, width = architecture.members, architecture.width
        if min(members, architecture.layers, width) < 1:
            raise ValueError(f"members, layers and width must be at least 1, however: {architecture=}")
        self.members = members
        self.features = FeatureEmbedding(inputs=architecture, edges=edges)
        self.scales = nn.Parameter(_first_scales(members, self.features.widths, architecture))
        self.layers = nn.ModuleList(
            MemberLinear(
                members=members,
                n_inputs=width if layer else self.features.width,
                n_outputs=width,
                full=architecture.full,
            )
            for layer in range(architecture.layers)
        )
        self.dropout = Dropout(p=architecture.dropout)
        bound = width**-0.5
        self.heads = nn.Parameter(torch.empty(members, width, architecture.n_outputs).uniform_(-bound, bound))
        self.head_bias = nn.Parameter(torch.empty(members, 1, architecture.n_outputs).uniform_(-bound, bound))

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Compute logits or values."""
        batch = numeric.shape[:-1]
        features = self.features(numeric.flatten(0, -2), codes.flatten(0, -2))
        x = features.view(*batch, -1) * self.scales
        for layer in self.layers:
            x = self.dropout(F.relu(layer(x)))
        outputs = torch.baddbmm(self.head_bias, x, self.heads)
        if self.training:
            return outputs
        if outputs.shape[-1] == 1:
            return outputs.mean(dim=0)
        return outputs.log_softmax(dim=-1).logsumexp(dim=0) - math.log(self.members)

    def parameter_groups(self) -> tuple[Group, ...]:
        """Part the parameters: weights of layers and heads decay; biases, scales and embeddings do not."""
        return decay_linear(self, self.heads)


def _first_scales(members: int, widths: tuple[int, ...], architecture: TabMArchitecture) -> Tensor:
    """Draw the scales of features, one number for all that a feature is embedded in: [members, 1, sum of widths].

    Normal where numbers are embedded, else signs.
    """
    draws = torch.randn(members, 1, len(widths))
    if architecture.numeric_embedding == "none":
        draws = draws.sign()
    return draws.repeat_interleave(torch.tensor(widths, device=draws.device), dim=2, output_size=sum(widths))
