"""The run in words and tables: what a reader without a browser, or a pull request, needs."""

import re
import shlex
from collections.abc import Iterable, Sequence

from bench.report import read
from bench.report.files import Finding, Row, RunFiles
from bench.report.numbers import count_text, plural, score_text, seconds_text, share_text, value_text
from bench.report.panels.setup import split_sentence
from bench.report.verdict import (
    best_sentence,
    chosen_sentence,
    comparison_sentence,
    comparisons,
    direction,
    task_sentence,
    test_sentence,
)

_MOST_ROWS = 20
_MOST_FAILURES = 20
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&])")


def escape(text: str) -> str:
    """Keep text from being read as markup: pipes, tags, links and emphasis are escaped."""
    return _SPECIAL.sub(r"\\\1", text)


def _code(text: str) -> str:
    """A code span that holds backticks and, in a table, pipes."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _problem(run: RunFiles) -> list[str]:
    why = f" Taken as {run.data.task} because: {escape(run.data.task_why)}" if run.data.task_why else ""
    return [escape(task_sentence(run)) + why]


def _finding(one: Finding) -> str:
    told = " ".join(filter(None, (one.message, one.effect, one.advice)))
    return f"**{escape(one.severity)}** {_code(one.code)}: {escape(told)}"


def _data(run: RunFiles) -> list[str]:
    data = run.data
    parts = [f"{escape(data.name)}, from {_code(data.source or 'an unnamed source')}."]
    if data.class_counts:
        total = sum(amount or 0 for amount in data.class_counts.values())
        rows = [
            [escape(name), count_text(amount), share_text(amount, total)] for name, amount in data.class_counts.items()
        ]
        parts.append(_table(["Class", "Rows", "Share"], rows[:30]))
    if data.target_summary:
        parts.append(_bullets(f"{escape(key)}: {score_text(value)}" for key, value in data.target_summary.items()))
    parts += [_bullets(map(escape, data.notes))] if data.notes else []
    if run.audit is None:
        parts.append("There is no audit in this folder.")
    elif not run.audit:
        parts.append("The audit found nothing to remark on.")
    else:
        parts.append(_bullets(map(_finding, run.audit)))
    return parts


def _design(run: RunFiles) -> list[str]:
    families: dict[str, list[str]] = {}
    for trial in run.trials:
        families.setdefault(trial.family, []).append(trial.origin)
    if not families:
        return ["The journal names no candidate."]
    rows = []
    for family, origins in families.items():
        params = dict.fromkeys(name for trial in run.trials if trial.family == family for name in trial.params)
        searched = ", ".join(_code(name) for name in params) or "none"
        rows.append([escape(family), count_text(len(origins)), escape(", ".join(dict.fromkeys(origins))), searched])
    sentence = (
        "Baselines first, then every family's default, then points known to be good elsewhere, then a search. "
        "Ensembles are made of the candidates' out-of-fold predictions."
    )
    return [sentence, _table(["Family", "Candidates", "Origins", "Parameters"], rows)]


def _validation(run: RunFiles) -> list[str]:
    if run.splits is None:
        return ["There is no splits.json in this folder.", test_sentence(run)]
    return [split_sentence(run.splits), *map(escape, run.splits.notes), test_sentence(run)]


def _board_row(row: Row) -> list[str]:
    test = score_text(row.test)
    if row.test_low is not None and row.test_high is not None:
        test += f" ({score_text(row.test_low)} to {score_text(row.test_high)})"
    return [
        count_text(row.rank),
        escape(row.model),
        f"{score_text(row.cv_mean)} ± {score_text(row.cv_std, row.cv_mean)}",
        test,
        f"{count_text(row.folds_ok)}/{count_text(row.folds_asked)}",
        seconds_text(row.fit_seconds),
        seconds_text(row.predict_seconds_per_1000),
    ]


def _evaluation(run: RunFiles) -> list[str]:
    board = run.board
    told = [best_sentence(run), chosen_sentence(run), *map(comparison_sentence, comparisons(run))]
    parts = [" ".join(escape(sentence) for sentence in told if sentence)]
    if board.scored:
        heads = [
            "#",
            "Model",
            f"{escape(board.metric)}, CV ({direction(run)})",
            "Test",
            "Folds",
            "Fit",
            "Predict 1,000 rows",
        ]
        parts.append(_table(heads, map(_board_row, board.scored[:_MOST_ROWS])))
    if len(board.scored) > _MOST_ROWS:
        parts.append(f"{plural(len(board.scored) - _MOST_ROWS, 'more row')} in `leaderboard.csv`.")
    if board.unscored:
        parts.append(f"{plural(len(board.unscored), 'candidate')} without a score:")
        rows = ([escape(row.model), escape(row.status), escape(row.reason)] for row in board.unscored[:_MOST_FAILURES])
        parts.append(_table(["Model", "Status", "Reason"], rows))
    return parts


def _limits(run: RunFiles) -> list[str]:
    items = [
        "The best of many candidates by cross-validation is somewhat flattered by its own choice; "
        + ("the test score is not." if run.board.test != "none" else "here no test rows correct for that."),
        "Scores hold for rows like those of the dataset; later data may differ.",
        "Durations and memory are of the machine named below, with the threads that each fit was given.",
    ]
    if run.audit:
        grave = [one for one in run.audit if one.severity != "info"]
        items += [f"The audit warns: {escape(one.message)}" for one in grave]
    if run.board.unscored:
        items.append(f"{plural(len(run.board.unscored), 'candidate')} gave no score and could not be judged.")
    if not run.analysis:
        items.append("The best model's predictions were not analysed in this run.")
    return [_bullets(items)]


def _deployment(run: RunFiles) -> list[str]:
    return [
        "Predict with the shipped model, from the command line or from Python:",
        f"```sh\nbench predict {shlex.quote(run.folder)} DATA --output predictions.csv\n```",
        f"```python\nimport bench\n\nbench.load_run({run.folder!r}).predictor.predict(frame)\n```",
        "It lies in `predictor/`; `leaderboard.csv`, `leaderboard.json` and `report.html` hold the scores. "
        "Columns are found by name; missing ones are an error, further ones are left out.",
    ]


def _reproduction(run: RunFiles) -> list[str]:
    command = read.text(run.environment.get("command"))
    parts = [f"```sh\n{command}\n```" if command else "The command was not stored."]
    versions = read.mapping(run.environment.get("libraries"))
    if versions:
        parts.append(
            "With " + ", ".join(f"{escape(name)} {escape(value_text(value))}" for name, value in versions.items()) + "."
        )
    machine = [
        f"{key}: {escape(value_text(run.environment[key]))}"
        for key in ("bench", "python", "platform", "cpus", "gpus")
        if run.environment.get(key) is not None
    ]
    parts += [_bullets(machine)] if machine else []
    if run.data.fingerprint:
        parts.append(f"Fingerprint of the data: {_code(run.data.fingerprint)}.")
    if run.decisions:
        rows = ([escape(one.what), _code(one.option) if one.option else ""] for one in run.decisions)
        parts += ["Decided automatically:", _table(["Decision", "Overrule with"], rows)]
    return parts


_SECTIONS = (
    ("Problem", _problem),
    ("Data", _data),
    ("Design", _design),
    ("Training and validation", _validation),
    ("Evaluation", _evaluation),
    ("Limits", _limits),
    ("Deployment", _deployment),
    ("Reproduction", _reproduction),
)


def render_markdown(run: RunFiles) -> str:
    """Write the whole document."""
    parts = [f"# {escape(run.data.name)}"]
    for heading, section in _SECTIONS:
        parts += [f"## {heading}", *section(run)]
    return "\n\n".join(part for part in parts if part) + "\n"
