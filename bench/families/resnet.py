"""A residual network for tables (Gorishniy et al., 2021), with embeddings of numbers."""

from typing import Any

from bench.families._estimator import number
from bench.families._net import NetEstimator, fewer_epochs, torch_has_cuda
from bench.family import ALL_TASKS, Family
from bench.needs import network
from bench.recipes import Encoded


class ResNetEstimator(NetEstimator):
    """One residual network."""

    classes = "bench.nets.resnet:ResNet:ResNetArchitecture"

    def _shape(self, X: Encoded) -> dict[str, Any]:
        settings = self._settings
        return {
            "layers": int(number(settings, "layers", 2)),
            "width": int(number(settings, "width", 128)),
            "expansion": number(settings, "expansion", 2.0),
            "hidden_dropout": number(settings, "hidden_dropout", 0.25),
            "residual_dropout": number(settings, "residual_dropout", 0.1),
            **self._embedding(X, width=8, bins=32),
        }

    def _training(self, n_rows: int) -> dict[str, Any]:
        settings = self._settings
        return {
            "learning_rate": number(settings, "learning_rate", 1e-3),
            "weight_decay": number(settings, "weight_decay", 0.01),
            "epochs": fewer_epochs(int(number(settings, "epochs", 40)), n_rows, least=8),
            "patience": 16,
        }


FAMILY = Family(
    name="resnet",
    summary="Residual network with feature embeddings",
    tasks=ALL_TASKS,
    recipe="nets",
    build=ResNetEstimator.build,
    load=ResNetEstimator.load,
    libraries=("torch",),
    imports=("bench.nets.fit", "safetensors.torch"),
    cost=50.0,
    order=145,
    behind=0.12,
    watches=True,
    version=2,
    uses_gpu=torch_has_cuda,
    gpu_memory=network,
)
