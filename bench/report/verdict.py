"""What the run comes to in a few sentences: the best model, and what it gains over a baseline and over a default."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.report.files import Row, RunFiles
from bench.report.numbers import count_text, score_text, signed_text

DEFAULT_MODEL = "lightgbm"
_TASKS = {"binary": "Binary classification", "multiclass": "Multiclass classification", "regression": "Regression"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The best model against another: ``gain`` is positive when it wins, in the metric's own unit."""

    against: str
    row: Row | None
    gain: float | None
    remark: str


def direction(run: RunFiles) -> str:
    """Which way the metric goes."""
    return "higher is better" if run.board.greater_is_better else "lower is better"


def task_sentence(run: RunFiles) -> str:
    """What is predicted, from how much, judged by what."""
    data = run.data
    kind = _TASKS.get(data.task, data.task or "Prediction")
    classes = f" with {len(data.classes)} classes" if data.task == "multiclass" and data.classes else ""
    return (
        f"{kind}{classes} of {data.target or 'the target'} from {count_text(data.n_features)} columns over "
        f"{count_text(data.n_rows)} rows, judged by {run.board.metric} ({direction(run)})."
    )


def test_sentence(run: RunFiles) -> str:
    """Where the test scores come from, or why there are none."""
    sealed = run.splits.test_rows if run.splits else None
    rows = f"{count_text(sealed)} rows" if sealed else "rows"
    if run.board.test == "sealed":
        return f"Test scores are from {rows} that were sealed before the search; ranks never look at them."
    if run.board.test == "given":
        return f"Test scores are from {rows} that were given as a test set; ranks never look at them."
    return "There are no test scores: the run kept no test rows, so only cross-validation speaks."


def _compare(run: RunFiles, against: str, is_wanted: Callable[[Row], bool], absent: str) -> Comparison:
    best = run.board.best
    other = next((row for row in run.board.scored if is_wanted(row)), None)
    if best is None or other is None:
        return Comparison(against=against, row=None, gain=None, remark=absent)
    if other is best:
        return Comparison(against=against, row=other, gain=None, remark="it is the best model")
    gain = run.board.gain(best, other)
    spread = max(best.cv_std or 0.0, other.cv_std or 0.0)
    small = gain is not None and gain <= spread
    remark = (
        "within one standard deviation over the folds" if small else "more than one standard deviation over the folds"
    )
    return Comparison(against=against, row=other, gain=gain, remark=remark)


def comparisons(run: RunFiles) -> tuple[Comparison, Comparison]:
    """The best model against the best baseline, and against LightGBM as it comes."""
    baselines = {trial.trial_id for trial in run.trials if trial.origin == "baseline"}
    return (
        _compare(run, "best baseline", lambda row: row.trial_id in baselines, "no baseline has a score"),
        _compare(run, "default LightGBM", lambda row: row.model == DEFAULT_MODEL, "LightGBM's default has no score"),
    )


def best_sentence(run: RunFiles) -> str:
    """The best model with its scores."""
    best = run.board.best
    if best is None:
        return "No model has a score."
    spread = score_text(best.cv_std, best.cv_mean)
    text = f"{best.model}: {run.board.metric} {score_text(best.cv_mean)} ± {spread} in cross-validation"
    if best.test is not None:
        text += f", {score_text(best.test)} on test rows"
        if best.test_low is not None and best.test_high is not None:
            text += f" (95 % interval {score_text(best.test_low)} to {score_text(best.test_high)})"
    return f"{text}."


def chosen_sentence(run: RunFiles) -> str:
    """The model that predicts, with its scores, where it is not the first row of the board; else nothing."""
    chosen = run.chosen
    if chosen is None or chosen is run.board.best:
        return ""
    test = "" if chosen.test is None else f", {score_text(chosen.test)} on test rows"
    return (
        f"What predicts is {chosen.model}, a fairer choice than the first of many (see the decisions): "
        f"{score_text(chosen.cv_mean)} in cross-validation{test}."
    )


def comparison_sentence(comparison: Comparison) -> str:
    """One comparison in words."""
    if comparison.row is None or comparison.gain is None:
        return f"Against the {comparison.against}: {comparison.remark}."
    return (
        f"Against the {comparison.against} ({comparison.row.model}, {score_text(comparison.row.cv_mean)}): "
        f"{signed_text(comparison.gain)}, {comparison.remark}."
    )
