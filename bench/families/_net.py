"""What the net families share: standardised targets, one network, its way to disk and its predictions."""

import functools
import importlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from bench.families._boosting import loss_of
from bench.families._estimator import FamilyEstimator, library_files, number, row_weights
from bench.family import Settings, target_range
from bench.metric import Array
from bench.recipes import Encoded
from bench.resources import Allotment, Deadline

if TYPE_CHECKING:
    from torch import nn

    from bench.nets.fit import FitConfig
    from bench.nets.loss import LossName
    from bench.nets.rows import Rows

_WEIGHTS_FILE = "weights.safetensors"
_MODEL_FILE = "model.json"
#: Rows that go through the network together, however many are asked for.
_PREDICTED_ROWS = 256
#: Embeddings of all numeric features together get no more outputs and bins: wide tables would spend their time there.
_MAX_EMBEDDING_OUTPUTS = 1024
_MAX_BINS = 4096
_LOSSES: Mapping[str, "LossName"] = {"logloss": "cross_entropy", "mae": "mae", "rmse": "mse"}


@functools.cache
def torch_has_cuda() -> bool:
    """Whether the installed PyTorch is a build for CUDA; one for the CPU comes without that part of it."""
    return bool(library_files("torch", "*torch_cuda*"))


class NetEstimator(FamilyEstimator):
    """One network. Regression targets are standardised on the training rows; ``rounds`` are epochs, up to the best one.

    A subclass names its classes of networks and architectures, ``MODULE:NETWORK:ARCHITECTURE``, in ``classes``, and
    owes ``_shape`` and ``_training``; ``_make`` where its architecture is no `bench.nets.features.Inputs`.
    """

    classes: ClassVar[str]
    #: Values are predicted up to this share of the training range beyond it.
    margin: ClassVar[float] = 0.05

    rounds: int | None = None
    _module: "nn.Module"
    _architecture: Any
    _centre = 0.0
    _scale = 1.0
    _range = (-np.inf, np.inf)

    @classmethod
    def build(cls, settings: Settings) -> Self:
        """Make an estimator, and load what its fit needs, outside the time that is measured for it."""
        for module in ("bench.nets.fit", cls.classes.partition(":")[0]):
            importlib.import_module(module)
        return cls(settings)

    def _shape(self, X: Encoded) -> dict[str, Any]:
        """Shape the network for encoded rows, beside its features and outputs: what its architecture is made from."""
        raise NotImplementedError

    def _embedding(self, X: Encoded, *, width: int, bins: int) -> dict[str, Any]:
        """Say how numbers are embedded: what the architecture's `bench.nets.features.Inputs` are made from."""
        settings = self._settings
        n_numeric = max(1, X.values.shape[1] - len(X.categorical))
        width, bins = int(number(settings, "embedding_width", width)), int(number(settings, "bins", bins))
        return {
            "numeric_embedding": settings.params.get("numeric_embedding", "piecewise"),
            "embedding_width": min(width, max(2, _MAX_EMBEDDING_OUTPUTS // n_numeric)),
            "n_bins": min(bins, max(4, _MAX_BINS // n_numeric)),
            "frequency_scale": number(settings, "frequency_scale", 0.1),
        }

    def _training(self, n_rows: int) -> dict[str, Any]:
        """Say how the network is trained on so many rows: what `FitConfig` is made from, beside the loss."""
        raise NotImplementedError

    def _make(self, rows: "Rows") -> "nn.Module":
        """Make the network for training rows, from torch's random state."""
        from bench.nets.embeddings import quantile_edges

        if self._architecture.numeric_embedding != "piecewise" or not self._architecture.n_numeric:
            return self._new_module()
        return self._new_module(edges=quantile_edges(rows.numeric.numpy(), self._architecture.n_bins))

    def _new_module(self, **arguments: Any) -> "nn.Module":
        """Make the network of the architecture."""
        module: nn.Module = self._class(1)(architecture=self._architecture, **arguments)
        return module

    def _class(self, position: int) -> Any:
        """Look up one of ``classes``."""
        names = self.classes.split(":")
        return getattr(importlib.import_module(names[0]), names[position])

    def fit(
        self,
        X: Encoded,
        y: Array,
        *,
        valid: tuple[Encoded, Array] | None,
        allotment: Allotment,
        deadline: Deadline,
    ) -> None:
        """Fit as the contract says; where a GPU has no room for a batch, with batches of half the size."""
        from bench.nets.rows import Rows

        if self._settings.kind == "regression":
            self._note_target(y)
        self._architecture = self._class(2)(
            n_numeric=X.values.shape[1] - len(X.categorical),
            cardinalities=tuple(X.cardinalities),
            n_outputs=self._settings.n_classes if self._settings.kind != "regression" else 1,
            **self._shape(X),
        )
        rows = Rows.of(X, self._target(y))
        watched = None if valid is None else Rows.of(valid[0], self._target(valid[1]))
        config = self._config(y, allotment)
        try:
            self._module = self._trained(rows, watched, config, allotment, deadline)
            return
        except Exception as error:
            if allotment.device != "cuda" or type(error).__name__ != "OutOfMemoryError":
                raise
        # Not before the error is forgotten: it holds on to all that the fit had on the GPU.
        importlib.import_module("torch").cuda.empty_cache()
        halved = replace(config, batch_size=max(1, config.batch_size // 2))
        self._module = self._trained(rows, watched, halved, allotment, deadline)

    def _trained(
        self, rows: "Rows", watched: "Rows | None", config: "FitConfig", allotment: Allotment, deadline: Deadline
    ) -> "nn.Module":
        """Train a new network."""
        from bench.nets.determinism import reproducible
        from bench.nets.fit import fit_net

        with reproducible(self._settings.seed, allotment):
            module = self._make(rows)
        done = fit_net(module, rows, watched, config=config, allotment=allotment, deadline=deadline)
        self.rounds = done.best_epoch
        return module

    def _config(self, y: Array, allotment: Allotment) -> "FitConfig":
        """Say how the network is trained on a target."""
        from bench.nets.fit import FitConfig
        from bench.nets.rows import batch_size_for

        settings = self._settings
        weights = row_weights(settings, np.arange(settings.n_classes), training=y)
        shared: dict[str, Any] = {
            "loss": _LOSSES[loss_of(settings)],
            "batch_size": batch_size_for(len(y)),
            "seed": settings.seed,
            "label_smoothing": number(settings, "label_smoothing", 0.0),
            "class_weights": () if weights is None else tuple(weights.tolist()),
            "precision": "bfloat16" if allotment.device == "cuda" else "float32",
            "stop_at": settings.rounds,
        }
        return FitConfig(**{**shared, **self._training(len(y))})

    def _note_target(self, y: Array) -> None:
        """Learn how to standardise the target, and the range of predictions."""
        self._centre = float(np.mean(y))
        self._scale = float(np.std(y)) or 1.0
        self._range = target_range(y, self.margin)

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

        from bench.nets.weights import Undrawn

        content = json.loads((folder / _MODEL_FILE).read_text())
        architecture = content["architecture"]
        architecture["cardinalities"] = tuple(architecture["cardinalities"])
        self._architecture = self._class(2)(**architecture)
        self._centre, self._scale = content["centre"], content["scale"]
        self._range = tuple(content["range"])
        with torch.device("meta"), Undrawn():
            module = self._new_module()
        self._module = module.to_empty(device="cpu")
        self._module.load_state_dict(load_file(folder / _WEIGHTS_FILE))
        self._module.eval()


def fewer_epochs(epochs: int, n_rows: int, *, least: int, share: float = 0.25) -> int:
    """Lower a number of epochs that suits 1000 rows: the more rows, the more, and longer, steps in each."""
    return min(epochs, max(least, round(epochs * math.pow(1000 / n_rows, share))))
