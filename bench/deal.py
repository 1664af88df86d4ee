"""Dealing rows to parts: stratified, by whole groups, or by time. Numpy alone, and vectorised.

``strata`` holds a small whole number a row; parts come out with about the same share of every stratum.
"""

import numpy as np

from bench.identity import seed_for
from bench.metric import Array, TaskKind

MAX_BINS = 10
_MAX_GREEDY_GROUPS = 5_000
_MAX_GROUP_STRATA = 64
#: Groups are dealt by size times a number between these: the sizes alone would give every seed the same parts.
_JITTER = (0.85, 1.18)
_SURE_ROWS = 5
#: Share that is watched, at most, of the rows that may be.
_MOST_OF_THEM = 0.9
_GOLDEN = 0.6180339887498949


def strata_of(kind: TaskKind, y: Array, parts: int = 2) -> Array:
    """What to balance: class codes, or up to ten quantile bins of at least ``parts`` rows."""
    if kind != "regression":
        return y
    bins = max(1, min(MAX_BINS, len(y) // max(parts, 1)))
    strata = np.empty(len(y), dtype=np.int64)
    strata[np.argsort(y, kind="stable")] = np.arange(len(y)) * bins // max(len(y), 1)
    return strata


def _shuffled_order(strata: Array, rng: np.random.Generator) -> Array:
    """Positions stratum by stratum, shuffled inside each; 16 bits where they do make numpy sort by radix."""
    narrow = strata.astype(np.int16) if strata.max(initial=0) < 2**15 else strata
    shuffled = rng.permutation(len(strata))
    return shuffled[np.argsort(narrow[shuffled], kind="stable")]


def deal_rows(strata: Array, parts: int, rng: np.random.Generator) -> Array:
    """Deal rows like cards, stratum after stratum: part sizes differ by at most 1, in each stratum and overall."""
    part = np.empty(len(strata), dtype=np.int64)
    part[_shuffled_order(strata, rng)] = np.arange(len(strata)) % parts
    return part


def take(strata: Array, share: float, rng: np.random.Generator) -> Array:
    """Draw a share of every stratum, as a mask; every stratum keeps a row, and of five rows one is drawn."""
    counts = np.bincount(strata)
    ideal = counts * share
    quota = np.floor(ideal).astype(np.int64)
    missing = round(ideal.sum()) - int(quota.sum())
    quota[np.argsort(quota - ideal, kind="stable")[:missing]] += 1
    quota = np.where(counts >= _SURE_ROWS, np.maximum(quota, 1), quota).clip(0, np.maximum(counts - 1, 0))
    rank = np.arange(len(strata)) - np.repeat(np.cumsum(counts) - counts, counts)
    taken = np.zeros(len(strata), dtype=bool)
    taken[_shuffled_order(strata, rng)] = rank < np.repeat(quota, counts)
    return taken


def deal_groups(strata: Array, groups: Array, shares: Array, rng: np.random.Generator) -> Array:
    """Deal whole groups to parts of the given shares (which sum to 1), about the largest first.

    Each group goes where the sum over strata and parts of share x (filled - 1)^2 grows least, size counting as one
    more stratum. Groups after the 5,000 largest are too small to matter one by one and are dealt in turn.
    """
    _, member = np.unique(groups, return_inverse=True)
    columns = strata % _MAX_GROUP_STRATA  # bounds memory; only how evenly thousands of classes fall suffers
    width, count = int(columns.max(initial=0)) + 1, int(member.max(initial=-1)) + 1
    table = np.bincount(member * width + columns, minlength=count * width).reshape(count, width)
    table = np.column_stack([table, table.sum(axis=1)])
    order = np.argsort(-table[:, -1] * rng.uniform(*_JITTER, count), kind="stable")
    weight = table / np.maximum(table.sum(axis=0), 1)
    filled = np.zeros((len(shares), width + 1))
    part = np.empty(count, dtype=np.int64)
    for group in order[:_MAX_GREEDY_GROUPS]:
        added = weight[group] / shares[:, None]
        part[group] = chosen = np.argmin(((2 * filled + added) * weight[group]).sum(axis=1))
        filled[chosen] += added[chosen]
    rest = order[_MAX_GREEDY_GROUPS:]
    rest = rest[np.argsort(table[rest, :-1].argmax(axis=1), kind="stable")]
    turn = np.arange(len(rest)) * _GOLDEN % 1
    part[rest] = np.searchsorted(np.cumsum(shares)[:-1], turn, side="right")
    return part[member]


def take_groups(strata: Array, groups: Array, share: float, rng: np.random.Generator) -> Array:
    """Draw whole groups that hold about a share of the rows, as a mask; the smallest one when all are larger.

    Nothing is drawn from a single group.
    """
    taken: Array = deal_groups(strata, groups, np.array([1 - share, share]), rng) == 1
    names, counts = np.unique(groups, return_counts=True)
    if len(names) > 1 and not taken.any():
        taken = groups == names[np.argmin(counts)]
    return taken


def take_latest(time: Array, share: float) -> Array:
    """Mask the latest rows, about a share of them; rows of one moment stay together."""
    moments, counts = np.unique(time, return_counts=True)
    before = np.cumsum(counts) - counts
    first = int(np.argmin(np.abs(before - (1 - share) * len(time))[1:])) + 1 if len(moments) > 1 else 0
    return time >= moments[first] if first else np.zeros(len(time), dtype=bool)


def without_lost_classes(taken: Array, classes: Array, groups: Array) -> Array:
    """Give back the groups (or single rows) of every class of which no row was left."""
    left = np.bincount(classes[~taken], minlength=int(classes.max(initial=0)) + 1) > 0
    lost = taken & ~left[classes]
    return taken & ~np.isin(groups, groups[lost]) if lost.any() else taken


def before(time: Array, start: float, gap: float) -> Array:
    """Mask the rows that lie before a moment, and at least ``gap`` away from it."""
    return (time < start) & (start - time >= gap)


def part_groups(early: Array, late: Array, groups: Array, chosen: Array, classes: Array | None) -> tuple[Array, Array]:
    """Narrow rows to learn from and later rows to score until they share no group.

    Of the groups that reach into both, those that ``chosen`` masks are scored and the others learned from; a group
    without which a class of ``classes`` could not be learned is learned from in any case.
    """
    shared = np.isin(groups, np.intersect1d(groups[early], groups[late]))
    moved = (shared & chosen)[early]
    if classes is not None:
        given_back = moved & ~without_lost_classes(moved, classes[early], groups[early])
        chosen = chosen & ~np.isin(groups, groups[early][given_back])
    return early & ~(shared & chosen), late & ~(shared & ~chosen)


def take_future(
    strata: Array, classes: Array | None, groups: Array | None, time: Array, gap: float, share: float, seed: int
) -> tuple[Array, Array]:
    """Mask rows to learn from and the latest rows, about a share of them, to hold out; some rows may be in neither.

    What is learned from lies at least ``gap`` before all that is held out. With ``groups`` none of them is in both
    parts: of those that reach into both, about the same share is held out.
    """
    late = take_latest(time, share)
    if not late.any():
        return ~late, late
    early = before(time, time[late].min(), gap)
    if groups is None:
        return early, late
    chosen = take_groups(strata, groups, share, np.random.default_rng(seed))
    return part_groups(early, late, groups, chosen, classes)


def forward_blocks(time: Array, parts: int, *, seen: float, gap: float) -> Array:
    """Cut rows into a first block, 0, which is only learned from, and at most ``parts`` later ones to be scored.

    Blocks follow one another in time and hold about as many rows; rows of one moment stay together. What lies before
    block 1 by ``gap`` reaches at least to the moment ``seen``, and holds as many rows as another block where the
    moments allow it. All rows are in block 0 when no moment is late enough.
    """
    moments, counts = np.unique(time, return_counts=True)
    ends = np.cumsum(counts)
    earlier = ends - counts
    reach = np.minimum(np.searchsorted(moments, moments - gap, side="right"), np.arange(len(moments)))
    usable = reach > np.searchsorted(moments, seen)
    if not usable.any():
        return np.zeros(len(time), dtype=np.int64)
    learned = np.append(0, ends)[reach]
    enough = usable & (learned * (parts + 1) >= len(time) - (earlier - learned))
    first = int(np.argmax(enough)) if enough.any() else len(moments) - 1
    targets = np.linspace(earlier[first], len(time), parts + 1)[:-1]
    begins = np.unique(np.searchsorted(earlier, targets).clip(first, len(moments) - 1))
    return np.searchsorted(moments[begins], time, side="right")


def holdout(
    kind: TaskKind,
    y: Array,
    rows: Array,
    groups: Array | None,
    time: Array | None,
    seed: int,
    gap: float = 0.0,
    among: Array | None = None,
) -> tuple[Array, Array]:
    """Divide training ``rows`` into those to fit on and a slice to watch for early stopping.

    ``y``, ``groups`` and ``time`` cover all rows of the task. The slice holds 10 to 20 % of the rows (about 500 of few
    rows), drawn as the folds are: stratified, by whole groups, or the latest, ``gap`` away from what is fitted on.
    Every class keeps a row to fit on, wherever that lies; the slice is empty where less than half of the rows would be
    left to fit on. Of rows that neither time nor groups divide, only those where ``among`` is True are watched.
    """
    share = max(0.1, min(0.2, 500 / max(len(rows), 1)))
    strata = strata_of(kind, y[rows])
    classes = None if kind == "regression" else strata
    seed = seed_for(seed, "holdout")
    own_groups = None if groups is None else groups[rows]
    if time is not None:
        fitted, watched = take_future(strata, classes, own_groups, time[rows], gap, share, seed)
        if classes is not None:
            lost = ~np.isin(classes, classes[fitted])
            lost = lost if own_groups is None else np.isin(own_groups, own_groups[lost])
            fitted, watched = fitted | lost, watched & ~lost
        if 2 * fitted.sum() < len(rows):
            fitted, watched = np.ones(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
        return rows[fitted], rows[watched]
    rng = np.random.default_rng(seed)
    if own_groups is None:
        watched = np.ones(len(rows), dtype=bool) if among is None else among.copy()
        share = min(_MOST_OF_THEM, share * len(rows) / max(1, watched.sum()))
        watched[watched] = take(strata[watched], share, rng)
    else:
        watched = take_groups(strata, own_groups, share, rng)
        if classes is not None:
            watched = without_lost_classes(watched, classes, own_groups)
    return rows[~watched], rows[watched]
