"""What one run looks like in MLflow. Used from one thread at a time, through a client with explicit run ids."""

import json
import math
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.adapters.mlflow_client import connect, how_to_see, is_remote
from bench.errors import StoreError
from bench.secrets import redacted
from bench.store import read_json, write_json
from bench.trial import Status, TrialResult

_FILES = (
    *("spec.yaml", "environment.json", "dataset.json", "audit.json"),
    *("leaderboard.json", "leaderboard.csv", "leaderboard.parquet", "report.md", "report.html"),
)
_TRIAL = "bench.trial_id"
_SOURCE = {"mlflow.source.name": "bench", "mlflow.source.type": "LOCAL"}
_CHILD_STATUS: dict[Status, str] = {"ok": "FINISHED", "pruned": "KILLED", "skipped": "KILLED"}
_SECRET_NAME = re.compile(r"(?i)password|secret|token|api_?key")
#: Limits of MLflow on lengths and sizes.
_MAX_KEY, _MAX_PARAM, _MAX_DIGEST, _PARAMS_A_BATCH, _CHILDREN_A_PAGE = 250, 6000, 36, 100, 1000


class Measure(NamedTuple):
    """One point of a metric; the time is in milliseconds since the epoch."""

    name: str
    value: float
    step: int
    timestamp: int


