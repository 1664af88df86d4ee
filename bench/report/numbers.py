"""Numbers as people read them: scores, durations, sizes, counts."""

import math

from bench.report.read import number

ABSENT = "\N{EN DASH}"
# As wide as a plus.
MINUS = "\N{MINUS SIGN}"


def score_text(value: float | None, like: float | None = None) -> str:
    """Five significant digits at most, with as many decimals as the magnitude deserves: 0.9273, 12.345, 48213.

    The magnitude is that of ``like`` where it is given, so that a mean and its deviation line up.
    """
    if value is None:
        return ABSENT
    size = abs(value if like is None else like)
    if size >= 1e9 or 0 < size < 1e-6:
        return f"{value:.4g}"
    power = math.floor(math.log10(size)) if size else 0
    return f"{value:.{min(4, 4 - power) if power >= -3 else 2 - power}f}" if power < 4 else f"{value:.0f}"


def signed_text(value: float, like: float | None = None) -> str:
    """A difference, with its sign; ``like`` as for a score."""
    return f"{'+' if value >= 0 else MINUS}{score_text(abs(value), like)}"


def seconds_text(value: float | None) -> str:
    """A duration: 4 ms, 0.52 s, 12.1 s, 3 min 04 s, 2 h 05 min."""
    if value is None:
        return ABSENT
    if value < 0.1:
        return f"{value * 1000:.0f} ms" if value >= 0.001 or value == 0 else "< 1 ms"
    if value < 10:
        return f"{value:.2f} s"
    if value < 100:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes} min {seconds:02d} s" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def megabytes_text(value: float | None) -> str:
    """A size given in megabytes."""
    if value is None:
        return ABSENT
    return f"{value / 1024:.1f} GB" if value >= 1024 else f"{value:.0f} MB"


def count_text(value: float | None) -> str:
    """A count with thin groups of thousands."""
    return ABSENT if value is None else f"{value:,.0f}".replace(",", "\u202f")


def share_text(part: float | None, whole: float | None) -> str:
    """A share in percent."""
    if part is None or not whole:
        return ABSENT
    percent = 100 * part / whole
    return f"{percent:.2f} %" if 0 < percent < 1 else f"{percent:.1f} %"


def value_text(value: object) -> str:
    """A parameter or a setting in one short line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {value_text(item)}" for key, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(value_text(item) for item in value) or "none"
    return str(value)


def plural(amount: int, noun: str) -> str:
    """A count with its noun: ``1 fold``, ``3 folds``."""
    return f"{count_text(amount)} {noun}{'' if amount == 1 else 's'}"


def order_key(value: object) -> str:
    """What a table sorts a cell by, full precision for numbers; empty for what is absent."""
    found = number(value)
    return "" if found is None else repr(found)
