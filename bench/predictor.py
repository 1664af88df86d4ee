"""The fitted thing a user ships: schema, recipes, fold models and ensemble weights in one folder, without pickle.

::

    predictor/
      manifest.json              SHA-256 of every other file; written last
      predictor.json             task, classes, schema, models: which trials each combines, and how
      recipes/<recipe>/fold-<k>/ fitted encodings, one a recipe and the features switched on
      trials/<id>/fold-<k>/      fitted fold models in their libraries' own formats
      example.json               a few rows to try it on
"""

import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import polars as pl

from bench.combine import Mix, WeightedMean
from bench.dataset import Schema, to_frame
from bench.ensemble import Ensemble
from bench.environment import versions
from bench.errors import RequestError, StoreError, choices, nearest
from bench.family import Estimator, get_family
from bench.fold_data import recipe_folder, recipe_key
from bench.identity import file_digest
from bench.log_target import load
from bench.metric import Array, TaskKind
from bench.problem import Problem
from bench.recipes import Encoded, Features, Recipe, load_recipe
from bench.release import version
from bench.resources import limit_threads
from bench.store import PREDICTIONS, SUMS, building, fold_folder, read_json, write_json
from bench.trial import TrialResult, read_classes, spread

if TYPE_CHECKING:
    from sklearn.utils import Tags

    from bench.frames import Frame
    from bench.sources.base import ReadOptions

    Table: TypeAlias = str | Path | Frame

_LOGGER = logging.getLogger("bench.predictor")
FORMAT = 1
#: What models learned from: each of a bag from its fold's training rows, or one alone from all rows of the run.
FittedOn: TypeAlias = Literal["folds", "all rows"]
_EXAMPLE_ROWS = 5


