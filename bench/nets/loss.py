"""Losses: what a fit minimises, and what it watches."""

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

LossName = Literal["cross_entropy", "mse", "mae"]
Watched = Literal["loss", "errors"]


class Loss:
    """The loss of a batch, and the one that is watched: the same without label smoothing, or the share of errors."""

    def __init__(
        self,
        name: LossName,
        class_weights: tuple[float, ...],
        label_smoothing: float,
        device: str,
        watched: Watched = "loss",
    ) -> None:
        """Make a loss; ``class_weights`` holds one weight a class, or nothing."""
        self._name = name
        self._watched = watched
        self._label_smoothing = label_smoothing
        self._weight = torch.tensor(class_weights, device=device) if class_weights else None

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of a training batch: logits [..., n, n_classes] and codes, or values [..., n, 1] and values.

        Members of a net stand first; their targets are [members, n], or [n] for all of them.
        """
        return self._of(output, target, self._label_smoothing)

    def watch(self, output: Tensor, target: Tensor) -> float:
        """Loss of the validation rows."""
        if self._watched == "errors":
            return (output.argmax(dim=-1) != target).float().mean().item()
        return self._of(output, target, 0.0).item()

    def _of(self, output: Tensor, target: Tensor, label_smoothing: float) -> Tensor:
        target, output = target.expand(output.shape[:-1]).flatten(), output.flatten(0, -2)
        if self._name == "cross_entropy":
            return F.cross_entropy(output, target, weight=self._weight, label_smoothing=label_smoothing)
        return (F.l1_loss if self._name == "mae" else F.mse_loss)(output.squeeze(1), target)
