"""What the audit finds of leaks that were planted, and what it says of tables in which nobody planted any.

    python tests/benchmarks/leaks.py DATA [--output tests/benchmarks/leaks.md]

DATA is a folder of NAME.parquet with NAME.yaml beside it, which holds the ``target`` and the ``task``. Six kinds of
leaks (the last two are forms of one) are planted in three rounds of five tables, each in five strengths from 1, which
is hardly one, to 5, which gives the target away. Tables are looked at as `bench check` does, with no row sealed. A leak
counts as found when a finding names the planted column, or, where rows are ordered by the target, tells so and did not
before.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from bench.audit import Audit, audit
from bench.dataset import load_dataset
from bench.task import make_task

#: Tables to plant in, with a seed each. The checks were changed after what the first two showed, never after the third.
ROUNDS = {
    "tuned": (("adult", "king_county_house_sales", "letter", "online_shoppers", "wine_quality"), 0),
    "second": (("bank_marketing", "california_housing", "heloc", "physicochemical_protein", "satimage"), 1),
    "third": (("car", "credit_default_taiwan", "diamonds", "electricity", "hr_analytics"), 2),
}
NOTES = {
    "tuned": "The first version missed 4 of the 29 leaks of strength 5 here: three means of a group and one of missing "
    "values. Both checks were changed after that, so these numbers flatter them.",
    "second": "Planted after that change, which found 28 of the 29 leaks of strength 5, and 3 of 4 means of a group at "
    "every strength: in heloc the mean was that of the other class. The check was then changed to try both.",
    "third": "Planted after both changes. Nothing was changed after these numbers were seen.",
}
LIMIT = (
    "All of this is what `bench check` sees, which seals no row. `bench run` seals a fifth: then a mean of a "
    "group is off for most groups: of 6,000 generated rows only the mean of 3 values was still found, not those "
    "of 10 and 30 values nor any of a binary target. The alarms below leave out what needs test rows, too: with a "
    "fifth sealed nothing blocks in any of the 25, but `near_duplicates` warns in 10, where columns that go "
    "together make rows alike by chance more often than it reckons."
)
STRENGTHS = (1, 2, 3, 4, 5)
MOST_ROWS = 20_000
NO_ROWS = np.empty(0, dtype=np.int64)
Plant = Callable[[pl.DataFrame, str, np.ndarray, int, np.random.Generator], pl.DataFrame]


def spread_out(frame: pl.DataFrame, target: str) -> np.ndarray:
    """The target as numbers of deviation 1: values, or codes of classes."""
    column = frame[target]
    numbers = column.cast(pl.Float64) if column.dtype.is_numeric() else column.cast(pl.String).rank("dense")
    values = numbers.to_numpy().astype(np.float64)
    return (values - values.mean()) / values.std()


def noisy_copy(
    frame: pl.DataFrame, target: str, y: np.ndarray, strength: int, rng: np.random.Generator
) -> pl.DataFrame:
    """The target with noise of 1, 0.3, 0.1, 0.03 and 0.003 deviations (of classes: of their distance)."""
    steps = np.diff(np.unique(y)).min() if len(np.unique(y)) < 100 else 1.0
    noise = (1.0, 0.3, 0.1, 0.03, 0.003)[strength - 1] * steps
    return frame.with_columns(planted=pl.Series(y + noise * rng.normal(size=len(y))))


def binned_copy(
    frame: pl.DataFrame, target: str, y: np.ndarray, strength: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Values: curved, in 3, 8, 20, 60 and all steps; classes: other names, 40, 20, 5, 1 and 0 % of them wrong."""
    if len(np.unique(y)) > 100:
        ranks = np.argsort(np.argsort(y)) / len(y)
        steps = (3, 8, 20, 60, len(y))[strength - 1]
        return frame.with_columns(planted=pl.Series(np.exp(3 * np.floor(ranks * steps) / steps)))
    codes = np.unique(y, return_inverse=True)[1]
    wrong = rng.random(len(y)) < (0.4, 0.2, 0.05, 0.01, 0.0)[strength - 1]
    codes = np.where(wrong, rng.integers(0, codes.max() + 1, len(y)), codes)
    return frame.with_columns(planted=pl.Series([f"k{code * 7919 % 1000}" for code in codes]))


