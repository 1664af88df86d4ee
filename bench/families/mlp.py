"""A multilayer perceptron with embeddings of numbers and categories, trained by `bench.nets.fit`."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.families._boosting import loss_of
from bench.families._estimator import FamilyEstimator, number, row_weights
from bench.family import ALL_TASKS, Family, Settings
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

if TYPE_CHECKING:
    from bench.nets.fit import FitConfig
    from bench.nets.loss import LossName
    from bench.nets.modules import MLP, Architecture

_WEIGHTS_FILE = "weights.safetensors"
_MODEL_FILE = "model.json"
#: Embeddings of all numeric features together get no more outputs and bins: wide tables would spend their time there.
_MAX_EMBEDDING_OUTPUTS = 1024
_MAX_BINS = 4096
#: Values are predicted up to this share of the training range beyond it.
_MARGIN = 0.05
#: Rows that go through the network together, however many are asked for.
_PREDICTED_ROWS = 256
_LOSSES: Mapping[str, "LossName"] = {"logloss": "cross_entropy", "mae": "mae", "rmse": "mse"}


class MLPEstimator(FamilyEstimator):
    """One network. Regression targets are standardised on the training rows."""

    _module: "MLP"
    _architecture: "Architecture"
    _centre = 0.0
    _scale = 1.0
    _range = (-np.inf, np.inf)

    def fit(
        self,
        X: Encoded,
        y: Array,
        *,
        valid: tuple[Encoded, Array] | None,
        allotment: Allotment,
        deadline: Deadline,
    ) -> None:
        """Fit as the contract says."""
        from bench.nets.determinism import reproducible
        from bench.nets.embeddings import quantile_edges
        from bench.nets.fit import fit_net
        from bench.nets.modules import MLP
        from bench.nets.rows import Rows

        if self._settings.kind == "regression":
            self._note_target(y)
        self._architecture = architecture = _architecture(self._settings, X)
        edges = None
        if architecture.numeric_embedding == "piecewise" and architecture.n_numeric:
            edges = quantile_edges(X.values[:, : architecture.n_numeric], architecture.n_bins)
        with reproducible(self._settings.seed, allotment):
            module = MLP(architecture=architecture, edges=edges)
        fit_net(
            module,
            Rows.of(X, self._target(y)),
            None if valid is None else Rows.of(valid[0], self._target(valid[1])),
            config=_fit_config(self._settings, y, allotment),
            allotment=allotment,
            deadline=deadline,
        )
        self._module = module

    def _note_target(self, y: Array) -> None:
        """Learn how to standardise the target, and the range of predictions."""
        self._centre = float(np.mean(y))
        self._scale = float(np.std(y)) or 1.0
        lowest, highest = float(np.min(y)), float(np.max(y))
        margin = _MARGIN * (highest - lowest)
        self._range = (lowest - margin, highest + margin)

    def _target(self, y: Array) -> Array:
        """Turn codes or values into what the loss compares with."""
        if self._settings.kind == "regression":
            return ((y - self._centre) / self._scale).astype(np.float32)
        return y.astype(np.int64)

    def _raw(self, X: Encoded) -> Array:
        from bench.nets.determinism import threads
        from bench.nets.fit import forward_in_chunks
        from bench.nets.rows import Rows

        rows = Rows.of(X, np.zeros(len(X.values), dtype=np.float32))
        # With more threads, sums would depend on their number.
        with threads(1):
            output = forward_in_chunks(self._module, rows, _PREDICTED_ROWS).double()
        if self._settings.kind != "regression":
            probabilities: Array = output.softmax(dim=1).numpy()
            return probabilities
        values: Array = output.squeeze(1).numpy() * self._scale + self._centre
        return np.clip(values, *self._range)

    def _write(self, folder: Path) -> None:
        from safetensors.torch import save_file

        content = {
            "architecture": asdict(self._architecture),
            "centre": self._centre,
            "scale": self._scale,
            "range": self._range,
        }
        (folder / _MODEL_FILE).write_text(json.dumps(content, indent=1, sort_keys=True))
        save_file(self._module.state_dict(), folder / _WEIGHTS_FILE)

    def _read(self, folder: Path) -> None:
        import torch
        from safetensors.torch import load_file

        from bench.nets.modules import MLP, Architecture

        content = json.loads((folder / _MODEL_FILE).read_text())
        architecture = content["architecture"]
        architecture["cardinalities"] = tuple(architecture["cardinalities"])
        self._architecture = Architecture(**architecture)
        self._centre, self._scale = content["centre"], content["scale"]
        self._range = tuple(content["range"])
        with torch.device("meta"):  # nothing is drawn for weights that are about to be read
            module = MLP(architecture=self._architecture)
        self._module = module.to_empty(device="cpu")
        self._module.load_state_dict(load_file(folder / _WEIGHTS_FILE))
        self._module.eval()


def _build(settings: Settings) -> MLPEstimator:
    """Make an estimator, and load what its fit needs, outside the time that is measured for it."""
    for module in ("bench.nets.fit", "torch._dynamo"):  # the first optimizer of a process loads the latter
        importlib.import_module(module)
    return MLPEstimator(settings)


def _architecture(settings: Settings, X: Encoded) -> "Architecture":
    """Shape the network for encoded rows, as the parameters say."""
    from bench.nets.modules import Architecture

    params: Any = settings.params
    n_numeric = X.values.shape[1] - len(X.categorical)
    width, n_bins = int(number(settings, "embedding_width", 16)), int(number(settings, "bins", 48))
    return Architecture(
        n_numeric=n_numeric,
        cardinalities=tuple(X.cardinalities),
        n_outputs=settings.n_classes if settings.kind != "regression" else 1,
        layers=int(number(settings, "layers", 2)),
        width=int(number(settings, "width", 192)),
        activation=params.get("activation", "silu"),
        normalization=params.get("normalization", "none"),
        dropout=number(settings, "dropout", 0.1),
        residual=bool(params.get("residual", False)),
        numeric_embedding=params.get("numeric_embedding", "piecewise"),
        embedding_width=min(width, max(2, _MAX_EMBEDDING_OUTPUTS // max(1, n_numeric))),
        n_bins=min(n_bins, max(4, _MAX_BINS // max(1, n_numeric))),
        frequency_scale=number(settings, "frequency_scale", 0.1),
    )


def _fit_config(settings: Settings, y: Array, allotment: Allotment) -> "FitConfig":
    """Say how the network is trained on a target, as the parameters say.

    The more rows, the fewer epochs: a network takes more, and longer, steps in each.
    """
    from bench.nets.fit import FitConfig
    from bench.nets.rows import batch_size_for

    params: Any = settings.params
    epochs = int(number(settings, "epochs", 100))
    weights = row_weights(settings, np.arange(settings.n_classes), training=y)
    return FitConfig(
        loss=_LOSSES[loss_of(settings)],
        learning_rate=number(settings, "learning_rate", 3e-3),
        weight_decay=number(settings, "weight_decay", 0.01),
        batch_size=batch_size_for(len(y)),
        epochs=min(epochs, max(15, round(epochs * (1000 / len(y)) ** 0.25))),
        patience=10,
        seed=settings.seed,
        schedule=params.get("schedule", "cosine"),
        label_smoothing=number(settings, "label_smoothing", 0.0),
        class_weights=() if weights is None else tuple(weights.tolist()),
        precision="bfloat16" if allotment.device == "cuda" else "float32",
    )


FAMILY = Family(
    name="mlp",
    summary="Multilayer perceptron with feature embeddings",
    tasks=ALL_TASKS,
    recipe="nets",
    build=_build,
    load=MLPEstimator.load,
    libraries=("torch",),
    imports=("bench.nets.fit", "safetensors.torch"),
    cost=25.0,
    order=125,
    watches=True,
    uses_gpu=True,
)
