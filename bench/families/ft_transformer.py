"""A transformer over the features of a row (Gorishniy et al., 2021), small enough for a CPU."""

from typing import TYPE_CHECKING, Any

from bench.errors import SkipError
from bench.families._estimator import number
from bench.families._net import NetEstimator, fewer_epochs, torch_has_cuda
from bench.family import ALL_TASKS, Family
from bench.metric import Array
from bench.needs import network
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

if TYPE_CHECKING:
    from torch import nn

    from bench.nets.rows import Rows

#: On a CPU: what it takes grows with the features, and a part of it with their square.
_MAX_FEATURES = 64


class FTTransformerEstimator(NetEstimator):
    """One transformer."""

    classes = "bench.nets.ft_transformer:FTTransformer:FTTransformerArchitecture"

    def fit(
        self,
        X: Encoded,
        y: Array,
        *,
        valid: tuple[Encoded, Array] | None,
        allotment: Allotment,
        deadline: Deadline,
    ) -> None:
        """Fit as the contract says.

        Raises:
            SkipError: there are too many features for a CPU.
        """
        if (n_features := X.values.shape[1]) > _MAX_FEATURES and allotment.device == "cpu":
            raise SkipError(f"takes at most {_MAX_FEATURES} encoded features on a CPU, here are {n_features}")
        super().fit(X, y, valid=valid, allotment=allotment, deadline=deadline)

    def _shape(self, X: Encoded) -> dict[str, Any]:
        settings = self._settings
        heads = int(number(settings, "heads", 4))
        return {
            "layers": int(number(settings, "layers", 2)),
            "width": heads * int(number(settings, "head_width", 12)),
            "heads": heads,
            "attention_dropout": number(settings, "attention_dropout", 0.2),
            "hidden_dropout": number(settings, "hidden_dropout", 0.1),
            "residual_dropout": number(settings, "residual_dropout", 0.0),
        }

    def _make(self, rows: "Rows") -> "nn.Module":
        return self._new_module()

    def _training(self, n_rows: int) -> dict[str, Any]:
        settings = self._settings
        return {
            "learning_rate": number(settings, "learning_rate", 1e-3),
            "weight_decay": number(settings, "weight_decay", 1e-5),
            "epochs": fewer_epochs(int(number(settings, "epochs", 24)), n_rows, least=8),
            "patience": 16,
        }


FAMILY = Family(
    name="ft_transformer",
    summary="FT-Transformer: attention over features",
    tasks=ALL_TASKS,
    recipe="nets",
    build=FTTransformerEstimator.build,
    load=FTTransformerEstimator.load,
    libraries=("torch",),
    imports=("bench.nets.fit", "safetensors.torch"),
    cost=75.0,
    order=150,
    behind=0.2,
    max_rows=10_000,
    watches=True,
    version=2,
    uses_gpu=torch_has_cuda,
    gpu_memory=network,
)
