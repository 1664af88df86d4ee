"""What one run looks like in MLflow. Used from one thread at a time, through a client with explicit run ids."""

import json
import math
import re
import statistics
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.adapters.mlflow_client import connect, how_to_see, is_remote
from bench.identity import file_digest
from bench.secrets import redacted
from bench.store import read_json, write_json
from bench.trial import Status, TrialResult

_FILES = (
    *("spec.yaml", "environment.json", "dataset.json", "audit.json"),
    *("leaderboard.json", "leaderboard.csv", "leaderboard.parquet", "report.md", "report.html"),
)
_TRIAL, _TOKEN = "bench.trial_id", "bench.token"
_SOURCE = {"mlflow.source.name": "bench", "mlflow.source.type": "LOCAL"}
_CHILD_STATUS: dict[Status, str] = {"ok": "FINISHED", "pruned": "KILLED", "skipped": "KILLED"}
_SECRET_NAME = re.compile(r"(?i)password|secret|token|api_?key")
#: Limits of MLflow on lengths and sizes.
_MAX_KEY, _MAX_PARAM, _MAX_DIGEST, _PARAMS_A_BATCH, _RUNS_A_PAGE = 250, 6000, 36, 100, 1000


class Measure(NamedTuple):
    """One point of a metric; the time is in milliseconds since the epoch."""

    name: str
    value: float
    step: int
    timestamp: int


