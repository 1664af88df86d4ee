"""Numbers that stand apart from the rest of their column: codes for missing values, and values far outside."""

from collections.abc import Iterator

import numpy as np

from bench.audit.association import blocks, to_matrix
from bench.audit.finding import Finding
from bench.audit.view import View, plural
from bench.metric import Array

_FAR = 10.0
_MANY = 0.001
_TAIL = 0.01
_FEWEST_OTHERS = 20
_FEWEST_CODES = 10
_CODES = frozenset(sign * number for number in (9, 99, 999, 9999, 99999, 999999) for sign in (1, -1)) | {-1, -2, -7, -8}
_SAFE = 1e150


def outliers(view: View) -> Iterator[Finding]:
    """Values more than ten interquartile ranges beyond the quartiles, in columns that are not all tail."""
    counts: dict[str, int] = {}
    extremes: dict[str, list[float]] = {}
    for name, values in _sorted_numbers(view):
        low, high = float(values[len(values) // 4]), float(values[3 * len(values) // 4])
        reach = _FAR * (high - low)
        far = (
            int(np.searchsorted(values, low - reach))
            + len(values)
            - int(np.searchsorted(values, high + reach, "right"))
        )
        if reach > 0 and 0 < far < _TAIL * len(values):
            counts[name], extremes[name] = far, [float(values[0]), float(values[-1])]
    if not counts:
        return
    ranked = sorted(counts, key=lambda name: -counts[name])
    shown = ", ".join(f"{n!r} ({counts[n]:,}, from {extremes[n][0]:.4g} to {extremes[n][1]:.4g})" for n in ranked[:5])
    many = max(counts.values()) > max(_MANY * len(view.sample), 1)
    huge = max(max(map(abs, ends)) for ends in extremes.values()) > _SAFE
    yield Finding(
        code="outliers",
        severity="warning" if huge else "info",
        message=(
            f"values lie more than {_FAR:g} interquartile ranges outside in {plural(len(ranked), 'column')}: "
            f"{shown}{view.sampled}."
        ),
        effect=(
            "Trees do not mind; linear models, neighbours and nets learn from scaled values, which such rows squeeze."
        ),
        advice="Look whether they are errors" + (", or whether a logarithm suits the column." if many else "."),
        columns=tuple(ranked),
        evidence={"rows": counts, "range": extremes},
    )


def sentinel_values(view: View) -> Iterator[Finding]:
    """Numbers such as -999, which come often, far from all others of their column: most likely codes for missing."""
    found: dict[str, dict[str, int]] = {}
    for name, values in _sorted_numbers(view):
        if codes := _codes_in(values):
            found[name] = {f"{code:g}": count for code, count in codes.items()}
    if not found:
        return
    flags = " ".join(f"--null {code}" for code in dict.fromkeys(code for codes in found.values() for code in codes))
    shown = ", ".join(
        f"{name!r} ({', '.join(f'{code} in {count:,} rows' for code, count in codes.items())})"
        for name, codes in list(found.items())[:5]
    )
    yield Finding(
        code="sentinel_values",
        severity="warning",
        message=(
            f"numbers that look like codes for missing values stand in {plural(len(found), 'column')}: {shown}"
            f"{view.sampled}."
        ),
        effect="Models that scale or average take them for quantities; trees can cope.",
        advice=f"If they mean that a value is missing, pass {flags}, which holds for every column.",
        columns=tuple(found),
        evidence={"codes": found},
    )


def _codes_in(values: Array) -> dict[float, int]:
    """Codes among sorted values: usual ones, repeated, at an end, and apart from what lies between the ends.

    At the lower end up to three negative codes below values that are never negative count without a wide gap.
    """
    if values[0] not in _CODES and values[-1] not in _CODES:
        return {}
    numbers, counts = np.unique(values, return_counts=True)
    if len(numbers) < _FEWEST_OTHERS:
        return {}
    found: dict[float, int] = {}
    negative = int((numbers < 0).sum())
    often = max(_FEWEST_CODES, _MANY * len(values))
    inner = values[(values > numbers[0]) & (values < numbers[-1])]
    width = float(np.ptp(np.quantile(inner, [0.01, 0.99]))) if len(inner) else 0.0
    if 0 < negative <= 3 and all(number in _CODES for number in numbers[:negative]):
        found |= {float(n): int(c) for n, c in zip(numbers[:negative], counts[:negative], strict=True) if c >= often}
    for number, count, gap in (
        (numbers[0], counts[0], numbers[1] - numbers[0]),
        (numbers[-1], counts[-1], numbers[-1] - numbers[-2]),
    ):
        if number in _CODES and abs(number) >= 99 and count >= often and gap > max(width, 1.0):
            found[float(number)] = int(count)
    return found


def _sorted_numbers(view: View) -> Iterator[tuple[str, Array]]:
    """Each numeric feature's known values on the sample, ascending."""
    names = [c.name for c in view.task.schema.columns if c.kind == "numeric"]
    if not names:
        return
    features = view.sample_features.select(names).get_columns()
    for block in blocks(len(names)):
        columns = features[block]
        matrix = np.sort(to_matrix(columns), axis=1)
        known = (~np.isnan(matrix)).sum(axis=1)
        for column, values, count in zip(columns, matrix, known, strict=True):
            if count >= _FEWEST_OTHERS:
                yield column.name, values[:count]