class RunWriter:
    """Writes one run folder into MLflow; every method may raise whatever mlflow raises.

    ``location`` says where the run can be looked at, and is None until `open` has succeeded. The parent run's id is
    kept in ``mlflow.json`` of the folder, so that the same folder continues it; trial ids are tags of the child runs.
    """

    def __init__(self, *, folder: Path, name: str, params: Mapping[str, Any], uri: str) -> None:
        """Take note of the run; nothing is imported or written yet."""
        self.uri = uri
        self.location: str | None = None
        self._folder = folder
        self._name = name
        self._params = params
        self._metric = str(params.get("metric") or "score")
        self._client: Any = None
        self._experiment_id = ""
        self._run_id = ""
        self._children: dict[str, tuple[str, str]] = {}

    def open(self) -> None:
        """Create, or find again, the experiment and the parent run."""
        self._client = connect(self.uri)
        self._experiment_id = self._experiment()
        self._run_id = self._continued() or self._created()
        self._children = self._recorded_children()
        known = self._client.get_run(self._run_id).data.params
        self._log(self._run_id, params={n: v for n, v in self._params.items() if _key(n) not in known})
        self.location = how_to_see(self.uri, self._experiment_id, self._run_id)

    def trial(self, result: TrialResult) -> None:
        """Write a child run; one that is there already is brought up to date, or left alone when nothing changed."""
        trial_id, state = result.candidate.trial_id, f"{result.status} {len(result.scores)}/{result.asked}"
        run_id, recorded = self._children.get(trial_id, ("", ""))
        if recorded == state:
            return
        begin, end = _span(result)
        if not run_id:
            run_id = self._create(result.candidate.name, begin, {"mlflow.parentRunId": self._run_id, _TRIAL: trial_id})
            self._children[trial_id] = (run_id, "")
        self._log(
            run_id,
            params={"family": result.candidate.family, "origin": result.candidate.origin, **result.candidate.params},
            measures=_trial_measures(result, self._metric, end),
            tags={"bench.status": result.status, "bench.reason": redacted(result.reason), "bench.state": state},
        )
        self._client.set_terminated(run_id, status=_CHILD_STATUS.get(result.status, "FAILED"), end_time=end)
        self._children[trial_id] = (run_id, state)

    def outcome(self, status: str, metrics: Mapping[str, float]) -> None:
        """Write the final metrics and end the parent run."""
        now = _milliseconds(time.time())
        self._log(self._run_id, measures=[Measure(name, value, 0, now) for name, value in metrics.items()])
        self._client.set_terminated(self._run_id, status=status)

    def files(self) -> None:
        """Upload the files of the run folder that people and programs read."""
        for path in (self._folder / name for name in _FILES):
            if path.suffix in (".json", ".yaml") and path.is_file():
                self._client.log_text(self._run_id, redacted(path.read_text(encoding="utf-8")), path.name)
            elif path.is_file():
                self._client.log_artifact(self._run_id, str(path))

    def dataset(self) -> None:
        """Name the dataset as an input of the run, from ``dataset.json``."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        path = self._folder / "dataset.json"
        if not path.is_file():
            return
        card = read_json(path)
        entity = Dataset(
            name=str(card.get("name", "dataset")),
            digest=str(card.get("fingerprint", ""))[:_MAX_DIGEST],
            source_type="local",
            source=json.dumps({"uri": redacted(str(card.get("source", "")))}),
            profile=json.dumps({"num_rows": card.get("n_rows"), "num_features": card.get("n_features")}),
        )
        tags = [InputTag("mlflow.data.context", "training")]
        self._client.log_inputs(self._run_id, datasets=[DatasetInput(dataset=entity, tags=tags)])

    def models(self) -> None:
        """Log the shipped predictor's best single model and its ensemble; once for the same predictor."""
        from bench.adapters.mlflow_model import log_models, predictor_digest

        folder = self._folder / "predictor"
        if not folder.is_dir():
            return
        digest = predictor_digest(folder)
        if self._memory().get("predictor") != digest:
            log_models(self._client, self._run_id, folder)
            self._remember(predictor=digest)

    def _experiment(self) -> str:
        """Find or create the experiment of this dataset and metric; return its id."""
        dataset, metric = redacted(str(self._params.get("dataset", "dataset"))), self._params.get("metric")
        title = Path(dataset).stem if "/" in dataset else dataset
        name = f"bench/{title}/{metric}" if metric else f"bench/{title}"
        if (found := self._client.get_experiment_by_name(name)) is not None:
            return str(found.experiment_id)
        # Left to itself, mlflow would put the artifacts of a local store below the working directory.
        location = None if is_remote(self.uri) else (self._folder.parent / "mlartifacts").as_uri()
        return str(self._client.create_experiment(name, artifact_location=location))

    def _created(self) -> str:
        """Create the parent run and remember it; return its id."""
        self._run_id = self._create(self._name, _milliseconds(time.time()), {"bench.folder": self._folder.name})
        self._remember()
        return self._run_id

    def _continued(self) -> str | None:
        """Open the run again that this folder was recorded in, if it is still there; return its id."""
        from mlflow.exceptions import MlflowException

        run_id = self._memory().get("run_id")
        if run_id is None:
            return None
        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        if run.info.lifecycle_stage != "active" or run.info.experiment_id != self._experiment_id:
            return None
        self._client.update_run(run_id, status="RUNNING")
        return str(run_id)

    def _create(self, name: str, begin: int, tags: Mapping[str, str]) -> str:
        """Create a run in the experiment; return its id."""
        run = self._client.create_run(self._experiment_id, start_time=begin, tags={**_SOURCE, **tags}, run_name=name)
        return str(run.info.run_id)

    def _memory(self) -> dict[str, str]:
        """Read what the folder remembers of this store; empty when it was never recorded there."""
        try:
            memory = read_json(self._folder / "mlflow.json")
        except StoreError:
            return {}
        return memory if isinstance(memory, dict) and memory.get("uri") == redacted(self.uri) else {}

    def _remember(self, **more: str) -> None:
        """Keep the run's id, and more, in the run folder."""
        write_json(self._folder / "mlflow.json", {"uri": redacted(self.uri), "run_id": self._run_id, **more})

    def _recorded_children(self) -> dict[str, tuple[str, str]]:
        """Map the ids of recorded trials to their runs and states; no state for one whose record is not whole."""
        children: dict[str, tuple[str, str]] = {}
        below, token = f"tags.`mlflow.parentRunId` = '{self._run_id}'", None
        while True:
            page = self._client.search_runs(
                [self._experiment_id], below, max_results=_CHILDREN_A_PAGE, page_token=token
            )
            for run in page:
                state = "" if run.info.status == "RUNNING" else run.data.tags.get("bench.state", "")
                children[run.data.tags.get(_TRIAL, "")] = (run.info.run_id, state)
            token = page.token
            if not token:
                return children

    def _log(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        measures: Sequence[Measure] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write parameters, finite metrics and tags in as few requests as MLflow allows."""
        from mlflow.entities import Metric, Param, RunTag

        finite = [Metric(_key(m.name), float(m.value), m.timestamp, m.step) for m in measures if math.isfinite(m.value)]
        texts = [RunTag(name, value[:_MAX_PARAM]) for name, value in (tags or {}).items()]
        entities = [Param(_key(name), _param_text(name, value)) for name, value in (params or {}).items()]
        for start in range(_PARAMS_A_BATCH, len(entities), _PARAMS_A_BATCH):
            self._client.log_batch(run_id, params=entities[start : start + _PARAMS_A_BATCH])
        self._client.log_batch(run_id, metrics=finite, params=entities[:_PARAMS_A_BATCH], tags=texts)


def _key(name: str) -> str:
    """Spell a parameter's or metric's name with the characters that MLflow takes."""
    return re.sub(r"[^\w.\- ]", "_", str(name))[:_MAX_KEY]


def _param_text(name: str, value: Any) -> str:
    """Spell a parameter's value without credentials."""
    if value is not None and _SECRET_NAME.search(name):
        return "***"
    text = json.dumps(value, default=str) if isinstance(value, (Mapping, list, tuple)) else str(value)
    return redacted(text)[:_MAX_PARAM]


def _milliseconds(seconds: float) -> int:
    """Turn seconds since the epoch into MLflow's milliseconds."""
    return int(seconds * 1000)


def _span(result: TrialResult) -> tuple[int, int]:
    """When a trial's first fit began and its last prediction ended; now, for one that did no work."""
    ends = [fold.finished_at for fold in result.folds if fold.finished_at > 0] or [time.time()]
    begins = [f.finished_at - f.fit_seconds - f.predict_seconds for f in result.folds if f.finished_at > 0] or ends
    return _milliseconds(min(begins)), _milliseconds(max(ends))


def _trial_measures(result: TrialResult, metric: str, end: int) -> list[Measure]:
    """Every metric with the fold as the step, means and sample deviations, and what all folds cost together.

    A fold's point carries the moment at which the fold ended, so that MLflow takes a second copy of it for the first.
    """
    scored = [fold for fold in result.folds if fold.score is not None]
    measures = []
    for name in dict.fromkeys([metric, *(name for fold in scored for name in fold.scores)]):
        values = [(fold, fold.score if name == metric else fold.scores.get(name)) for fold in scored]
        known = [(fold, value) for fold, value in values if value is not None and math.isfinite(value)]
        measures += [Measure(f"cv_{name}", value, fold.fold, _milliseconds(fold.finished_at)) for fold, value in known]
        if known:
            measures.append(Measure(f"cv_{name}_mean", statistics.fmean(value for _, value in known), 0, end))
        if len(known) > 1:
            measures.append(Measure(f"cv_{name}_std", statistics.stdev(value for _, value in known), 0, end))
    if result.folds:
        measures.append(Measure("fit_seconds", sum(fold.fit_seconds for fold in result.folds), 0, end))
        measures.append(Measure("predict_seconds", sum(fold.predict_seconds for fold in result.folds), 0, end))
        measures.append(Measure("peak_memory_mb", max(fold.peak_memory_mb for fold in result.folds), 0, end))
    return measures
