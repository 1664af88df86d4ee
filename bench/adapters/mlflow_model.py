"""The shipped predictor as an MLflow model: its own files and a loader, nothing pickled.

``mlflow.pyfunc.load_model("models:/<id>").predict(frame)`` takes a pandas frame with the columns of the training data
and gives one with ``prediction`` and, for classes, ``probability_<label>``. Which of the predictor's models answers is
the model configuration ``{"model": name}``; whoever loads it may choose another one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.dataset import Schema
from bench.environment import requirements, versions
from bench.errors import StoreError
from bench.frames import from_pandas
from bench.identity import digest, file_digest
from bench.processes import temporary_folder
from bench.release import DISTRIBUTION
from bench.store import read_json

if TYPE_CHECKING:
    from bench.predictor import Predictor

#: Types of columns, as they were read, that pandas has one spelling for.
_TYPES = {"Float64": "double", "Float32": "double", "String": "string", "Boolean": "boolean"}
#: Tag of a logged model: the predictor it comes from.
_DIGEST = "bench.predictor"
#: What training and reporting need, and predicting does not.
_NOT_FOR_PREDICTION = frozenset({"jinja2", "optuna", "ray", "rich", "typer"})


class PredictorModel:
    """What MLflow calls: one model of a shipped predictor, on pandas frames."""

    def __init__(self, predictor: "Predictor", model: str | None) -> None:
        """Wrap a predictor; without a name, the model that it takes itself."""
        self._predictor = predictor
        self._model = model

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict the rows of a pandas frame; return a pandas frame with the same index. ``params`` is not used."""
        frame, _ = from_pandas(model_input)
        return self._predictor.predict_frame(frame, self._model).to_pandas().set_index(model_input.index)


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> PredictorModel:
    """Load what `log_models` logged; the name is MLflow's."""
    from bench.predictor import load_predictor

    return PredictorModel(load_predictor(Path(path)), (model_config or {}).get("model"))


def predictor_digest(folder: Path) -> str:
    """Hash the names and contents of all files of a predictor."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest([[path.relative_to(folder).as_posix(), file_digest(path)] for path in files])


def log_models(client: Any, run_id: str, folder: Path, digest: str) -> None:
    """Log the models of the predictor in ``folder`` as outputs of a run, to be loaded by ``mlflow.pyfunc``.

    ``digest`` is the predictor's: what an earlier attempt logged of it whole is not logged again, the rest goes.
    """
    from mlflow.entities import LoggedModelOutput

    from bench.predictor import load_predictor

    predictor, run = load_predictor(folder), client.get_run(run_id)
    there = _logged(client, run, digest)
    outputs = {output.model_id for output in run.outputs.model_outputs}
    for title, model in _titled(folder, predictor).items():
        model_id = there.get(title) or _log_model(client, run, title, model, folder, predictor, digest)
        if model_id not in outputs:
            client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])


def _logged(client: Any, run: Any, digest: str) -> dict[str, str]:
    """Ids of the models of a predictor that a run has, by title; those that were left unfinished are deleted."""
    from mlflow.entities import LoggedModelStatus

    found = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    whole = {}
    for logged in found:
        if logged.status == LoggedModelStatus.READY and logged.tags.get(_DIGEST) == digest:
            whole[logged.name] = logged.model_id
        elif logged.status != LoggedModelStatus.READY:
            client.delete_logged_model(logged.model_id)
    return whole


def _log_model(client: Any, run: Any, title: str, model: str, folder: Path, predictor: "Predictor", digest: str) -> str:
    """Log one of a predictor's models under a title; return its id."""
    from mlflow.entities import LoggedModelStatus

    run_id = run.info.run_id
    logged = client.create_logged_model(
        run.info.experiment_id, title, source_run_id=run_id, params={"model": model}, tags={_DIGEST: digest}
    )
    status = LoggedModelStatus.FAILED
    try:
        with temporary_folder() as temporary:
            saved = temporary / "model"
            save_model(saved, folder, predictor, model, {"run_id": run_id, "model_id": logged.model_id})
            client.log_model_artifacts(logged.model_id, str(saved))
        status = LoggedModelStatus.READY
    finally:
        client.finalize_logged_model(logged.model_id, status)
    return str(logged.model_id)


def _titled(folder: Path, predictor: "Predictor") -> dict[str, str]:
    """Find the best single model and the ensemble among the predictor's models, of each the one that comes first."""
    parts = {name: len(entry["trials"]) for name, entry in read_json(folder / "predictor.json")["models"].items()}
    titles = {name: "best" if parts[name] == 1 else "ensemble" for name in reversed(predictor.models)}
    return {title: name for name, title in titles.items()}


def save_model(path: Path, folder: Path, predictor: "Predictor", model: str, origin: Mapping[str, str]) -> None:
    """Write an MLflow model folder around a copy of the predictor's files.

    Args:
        path: the folder to make.
        folder: the predictor's files.
        predictor: what was loaded from them.
        model: name of the predictor's model that answers.
        origin: ``run_id`` and ``model_id`` that MLflow knows it by.
    """
    import mlflow.pyfunc
    from mlflow.models import Model, ModelSignature

    mlflow.pyfunc.save_model(
        path=str(path),
        loader_module=__name__,
        data_path=str(folder),
        model_config={"model": model},
        mlflow_model=Model(**origin, model_uuid=origin["model_id"]),
        signature=ModelSignature(inputs=_inputs(predictor.schema), outputs=_outputs(predictor)),
        input_example=_example(folder, predictor.schema),
        # Left to itself, mlflow runs the model in a process of its own to see what it imports, which takes seconds.
        pip_requirements=_pip_requirements(),
    )


def _inputs(schema: Schema) -> Any:
    """Spell a schema in MLflow's types.

    A whole number with missing values is a float in pandas, and a date is often text; MLflow refuses both where it
    expects the other, so that such columns take any type. The predictor reads them as it read the training data.
    """
    from mlflow.types import ColSpec
    from mlflow.types import Schema as Columns
    from mlflow.types.schema import AnyType

    return Columns([ColSpec(_TYPES.get(column.dtype) or AnyType(), column.name) for column in schema.columns])


def _outputs(predictor: "Predictor") -> Any:
    """Spell the columns of a predictor's answers in MLflow's types, without asking it for one."""
    from mlflow.types import ColSpec
    from mlflow.types import Schema as Columns

    if predictor.task == "regression":
        return Columns([ColSpec("double", "prediction")])
    types = {"f": "double", "i": "long", "b": "boolean"}
    label = ColSpec(types.get(predictor.classes_.dtype.kind, "string"), "prediction")
    return Columns([label, *(ColSpec("double", f"probability_{name}") for name in predictor.classes_.tolist())])


def _example(folder: Path, schema: Schema) -> Any:
    """Read the rows that the predictor ships as an example into a pandas frame; None when it ships none.

    They come as the predictor reads them, and leave as they were read.
    """
    import pandas

    try:
        rows = read_json(folder / "example.json")
    except StoreError:
        return None
    spellings = {"double": "float64", "string": "string", "boolean": "object"}
    spelled = {c.name: spellings[_TYPES[c.dtype]] for c in schema.columns if c.dtype in _TYPES}
    return pandas.DataFrame(rows, columns=list(schema.names)).astype(spelled)


def _pip_requirements() -> list[str]:
    """Pin this package and what it predicts with; local parts of versions (``+cpu``) are on no index."""
    names = {requirement.name for requirement in requirements()} - _NOT_FOR_PREDICTION
    return [f"{name}=={found.partition('+')[0]}" for name, found in versions([DISTRIBUTION, *names]).items()]