class Predictor:
    """Predicts with the models of one folder; scikit-learn's scorers take it for a fitted estimator.

    ``X`` may be what `bench.run` takes as a frame, or name files. Columns are matched by name: extra ones are left out,
    missing ones are an error, other types are read as the column's kind where every value allows it. Columns of arrays
    are called ``column_1`` and so on, from the left: with the target in the last column of the array learned from, rows
    come without it; else with any values in its place.
    """

    def __init__(self, folder: Path) -> None:
        """Open a predictor's folder and check every file against its manifest.

        Raises:
            StoreError: a file is missing, altered, or of a later version of bench.
        """
        self._folder = folder
        _verify(folder)
        content = read_json(folder / "predictor.json")
        if content["format"] != FORMAT:
            raise StoreError(f"{folder} has format {content['format']}, this bench reads {FORMAT}. Update bench.")
        self.task: TaskKind = content["task"]
        self.target: str = content["target"]
        self.schema = Schema.from_dict(content["schema"])
        self.default: str = content["default"]
        self.fitted_on: FittedOn = content.get("fitted_on", "folds")
        self._classes: list[Any] = content["classes"]
        self._trials: dict[str, dict[str, Any]] = content["trials"]
        self._models = {name: Mix.from_dict(entry) for name, entry in content["models"].items()}
        self.notes: tuple[str, ...] = ()
        _compare_versions(folder, content.get("versions", {}))

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self._folder

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, the default first."""
        return (self.default, *(name for name in self._models if name != self.default))

    @property
    def classes_(self) -> Array:
        """Class labels, sorted as scikit-learn's are, in the order of the probability columns; empty in regression."""
        return np.array(sorted(self._classes))

    def predict(self, X: "Table", model: str | None = None) -> Array:
        """Predict labels [n_rows], or values in regression."""
        prediction = self._raw(X, model)
        return prediction if self.task == "regression" else np.array(self._classes)[prediction.argmax(axis=1)]

    def predict_proba(self, X: "Table", model: str | None = None) -> Array:
        """Predict probabilities [n_rows, n_classes], their columns in the order of ``classes_``.

        Raises:
            RequestError: the task is regression.
        """
        if self.task == "regression":
            raise RequestError("predict_proba needs a classification task; this predictor is for regression.")
        order = sorted(range(len(self._classes)), key=self._classes.__getitem__)
        return self._raw(X, model)[:, order]

    def __sklearn_tags__(self) -> "Tags":
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        if self.task == "regression":
            return Tags("regressor", TargetTags(required=False), regressor_tags=RegressorTags())
        return Tags("classifier", TargetTags(required=False), classifier_tags=ClassifierTags())

    def predict_frame(self, X: "Table", model: str | None = None, options: "ReadOptions | None" = None) -> pl.DataFrame:
        """Predict a table: ``prediction``, and for classes ``probability_<label>`` a class, spelled by Python's str.

        ``options`` tell how files are read.
        """
        prediction = self._raw(X, model, options)
        if self.task == "regression":
            return pl.DataFrame({"prediction": prediction})
        labels = [self._classes[code] for code in prediction.argmax(axis=1)]
        columns = {f"probability_{label}": prediction[:, code] for code, label in enumerate(self._classes)}
        return pl.DataFrame({"prediction": pl.Series(labels, strict=False), **columns})

    def _raw(self, X: "Table", model: str | None, options: "ReadOptions | None" = None) -> Array:
        """Predict probabilities or values: fold by fold, each combined, then the mean over folds."""
        name = self.default if model is None else model
        if name not in self._models:
            raise RequestError(
                f"model {name!r} is not in this predictor.{nearest(name, self._models)} "
                f"Choose one of: {choices(self._models)}."
            )
        frame, read = to_frame(X, options)
        frame, coerced = self.schema.coerce(frame)
        self.notes = read + coerced
        folds = self._trials[self._models[name].trials[0]]["folds"]
        with limit_threads(1):  # several threads add up in an order that varies, and predictions must not
            parts = [self._fold(frame, fold, self._models[name]) for fold in range(folds)]
        mean: Array = np.mean(parts, axis=0)
        return mean

    def predict_fold(self, frame: pl.DataFrame, fold: int) -> Array:
        """Predict coerced rows with the default model as it was fitted on one fold alone."""
        with limit_threads(1):
            return self._fold(frame, fold, self._models[self.default])

    def _fold(self, frame: pl.DataFrame, fold: int, model: Mix) -> Array:
        """Combine what the members predict as they were fitted on one fold."""
        encoded: dict[str, Encoded] = {}
        shape = (frame.height,) if self.task == "regression" else (frame.height, len(self._classes))
        idle = np.zeros(shape)
        if frame.is_empty():
            return idle
        parts = [
            idle if weight == 0 else self._member(trial, fold, frame, encoded)
            for trial, weight in zip(model.trials, model.combiner.weights, strict=True)
        ]
        return model.combiner.combine(np.stack(parts))

    def _member(self, trial: str, fold: int, frame: pl.DataFrame, encoded: dict[str, Encoded]) -> Array:
        """Predict with one fold model of one trial; ``encoded`` keeps what recipes made of the frame for this fold."""
        recipe = self._trials[trial]["recipe"]
        if recipe not in encoded:
            encoded[recipe] = self._recipe(recipe, fold).transform(frame)
        estimator, present = self._estimator(trial, fold)
        prediction = np.asarray(estimator.predict(encoded[recipe]), dtype=np.float64)
        return prediction if self.task == "regression" else spread(prediction, present, len(self._classes))

    @cached_property
    def _loaded(self) -> dict[tuple[str, int], Any]:
        """Recipes and estimators read so far."""
        return {}

    def _recipe(self, name: str, fold: int) -> Recipe:
        """Read a fitted recipe, once."""
        if (name, fold) not in self._loaded:
            folder = self._folder / "recipes" / name / f"fold-{fold}"
            self._loaded[name, fold] = load_recipe(name.partition("-")[0], folder)
        recipe: Recipe = self._loaded[name, fold]
        return recipe

    def _estimator(self, trial: str, fold: int) -> tuple[Estimator, Array]:
        """Read a fitted fold model, once, with the classes that it knows."""
        if (trial, fold) not in self._loaded:
            folder = fold_folder(self._folder, trial, fold)
            family = get_family(self._trials[trial]["family"])
            self._loaded[trial, fold] = load(family, folder), read_classes(folder)
        estimator, present = self._loaded[trial, fold]
        return estimator, present


def load_predictor(folder: Path | str) -> Predictor:
    """Open the predictor in a run folder's ``predictor/``, or that folder itself; raises as `Predictor` does."""
    path = Path(folder)
    for place in (path, path / "predictor"):
        if (place / "manifest.json").is_file():
            return Predictor(place)
    raise StoreError(f"{path} must be the folder of a run with a predictor. `bench list runs` shows those there are.")


def _verify(folder: Path) -> None:
    """Check every file against the manifest."""
    content = read_json(folder / "manifest.json")
    manifest = content.get("files") if isinstance(content, dict) else None
    if not isinstance(manifest, dict) or "predictor.json" not in manifest:
        raise StoreError(f"{folder} must have a manifest that lists its files. Run the same `bench run` again.")
    for name, expected in manifest.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file() or file_digest(path) != expected:
            raise StoreError(f"{path} is missing or was altered since it was written. Run the same `bench run` again.")


