"""A module's parameters in one tensor, so that clipping, averaging and the optimizer each take one call a step.

Called once a parameter, they take longer than the gradients of a small network on one CPU thread.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Parameters begin at multiples of 64 bytes, as torch's own tensors do: matrix products round by alignment.
_ALIGNMENT = 16


def views(flat: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Cut a tensor made for ``parameters`` into views of their shapes."""
    starts = _starts(parameters)
    return [flat[start : start + p.numel()].view_as(p) for start, p in zip(starts, parameters, strict=False)]


def flatten(parameters: Sequence[Tensor]) -> Tensor:
    """Move parameters into one new tensor, which is returned; they become views of it."""
    flat = parameters[0].new_zeros(flat_size(parameters))
    with torch.no_grad():
        for parameter, view in zip(parameters, views(flat, parameters), strict=True):
            parameter.data = view.copy_(parameter)
    return flat.detach()


def unflatten(parameters: Sequence[Tensor]) -> None:
    """Give each parameter memory of its own again, and no gradient."""
    for parameter in parameters:
        parameter.data = parameter.data.clone()
        parameter.grad = None


def decayed_and_others(module: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Part the parameters: weights of linear layers decay; biases, norms and embeddings do not."""
    decayed: list[Tensor] = [part.weight for part in module.modules() if isinstance(part, nn.Linear)]
    others: list[Tensor] = [p for p in module.parameters() if not any(p is weight for weight in decayed)]
    return decayed, others


def flat_size(parameters: Sequence[Tensor]) -> int:
    """Count the elements that parameters take in one tensor."""
    return _starts(parameters)[-1]


def _starts(parameters: Sequence[Tensor]) -> list[int]:
    """Where each parameter begins, and where the last one ends."""
    starts = [0]
    for parameter in parameters:
        starts.append(starts[-1] + -(-parameter.numel() // _ALIGNMENT) * _ALIGNMENT)
    return starts
