"""Checks of single columns, and of columns against each other."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import polars as pl

from bench.audit.association import blocks
from bench.audit.finding import Finding
from bench.audit.view import View, named, plural

MANY_LEVELS = 100
_MOSTLY_MISSING = 0.5
_MIXED_SHARES = (0.05, 0.95)


def missing_values(view: View) -> Iterator[Finding]:
    """Features with missing values."""
    rows = len(view.features)
    shares = {c.name: c.null_count() / rows for c in view.features.get_columns() if c.null_count()}
    if not shares:
        return
    ranked = sorted(shares, key=lambda name: -shares[name])
    mostly = [name for name in ranked if shares[name] > _MOSTLY_MISSING]
    worst = ", ".join(f"{name!r} ({shares[name]:.1%})" for name in ranked[:5])
    advice = (
        f"Consider leaving out the {len(mostly)} of which more than half is missing." if mostly else "Nothing to do."
    )
    yield Finding(
        code="missing_values",
        severity="warning" if mostly else "info",
        message=(
            f"values are missing in {plural(len(ranked), 'column')} of {view.features.width}, most of all in {worst}."
        ),
        effect="Little: every family handles this inside its folds, and that a value is missing may tell something.",
        advice=advice,
        columns=tuple(ranked),
        evidence={"missing_share": {name: round(shares[name], 6) for name in ranked}},
    )


def constant_columns(view: View) -> Iterator[Finding]:
    """Columns that hold one value only."""
    dropped = [c.name for c in view.dataset.columns if c.kind == "constant" and c.name != view.task.target]
    here = [c.name for c in view.features.get_columns() if c.min() == c.max()]
    if not dropped and not here:
        return
    yield Finding(
        code="constant_columns",
        severity="info",
        message=(
            f"a single value fills {plural(len(dropped) + len(here), 'column')} in all rows to learn from: "
            f"{named(dropped + here)}."
        ),
        effect="None: such columns tell nothing and are not learned from.",
        advice="Drop them at the source.",
        columns=(*dropped, *here),
    )


def duplicate_columns(view: View) -> Iterator[Finding]:
    """Features with the same content under another name."""
    by_hash: dict[tuple[Any, ...], list[pl.Series]] = defaultdict(list)
    for block in blocks(view.features.width):
        some = view.features[:, block]
        hashes = some.select(pl.all().hash(seed=0))
        whole, half = hashes.sum().row(0), hashes.head(len(hashes) // 2).sum().row(0)
        for column, *key in zip(some.get_columns(), whole, half, strict=True):
            by_hash[str(column.dtype), *key].append(column)
    pairs: list[tuple[str, str]] = []
    for first, *others in by_hash.values():
        pairs += [(first.name, o.name) for o in others if first.equals(o) and first.drop_nulls().n_unique() > 1]
    if not pairs:
        return
    shown = ", ".join(f"{copy!r} = {first!r}" for first, copy in pairs[:5])
    yield Finding(
        code="duplicate_columns",
        severity="info",
        message=(f"the same values stand in another column in {plural(len(pairs), 'case')}: {shown}."),
        effect="Hardly any; importances are shared out among them.",
        advice="Keep one of each.",
        columns=tuple(copy for _, copy in pairs),
        evidence={"pairs": [list(pair) for pair in pairs]},
    )


def id_columns(view: View) -> Iterator[Finding]:
    """Identifiers."""
    found = [c for c in view.dataset.columns if c.kind == "id" and c.name != view.task.target]
    if not found:
        return
    yield Finding(
        code="id_columns",
        severity="info",
        message=f"left out as {plural(len(found), 'identifier')}: {named([c.name for c in found])}.",
        effect="None: no model gets to see them.",
        advice="Where one tells which rows belong together, pass it as --group; --kind makes one a feature.",
        columns=tuple(c.name for c in found),
        evidence={"why": {c.name: c.why for c in found}},
    )


def mixed_types(view: View) -> Iterator[Finding]:
    """Text that is part numbers and part words; rows are counted from 1, without the header."""
    shares: dict[str, float] = {}
    words: dict[str, tuple[str, int]] = {}
    for name in _text_columns(view):
        counts = view.dataset.frame[name].drop_nulls().value_counts(name="n")
        number = counts[name].str.strip_chars().cast(pl.Float64, strict=False).is_not_null()
        share = float(counts["n"].filter(number).sum() / max(int(counts["n"].sum()), 1))
        if _MIXED_SHARES[0] <= share < 1 and int(number.sum()) > 1:
            shares[name], words[name] = share, _first_word(view, name)
    if not shares:
        return
    shown = ", ".join(
        f"{name!r} ({shares[name]:.0%} numbers, but {word!r:.30} in row {row:,})"
        for name, (word, row) in list(words.items())[:5]
    )
    numbers = max(shares.values()) > _MIXED_SHARES[1]
    yield Finding(
        code="mixed_types",
        severity="warning" if numbers else "info",
        message=(f"numbers and words are mixed in {plural(len(shares), 'column')}, used as categories: {shown}."),
        effect="The order of the numbers is lost to the models.",
        advice="Where the words mean that a value is missing, name them with --null.",
        columns=tuple(shares),
        evidence={
            "number_share": {name: round(share, 6) for name, share in shares.items()},
            "first_word_in_row": {name: row for name, (_, row) in words.items()},
        },
    )


def _first_word(view: View, name: str) -> tuple[str, int]:
    """The first value of a column that is no number, and its row as read, counted from 1."""
    column, picked = view.dataset.frame[name], view.dataset.picked
    words = column.is_not_null() & column.str.strip_chars().cast(pl.Float64, strict=False).is_null()
    place = int(words.arg_max() or 0)
    return str(column[place]), 1 + int(place if picked is None else picked[place])


def _text_columns(view: View) -> list[str]:
    """Features that are text in the dataset."""
    return [name for name in view.features.columns if view.dataset.frame[name].dtype == pl.String]


def high_cardinality(view: View) -> Iterator[Finding]:
    """Categories of very many levels."""
    rows = len(view.features)
    found = [c for c in view.task.schema.columns if c.kind == "categorical" and c.n_unique > MANY_LEVELS]
    if not found:
        return
    found.sort(key=lambda column: -column.n_unique)
    sparse = [c.name for c in found if 2 * c.n_unique > rows]
    shown = ", ".join(f"{c.name!r} ({c.n_unique:,})" for c in found[:5])
    advice = f"Leave out {named(sparse)}, or make it coarser." if sparse else "Nothing to do."
    yield Finding(
        code="high_cardinality",
        severity="warning" if sparse else "info",
        message=f"more than {MANY_LEVELS} categories in {plural(len(found), 'column')}: {shown}.",
        effect=(
            "Most levels occur once: they cost time and teach models to memorise."
            if sparse
            else "They are encoded by target statistics inside each fold."
        ),
        advice=advice,
        columns=tuple(c.name for c in found),
        evidence={"levels": {c.name: c.n_unique for c in found}},
    )


def infinite_values(view: View) -> Iterator[Finding]:
    """Infinite numbers in features."""
    frame = view.dataset.frame
    types = frame.schema
    floats = [name for name in view.features.columns if types[name].is_float()]
    found = frame.select(pl.col(floats).is_infinite().sum()).row(0, named=True) if floats else {}
    counts = {name: count for name, count in found.items() if count}
    if not counts:
        return
    yield Finding(
        code="infinite_values",
        severity="warning",
        message=(
            f"infinite values, which count as missing, in {plural(len(counts), 'column')}: "
            f"{', '.join(f'{name!r} ({count:,})' for name, count in list(counts.items())[:5])}."
        ),
        effect="What made them infinite is lost to the models.",
        advice="They often come from a division by zero; mend them at the source.",
        columns=tuple(counts),
        evidence={"infinite": counts},
    )
