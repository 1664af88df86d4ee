"""Checks of the target alone."""

from collections.abc import Iterator

import numpy as np

from bench.audit.finding import Finding
from bench.audit.view import View, plural

FEW_ROWS = 10
_SEVERE_SHARE = 0.05
_CONSTANT_CLASS = 0.99
_CONSTANT_VALUE = 0.95
_SAME = 1e-9


def class_imbalance(view: View) -> Iterator[Finding]:
    """Classes of very unequal size."""
    if not view.task.imbalanced:
        return
    counts = view.counts
    rare, common = int(np.argmin(counts)), int(np.argmax(counts))
    share = counts[rare] / counts.sum()
    severe = share < _SEVERE_SHARE and counts[common] >= 20 * max(counts[rare], 1)
    yield Finding(
        code="class_imbalance",
        severity="warning" if severe else "info",
        message=(
            f"class {view.task.label(rare)!r} holds {100 * share:.2g}% of the rows ({counts[rare]:,} of "
            f"{counts.sum():,}), class {view.task.label(common)!r} {counts[common] / counts.sum():.1%}."
        ),
        effect="Accuracy flatters: whoever always says the commonest class is right most of the time.",
        advice="Judge by --metric average_precision, balanced_accuracy or mcc.",
        columns=(view.task.target,),
        evidence={"counts": {str(view.task.label(code)): int(n) for code, n in enumerate(counts[:100])}},
    )


def rare_classes(view: View) -> Iterator[Finding]:
    """Classes with too few rows to learn."""
    if not view.is_classification:
        return
    counts = view.counts
    rare = np.flatnonzero(counts < FEW_ROWS)
    if not len(rare):
        return
    shown = ", ".join(f"{view.task.label(int(code))!r} ({counts[code]})" for code in rare[:5])
    more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
    yield Finding(
        code="rare_classes",
        severity="warning",
        message=(
            f"fewer than {FEW_ROWS} rows to learn from in {plural(len(rare), 'class')} of {len(counts)}: {shown}{more}."
        ),
        effect="Scores on these are noise, and metrics that average over classes inherit it.",
        advice="Bring more of their rows, merge them, or leave them out.",
        columns=(view.task.target,),
        evidence={"classes": {str(view.task.label(int(code))): int(counts[code]) for code in rare[:100]}},
    )


def near_constant_target(view: View) -> Iterator[Finding]:
    """A target that hardly varies."""
    if view.is_classification:
        share, limit = float(view.counts.max() / len(view.y)), _CONSTANT_CLASS
        value = repr(view.task.label(int(np.argmax(view.counts))))
    else:
        values, counts = np.unique(view.y, return_counts=True)
        share, limit = float(counts.max() / len(view.y)), _CONSTANT_VALUE
        value = f"{values[np.argmax(counts)]:g}"
        if np.ptp(view.y) <= _SAME * np.abs(view.y).max():
            share, value = 1.0, f"about {value}"
    if share <= limit:
        return
    yield Finding(
        code="near_constant_target",
        severity="warning",
        message=f"{share:.2%} of the rows have the target {value}.",
        effect="A constant prediction is hard to beat, and most metrics hardly see the other rows.",
        advice="Look at the baselines first, and judge by a --metric that the rest of the rows decides.",
        columns=(view.task.target,),
        evidence={"value": value, "share": share},
    )
