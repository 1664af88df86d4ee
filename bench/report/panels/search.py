"""What was tried, when, and where in the search space."""

from collections.abc import Sequence

from markupsafe import Markup

from bench.report.charts.bars import Bar, Work, bars, timeline
from bench.report.charts.curves import Attempt, focus, progress
from bench.report.charts.parameters import Tried, dimensions, parallel, parameter
from bench.report.charts.svg import element, join
from bench.report.files import RunFiles
from bench.report.journal import Trial
from bench.report.numbers import plural, score_text, seconds_text
from bench.report.panels.parts import absent, charts, family_numbers, remark, together
from bench.report.verdict import direction
from bench.trace import Category, Trace

# Fewer candidates than this say nothing about where in the space the good ones lie.
_FEWEST_TRIED = 4
_MOST_TRIED = 150
_MOST_PARAMETERS = 8


def _attempts(run: RunFiles) -> list[Attempt]:
    numbers = family_numbers(run)
    found = [
        Attempt(
            seconds=trial.seconds,
            score=trial.score,
            family=trial.family,
            index=numbers[trial.family],
            tooltip=f"{trial.name}: {score_text(trial.score)} after {seconds_text(trial.seconds)} ({trial.origin})",
        )
        for trial in run.trials
        if trial.score is not None and trial.seconds is not None
    ]
    return sorted(found, key=lambda attempt: attempt.seconds)


def _works(run: RunFiles) -> list[Work]:
    numbers = family_numbers(run)
    folds = [(trial, fold) for trial in run.trials for fold in trial.folds if fold.finished_at is not None]
    spans = [
        (trial, fold.worker or "worker", fold.finished_at - fold.fit_seconds - fold.predict_seconds, fold.finished_at)
        for trial, fold in folds
        if fold.finished_at is not None
    ]
    start = min((begin for _, _, begin, _ in spans), default=0.0)
    works = [
        Work(worker=worker, start=begin - start, stop=end - start, family=trial.family, index=numbers[trial.family])
        for trial, worker, begin, end in spans
    ]
    return sorted(works, key=lambda work: work.worker)


def _cost_chart(run: RunFiles) -> Markup:
    spent: dict[str, float] = {}
    for trial in run.trials:
        spent[trial.family] = spent.get(trial.family, 0.0) + sum(fold.fit_seconds for fold in trial.folds)
    ordered = sorted(spent.items(), key=lambda item: -item[1])
    items = [Bar(name=name, value=seconds, text=seconds_text(seconds)) for name, seconds in ordered if seconds > 0]
    return charts(bars("Time spent fitting, by family", items)) if items else Markup("")


def scores_over_time(run: RunFiles) -> Markup:
    """Scores as they came, what the workers did, and where the time went."""
    attempts, works = _attempts(run), _works(run)
    if not attempts:
        return absent("The journal holds no finished candidate, so there is nothing to draw over time.")
    drawn = [progress(attempts, run.board.metric, run.board.greater_is_better)]
    if works:
        drawn.append(
            timeline("Workers at work", works, note="A stroke a fold; gaps are idle or spent around the fits.")
        )
    return together(*drawn, _cost_chart(run))


#: What is drawn of a trace, by the name in the legend. The search itself would be one stroke behind all others.
_STEPS: dict[str, tuple[Category, ...]] = {
    "fit": ("fit",),
    "start-up": ("start-up",),
    "predict": ("predict",),
    "score and store": ("harness",),
    "encode": ("encode",),
    "load and audit": ("load", "audit"),
    "wrap-up": ("wrap-up", "track"),
}
#: Strokes shorter than this part of the run would only make the page heavier.
_LEAST_STROKE = 1 / 2000


def _steps(trace: Trace) -> list[Work]:
    least = _LEAST_STROKE * max((span.end - trace.started_at for span in trace.spans), default=0.0)
    return [
        Work(
            worker=span.lane,
            start=span.start - trace.started_at,
            stop=span.end - trace.started_at,
            family=name,
            index=index,
        )
        for index, (name, categories) in enumerate(_STEPS.items())
        for span in sorted(trace.spans, key=lambda span: span.lane)
        if span.category in categories and span.seconds > least
    ]


def where_the_time_went(run: RunFiles) -> Markup:
    """What the command and its workers did when, and what the search's time was spent on."""
    trace = run.trace
    if trace is None or not (steps := _steps(trace)):
        return absent("The journal tells no stages and no steps of folds, so the time cannot be laid out.")
    drawn = timeline(
        "The command and its workers", sorted(steps, key=lambda step: step.worker), note="Gaps are idle.", what="steps"
    )
    shares = sorted(trace.shares().items(), key=lambda share: -share[1])
    items = [Bar(name=name, value=share, text=f"{share:.1%}") for name, share in shares if share > 0]
    return together(drawn, charts(bars("Shares of the workers' time in the search", items)))


def _tried(trials: Sequence[Trial], greater_is_better: bool) -> list[Tried]:
    found = [
        Tried(name=trial.name, params=trial.params, score=trial.score) for trial in trials if trial.score is not None
    ]
    return sorted(found, key=lambda one: one.score, reverse=greater_is_better)[:_MOST_TRIED]


def _family(run: RunFiles, family: str, tried: Sequence[Tried], *, is_open: bool) -> Markup | None:
    axes = dimensions(tried)[:_MOST_PARAMETERS]
    if len(tried) < _FEWEST_TRIED or not axes:
        return None
    scores = focus([one.score for one in tried], run.board.greater_is_better)
    small = element("div", *(parameter(axis, tried, scores, run.board.metric) for axis in axes), class_="multiples")
    lines = parallel(
        f"{family}: all parameters at once",
        axes,
        tried,
        run.board.metric,
        note=f"A line a candidate; {direction(run)}.",
    )
    heading = element(
        "summary",
        element("bdi", family),
        element("span", f"{plural(len(tried), 'candidate')}, best {score_text(tried[0].score)}"),
    )
    caption = element("h4", f"{run.board.metric} over each parameter")
    return element("details", heading, lines, caption, small, open="open" if is_open else None)


def space(run: RunFiles) -> Markup:
    """A fold-out a family: parallel coordinates, and the score over each parameter."""
    by_family: dict[str, list[Trial]] = {}
    for trial in run.trials:
        by_family.setdefault(trial.family, []).append(trial)
    ranked = {family: _tried(trials, run.board.greater_is_better) for family, trials in by_family.items()}
    sign = -1 if run.board.greater_is_better else 1
    order = sorted((family for family in ranked if ranked[family]), key=lambda family: sign * ranked[family][0].score)
    drawn: list[Markup] = []
    for family in order:
        section = _family(run, family, ranked[family], is_open=not drawn)
        if section is not None:
            drawn.append(section)
    if not drawn:
        return absent(f"No family has {_FEWEST_TRIED} scored candidates with different parameters.")
    rest = [family for family in order if len(ranked[family]) < _FEWEST_TRIED]
    few = f" Too few candidates to draw: {', '.join(rest)}." if rest else ""
    return join([remark(f"Families in the order of their best candidate.{few}"), *drawn])
