"""RealMLP (Holzmüller et al., Better by Default, 2024): a perceptron whose defaults were tuned over many tables."""

import math
from typing import TYPE_CHECKING, Any

from bench.families._estimator import number
from bench.families._net import NetEstimator, fewer_epochs, torch_has_cuda
from bench.family import ALL_TASKS, Family
from bench.needs import network
from bench.recipes import Encoded

if TYPE_CHECKING:
    from torch import nn

    from bench.nets.rows import Rows

_CLASS_RATE, _VALUE_RATE = 0.04, 0.2
_LABEL_SMOOTHING = 0.1


class RealMLPEstimator(NetEstimator):
    """One network, and the schedules that it was tuned with."""

    classes = "bench.nets.realmlp:RealMLP:RealMLPArchitecture"
    margin = 0.0

    def _shape(self, X: Encoded) -> dict[str, Any]:
        settings = self._settings
        own = "mish" if settings.kind == "regression" else "selu"
        asked: Any = settings.params.get("activation", "own")
        return {
            "layers": int(number(settings, "layers", 3)),
            "width": int(number(settings, "width", 128)),
            "activation": own if asked == "own" else asked,
            "dropout": number(settings, "dropout", 0.15),
            "n_frequencies": int(number(settings, "n_frequencies", 16)),
            "numeric_width": int(number(settings, "numeric_width", 4)),
            "frequency_scale": number(settings, "frequency_scale", 0.1),
            "numeric_rate": number(settings, "numeric_rate", 0.1),
            "first_rate": number(settings, "first_rate", 1.0),
            "scale_rate": number(settings, "scale_rate", 6.0),
            "one_hot": int(number(settings, "one_hot", 9)),
            "category_width": int(number(settings, "category_width", 8)),
        }

    def _make(self, rows: "Rows") -> "nn.Module":
        from bench.nets.realmlp import RealMLP

        module = RealMLP(architecture=self._architecture)
        module.initialise(rows)
        return module

    def _training(self, n_rows: int) -> dict[str, Any]:
        settings = self._settings
        rate = _VALUE_RATE if settings.kind == "regression" else _CLASS_RATE
        epochs = fewer_epochs(int(number(settings, "epochs", 64)), n_rows, least=8)
        # Smoothed labels give better labels, and worse probabilities.
        smoothing = _LABEL_SMOOTHING if settings.metric == "accuracy" else 0.0
        return {
            "learning_rate": rate * number(settings, "rate", 1.0),
            "weight_decay": number(settings, "weight_decay", 0.02),
            "batch_size": 256,
            "epochs": epochs,
            "patience": epochs,
            "schedule": "coslog4",
            "regularisation": "flat_cos",
            "betas": (0.9, number(settings, "second_moment", 0.95)),
            "warm_up": 0.0,
            "clip_norm": math.inf,
            "averaging": bool(settings.params.get("averaging", True)),
            "label_smoothing": number(settings, "label_smoothing", smoothing),
            "watched": "errors" if settings.metric == "accuracy" else "loss",
        }


FAMILY = Family(
    name="realmlp",
    summary="RealMLP: multilayer perceptron with tuned defaults",
    tasks=ALL_TASKS,
    recipe="nets",
    build=RealMLPEstimator.build,
    load=RealMLPEstimator.load,
    libraries=("torch",),
    imports=("bench.nets.fit", "safetensors.torch"),
    cost=45.0,
    order=126,
    behind=0.08,
    watches=True,
    version=2,
    uses_gpu=torch_has_cuda,
    gpu_memory=network,
)
