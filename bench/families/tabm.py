"""TabM (Gorishniy et al., 2025): an ensemble of perceptrons that share most of their weights."""

from typing import Any

from bench.families._estimator import number
from bench.families._net import NetEstimator, fewer_epochs, torch_has_cuda
from bench.family import ALL_TASKS, Family
from bench.needs import network
from bench.recipes import Encoded


class TabMEstimator(NetEstimator):
    """One ensemble, trained as one network."""

    classes = "bench.nets.tabm:TabM:TabMArchitecture"

    def _shape(self, X: Encoded) -> dict[str, Any]:
        settings = self._settings
        return {
            "members": int(number(settings, "members", 8)),
            "layers": int(number(settings, "layers", 2)),
            "width": int(number(settings, "width", 128)),
            "dropout": number(settings, "dropout", 0.1),
            "full": bool(settings.params.get("full", False)),
            **self._embedding(X, width=8, bins=48),
        }

    def _training(self, n_rows: int) -> dict[str, Any]:
        settings = self._settings
        return {
            "learning_rate": number(settings, "learning_rate", 3e-3),
            "weight_decay": number(settings, "weight_decay", 3e-4),
            "epochs": fewer_epochs(int(number(settings, "epochs", 60)), n_rows, least=8),
            "patience": 16,
            "members": 1 if settings.params.get("shared_batches", True) else self._architecture.members,
        }


FAMILY = Family(
    name="tabm",
    summary="TabM: perceptrons that share most of their weights",
    tasks=ALL_TASKS,
    recipe="nets",
    build=TabMEstimator.build,
    load=TabMEstimator.load,
    libraries=("torch",),
    imports=("bench.nets.fit", "safetensors.torch"),
    cost=90.0,
    order=127,
    behind=0.03,
    watches=True,
    version=2,
    uses_gpu=torch_has_cuda,
    gpu_memory=network,
)
