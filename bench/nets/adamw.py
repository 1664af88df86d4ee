"""AdamW (Loshchilov and Hutter 2019) by torch's own fused steps, without its optimizer classes.

The first optimizer of a process imports torch's compiler, for which nothing here has a use: 2.2 s, once a worker.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

_EPSILON = 1e-8


class AdamW:
    """Steps over flat weights, a tensor a group; to the last bit what ``torch.optim.AdamW(fused=True)`` does.

    ``param_groups`` are all that `torch.amp.GradScaler` asks for; ``lr`` and ``weight_decay`` may be set before a step.
    """

    def __init__(self, weights: Sequence[Tensor], *, learning_rate: float, betas: tuple[float, float]) -> None:
        """Begin; each of ``weights`` has its gradient."""
        self._betas = betas
        self.param_groups: list[dict[str, Any]] = [
            {"params": [part], "lr": learning_rate, "weight_decay": 0.0} for part in weights
        ]
        self._states = [
            {"step": part.new_zeros(()), "exp_avg": torch.zeros_like(part), "exp_avg_sq": torch.zeros_like(part)}
            for part in weights
        ]

    def zero_grad(self) -> None:
        """Set all gradients to zero, in place."""
        for group in self.param_groups:
            group["params"][0].grad.zero_()

    @torch.no_grad()
    def step(self) -> None:
        """Take a step down the gradients."""
        for group, state in zip(self.param_groups, self._states, strict=True):
            (weights,) = group["params"]
            adamw(
                [weights],
                [weights.grad],
                [state["exp_avg"]],
                [state["exp_avg_sq"]],
                [],
                [state["step"]],
                fused=True,
                amsgrad=False,
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=_EPSILON,
                maximize=False,
            )

    def state(self) -> dict[str, Tensor]:
        """What the next steps depend on, by ``<group>.<name>``."""
        return {f"{number}.{name}": tensor for number, of in enumerate(self._states) for name, tensor in of.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
