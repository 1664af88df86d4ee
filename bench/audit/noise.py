"""Label noise, by confident learning over out-of-fold predictions (Northcutt, Jiang and Chuang 2021)."""

import numpy as np

from bench.audit.finding import Finding
from bench.metric import Array

ROWS_SHOWN = 20
_MANY = 0.05


def label_noise(y: Array, probabilities: Array, rows: Array) -> Finding | None:
    """Count the labels that confident predictions contradict; None where there is no such row.

    ``y`` holds class codes, ``probabilities`` [n_rows, n_classes] predictions by models that did not see the row, and
    ``rows`` their row numbers. A row counts when a class other than its label is the most probable one and reaches
    that class's threshold, the mean probability that rows labelled with it are given.
    """
    own = probabilities[np.arange(len(y)), y]
    counts = np.bincount(y, minlength=probabilities.shape[1])
    sums = np.bincount(y, weights=own, minlength=probabilities.shape[1])
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    likeliest = probabilities.argmax(axis=1)
    best = probabilities[np.arange(len(y)), likeliest]
    suspect = np.flatnonzero((likeliest != y) & (best >= thresholds[likeliest]))
    if not len(suspect):
        return None
    share = len(suspect) / len(y)
    worst = suspect[np.argsort(own[suspect] - best[suspect], kind="stable")[:ROWS_SHOWN]]
    return Finding(
        code="label_noise",
        severity="warning" if share > _MANY else "info",
        message=(
            f"{len(suspect):,} of {len(y):,} labels ({share:.1%}) contradict confident out-of-fold predictions; they "
            f"are wrong, or hard: look first at rows {', '.join(str(int(row)) for row in rows[worst[:5]])}."
        ),
        evidence={
            "rows": len(suspect),
            "share": share,
            "worst": [
                {
                    "row": int(rows[index]),
                    "label": int(y[index]),
                    "predicted": int(likeliest[index]),
                    "probability_of_label": float(own[index]),
                    "probability_of_predicted": float(best[index]),
                }
                for index in worst
            ],
        },
    )
