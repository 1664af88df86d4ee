"""How the run was set up: splits, decisions, settings, machine."""

from collections.abc import Mapping
from statistics import median

from markupsafe import Markup

from bench.report import read
from bench.report.charts.bars import Division, divisions
from bench.report.files import RunFiles, SplitCard
from bench.report.numbers import count_text, plural, value_text
from bench.report.panels.parts import absent, charts, remark, together
from bench.report.template import render

_MOST_FOLDS = 30


def split_sentence(card: SplitCard) -> str:
    """The splits in one sentence."""
    repeats = 1 + max((fold.repeat for fold in card.folds), default=0)
    text = f"{plural(len(card.folds), f'{card.strategy} fold'.strip())}"
    if repeats > 1:
        text += f" in {repeats} repeats"
    if card.gap:
        text += f", each {card.gap} after what it learns from"
    if card.origin:
        text += f", as {card.origin} says"
    if card.folds:
        text += (
            f"; a fold learns from {count_text(median(fold.train for fold in card.folds))} rows and is scored on "
            f"{count_text(median(fold.valid for fold in card.folds))}"
        )
    kept = f"{count_text(card.test_rows)} test rows were set aside" if card.test_rows else "no test rows were set aside"
    return f"{text}; {kept}."


def splits(run: RunFiles) -> Markup:
    """Sizes of test set and folds."""
    card = run.splits
    if card is None:
        return absent("This folder holds no splits.json: the run ended before the rows were divided.")
    test = [("test", card.test_rows)] if card.test_rows else []
    items = [
        Division(name=f"fold {number}", parts=[("train", fold.train), ("validate", fold.valid), *test])
        for number, fold in enumerate(card.folds[:_MOST_FOLDS])
    ]
    note = f"The first {_MOST_FOLDS} of {len(card.folds)} folds." if len(card.folds) > _MOST_FOLDS else ""
    drawing = charts(divisions("Rows by use", items, note=note)) if items else Markup("")
    notes = " ".join(card.notes)
    fingerprint = f" Fingerprint {card.fingerprint}." if card.fingerprint else ""
    return together(remark(f"{split_sentence(card)} {notes}{fingerprint}"), drawing)


def decisions(run: RunFiles) -> Markup:
    """Every automatic decision, with the option that overrules it."""
    if run.decisions is None:
        return absent("This folder holds no decisions.json.")
    if not run.decisions:
        return absent("Nothing was decided automatically.")
    return render("decisions", decisions=run.decisions)


def _pairs(content: Mapping[str, object], leave_out: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    return [(key, value_text(value)) for key, value in content.items() if key not in leave_out and value is not None]


def settings(run: RunFiles) -> Markup:
    """The request, the machine and the versions of the libraries."""
    environment = run.environment
    memory = read.number(environment.get("memory_bytes"))
    machine = _pairs(environment, ("libraries", "command", "memory_bytes", "cpu_features", "variables", "sampler"))
    if memory is not None:
        machine.append(("memory", f"{memory / 2**30:.1f} GB"))
    return render(
        "settings",
        command=read.text(environment.get("command")),
        spec=_pairs(run.spec),
        machine=machine,
        versions=_pairs(read.mapping(environment.get("libraries"))),
        fingerprint=run.data.fingerprint,
        source=run.data.source,
    )
