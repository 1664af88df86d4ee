"""Presets: a name for a few settings of a run, filled in before anything else looks at them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.errors import RequestError, choices, nearest

_CHEAP = ("dummy", "naive_bayes", "decision_tree", "linear", "knn", "discriminant", "lightgbm", "extra_trees")
_READABLE = ("dummy", "decision_tree", "linear", "explainable_boosting")
#: Families whose every prediction looks at the rows that were learned from.
_REMEMBERING = ("-knn", "-svm", "-gaussian_process")
#: A preset's setting does not count beside these.
_GIVES_WAY = {"budget": "trials", "folds": "splits"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """What a name stands for: settings as `bench.spec.make_spec` takes them."""

    name: str
    summary: str
    settings: Mapping[str, Any]

    @property
    def told(self) -> str:
        """The settings, spelled as options."""
        return ", ".join(spelled(name, value) for name, value in self.settings.items()) or "every option's default"


def spelled(name: str, value: Any) -> str:
    """Spell a setting as the option that it is."""
    if isinstance(value, bool):
        return f"--{'' if value else 'no-'}{name}"
    text = ",".join(value) or "''" if isinstance(value, (tuple, list)) else f"{value:g}"
    return f"--{name} {text}{'s' if name == 'budget' else ''}"


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="quick",
            summary="a first answer in a minute: families that fit fast, 3 folds",
            settings={"budget": 60.0, "folds": 3, "families": _CHEAP},
        ),
        Preset(name="standard", summary="all families for five minutes, folds from the rows", settings={}),
        Preset(
            name="best",
            summary="the best score that an hour buys: all families, 8 folds",
            settings={"budget": 3600.0, "folds": 8},
        ),
        Preset(
            name="interpretable",
            summary="models that can be read: no ensemble of several",
            settings={"families": _READABLE, "ensembles": False},
        ),
        Preset(
            name="fast-inference",
            summary="predictions at 3 times the cost of the best single model's at most, none by the rows learned from",
            settings={"families": _REMEMBERING, "slowdown": 3.0},
        ),
    )
}


def with_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """Add to the settings that were given those of their ``preset``; what was given goes first, but for empty lists.

    Raises:
        RequestError: there is no such preset.
    """
    name = given.get("preset", "standard")
    if name not in PRESETS:
        near = nearest(str(name), PRESETS)
        raise RequestError(f"--preset must be one of {choices(PRESETS)}, got {name!r}.{near}")
    settings = {key: value for key, value in PRESETS[name].settings.items() if _GIVES_WAY.get(key) not in given}
    return settings | {key: value for key, value in given.items() if value not in ((), [])}


def preset_notes(name: str | None, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what a preset stands for, and which of the run's ``settings`` are others than its own."""
    if name is None:
        return ()
    preset = PRESETS[name]
    notes = [f"Preset {name}, {preset.summary}: {preset.told}. --preset sets another."]
    for key, value in preset.settings.items():
        if settings[key] != value:
            instead = f"--{_GIVES_WAY[key]}" if settings[key] is None else spelled(key, settings[key])
            notes.append(f"{instead} overrules {spelled(key, value)} of preset {name}.")
    return tuple(notes)
