"""A suite carried out: one run a dataset, one after the other, as one job that the same command goes on with.

::

    results/<suite>-<identity>/
      suite.csv, suite.parquet   one row a dataset and model, and one for a dataset that came to nothing
      suite.json                 how each dataset ended
      <dataset>/                 its run folder

The three files are written anew after each dataset, so that a kill costs no more than what is under way, which its run
folder goes on from. In an object store all of this lies under the address that was given, and each folder has a copy.
"""

import contextlib
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import polars as pl

from bench.audit import Audit
from bench.cards import find_card
from bench.errors import AuditBlockedError, BenchError, RequestError, StoreError
from bench.family import select
from bench.identity import digest
from bench.journal import seconds_spent
from bench.leaderboard import HEAD, TAIL, harmless_csv
from bench.metric import get_metric
from bench.mirror import Mirror, below, copy_of, is_remote
from bench.progress import Progress
from bench.resources import machine
from bench.secrets import redacted
from bench.session import RESULTS, Clock, answers, slug
from bench.sources import scheme_of
from bench.spec import RunSpec, make_spec
from bench.start import execute
from bench.store import hold, read_events, read_json, replacing, write_json, write_text
from bench.suites import Suite, load_suite

#: How the run of a dataset ended. ``blocked``: by its audit; ``failed``: with no board, or none that ranks a model;
#: ``waiting``: it was not reached yet.
Outcome = Literal["complete", "interrupted", "failed", "blocked", "waiting"]
#: Gives the display of one dataset's run, under a title.
Show: TypeAlias = Callable[[str], AbstractContextManager[Progress]]

#: Settings of a run that make sense for one dataset alone.
OF_ONE_DATASET = frozenset(
    {"dataset", "target", "task", "positive_class", "test", "group", "time", "gap", "splits", "kind", "drop"}
    | {"sep", "encoding", "decimal", "null", "bad_lines", "query"}
)
#: Columns of the table before those of each dataset's board.
FACTS = {
    "dataset": pl.String,
    "outcome": pl.String,
    "task": pl.String,
    "metric": pl.String,
    "greater_is_better": pl.Boolean,
    "n_rows": pl.Int64,
    "n_features": pl.Int64,
}
_SCHEMA: dict[str, Any] = {**FACTS, **HEAD, **TAIL}
_LONGEST_NAME = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One dataset of a suite; its run folder, ``spec.output``, bears its ``name``, which no other part has."""

    name: str
    spec: RunSpec

    @property
    def folder(self) -> Path:
        """The run folder, or its copy on this machine."""
        output = self.spec.output or ""
        return copy_of(output) if is_remote(output) else Path(output)

    @property
    def answered(self) -> bool:
        """Whether its run folder holds its answer, whole as far as that tells."""
        with contextlib.suppress(StoreError):
            return answers(self.folder, self.spec)
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a part ended, and why unless it is complete; ``seconds`` of wall clock were spent on it in all commands."""

    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0


_WAITING = Ending(outcome="waiting")


