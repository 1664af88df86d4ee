"""FT-Transformer: Gorishniy et al., Revisiting Deep Learning Models for Tabular Data (2021)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from bench.nets.modules import Dropout


@dataclass(frozen=True, kw_only=True, slots=True)
class FTTransformerArchitecture:
    """All that decides the shapes of an `FTTransformer`; ``width`` is a token's, and a multiple of ``heads``."""

    n_numeric: int
    cardinalities: tuple[int, ...]
    n_outputs: int
    layers: int = 2
    width: int = 64
    heads: int = 4
    expansion: float = 4 / 3
    attention_dropout: float = 0.2
    hidden_dropout: float = 0.1
    residual_dropout: float = 0.0


class FeatureTokens(nn.Module):
    """Turn each feature into a token: a number times a trained vector, or a category's own, plus a bias; one more.

    The one more, called CLS, comes first.

    **Shape**

    - Input: ``(batch, n_numeric)`` and ``(batch, len(cardinalities))``; either may have no columns
    - Output: ``(batch, 1 + n_numeric + len(cardinalities), width)``

    >>> FeatureTokens(n_numeric=2, cardinalities=(3,), width=8)(torch.randn(5, 2), torch.zeros(5, 1).long()).shape
    torch.Size([5, 4, 8])
    """

    offsets: Tensor

    def __init__(self, *, n_numeric: int, cardinalities: tuple[int, ...], width: int) -> None:
        """Make the vectors."""
        super().__init__()
        if n_numeric + len(cardinalities) < 1:
            raise ValueError(f"there must be a feature at least, however: {n_numeric=}, {cardinalities=}")
        self.n_numeric, self.n_categorical = n_numeric, len(cardinalities)
        starts = torch.tensor([0, *cardinalities[:-1]], dtype=torch.int64)[: len(cardinalities)].cumsum(0)
        self.register_buffer("offsets", starts)
        self.numeric = nn.Parameter(torch.empty(1 + n_numeric, width))
        self.categorical = nn.Parameter(torch.empty(sum(cardinalities), width))
        self.bias = nn.Parameter(torch.empty(n_numeric + len(cardinalities), width))
        for parameter in (self.numeric, self.categorical, self.bias):
            nn.init.uniform_(parameter, -(width**-0.5), width**-0.5)

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Make the tokens."""
        if numeric.shape[1:] != (self.n_numeric,) or codes.shape != (len(numeric), self.n_categorical):
            raise ValueError(
                f"numeric must have shape (batch, {self.n_numeric}) and codes (batch, {self.n_categorical}), "
                f"however: {tuple(numeric.shape)=}, {tuple(codes.shape)=}"
            )
        weights = F.pad(numeric, (1, 0), value=1.0).unsqueeze(2) * self.numeric
        tokens = torch.cat([weights, F.embedding(codes + self.offsets, self.categorical)], dim=1)
        return tokens + F.pad(self.bias, (0, 0, 1, 0))


class TransformerBlock(nn.Module):
    """Self-attention and a gated (ReGLU) map of each token, each after layer normalization and added to its input.

    **Shape**

    - Input: ``(batch, n_tokens, width)``
    - Output: that of the input, or ``(batch, 1, width)`` where only the first token asks

    >>> block = TransformerBlock(architecture=FTTransformerArchitecture(n_numeric=1, cardinalities=(), n_outputs=1))
    >>> block(torch.randn(2, 3, 64), last=True).shape
    torch.Size([2, 1, 64])
    """

    def __init__(self, *, architecture: FTTransformerArchitecture) -> None:
        """Make a block."""
        super().__init__()
        width, self.heads = architecture.width, architecture.heads
        hidden = max(1, round(width * architecture.expansion))
        self.attention_norm, self.map_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.mix = nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 2 * hidden), nn.Linear(hidden, width)
        self.attention_dropout = Dropout(p=architecture.attention_dropout)
        self.hidden_dropout = Dropout(p=architecture.hidden_dropout)
        self.residual_dropout = Dropout(p=architecture.residual_dropout)

    def forward(self, tokens: Tensor, *, last: bool = False) -> Tensor:
        """Apply the block; in the last one only the first token is asked for."""
        asking = tokens[:, :1] if last else tokens
        normal = self.attention_norm(tokens)
        attended = self._attend(normal[:, :1] if last else normal, normal)
        tokens = torch.add(asking, self.residual_dropout(attended))
        values, gates = self.widen(self.map_norm(tokens)).chunk(2, dim=-1)
        mapped: Tensor = self.narrow(self.hidden_dropout(values * F.relu(gates)))
        return torch.add(tokens, self.residual_dropout(mapped))

    def _attend(self, asking: Tensor, tokens: Tensor) -> Tensor:
        """Let tokens look at all tokens."""
        queries = self._split(self.query(asking))
        keys, values = (self._split(part) for part in self.key_value(tokens).chunk(2, dim=-1))
        scores = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
        attended = self.attention_dropout(scores.softmax(dim=-1)) @ values
        mixed: Tensor = self.mix(attended.transpose(1, 2).flatten(2))
        return mixed

    def _split(self, tokens: Tensor) -> Tensor:
        """Part the width among the heads: [batch, heads, n_tokens, width / heads]."""
        return tokens.view(*tokens.shape[:2], self.heads, -1).transpose(1, 2)


class FTTransformer(nn.Module):
    """Tokens of features, blocks, and a linear head on what the first token has become.

    **Shape**

    - Input: ``(batch, n_numeric)`` and ``(batch, len(cardinalities))``; either may have no columns
    - Output: ``(batch, n_outputs)``: logits of classes, or one value

    >>> net = FTTransformer(architecture=FTTransformerArchitecture(n_numeric=4, cardinalities=(3,), n_outputs=2))
    >>> net(torch.randn(5, 4), torch.zeros(5, 1, dtype=torch.int64)).shape
    torch.Size([5, 2])
    """

    def __init__(self, *, architecture: FTTransformerArchitecture) -> None:
        """Make a network."""
        super().__init__()
        width = architecture.width
        if architecture.layers < 1 or width < 1 or width % architecture.heads:
            raise ValueError(f"layers must be at least 1 and width a multiple of heads, however: {architecture=}")
        self.tokens = FeatureTokens(
            n_numeric=architecture.n_numeric, cardinalities=architecture.cardinalities, width=width
        )
        self.blocks = nn.ModuleList(TransformerBlock(architecture=architecture) for _ in range(architecture.layers))
        self.normalization = nn.LayerNorm(width)
        self.head = nn.Linear(width, architecture.n_outputs)

    def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
        """Compute logits or values."""
        tokens = self.tokens(numeric, codes)
        for number, block in enumerate(self.blocks, start=1):
            tokens = block(tokens, last=number == len(self.blocks))
        output: Tensor = self.head(F.relu(self.normalization(tokens[:, 0])))
        return output
