"""The spine: the stages of a run, in order. Follow one row of data from here."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.ahead import Ahead
from bench.audit import Audit, audit
from bench.budget import Plan, plan
from bench.cap import make_cap
from bench.dataset import Dataset, load_dataset
from bench.engine import Engine, at_work
from bench.journal import Journal
from bench.problem import Problem, make_problem
from bench.progress import NullProgress, Progress
from bench.proposals import Proposals
from bench.recipes.screening import screening_notes
from bench.record import Record
from bench.resources import Machine
from bench.result import Run
from bench.roster import families_for, make_proposals
from bench.search import Past, Search
from bench.session import Clock, Session, kind_of_test, machine_notes, open_session, seal_test
from bench.spec import RunSpec
from bench.split import Splits, make_splits
from bench.task import Task, make_task
from bench.trace import Recorder
from bench.track import NullTracker, TrackedTrials, Tracker
from bench.trial import TrialResult
from bench.wrap_up import conclude, refit_in_time, track_outcome, tracked


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a run works with; ``stop`` ends the search early, ``command`` is how the user would start it again.

    ``stages`` notes what takes the command's time.
    """

    machine: Machine
    engine: Engine
    tracker: Tracker = field(default_factory=NullTracker)
    progress: Progress = field(default_factory=NullProgress)
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Clock = field(default_factory=Clock)
    stages: Recorder = field(default_factory=Recorder)
    command: str = ""


def run(spec: RunSpec, tools: Tools, data: Any = None) -> Run:
    """Carry out a request; ``data`` is a frame that takes the place of ``spec.dataset``.

    Raises:
        BenchError: see `bench.errors`; what was finished by then stays in the run folder.
    """
    with at_work(tools.engine):  # it gets ready while the data are loaded
        return _stages(spec, tools, data)


def _stages(spec: RunSpec, tools: Tools, data: Any) -> Run:
    """The stages, in order."""
    tools.progress.stage("data")
    tools.stages.begin("data", "load")
    dataset, test, task, splits = _read(spec, data)
    families, left_out = families_for(task, splits, spec.families)
    Audit().require(spec.allow)  # wrong codes are told before there is a folder
    hands = tools.engine.capacity()
    with open_session(spec, dataset, test, task, tools.stop, tools.clock) as session:
        if session.answered:
            return _answered(session, tools.progress)
        notes = session.notes
        session.begin()
        tested, task = kind_of_test(task, splits), seal_test(session, task, splits)
        problem = make_problem(
            task,
            splits,
            fingerprint=dataset.fingerprint,
            seed=spec.seed,
            folder=session.folder,
            store=session.mirror,
        )
        record = Record(problem, spec, tools.progress, tools.stages)
        record.request(tools.machine, tools.command, families)
        record.data(dataset, test)
        record.decisions(*notes, *machine_notes(hands, spec, task.metric.name), *dataset.notes)
        record.decisions(dataset.kinds, task.kind_why, *task.notes)
        record.decisions(*splits.notes, *screening_notes(task.schema), *left_out)
        record.stage("audit", "audit")
        findings = record.audit(audit(task, dataset, splits.test))
        findings.require(spec.allow)
        record.stage("search", "search")
        with tracked(tools.tracker, session.folder, dataset.name, session.parameters(dataset, task)):
            journal = _journal(session, tools, record, hands)
            spending = _spending(session, tools, task, hands)
            proposals = make_proposals(problem, families, spec, hands, seconds=spending.window_seconds)
            results = _search(problem, proposals, spending, tools, journal, session.past)
            board = conclude(problem, results, record, findings, spec, tested=tested, spending=spending)
        tools.stages.begin("tracking", "track")
        track_outcome(tools.tracker, problem, board, spending, killed=tools.stop.is_set())
        tools.stages.end()
        session.finish(journal)
        if spec.refit and not tools.stop.is_set():
            tools.progress.stage("refit")
            left = None if spec.budget is None else spec.budget - session.spent - tools.clock.seconds
            refit_in_time(problem, record, cpus=tools.machine.cpus, seconds=left)
    return Run(folder=session.folder, interrupted=tools.stop.is_set())


def _answered(session: Session, progress: Progress) -> Run:
    """Give an answer again, which is there already."""
    progress.note(f"This run is complete: {session.folder}. A larger --budget or --trials goes on with it.")
    if session.spec.refit:
        progress.note(f"--refit changes nothing of it: `bench refit {session.folder}` fits on all rows.")
    return Run(folder=session.folder)


def _journal(session: Session, tools: Tools, record: Record, hands: Machine) -> Journal:
    """Begin the session's part of the journal, which takes down the stages, too."""
    taken, environment = tools.clock.seconds, record.environment
    journal = Journal(session.store, taken=taken, workers=hands.cpus, environment=environment)
    tools.stages.tell(journal.stage)
    return journal


def _spending(session: Session, tools: Tools, task: Task, hands: Machine) -> Plan:
    """Plan what is spent on the search and on what follows it, of what earlier sessions have left."""
    spent, classes = session.spent + tools.clock.seconds, len(task.classes)
    return plan(
        session.spec,
        hands,
        tools.stop,
        spent=spent,
        cells=task.n_rows * task.features.width,
        probabilities=task.n_rows * classes if classes > 2 else 0,
    )


def _read(spec: RunSpec, data: Any) -> tuple[Dataset, Dataset | None, Task, Splits]:
    """Read the data and those of ``--test``, and decide what is predicted and how rows are divided."""
    reading: dict[str, Any] = {"options": spec.reading, "kinds": spec.kinds, "drop": spec.drop}
    dataset = load_dataset(spec.dataset if data is None else data, **reading)
    test = load_dataset(spec.test, options=spec.reading, like=dataset) if spec.test else None
    cap = make_cap(dataset.frame.width, max_rows=spec.max_rows, test_size=spec.test_size)
    task = make_task(dataset, test=test, cap=cap, **spec.of_task)
    splits = make_splits(task, test_size=spec.test_size, folds=spec.folds, repeats=spec.repeats, seed=spec.seed)
    return dataset.narrowed(task.own_rows), test, task, splits


def _search(
    problem: Problem, proposals: Proposals, spending: Plan, tools: Tools, journal: Journal, past: Sequence[Past]
) -> Sequence[TrialResult]:
    """Search until the time or the number of candidates is spent."""
    metric = problem.task.metric
    tools.progress.searching(spending, metric)
    search = Search(
        proposals,
        metric=metric,
        n_folds=len(problem.splits.folds),
        valid_share=problem.splits.valid_share,
        plan=spending,
        observers=(journal, tools.progress, TrackedTrials(tools.tracker), Ahead()),
        past=past,
    )
    tools.engine.run(search, problem, tools.stop)
    tools.engine.close()
    return search.results()