def gaps(frame: pl.DataFrame, target: str, y: np.ndarray, strength: int, rng: np.random.Generator) -> pl.DataFrame:
    """Noise that is missing where the target is high (or of the commonest class), wrongly in 40, 20, 5, 1 and 0 %."""
    names, counts = np.unique(y, return_counts=True)
    high = y > np.median(y) if len(names) > 100 else y == names[counts.argmax()]
    wrong = rng.random(len(y)) < (0.4, 0.2, 0.05, 0.01, 0.0)[strength - 1]
    missing = pl.Series(high ^ wrong)
    return frame.with_columns(planted=pl.Series(rng.normal(size=len(y))).set(missing, None))


def row_order(frame: pl.DataFrame, target: str, y: np.ndarray, strength: int, rng: np.random.Generator) -> pl.DataFrame:
    """Rows sorted by the target, with noise of 3, 1, 0.3, 0.1 and 0 deviations."""
    noise = (3.0, 1.0, 0.3, 0.1, 0.0)[strength - 1]
    return frame[np.argsort(y + noise * rng.normal(size=len(y)), kind="stable")]


def entity(frame: pl.DataFrame, target: str, y: np.ndarray, strength: int, rng: np.random.Generator) -> pl.DataFrame:
    """The name of a thing with four rows of like targets, but for 80, 60, 30, 10 and 0 % of the rows."""
    order = np.argsort(y + 1e-6 * rng.normal(size=len(y)), kind="stable")
    mixed = np.flatnonzero(rng.random(len(y)) < (0.8, 0.6, 0.3, 0.1, 0.0)[strength - 1])
    order[mixed] = order[rng.permutation(mixed)]
    names = rng.permutation(len(y) // 4 + 1)
    codes = np.empty(len(y), dtype=np.int64)
    codes[order] = names[np.arange(len(y)) // 4]
    return frame.with_columns(planted=pl.Series([f"p{code:06}" for code in codes]))


def aggregate(frame: pl.DataFrame, target: str, y: np.ndarray, strength: int, rng: np.random.Generator) -> pl.DataFrame:
    """The target's mean over a random group of 500, 100, 30, 10 and 3 rows, the row itself among them."""
    size = (500, 100, 30, 10, 3)[strength - 1]
    group = rng.permutation(len(y)) // size
    value = (
        frame[target].cast(pl.Float64) if frame[target].dtype.is_numeric() else pl.Series(y > y.min()).cast(pl.Float64)
    )
    means = pl.DataFrame({"g": group, "v": value}).select(pl.col("v").mean().over("g"))["v"]
    return frame.with_columns(planted=means)


KINDS: dict[str, Plant] = {
    "copy with noise": noisy_copy,
    "curved, binned or renamed copy": binned_copy,
    "missing values": gaps,
    "order of rows": row_order,
    "entity of four rows": entity,
    "mean of a group with the row": aggregate,
}


def look(frame: pl.DataFrame, card: dict) -> Audit:
    """Audit a table as `bench check` does."""
    dataset = load_dataset(frame)
    task = make_task(dataset, target=card["target"], task=card["task"], positive_class=card.get("positive_class"))
    return audit(task, dataset, NO_ROWS)


def verdict(before: Audit, after: Audit, kind: str) -> str:
    """What the audit says of the leak: blocking, warning, info or nothing; by its gravest finding."""
    if kind == "order of rows":
        known = {finding.severity for finding in before.findings if finding.code == "row_order"}
        told = {f.severity for f in after.findings if f.code == "row_order"} - known
    else:
        leaks = ("leak", "aggregate", "straddling", "id_")
        told = {f.severity for f in after.findings if "planted" in f.columns and any(part in f.code for part in leaks)}
    return next((severity for severity in ("blocking", "warning", "info") if severity in told), "nothing")


def measure_leaks(data: Path, cards: dict[str, dict], tables: tuple[str, ...], seed: int) -> list[str]:
    """The detection curve as lines of markdown."""
    found: dict[tuple[str, int], list[str]] = defaultdict(list)
    for table in tables:
        card, frame = cards[table], pl.read_parquet(data / f"{table}.parquet")
        frame = frame.sample(min(MOST_ROWS, len(frame)), seed=0, shuffle=True)
        before = look(frame, card)
        y = spread_out(frame, card["target"])
        for kind, plant in KINDS.items():
            if kind == "mean of a group with the row" and card["task"] == "multiclass":
                continue
            for strength in STRENGTHS:
                planted = plant(frame, card["target"], y, strength, np.random.default_rng([seed, strength]))
                told = verdict(before, look(planted, card), kind)
                found[kind, strength].append(told)
                print(f"{table:26} {kind:32} {strength} {told}", flush=True)
    lines = ["| kind | " + " | ".join(f"strength {s}" for s in STRENGTHS) + " |", "|---|" + "---|" * len(STRENGTHS)]
    for kind in KINDS:
        cells = []
        for strength in STRENGTHS:
            told = found[kind, strength]
            counts = [f"{told.count(name)} {name}" for name in ("blocking", "warning", "info") if name in told]
            cells.append(f"{', '.join(counts) or 'none'} of {len(told)}")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    lines.append("")
    for name, fitting in (("blocking", ("blocking",)), ("warning or blocking", ("blocking", "warning"))):
        shares = []
        for strength in STRENGTHS:
            told = [each for (_, s), all_told in found.items() if s == strength for each in all_told]
            shares.append(f"{sum(each in fitting for each in told)} of {len(told)}")
        lines.append(f"Found as {name}, by strength: {', '.join(shares)}.")
    return lines


def measure_alarms(data: Path, cards: dict[str, dict]) -> list[str]:
    """What is said of the tables themselves, as lines of markdown."""
    lines = ["| table | rows | blocking | warnings |", "|---|---|---|---|"]
    blocked = 0
    for table, card in cards.items():
        frame = pl.read_parquet(data / f"{table}.parquet")
        found = look(frame, card)
        blocking = [finding.code for finding in found.findings if finding.severity == "blocking"]
        warned = [finding.code for finding in found.findings if finding.severity == "warning"]
        blocked += bool(blocking)
        print(f"{table:26} {blocking} {warned}", flush=True)
        lines.append(f"| {table} | {len(frame):,} | {', '.join(blocking) or 'none'} | {', '.join(warned) or 'none'} |")
    return [*lines, "", f"Tables with a blocking finding: {blocked} of {len(cards)}."]


def main() -> None:
    """Measure both and write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    asked = parser.parse_args()
    cards = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(asked.data.glob("*.yaml"))}
    leaks: list[str] = []
    for name, (tables, seed) in ROUNDS.items():
        leaks += [f"## Round: {name}", "", f"{', '.join(tables)}.", "", NOTES[name], ""]
        leaks += [*measure_leaks(asked.data, cards, tables, seed), ""]
    alarms = measure_alarms(asked.data, cards)
    kinds = [f"- {kind}: {(plant.__doc__ or '').splitlines()[0]}" for kind, plant in KINDS.items()]
    text = [
        "# Planted leaks",
        "",
        f"Written by `leaks.py`; {MOST_ROWS:,} shuffled rows of a table at most. The kinds, from strength 1 to 5:",
        "",
        *kinds,
        "",
        LIMIT,
        "",
        *leaks,
        "## The tables themselves",
        "",
        *alarms,
    ]
    asked.output.write_text("\n".join(text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