def _compare_versions(folder: Path, learned: Mapping[str, str]) -> None:
    """Warn where a library is here in another version than the one that the models were fitted with."""
    here = _versions(learned)
    differing = [
        f"{name} {told} (here {here.get(name, 'not installed')})"
        for name, told in learned.items()
        if here.get(name) != told
    ]
    if differing:
        _LOGGER.warning(
            "%s was fitted with %s: it may predict otherwise. Install those versions, or fit it again.",
            folder,
            ", ".join(differing),
        )


def _versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of bench and of libraries, where they are installed."""
    return versions(names) | {"bench": version()}


def write_predictor(
    problem: Problem,
    target: Path,
    results: Sequence[TrialResult],
    ensembles: Sequence[Ensemble],
    default: str,
    *,
    fitted_on: FittedOn = "folds",
) -> None:
    """Put ensembles and single models, with all that they need, into a new folder ``target``.

    Args:
        problem: the run's, for schema and classes.
        target: the folder to write; one that is there is replaced.
        results: single models to ship under their own names.
        ensembles: ensembles to ship; their members come along.
        default: name of the model that predicts unless another is asked for.
        fitted_on: the rows that the models learned from, which a user is told.
    """
    trials = {r.candidate.trial_id: r for r in (*results, *(m for e in ensembles for m in e.members))}
    models: dict[str, Any] = {
        r.candidate.name: Mix(trials=(r.candidate.trial_id,), combiner=WeightedMean(weights=(1.0,))).to_dict()
        for r in results
    }
    for ensemble in ensembles:
        models[ensemble.result.candidate.name] = ensemble.mix.to_dict()
    shutil.rmtree(target, ignore_errors=True)
    with building(target, sums=False) as temporary:
        for trial in trials.values():
            _copy_trial(problem, trial, temporary)
        write_json(
            temporary / "predictor.json", _description(problem, trials, models, default) | {"fitted_on": fitted_on}
        )
        write_json(temporary / "example.json", _example(problem))
        files = sorted(path for path in temporary.rglob("*") if path.is_file())
        write_json(
            temporary / "manifest.json",
            {"files": {path.relative_to(temporary).as_posix(): file_digest(path) for path in files}},
        )


def _copy_trial(problem: Problem, trial: TrialResult, target: Path) -> None:
    """Link a trial's fold models and their recipes into the new folder; predictions stay behind."""
    candidate = trial.candidate
    name, features = get_family(candidate.family).recipe, Features.of(candidate.params)
    for fold in range(trial.asked):
        source = fold_folder(problem.folder, candidate.trial_id, fold)
        _link(source, fold_folder(target, candidate.trial_id, fold))
        recipe = recipe_folder(target, name, fold, features, candidate.rows)
        if not recipe.exists():
            _link(recipe_folder(problem.folder, name, fold, features, candidate.rows), recipe)


def _link(source: Path, target: Path) -> None:
    """Copy a folder by hard links where the file system has them, without predictions and checksums."""

    def link(from_: str, to: str) -> None:
        try:
            Path(to).hardlink_to(from_)
        except OSError:
            shutil.copy2(from_, to)

    shutil.copytree(source, target, copy_function=link, ignore=shutil.ignore_patterns(PREDICTIONS, SUMS))


def _description(
    problem: Problem, trials: Mapping[str, TrialResult], models: dict[str, Any], default: str
) -> dict[str, Any]:
    """What predictor.json holds."""
    return {
        "format": FORMAT,
        "task": problem.task.kind,
        "target": problem.task.target,
        "metric": problem.task.metric.name,
        "versions": _versions(
            {"numpy", "polars", *(name for r in trials.values() for name in get_family(r.candidate.family).libraries)}
        ),
        "classes": list(problem.task.classes),
        "schema": problem.task.schema.to_dict(),
        "default": default,
        "models": models,
        "trials": {
            trial_id: {
                "family": result.candidate.family,
                "params": dict(result.candidate.params),
                "recipe": recipe_key(
                    get_family(result.candidate.family).recipe,
                    Features.of(result.candidate.params),
                    result.candidate.rows,
                ),
                "folds": result.asked,
            }
            for trial_id, result in trials.items()
        },
    }


def _example(problem: Problem) -> list[dict[str, Any]]:
    """A few development rows, as plain values; dates in ISO format."""
    rows = problem.splits.folds[0].train[:_EXAMPLE_ROWS]
    frame = problem.task.features[rows]
    dates = [name for name, dtype in frame.schema.items() if dtype == pl.Datetime]
    return frame.with_columns(pl.col(dates).dt.to_string("iso") if dates else []).to_dicts()
