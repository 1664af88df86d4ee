"""A module's parameters in one tensor, so that clipping, averaging and the optimizer each take one call a step.

Called once a parameter, they take longer than the gradients of a small network on one CPU thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

#: Parameters begin at multiples of 64 bytes, as torch's own tensors do: matrix products round by alignment.
_ALIGNMENT = 16


class Undrawn(TorchFunctionMode):
    """While a module is made for weights that are about to be read: normal values are not drawn.

    On torch's ``meta`` device, where there is nothing to do, it imports torch's compiler all the same: 3 s.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Leave a tensor as it is."""
        kwargs = kwargs or {}
        if func.__name__.endswith("normal_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Parameters that are trained alike: ``rate`` and ``decay`` multiply the fit's own."""

    parameters: tuple[Tensor, ...]
    rate: float = 1.0
    decay: float = 1.0


@runtime_checkable
class Grouped(Protocol):
    """A module that says how its parameters are trained."""

    def parameter_groups(self) -> tuple[Group, ...]:
        """Part all parameters into groups, each in one of them."""
        ...


def parameter_groups(module: nn.Module) -> tuple[Group, ...]:
    """Part a module's parameters, as it says or else so: weights of linear layers decay; all others do not."""
    if isinstance(module, Grouped):
        return tuple(group for group in module.parameter_groups() if group.parameters)
    return decay_linear(module)


def decay_linear(module: nn.Module, *more: Tensor) -> tuple[Group, ...]:
    """Let weights of linear layers decay, and ``more`` parameters, and no others: biases, norms, embeddings."""
    decayed = (*(part.weight for part in module.modules() if isinstance(part, nn.Linear)), *more)
    others = tuple(p for p in module.parameters() if not any(p is weight for weight in decayed))
    return Group(parameters=decayed), Group(parameters=others, decay=0.0)


def flat_size(parameters: Sequence[Tensor]) -> int:
    """Count the elements that parameters take in one tensor."""
    return _starts(parameters)[-1]


def _starts(parameters: Sequence[Tensor]) -> list[int]:
    """Where each parameter begins, and where the last one ends."""
    starts = [0]
    for parameter in parameters:
        starts.append(starts[-1] + -(-parameter.numel() // _ALIGNMENT) * _ALIGNMENT)
    return starts
