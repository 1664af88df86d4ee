"""A multilayer perceptron with embeddings of numbers and categories, trained by `bench.nets.fit`."""

from typing import Any

from bench.families._estimator import number
from bench.families._net import NetEstimator, fewer_epochs, torch_has_cuda
from bench.family import ALL_TASKS, Family
from bench.needs import network
from bench.recipes import Encoded


class MLPEstimator(NetEstimator):
    """One network of blocks."""

    classes = "bench.nets.modules:MLP:Architecture"

    def _shape(self, X: Encoded) -> dict[str, Any]:
        settings = self._settings
        params: Any = settings.params
        return {
            "layers": int(number(settings, "layers", 2)),
            "width": int(number(settings, "width", 192)),
            "activation": params.get("activation", "silu"),
            "normalization": params.get("normalization", "none"),
            "dropout": number(settings, "dropout", 0.1),
            "residual": bool(params.get("residual", False)),
            **self._embedding(X, width=16, bins=48),
        }

    def _training(self, n_rows: int) -> dict[str, Any]:
        settings = self._settings
        return {
            "learning_rate": number(settings, "learning_rate", 3e-3),
            "weight_decay": number(settings, "weight_decay", 0.01),
            "epochs": fewer_epochs(int(number(settings, "epochs", 100)), n_rows, least=15),
            "patience": 10,
            "schedule": settings.params.get("schedule", "cosine"),
        }


FAMILY = Family(
    name="mlp",
    summary="Multilayer perceptron with feature embeddings",
    tasks=ALL_TASKS,
    recipe="nets",
    build=MLPEstimator.build,
    load=MLPEstimator.load,
    libraries=("torch",),
    imports=("bench.nets.fit", "safetensors.torch"),
    cost=50.0,
    order=125,
    behind=0.1,
    version=3,
    watches=True,
    uses_gpu=torch_has_cuda,
    gpu_memory=network,
)