@dataclass(frozen=True, kw_only=True)
class SuiteRun:
    """The folder of a suite that was carried out, or in part; ``place`` is where it is, if this is a copy's.

    ``interrupted`` says that a signal ended it.
    """

    folder: Path
    place: str
    suite: Suite
    parts: tuple[Part, ...]
    endings: Mapping[str, Ending] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def table(self) -> pl.DataFrame:
        """One row a dataset and model, and one for a dataset that came to nothing; those that wait have none."""
        ended = [(part, self.endings[part.name]) for part in self.parts if part.name in self.endings]
        return pl.concat([pl.DataFrame(schema=_SCHEMA), *(_rows(part, ending) for part, ending in ended)])

    @property
    def summary(self) -> pl.DataFrame:
        """One row a dataset: its best model, what came of it, and how long it took."""
        best = {row["dataset"]: row for row in self.table.filter(pl.col("rank") == 1).to_dicts()}
        rows = []
        for part in self.parts:
            ending, row = self.endings.get(part.name, _WAITING), best.get(part.name, {})
            shown = {name: row.get(name) for name in ("task", "metric", "model", "cv_mean", *_TEST)}
            rows.append({"dataset": part.name, **shown, **asdict(ending)})
        return pl.DataFrame(rows, schema=_SUMMARY)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the datasets that came to nothing."""
        return tuple(part.name for part in self.parts if self._outcome(part) in ("failed", "blocked"))

    def _outcome(self, part: Part) -> Outcome:
        return self.endings.get(part.name, _WAITING).outcome

    def to_dict(self) -> dict[str, Any]:
        """The document that ``--json`` prints: the summary with what the suite is."""
        return {
            "schema": 1,
            "suite": self.suite.name,
            "title": self.suite.title,
            "folder": redacted(self.place),
            "interrupted": self.interrupted,
            "datasets": self.summary.to_dicts(),
        }

    def ended(self, part: Part, ending: Ending) -> "SuiteRun":
        """The same with one more ending."""
        return replace(self, endings={**self.endings, part.name: ending})

    def save(self) -> None:
        """Write suite.json, .csv and .parquet."""
        write_json(self.folder / _STATE, {"endings": {name: asdict(ending) for name, ending in self.endings.items()}})
        table = self.table
        write_text(self.folder / "suite.csv", harmless_csv(table))
        with replacing(self.folder / "suite.parquet") as temporary:
            table.write_parquet(temporary)

    def _repr_html_(self) -> str:
        return self.summary._repr_html_()


_STATE = "suite.json"
_TEST = ("test", "test_low", "test_high")
_SUMMARY = {
    **dict.fromkeys(("dataset", "task", "metric", "model"), pl.String),
    **dict.fromkeys(("cv_mean", *_TEST), pl.Float64),
    "outcome": pl.String,
    "reason": pl.String,
    "seconds": pl.Float64,
}


def execute_suite(
    name: str,
    settings: Mapping[str, Any],
    *,
    show: Show,
    tell: Callable[[str], None],
    stop: threading.Event | None = None,
    command: str = "",
) -> SuiteRun:
    """Carry out a suite; datasets that are complete in its folder are left alone, others begun or gone on with.

    Args:
        name: a suite as `load_suite` takes it.
        settings: those of a run, as `make_spec` takes them, but for `OF_ONE_DATASET`; ``output`` is the suite's folder.
        show: where each dataset's progress is shown.
        tell: told a sentence on the whole.
        stop: ends the search under way early when set, and the suite after it.
        command: how the user would start it again.

    Raises:
        BenchError: the request is wrong, or the folder cannot be used. What becomes of a dataset is no error.
    """
    stop = stop or threading.Event()
    if unfit := sorted(OF_ONE_DATASET & settings.keys()):
        raise RequestError(f"{unfit[0]!r} is a setting of one dataset, and a suite has many. Say it in a card.")
    suite = load_suite(name, offline=bool(settings.get("offline", False)))
    spec = make_spec(dataset=suite.entries[0], **settings)
    _check(spec)
    identity = digest("suite", suite.name, spec.identity() | {"dataset": None})
    with _held(spec, f"{slug(suite.name)[:_LONGEST_NAME]}-{identity[:8]}", identity) as (folder, place):
        parts = tuple(
            Part(name=named, spec=replace(spec, dataset=entry, output=below(place, named)))
            for entry, named in _named(suite).items()
        )
        run = SuiteRun(folder=folder, place=place, suite=suite, parts=parts, endings=_earlier(folder, parts))
        run.save()
        tell(_plan(run, spec))
        for number, part in enumerate(parts, start=1):
            if stop.is_set():
                break
            if not part.answered:
                with show(f"{number} of {len(parts)}: {part.name}") as progress:
                    run = run.ended(part, _carry_out(part, folder, progress, stop, command))
                run.save()
        return replace(run, interrupted=stop.is_set())


@contextlib.contextmanager
def _held(spec: RunSpec, usual: str, identity: str) -> Iterator[tuple[Path, str]]:
    """Hold the suite's folder while the block runs; gives it, or its copy on this machine, and where it is."""
    with contextlib.ExitStack() as held:
        if spec.output is not None and is_remote(spec.output):
            mirror = Mirror(spec.output, whole=False)
            held.enter_context(mirror.held())
            folder, place = mirror.folder, mirror.address
        else:
            folder = Path(spec.output or RESULTS / usual).absolute()
            place = str(folder)
        held.enter_context(contextlib.closing(hold(folder, identity)))
        yield folder, place


