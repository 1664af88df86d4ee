"""RealMLP-TD of Holzmüller, Grinsztajn and Steinwart, Better by Default (2024), and the parts that it is made of.

Values that the paper leaves out are those of its authors' package, pytabkit 1.7.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from bench.nets.embeddings import CategoryEncoding, PBLDEmbedding
from bench.nets.modules import Dropout
from bench.nets.rows import Rows
from bench.nets.weights import Group

Activation = Literal["selu", "mish"]
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"selu": F.selu, "mish": F.mish}
#: Rates, in multiples of the linear weights' own.
_SCALE_RATE, _BIAS_RATE, _ACTIVATION_RATE = 6.0, 0.1, 0.1
#: Training rows, evenly spaced, that a network is initialised on.
_INITIAL_ROWS = 8192
_SIMPLEX = 5


class NTKLinear(nn.Module):
    """A linear layer whose weights are of order 1: their product is divided by the root of the number of inputs.

    **Shape**

    - Input: ``(batch, n_inputs)``
    - Output: ``(batch, n_outputs)``

    >>> NTKLinear(n_inputs=5, n_outputs=3)(torch.randn(2, 5)).shape
    torch.Size([2, 3])
    """

    def __init__(self, *, n_inputs: int, n_outputs: int) -> None:
        """Make a layer with normal weights, and biases of zero."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_inputs, n_outputs))
        self.bias = nn.Parameter(torch.zeros(n_outputs))

    def initialise(self, x: Tensor) -> None:
        """Draw weights that give each output a standard deviation of 1 on ``x``, and biases that put its kink there.

        "he+5": the kink lies in a random convex combination of five rows (Steinwart 2019).
        """
        weight = torch.randn_like(self.weight)
        outputs = x @ weight / len(weight) ** 0.5
        deviation = outputs.std(dim=0, correction=0)
        deviation = torch.where(deviation > 1e-6, deviation, 1.0)
        rows = torch.randint(len(x), (_SIMPLEX, len(self.bias)))
        shares = torch.empty(_SIMPLEX, len(self.bias)).exponential_()
        shares /= shares.sum(dim=0)
        with torch.no_grad():
            self.weight.copy_(weight / deviation)
            self.bias.copy_(-(outputs.gather(0, rows) * shares).sum(dim=0) / deviation)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return torch.addmm(self.bias, x, self.weight, alpha=len(self.weight) ** -0.5)


class ParametricActivation(nn.Module):
    """An activation that each unit mixes with the identity: ``x + weight * (activation(x) - x)``, at first itself.

    **Shape**

    - Input: ``(batch, width)``
    - Output: that of the input

    >>> ParametricActivation(width=3, activation="selu")(torch.randn(2, 3)).shape
    torch.Size([2, 3])
    """

    def __init__(self, *, width: int, activation: Activation) -> None:
        """Make an activation with one trained weight a unit."""
        super().__init__()
        if activation not in _ACTIVATIONS:
            raise ValueError(f"activation must be one of {list(_ACTIVATIONS)}, however: {activation=}")
        self.weight = nn.Parameter(torch.ones(width))
        self.activation = _ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return torch.lerp(x, self.activation(x), self.weight.to(x.dtype))


@dataclass(frozen=True, kw_only=True, slots=True)
class RealMLPArchitecture:
    """All that decides the shapes and the rates of a `RealMLP`, in plain values.

    Categories of up to ``one_hot`` codes, code 0 counted in, are encoded in fixed columns, the others embedded.
    """

    n_numeric: int
    cardinalities: tuple[int, ...]
    n_outputs: int
    layers: int = 3
    width: int = 256
    activation: Activation = "selu"
    dropout: float = 0.15
    n_frequencies: int = 16
    numeric_width: int = 4
    frequency_scale: float = 0.1
    numeric_rate: float = 0.1
    first_rate: float = 1.0
    scale_rate: float = _SCALE_RATE
    one_hot: int = 9
    category_width: int = 8


