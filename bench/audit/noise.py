"""Labels that out-of-fold predictions contradict.

Classes by confident learning (Northcutt, Jiang and Chuang 2021), numbers by their residuals.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from bench.audit.finding import Finding
from bench.audit.view import plural
from bench.metric import Array

ROWS_SHOWN = 20
_MANY = 0.05
#: Robust standard deviations beyond which a residual is no longer noise of the usual kind.
_FAR = 6.0
_DEVIATION = 1.4826


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Which rows were predicted: their numbers in the data as read, and an identifier where there is one."""

    numbers: Array
    ids: pl.Series | None = None

    def at(self, index: Array) -> "Rows":
        """Some of the rows."""
        return Rows(numbers=self.numbers[index], ids=None if self.ids is None else self.ids.gather(index))

    def name(self, index: int) -> str:
        """How a message calls a row."""
        return (
            str(self.numbers[index])
            if self.ids is None
            else f"{self.numbers[index]} ({self.ids.name} {self.ids[index]})"
        )


def label_issues(y: Array, prediction: Array, classes: tuple[object, ...]) -> pl.DataFrame:
    """Doubtful rows, the worst first, with columns ``index`` (place in ``y``), ``given``, ``suggested`` and evidence.

    With classes, ``y`` holds codes and ``prediction`` [n_rows, n_classes] probabilities by models that did not see the
    row. A row counts when a class other than its label is the most probable one and reaches that class's threshold, the
    mean probability that rows labelled with it are given; ``probability_given`` and ``probability_suggested`` say how
    sure that is. Without classes, a row counts when its residual is further than six robust standard deviations from
    their median; ``deviations`` says how far.
    """
    if not classes:
        return _far_residuals(y, prediction)
    every = np.arange(len(y))
    own = prediction[every, y]
    counts = np.bincount(y, minlength=prediction.shape[1])
    sums = np.bincount(y, weights=own, minlength=prediction.shape[1])
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    likeliest = prediction.argmax(axis=1)
    best = prediction[every, likeliest]
    suspect = np.flatnonzero((likeliest != y) & (best >= thresholds[likeliest]))
    worst = suspect[np.argsort(own[suspect] - best[suspect], kind="stable")]
    labels = [str(label) for label in classes]
    return pl.DataFrame(
        {
            "index": worst,
            "given": [labels[code] for code in y[worst]],
            "suggested": [labels[code] for code in likeliest[worst]],
            "probability_given": own[worst],
            "probability_suggested": best[worst],
        },
        schema_overrides={"given": pl.String, "suggested": pl.String},
    )


def _far_residuals(y: Array, prediction: Array) -> pl.DataFrame:
    """Rows whose residual lies far outside, by median and median absolute deviation."""
    residuals = y - prediction
    centred = residuals - np.median(residuals)
    deviation = _DEVIATION * float(np.median(np.abs(centred)))
    far = np.abs(centred) / deviation if deviation > 0 else np.zeros(len(y))
    suspect = np.flatnonzero(far > _FAR)
    worst = suspect[np.argsort(-far[suspect], kind="stable")]
    return pl.DataFrame({"index": worst, "given": y[worst], "suggested": prediction[worst], "deviations": far[worst]})


def located(issues: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """The table that users get: ``row`` and, where there is one, the identifier's value as ``id``, for ``index``."""
    index = issues["index"].to_numpy()
    places = [pl.Series("row", rows.numbers[index])]
    if rows.ids is not None:
        places.append(rows.ids.gather(index).cast(pl.String).rename("id"))
    return pl.DataFrame(places).hstack(issues.drop("index"))


def label_noise(issues: pl.DataFrame, n_rows: int, rows: Rows) -> Finding | None:
    """Count what `label_issues` found among ``n_rows``; None where there is nothing."""
    if issues.is_empty():
        return None
    share = len(issues) / n_rows
    first = ", ".join(rows.name(index) for index in issues["index"][:5])
    classes = "deviations" not in issues.columns
    return Finding(
        code="label_noise",
        severity="warning" if share > _MANY else "info",
        message=(
            f"{len(issues):,} of {n_rows:,} labels ({share:.1%}) contradict confident out-of-fold predictions"
            if classes
            else f"the target of {plural(len(issues), 'row')} of {n_rows:,} ({share:.1%}) lies more than {_FAR:g} "
            "usual deviations from its out-of-fold prediction"
        )
        + f", most of all that of rows {first}.",
        effect=(
            "They are wrong, or hard: wrong ones cap what any model can reach, and blur which is best."
            if classes
            else "They are wrong, or cases that the features cannot tell: squared errors are decided by them."
        ),
        advice="Look at them in audit/label_issues.parquet, the worst first, and mend what is wrong.",
        evidence={"rows": len(issues), "share": share, "worst": located(issues, rows).head(ROWS_SHOWN).to_dicts()},
    )