def _check(spec: RunSpec) -> None:
    """Refuse what would be refused for every dataset, before the first one is loaded."""
    select(spec.families)
    Audit().require(spec.allow)
    if spec.address is None:
        machine(spec.cpus, spec.gpus)
    if spec.metric is not None:
        get_metric(spec.metric)


def _named(suite: Suite) -> dict[str, str]:
    """Call each entry what the suite, its card or its file calls it, as a folder's name; no two are called the same."""
    names: dict[str, str] = {}
    for entry in suite.entries:
        name = slug(suite.names.get(entry) or _own_name(entry))[:_LONGEST_NAME]
        taken = name.casefold() in {other.casefold() for other in names.values()}
        names[entry] = f"{name}-{digest(entry)[:8]}" if taken else name
    return names


def _own_name(entry: str) -> str:
    """What an entry is called that the suite gives no name."""
    if (card := find_card(entry)) is not None:
        return card.name
    return redacted(entry) if scheme_of(entry) else Path(entry).stem


def _earlier(folder: Path, parts: Iterable[Part]) -> dict[str, Ending]:
    """How the parts ended that earlier commands came to; a kill may have kept the last one from being written down."""
    path = folder / _STATE
    known = {name: Ending(**told) for name, told in (read_json(path)["endings"] if path.exists() else {}).items()}
    for part in parts:
        if is_remote(part.spec.output or ""):
            Mirror(part.spec.output or "", whole=False).pull()
        if part.answered and known.get(part.name, _WAITING).outcome != "complete":
            known[part.name] = Ending(outcome="complete", seconds=_seconds(part, 0.0))
    return {part.name: known[part.name] for part in parts if part.name in known}


def _plan(run: SuiteRun, spec: RunSpec) -> str:
    """Say what there is to do, and how long it may take."""
    left = sum(not part.answered for part in run.parts)
    told = f"{run.suite.title}: {left} of {len(run.parts)} datasets to run, "
    if not left:
        return f"This suite is complete: {redacted(run.place)}. A larger --budget or --trials goes on with it."
    if spec.budget is None:
        return f"{told}{spec.trials} candidates each (--trials)."
    return f"{told}{spec.budget:g} s each (--budget), which makes {left * spec.budget / 60:.3g} minutes at most."


def _carry_out(part: Part, folder: Path, progress: Progress, stop: threading.Event, command: str) -> Ending:
    """Run one dataset; whatever becomes of it, the suite goes on."""
    clock = Clock()
    outcome: Outcome = "failed"
    try:
        run = execute(part.spec, progress=progress, stop=stop, clock=clock, command=command)
        outcome, reason = ("interrupted", "by a signal") if run.interrupted else ("complete", "")
    except AuditBlockedError as error:
        outcome, reason = "blocked", str(error)
    except BenchError as error:
        reason = str(error)
    except Exception as error:  # one dataset that a library cannot bear must not cost the others
        told = folder / f"{part.name}.traceback.txt"
        write_text(told, redacted(traceback.format_exc()))
        reason = f"unexpectedly: {type(error).__name__}: {' '.join(str(error).split())}; see {told}"
    if outcome in ("failed", "blocked") and stop.is_set():
        outcome, reason = "interrupted", "by a signal, before there was anything to report"
    if reason:
        progress.note(f"{part.name} {outcome}: {redacted(reason)}")
    return Ending(outcome=outcome, reason=redacted(reason), seconds=_seconds(part, clock.seconds))


def _seconds(part: Part, otherwise: float) -> float:
    """Wall clock of all sessions of a run; where none began, something else."""
    return seconds_spent(read_events(part.folder)) or otherwise


def _rows(part: Part, ending: Ending) -> pl.DataFrame:
    """A dataset's rows of the table: its board, or one row that says why there is none."""
    facts = {"dataset": part.name, "outcome": ending.outcome}
    if (described := part.folder / "dataset.json").exists():
        facts = {name: value for name, value in read_json(described).items() if name in FACTS} | facts
    board = pl.DataFrame([{"status": ending.outcome, "reason": ending.reason}], schema={**HEAD, **TAIL})
    if ending.outcome in ("complete", "interrupted") and (stored := part.folder / "leaderboard.parquet").exists():
        board = pl.read_parquet(stored)
    known = [pl.lit(facts.get(name), dtype=kind).alias(name) for name, kind in FACTS.items()]
    return board.with_columns(known).select(*_SCHEMA)