class RealMLP(nn.Module):
    """A multilayer perceptron after trained scales of embedded features; `initialise` is called before it is trained.

    **Shape**

    - Input: ``(batch, n_numeric)`` and ``(batch, len(cardinalities))``; either may have no columns
    - Output: ``(batch, n_outputs)``: logits of classes, or one value

    >>> net = RealMLP(architecture=RealMLPArchitecture(n_numeric=4, cardinalities=(3, 20), n_outputs=2))
    >>> net(torch.randn(5, 4), torch.zeros(5, 2, dtype=torch.int64)).shape
    torch.Size([5, 2])
    """

    def __init__(self, *, architecture: RealMLPArchitecture) -> None:
        """Make a network."""
        super().__init__()
        n_numeric, cardinalities = architecture.n_numeric, architecture.cardinalities
        if n_numeric + len(cardinalities) < 1 or architecture.layers < 1 or architecture.n_outputs < 1:
            raise ValueError(f"there must be a feature, a layer and an output at least, however: {architecture=}")
        self.architecture = architecture
        self.numeric = _numeric_embedding(architecture) if n_numeric else None
        self.categorical = _category_encoding(architecture) if cardinalities else None
        n_inputs = n_numeric * architecture.numeric_width
        n_inputs += self.categorical.width if self.categorical is not None else 0
        widths = [n_inputs, *[architecture.width] * architecture.layers]
        self.scale = nn.Parameter(torch.ones(n_inputs))
        self.linears = nn.ModuleList(
            NTKLinear(n_inputs=n, n_outputs=m)
            for n, m in zip(widths, [*widths[1:], architecture.n_outputs], strict=True)
        )
        self.activations = nn.ModuleList(
            ParametricActivation(width=n, activation=architecture.activation) for n in widths[1:]
        )
        self.dropout = Dropout(p=architecture.dropout)

    def initialise(self, rows: Rows) -> None:
        """Fit the encodings and draw the layers to suit training rows, from torch's random state."""
        chosen = rows[slice(0, None, -(-len(rows) // _INITIAL_ROWS))]
        with torch.no_grad():
            if self.categorical is not None:
                self.categorical.fit(chosen[1])
            x = self._features(chosen[0], chosen[1])
            for linear, activation in zip(self.linears, [*self.activations, nn.Identity()], strict=True):
                assert isinstance(linear, NTKLinear)
                linear.initialise(x)
                x = activation(linear(x))

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Compute logits or values."""
        x = self._features(numeric, codes)
        for linear, activation in zip(self.linears, self.activations, strict=False):
            x = self.dropout(activation(linear(x)))
        output: Tensor = self.linears[-1](x)
        return output

    def _features(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Embed and scale the features."""
        parts = [] if self.numeric is None else [self.numeric(numeric)]
        if self.categorical is not None:
            parts.append(self.categorical(codes))
        return torch.cat(parts, dim=1) * self.scale

    def parameter_groups(self) -> tuple[Group, ...]:
        """Part the parameters as the recipe does.

        A group's decay is a share of its rate, once more multiplied by the rate's factor, as pytabkit's optimizer does.
        """
        first, *linears = [part for part in self.linears if isinstance(part, NTKLinear)]
        activations = [part for part in self.activations if isinstance(part, ParametricActivation)]
        numeric = self.numeric.parameters() if self.numeric is not None else ()
        tables = self.categorical.parameters() if self.categorical is not None else ()
        architecture = self.architecture

        def group(rate: float, *parameters: Tensor) -> Group:
            return Group(parameters=parameters, rate=rate, decay=rate)

        return (
            group(1.0, *(part.weight for part in linears), *tables),
            group(architecture.first_rate, first.weight),
            group(architecture.scale_rate, self.scale),
            group(architecture.numeric_rate, *numeric),
            group(_ACTIVATION_RATE, *(part.weight for part in activations)),
            Group(parameters=tuple(part.bias for part in (first, *linears)), rate=_BIAS_RATE, decay=0.0),
        )


def _numeric_embedding(architecture: RealMLPArchitecture) -> PBLDEmbedding:
    """Make the embedding of the numeric features."""
    return PBLDEmbedding(
        n_features=architecture.n_numeric,
        width=architecture.numeric_width,
        n_frequencies=architecture.n_frequencies,
        frequency_scale=architecture.frequency_scale,
    )


def _category_encoding(architecture: RealMLPArchitecture) -> CategoryEncoding:
    """Make the encoding of the categorical features."""
    return CategoryEncoding(
        cardinalities=architecture.cardinalities,
        one_hot=architecture.one_hot,
        embedding_width=architecture.category_width,
    )
