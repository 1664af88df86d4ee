"""What a run folder says, as one typed value that every panel reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import StoreError
from bench.report import read
from bench.report.journal import Trial, read_journal
from bench.report.read import Document
from bench.trace import Trace, make_trace


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnCard:
    """One column of the dataset, as the schema took it."""

    name: str
    kind: str
    dtype: str
    why: str
    n_missing: int | None
    n_unique: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DataCard:
    """The dataset and what is predicted from it."""

    name: str
    source: str
    fingerprint: str
    n_rows: int | None
    n_features: int | None
    target: str
    task: str
    task_why: str
    metric: str
    classes: tuple[str, ...]
    class_counts: Mapping[str, int | None]
    target_summary: Mapping[str, float | None]
    columns: tuple[ColumnCard, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of the leaderboard. ``cv`` and ``tests`` hold every metric by name, the chosen one included."""

    rank: int | None
    model: str
    family: str
    status: str
    reason: str
    trial_id: str
    folds_ok: int | None
    folds_asked: int | None
    cv_mean: float | None
    cv_std: float | None
    test: float | None
    test_low: float | None
    test_high: float | None
    fit_seconds: float | None
    predict_seconds_per_1000: float | None
    peak_memory_mb: float | None
    cv: Mapping[str, float | None]
    tests: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """The leaderboard, in its order. ``test`` says where the test rows came from: sealed, given or none."""

    metric: str
    greater_is_better: bool
    test: str
    rows: tuple[Row, ...]

    @property
    def scored(self) -> tuple[Row, ...]:
        """Rows with a cross-validated score, best first."""
        return tuple(row for row in self.rows if row.cv_mean is not None)

    @property
    def unscored(self) -> tuple[Row, ...]:
        """Rows that failed, were pruned or were skipped."""
        return tuple(row for row in self.rows if row.cv_mean is None)

    @property
    def best(self) -> Row | None:
        """The first row with a score."""
        return next(iter(self.scored), None)

    def gain(self, row: Row, over: Row) -> float | None:
        """By how much ``row`` beats ``over`` in cross-validation, positive when it does."""
        if row.cv_mean is None or over.cv_mean is None:
            return None
        return (row.cv_mean - over.cv_mean) * (1 if self.greater_is_better else -1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One finding of the audit."""

    code: str
    severity: str
    message: str
    effect: str
    advice: str
    columns: tuple[str, ...]
    evidence: Document


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnView:
    """A feature's distribution, by bin from ``low`` to ``high`` or by ``levels``, and what it tells of the target."""

    association: float | None
    counts: tuple[int, ...]
    low: str
    high: str
    levels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassView:
    """A class: rows to learn from, their share, and in what they differ most."""

    label: str
    rows: int | None
    share: float | None
    trait: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """Features by name, and classes in their order, as the audit saw them."""

    measure: str = ""
    rows: int | None = None
    columns: Mapping[str, ColumnView] = field(default_factory=dict)
    classes: tuple[ClassView, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FoldSizes:
    """How many rows a fold learns from and is scored on."""

    train: int
    valid: int
    repeat: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitCard:
    """How rows were divided."""

    strategy: str
    gap: str
    origin: str
    test_rows: int | None
    folds: tuple[FoldSizes, ...]
    fingerprint: str
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Something decided for the user, with its reason, and the option that overrules it."""

    what: str
    option: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFiles:
    """A run folder. ``audit``, ``splits`` and ``decisions`` are None and documents are empty where a file is absent.

    ``default`` names the model that predicts unless another is asked for.
    """

    folder: str
    data: DataCard
    board: Board
    audit: tuple[Finding, ...] | None = None
    overview: Overview = field(default_factory=Overview)
    splits: SplitCard | None = None
    decisions: tuple[Decision, ...] | None = None
    trials: tuple[Trial, ...] = ()
    trace: Trace | None = None
    spec: Document = field(default_factory=dict)
    environment: Document = field(default_factory=dict)
    analysis: Document = field(default_factory=dict)
    default: str = ""

    @property
    def chosen(self) -> Row | None:
        """The row that predicts unless another is asked for; None where there is no predictor."""
        return next((row for row in self.board.scored if row.model == self.default), None)

    def trial(self, row: Row) -> Trial | None:
        """The trial behind a row of the leaderboard; None for ensembles and where the journal is lost."""
        return next((trial for trial in self.trials if trial.trial_id == row.trial_id), None) if row.trial_id else None


def _data_card(content: Document) -> DataCard:
    columns = tuple(
        ColumnCard(
            name=read.text(entry.get("name")),
            kind=read.text(entry.get("kind")),
            dtype=read.text(entry.get("dtype")),
            why=read.text(entry.get("why")),
            n_missing=read.count(entry.get("n_missing")),
            n_unique=read.count(entry.get("n_unique")),
        )
        for entry in read.mappings(content.get("columns"))
    )
    return DataCard(
        name=read.text(content.get("name")) or "unnamed dataset",
        source=read.text(content.get("source")),
        fingerprint=read.text(content.get("fingerprint")),
        n_rows=read.count(content.get("n_rows")),
        n_features=read.count(content.get("n_features")),
        target=read.text(content.get("target")),
        task=read.text(content.get("task")),
        task_why=read.text(content.get("task_why")),
        metric=read.text(content.get("metric")),
        classes=read.texts(content.get("classes")),
        class_counts={key: read.count(value) for key, value in read.mapping(content.get("class_counts")).items()},
        target_summary={key: read.number(value) for key, value in read.mapping(content.get("target_summary")).items()},
        columns=columns,
        notes=read.texts(content.get("notes")),
    )


def _row(entry: Document, metric: str) -> Row:
    cv_mean, test = read.number(entry.get("cv_mean")), read.number(entry.get("test"))
    cv = {key[3:]: read.number(value) for key, value in entry.items() if key.startswith("cv_")}
    tests = {key[5:]: read.number(value) for key, value in entry.items() if key.startswith("test_")}
    status = read.text(entry.get("status")) or ("ok" if cv_mean is not None else "error")
    return Row(
        rank=read.count(entry.get("rank")),
        model=read.text(entry.get("model")),
        family=read.text(entry.get("family")),
        status=status,
        reason=read.text(entry.get("reason")),
        trial_id=read.text(entry.get("trial_id")),
        folds_ok=read.count(entry.get("folds_ok")),
        folds_asked=read.count(entry.get("folds_asked")),
        cv_mean=cv_mean,
        cv_std=read.number(entry.get("cv_std")),
        test=test,
        test_low=read.number(entry.get("test_low")),
        test_high=read.number(entry.get("test_high")),
        fit_seconds=read.number(entry.get("fit_seconds")),
        predict_seconds_per_1000=read.number(entry.get("predict_seconds_per_1000")),
        peak_memory_mb=read.number(entry.get("peak_memory_mb")),
        cv={metric: cv_mean} | {key: value for key, value in cv.items() if key not in ("mean", "std", metric)},
        tests={metric: test} | {key: value for key, value in tests.items() if key not in ("low", "high", metric)},
    )


def _board(content: Document, metric: str) -> Board:
    metric = read.text(content.get("metric")) or metric
    rows = tuple(_row(entry, metric) for entry in read.mappings(content.get("rows")))
    return Board(
        metric=metric,
        greater_is_better=bool(content.get("greater_is_better", True)),
        test=read.text(content.get("test")) or "none",
        rows=tuple(sorted(rows, key=lambda row: row.cv_mean is None)),
    )


def _finding(entry: Document) -> Finding:
    return Finding(
        code=read.text(entry.get("code")),
        severity=read.text(entry.get("severity")) or "info",
        message=read.text(entry.get("message")),
        effect=read.text(entry.get("effect")),
        advice=read.text(entry.get("advice")),
        columns=read.texts(entry.get("columns")),
        evidence=read.mapping(entry.get("evidence")),
    )


def _findings(audit: object) -> tuple[Finding, ...] | None:
    return None if audit is None else tuple(map(_finding, read.mappings(read.mapping(audit).get("findings"))))


def _overview(audit: object) -> Overview:
    content = read.mapping(read.mapping(audit).get("overview"))
    return Overview(
        measure=read.text(content.get("measure")),
        rows=read.count(content.get("rows")),
        columns={read.text(entry.get("name")): _column_view(entry) for entry in read.mappings(content.get("columns"))},
        classes=tuple(
            ClassView(
                label=read.text(entry.get("label")),
                rows=read.count(entry.get("rows")),
                share=read.number(entry.get("share")),
                trait=read.text(entry.get("trait")),
            )
            for entry in read.mappings(content.get("classes"))
        ),
    )


def _column_view(entry: Document) -> ColumnView:
    return ColumnView(
        association=read.number(entry.get("association")),
        counts=tuple(max(0, read.count(count) or 0) for count in read.sequence(entry.get("counts"))),
        low=read.text(entry.get("low")),
        high=read.text(entry.get("high")),
        levels=read.texts(entry.get("levels")),
    )


def _split_card(content: Document) -> SplitCard:
    return SplitCard(
        strategy=read.text(content.get("strategy")),
        gap=read.text(content.get("gap")),
        origin=read.text(content.get("origin")),
        test_rows=read.count(content.get("test_rows")),
        folds=tuple(
            FoldSizes(
                train=read.count(entry.get("train")) or 0,
                valid=read.count(entry.get("valid")) or 0,
                repeat=read.count(entry.get("repeat")) or 0,
            )
            for entry in read.mappings(content.get("folds"))
        ),
        fingerprint=read.text(content.get("fingerprint")),
        notes=read.texts(content.get("notes")),
    )


def _decision(entry: Document) -> Decision:
    return Decision(what=read.text(entry.get("what")), option=read.text(entry.get("option")))


def _needed(path: Path) -> Document:
    content = read.read_json(path)
    if not isinstance(content, Mapping):
        raise StoreError(
            f"a report is drawn from a run folder with {path.name}; {path} is missing or is not a JSON object. "
            "Name a folder that `bench run` wrote."
        )
    return content


def read_run_files(folder: Path) -> RunFiles:
    """Read a run folder once.

    Raises:
        StoreError: ``dataset.json`` or ``leaderboard.json`` is missing or is not a JSON object.
    """
    data = _data_card(_needed(folder / "dataset.json"))
    audit = read.read_json(folder / "audit.json")
    splits = read.read_json(folder / "splits.json")
    decisions = read.read_json(folder / "decisions.json")
    journal = tuple(read.read_lines(folder / "journal.jsonl"))
    return RunFiles(
        folder=read.clean(folder.name),
        data=data,
        board=_board(_needed(folder / "leaderboard.json"), data.metric),
        audit=_findings(audit),
        overview=_overview(audit),
        splits=None if splits is None else _split_card(read.mapping(splits)),
        decisions=None if decisions is None else tuple(map(_decision, read.mappings(decisions))),
        trials=read_journal(journal),
        trace=make_trace(journal),
        spec=read.mapping(read.read_yaml(folder / "spec.yaml")),
        environment=read.mapping(read.read_json(folder / "environment.json")),
        analysis=read.mapping(read.read_json(folder / "analysis.json")),
        default=read.text(read.mapping(read.read_json(folder / "predictor" / "predictor.json")).get("default")),
    )


def check_files(content: Document) -> RunFiles:
    """What `bench check` knows, with ``dataset`` beside what ``audit.json`` holds, as the run that was not made."""
    known = read.mapping(read.cleaned(content))
    data = _data_card(read.mapping(known.get("dataset")))
    board = _board({}, data.metric)
    return RunFiles(folder="", data=data, board=board, audit=_findings(known), overview=_overview(known))
