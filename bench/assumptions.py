"""What was assumed about a table, in sentences: one for all columns alike, with the option that overrules it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from bench.kinds import ASKED, Column
from bench.readings import Reading

_NAMES_SHOWN = 3
_SPELLINGS_SHOWN = 12


def reading_notes(readings: Mapping[str, Reading]) -> tuple[str, ...]:
    """Say what was read as missing, as something else than text, or not at all."""
    return (*_missing(readings), *_read_as(readings), *_lost(readings))


def asked_notes(columns: Sequence[Column], dropped: Sequence[str]) -> tuple[str, ...]:
    """Say what was asked for of columns."""
    kinds = [f"column {column.name!r} is {column.kind}" for column in columns if column.why == ASKED]
    notes = [f"{', '.join(kinds)}, as asked for by --kind."] if kinds else []
    if dropped:
        notes.append(f"{_named(dropped)} {'are' if len(dropped) > 1 else 'is'} left out, as asked for by --drop.")
    return tuple(notes)


def kind_notes(columns: Sequence[Column]) -> tuple[str, ...]:
    """Say of which columns the kind is not what their values look like at first sight."""
    notes = []
    for belongs, says, kind in _TOLD:
        found = [column for column in columns if belongs(column)]
        if found:
            names = [column.name for column in found]
            verb = "are" if len(names) > 1 else "is"
            option = _overrule(names, kind) if kind else f"--drop {names[0] if len(names) == 1 else 'NAME'} spares this"
            says = says if len(names) == 1 else says.replace("an identifier", "identifiers")
            notes.append(f"{_named(names)} {verb} {says}: {found[0].why}; {option}.")
    return tuple(notes)


def _named(names: Sequence[str], noun: str = "column") -> str:
    """Join column names: the first three, and how many more."""
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{noun}{'s' if len(names) > 1 else ''} {', '.join(map(repr, names[:_NAMES_SHOWN]))}{more}"


def _overrule(names: Sequence[str], kind: str, effect: str = "overrules this") -> str:
    """Name the option that does otherwise."""
    return f"--kind {names[0] if len(names) == 1 else 'NAME'}={kind} {effect}"


def _missing(readings: Mapping[str, Reading]) -> list[str]:
    """Sentences on values that were spelled as missing."""
    notes = []
    spelled = sum((reading.spelled for reading in readings.values()), Counter[str]())
    if spelled:
        notes.append(f"read as missing: {_counted(spelled)}; --null adds other spellings.")
    stated = {name: reading.stated for name, reading in readings.items() if reading.stated}
    if stated:
        names = list(stated)
        counts = _counted(sum(stated.values(), Counter[str]()))
        effect = _overrule(names, "categorical", "keeps them")
        notes.append(f"read as missing among numbers and dates, in {_named(names)}: {counts}; {effect}.")
    return notes


def _counted(spelled: Counter[str]) -> str:
    shown = ", ".join(f"{text!r:.40} {count} times" for text, count in sorted(spelled.items())[:_SPELLINGS_SHOWN])
    return shown + (f" and {len(spelled) - _SPELLINGS_SHOWN} more spellings" if len(spelled) > _SPELLINGS_SHOWN else "")


def _read_as(readings: Mapping[str, Reading]) -> list[str]:
    """Sentences on text that was read as something else than its look."""
    alike: dict[tuple[str, bool], list[str]] = {}
    for name, reading in readings.items():
        if reading.why:
            alike.setdefault((reading.name, reading.proven), []).append(name)
    notes = []
    for (_, proven), names in alike.items():
        holds = f"{_named(names)} {'hold' if len(names) > 1 else 'holds'} {readings[names[0]].why}"
        doubt = "" if proven else ", though every value could be read with the other order, too"
        notes.append(f"{holds}{doubt}; {_overrule(names, 'categorical')}.")
    return notes


def _lost(readings: Mapping[str, Reading]) -> list[str]:
    """One sentence on values that could not be read."""
    lost = {name: reading.lost for name, reading in readings.items() if reading.lost}
    if not lost:
        return []
    names = list(lost)
    moments = [readings[name].name.startswith("moment") for name in names]
    noun = "date or time" if all(moments) else "number or date" if any(moments) else "number"
    total = sum(counts.total() for counts in lost.values())
    values = f"{total} values in {_named(names)} are no {noun.replace(' or', 's or')}s"
    if total == 1:
        values = f"1 value in {_named(names)} is no {noun}"
    example, keeps = min(lost[names[0]]), _overrule(names, "categorical", "keeps them")
    return [f"{values} (such as {example!r:.40}) and became missing; {keeps}."]


def _is_code(column: Column) -> bool:
    return column.kind == "categorical" and column.dtype == "Int64" and column.why != ASKED


#: Which columns are told of, what is said of them, and the kind that a user may want instead.
_TOLD: tuple[tuple[Callable[[Column], bool], str, str], ...] = (
    (lambda column: column.kind == "unsupported", "skipped", ""),
    (lambda column: column.kind == "id", "left out as an identifier", "categorical"),
    (_is_code, "used as categories", "numeric"),
    (
        lambda column: column.kind == "boolean" and column.dtype == "String" and column.why != ASKED,
        "boolean",
        "categorical",
    ),
    (lambda column: column.kind == "text" and column.why != ASKED, "free text", "categorical"),
)