class RunWriter:
    """Writes one run folder into MLflow, what is there already but once; methods may raise whatever mlflow raises.

    Those that write say whether anything was missing. ``location`` says where the run can be looked at, and is None
    until `open` has succeeded. ``mlflow.json`` of the folder keeps for each store the parent run's id, and a token that
    is its tag from its creation on, since an answer may be lost; trial ids are tags of the child runs.
    """

    def __init__(
        self, *, folder: Path, name: str, params: Mapping[str, Any], uri: str, begun: float | None = None
    ) -> None:
        """Take note of the run; nothing is imported or written yet.

        ``begun`` is when a run began that is over: it is not marked as running, and a slow store is waited for.
        """
        self.uri = uri
        self.folder = folder
        self.location: str | None = None
        self._name = name
        self._params = params
        self._begun = begun
        self._metric = str(params.get("metric") or "score")
        self._client: Any = None
        self._experiment_id = ""
        self._run_id = ""
        self._children: dict[str, tuple[str, str]] = {}

    def open(self) -> None:
        """Create, or find again, the experiment and the parent run."""
        self._client = connect(self.uri, patient=self._begun is not None)
        self._experiment_id = self._experiment()
        self._run_id = self._continued() or self._created()
        self.read_children()
        known = self._client.get_run(self._run_id).data.params
        if missing := {name: value for name, value in self._params.items() if _key(name) not in known}:
            self._log(self._run_id, params=missing)
        self.location = how_to_see(self.uri, self._experiment_id, self._run_id)

    def trial(self, result: TrialResult) -> bool:
        """Write a child run; one that is there already is brought up to date, or left alone when nothing changed."""
        trial_id, state = result.candidate.trial_id, f"{result.status} {len(result.scores)}/{result.asked}"
        run_id, recorded = self._children.get(trial_id, ("", ""))
        if recorded == state:
            return False
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
        return True

    def outcome(self, status: str, metrics: Mapping[str, float], at: float) -> bool:
        """Write the final metrics and end the parent run, which was at ``at``."""
        run, end = self._client.get_run(self._run_id), _milliseconds(at)
        known = run.data.metrics
        missing = [Measure(name, value, 0, end) for name, value in metrics.items() if known.get(_key(name)) != value]
        if missing := [measure for measure in missing if math.isfinite(measure.value)]:
            self._log(self._run_id, measures=missing)
        if run.info.status != status:
            self._client.set_terminated(self._run_id, status=status, end_time=end)
        return bool(missing) or run.info.status != status

    def files(self) -> bool:
        """Upload the files of the run folder that people and programs read."""
        known = dict(self._memory().get("files", {}))
        paths = [path for name in _FILES if (path := self.folder / name).is_file()]
        missing = {path: digest for path in paths if known.get(path.name) != (digest := file_digest(path))}
        for path, digest in missing.items():
            if path.suffix in (".json", ".yaml"):
                self._client.log_text(self._run_id, redacted(path.read_text(encoding="utf-8")), path.name)
            else:
                self._client.log_artifact(self._run_id, str(path))
            known[path.name] = digest
            self._remember(files=known)
        return bool(missing)

    def dataset(self) -> bool:
        """Name the dataset as an input of the run, from ``dataset.json``."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        path = self.folder / "dataset.json"
        if not path.is_file():
            return False
        card = read_json(path)
        entity = Dataset(
            name=str(card.get("name", "dataset")),
            digest=str(card.get("fingerprint", ""))[:_MAX_DIGEST],
            source_type="local",
            source=json.dumps({"uri": redacted(str(card.get("source", "")))}),
            profile=json.dumps({"num_rows": card.get("n_rows"), "num_features": card.get("n_features")}),
        )
        known = [entry.dataset for entry in self._client.get_run(self._run_id).inputs.dataset_inputs]
        if any((one.name, one.digest) == (entity.name, entity.digest) for one in known):
            return False
        tags = [InputTag("mlflow.data.context", "training")]
        self._client.log_inputs(self._run_id, datasets=[DatasetInput(dataset=entity, tags=tags)])
        return True

    def models(self) -> bool:
        """Log the shipped predictor's best single model and its ensemble; once for the same predictor."""
        from bench.adapters.mlflow_model import log_models, predictor_digest

        folder = self.folder / "predictor"
        if not folder.is_dir():
            return False
        digest = predictor_digest(folder)
        if self._memory().get("predictor") == digest:
            return False
        log_models(self._client, self._run_id, folder, digest)
        self._remember(predictor=digest)
        return True

    def _experiment(self) -> str:
        """Find or create the experiment of this dataset and metric; return its id."""
        dataset, metric = redacted(str(self._params.get("dataset", "dataset"))), self._params.get("metric")
        title = Path(dataset).stem if "/" in dataset else dataset
        name = f"bench/{title}/{metric}" if metric else f"bench/{title}"
        if (found := self._client.get_experiment_by_name(name)) is not None:
            return str(found.experiment_id)
        # Left to itself, mlflow would put the artifacts of a local store below the working directory.
        location = None if is_remote(self.uri) else (self.folder.parent / "mlartifacts").as_uri()
        return str(self._client.create_experiment(name, artifact_location=location))

    def _created(self) -> str:
        """Create the parent run and remember it, unless it was created and only the answer was lost; return its id."""
        token = self._memory().get("token")
        found = self._search(f"tags.`{_TOKEN}` = '{token}'") if token else []
        if not found:
            token = token or uuid.uuid4().hex
            self._write_memory({"token": token})
            begin = time.time() if self._begun is None else self._begun
            created = self._create(self._name, _milliseconds(begin), {"bench.folder": self.folder.name, _TOKEN: token})
        run_id = str(found[0].info.run_id) if found else created
        self._write_memory({"token": token, "run_id": run_id})
        return run_id

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
        if self._begun is None:
            self._client.update_run(run_id, status="RUNNING")
        return str(run_id)

    def _create(self, name: str, begin: int, tags: Mapping[str, str]) -> str:
        """Create a run in the experiment; return its id."""
        run = self._client.create_run(self._experiment_id, start_time=begin, tags={**_SOURCE, **tags}, run_name=name)
        return str(run.info.run_id)

    def _memories(self) -> dict[str, Any]:
        """Read what the folder remembers of stores, by their addresses."""
        path = self.folder / "mlflow.json"
        return dict(read_json(path)) if path.exists() else {}

    def _memory(self) -> dict[str, Any]:
        """Read what the folder remembers of this store; empty when it was never recorded there."""
        return dict(self._memories().get(redacted(self.uri), {}))

    def _write_memory(self, memory: Mapping[str, Any]) -> None:
        """Keep what is known of this store in the run folder."""
        write_json(self.folder / "mlflow.json", self._memories() | {redacted(self.uri): memory})

    def _remember(self, **more: Any) -> None:
        """Add to what the folder remembers of this store."""
        self._write_memory(self._memory() | more)

    def read_children(self) -> None:
        """See which trials are recorded: their runs and states; no state for one whose record is not whole."""
        self._children = {}
        for run in self._search(f"tags.`mlflow.parentRunId` = '{self._run_id}'"):
            state = "" if run.info.status == "RUNNING" else run.data.tags.get("bench.state", "")
            self._children[run.data.tags.get(_TRIAL, "")] = (run.info.run_id, state)

    def _search(self, condition: str) -> list[Any]:
        """Find all runs of the experiment for which something holds."""
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id], condition, max_results=_RUNS_A_PAGE, page_token=token
            )
            found += page
            token = page.token
            if not token:
                return found

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
