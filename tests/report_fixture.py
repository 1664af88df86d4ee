"""Builds run folders as `bench run` leaves them, from seeded numbers, for the tests of the report."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bench.explain import analyse

FAMILIES = ("lightgbm", "xgboost", "catboost", "random_forest", "extra_trees", "tabm", "realmlp", "logistic", "knn")
SPACES: dict[str, dict[str, tuple[float, float, bool]]] = {
    "lightgbm": {
        "learning_rate": (0.005, 0.1, True),
        "num_leaves": (2, 200, True),
        "min_data_in_leaf": (1, 64, True),
        "feature_fraction": (0.4, 1.0, False),
        "bagging_fraction": (0.7, 1.0, False),
        "lambda_l2": (1e-4, 10.0, True),
    },
    "xgboost": {"learning_rate": (0.005, 0.1, True), "max_depth": (3, 10, False), "subsample": (0.6, 1.0, False)},
    "catboost": {"learning_rate": (0.01, 0.1, True), "depth": (4, 8, False), "l2_leaf_reg": (1, 5, False)},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """What the folder is to be like."""

    kind: str = "binary"
    name: str = "adult"
    classes: tuple[str, ...] = ("<=50K", ">50K")
    columns: tuple[str, ...] = ("age", "workclass", "education", "occupation", "capital_gain", "hours_per_week")
    tuned: int = 6
    folds: int = 5
    failed: int = 3
    test: str = "sealed"
    rows: int = 2000
    seed: int = 0


def _metric(shape: Shape) -> tuple[str, bool, tuple[str, ...]]:
    if shape.kind == "regression":
        return "rmse", False, ("mae", "r2")
    name = "roc_auc" if shape.kind == "binary" else "log_loss"
    return name, shape.kind == "binary", ("accuracy", "balanced_accuracy", "f1", "brier", "log_loss", "mcc")


def _base_score(shape: Shape, family: str) -> float:
    place = (*FAMILIES, "ensemble", "dummy").index(family)
    if shape.kind == "regression":
        return 48000.0 + 900.0 * place + (30000.0 if family == "dummy" else 0.0)
    if shape.kind == "multiclass":
        return 0.20 + 0.01 * place + (1.5 if family == "dummy" else 0.0)
    return 0.5 if family == "dummy" else 0.929 - 0.004 * place


def _params(family: str, draw: np.random.Generator) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, (low, high, log) in SPACES.get(family, {}).items():
        value = np.exp(draw.uniform(np.log(low), np.log(high))) if log else draw.uniform(low, high)
        params[name] = int(value) if low >= 1 else float(value)
    if family == "lightgbm":
        params["extra_trees"] = bool(draw.random() < 0.5)
        params["boosting"] = str(draw.choice(["gbdt", "dart"]))
    return params


def _candidates(shape: Shape, draw: np.random.Generator) -> list[dict[str, Any]]:
    found = [{"family": "dummy", "origin": "baseline", "number": 0, "params": {}}]
    for family in FAMILIES:
        for number in range(1 + (shape.tuned if family in SPACES else 1)):
            origin = "default" if number == 0 else "portfolio" if number == 1 else "tuned"
            found.append({"family": family, "origin": origin, "number": number, "params": _params(family, draw)})
    for number, entry in enumerate(found):
        entry["trial_id"] = f"{number:016x}"
        entry["name"] = entry["family"] + (f"_{entry['number']}" if entry["number"] else "")
    return found


def _journal(shape: Shape, draw: np.random.Generator, start: float) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [{"event": "session", "phase": "begin", "at": start, "worker": "", "workers": 2}]
    clocks = [0.0, 0.0]
    better = 1 if _metric(shape)[1] else -1
    for place, candidate in enumerate(_candidates(shape, draw)):
        events.append({"event": "candidate", **candidate})
        lane = int(np.argmin(clocks))
        base = _base_score(shape, candidate["family"])
        quality = base - better * abs(base) * 0.01 * abs(draw.normal()) + better * abs(base) * 0.0004 * place
        scores = []
        for fold in range(shape.folds):
            fit = float(draw.gamma(2.0, 0.8)) if candidate["family"] != "dummy" else 0.01
            clocks[lane] += fit + 0.05
            scores.append(float(quality + abs(base) * 0.003 * draw.normal()))
            end = {"finished_at": start + clocks[lane], "worker": f"worker-{lane}", "peak_memory_mb": 400.0 + fit}
            timing = {"fit_seconds": fit, "predict_seconds": 0.02, "status": "ok", "reason": "", "score": scores[-1]}
            span = {"name": "fit", "category": "fit", "start": end["finished_at"] - fit, "seconds": fit}
            told = {"trial_id": candidate["trial_id"], "fold": fold, "spans": [span]}
            events.append({"event": "fold", **told, **timing, **end})
        outcome = {"status": "ok", "reason": "", "score": float(np.mean(scores)), "seconds": clocks[lane]}
        events.append({"event": "trial", "trial_id": candidate["trial_id"], **outcome})
    search = {"name": "search", "category": "search", "start": start, "seconds": max(clocks)}
    load = {"name": "data", "category": "load", "start": start - 2.0, "seconds": 2.0}
    events += [{"event": "stage", **stage} for stage in (load, search)]
    for number in range(shape.failed):
        trial_id, reason = f"f{number:015x}", "pruned after fold 1: 0.8712 against 0.9201, chance of the lead 0.3 %"
        status = ("pruned", "timeout", "out_of_memory")[number % 3]
        candidate = {
            "trial_id": trial_id,
            "family": "knn",
            "origin": "tuned",
            "number": 7 + number,
            "params": {"k": number},
        }
        events.append({"event": "candidate", "name": f"knn_{7 + number}", **candidate})
        events.append(
            {"event": "trial", "trial_id": trial_id, "status": status, "reason": reason, "score": None, "seconds": 9.0}
        )
    return events


def _rows(shape: Shape, events: list[dict[str, Any]], draw: np.random.Generator) -> list[dict[str, Any]]:
    metric, greater, others = _metric(shape)
    names = {event["trial_id"]: event for event in events if event["event"] == "candidate"}
    rows = []
    for end in (event for event in events if event["event"] == "trial"):
        folds = [event for event in events if event["event"] == "fold" and event["trial_id"] == end["trial_id"]]
        scores = [fold["score"] for fold in folds]
        candidate = names[end["trial_id"]]
        ok = end["status"] == "ok"
        row = {"model": candidate["name"], "family": candidate["family"], "trial_id": end["trial_id"]}
        row |= {"status": end["status"], "reason": end["reason"], "folds_ok": len(folds), "folds_asked": shape.folds}
        row |= {"cv_mean": end["score"], "cv_std": float(np.std(scores)) if ok else None}
        row |= {
            "fit_seconds": sum(fold["fit_seconds"] for fold in folds),
            "predict_seconds": 0.02,
            "predict_seconds_per_1000": 0.004,
            "peak_memory_mb": 512.0,
        }
        rows.append(row | _test_scores(shape, end["score"], metric, others, draw))
    best = (max if greater else min)(row["cv_mean"] for row in rows if row["cv_mean"] is not None)
    for name, factor in (("ensemble", 1.004), ("ensemble_stack", 1.003)):
        score = best * (factor if greater else 2 - factor)
        row = {
            "model": name,
            "family": "ensemble",
            "trial_id": "",
            "status": "ok",
            "reason": "",
            "folds_ok": shape.folds,
        }
        row |= {"folds_asked": shape.folds, "cv_mean": score, "cv_std": abs(score) * 0.002}
        row |= {
            "fit_seconds": 61.0,
            "predict_seconds": 0.31,
            "predict_seconds_per_1000": 0.062,
            "peak_memory_mb": 1900.0,
        }
        rows.append(row | _test_scores(shape, score, metric, others, draw))
    rows.sort(key=lambda row: (row["cv_mean"] is None, (-1 if greater else 1) * (row["cv_mean"] or 0.0)))
    for rank, row in enumerate(rows):
        row["rank"] = rank + 1 if row["cv_mean"] is not None else None
    return rows


def _test_scores(
    shape: Shape, score: float | None, metric: str, others: tuple[str, ...], draw: np.random.Generator
) -> dict[str, Any]:
    tested = shape.test != "none" and score is not None
    test = score * (1 + 0.004 * draw.normal()) if tested and score is not None else None
    found: dict[str, Any] = {"test": test, "test_low": None, "test_high": None}
    if test is not None:
        found |= {"test_low": test - abs(test) * 0.006, "test_high": test + abs(test) * 0.006}
    for name in (metric, *others):
        found[f"cv_{name}"] = score if name == metric else None if score is None else float(draw.uniform(0.5, 0.95))
        found[f"test_{name}"] = test if name == metric else None if test is None else float(draw.uniform(0.5, 0.95))
    return found


def _analysis(shape: Shape, rows: list[dict[str, Any]], draw: np.random.Generator) -> dict[str, Any]:
    def one(count: int) -> dict[str, Any]:
        if shape.kind == "regression":
            true = draw.lognormal(12, 0.4, count)
            return analyse(true, true * draw.normal(1, 0.12, count), kind="regression")
        n_classes = len(shape.classes)
        weights = np.linspace(3, 1, n_classes)
        y = draw.choice(n_classes, size=count, p=weights / weights.sum())
        logits = draw.normal(0, 1, (count, n_classes))
        logits[np.arange(count), y] += 2.2
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        kind = "binary" if shape.kind == "binary" else "multiclass"
        return analyse(y, probabilities, kind=kind, classes=shape.classes)

    members = [row["model"] for row in rows if row["family"] not in ("ensemble", "dummy") and row["cv_mean"]][:6]
    weights = np.sort(draw.dirichlet(np.ones(len(members))))[::-1]
    weighted = [{"model": model, "weight": float(weight)} for model, weight in zip(members, weights, strict=True)]
    importance = [
        {"column": name, "mean": float(draw.gamma(1, 0.01)) - 0.002, "std": 0.001, "repeats": 5}
        for name in shape.columns
    ]
    return {
        "model": rows[0]["model"],
        "oof": one(shape.rows),
        "test": one(shape.rows // 4) if shape.test != "none" else None,
        "importance": importance,
        "importance_metric": _metric(shape)[0],
        "ensembles": {"ensemble": {"members": weighted}, "ensemble_stack": {"members": weighted[:3]}},
    }


def _dataset(shape: Shape, draw: np.random.Generator) -> dict[str, Any]:
    kinds = ("numeric", "categorical", "boolean", "datetime", "text", "constant", "id")
    columns = [
        {
            "name": name,
            "kind": kinds[place % len(kinds)],
            "dtype": "Float64" if place % 2 else "String",
            "why": "87 distinct values, all numbers",
            "n_missing": int(draw.integers(0, shape.rows // 3)) if place % 3 == 0 else 0,
            "n_unique": int(draw.integers(2, shape.rows)),
        }
        for place, name in enumerate(shape.columns)
    ]
    found = {
        "name": shape.name,
        "source": f"datasets/{shape.name}.parquet",
        "fingerprint": "4c1f0a9e77d2b3a6",
        "n_rows": shape.rows,
        "n_features": len(shape.columns),
        "target": "income",
        "task": shape.kind,
        "task_why": "the target has 2 distinct labels",
        "metric": _metric(shape)[0],
        "greater_is_better": _metric(shape)[1],
        "classes": list(shape.classes) if shape.kind != "regression" else [],
        "columns": columns,
        "notes": ["'?' was read as missing in 3 columns."],
    }
    if shape.kind == "regression":
        return found | {
            "target_summary": {"minimum": 12000.0, "25 %": 88000.5, "median": 161000.0, "maximum": 755000.0}
        }
    weights = np.linspace(3, 1, len(shape.classes))
    counts = (weights / weights.sum() * shape.rows).astype(int)
    return found | {"class_counts": dict(zip(shape.classes, counts.tolist(), strict=True))}


def _environment(shape: Shape) -> dict[str, Any]:
    return {
        "python": "3.11.9",
        "platform": "Linux-6.1-x86_64",
        "cpus": 8,
        "memory_bytes": 33_554_432_000,
        "gpus": [],
        "libraries": {"lightgbm": "4.7.0", "xgboost": "3.2.0", "scikit-learn": "1.9.1", "torch": "2.13.0"},
        "command": f"bench run --dataset {shape.name} --metric {_metric(shape)[0]} --budget 10m --seed 0",
        "started_at": "2026-11-22T10:15:00+00:00",
        "bench": "0.1.0",
    }


def _setting(shape: Shape) -> dict[str, Any]:
    fold = {"train": int(shape.rows * 0.64), "valid": int(shape.rows * 0.16), "repeat": 0}
    findings = [
        (
            "target_leak",
            "blocking",
            f"{shape.columns[0]!r} alone predicts the target with ROC AUC 0.9991.",
            {"roc_auc": 0.9991},
        ),
        ("imbalance", "warning", "The rarest class has 24.1 % of the rows.", {"share": 0.241}),
        ("duplicate_rows", "info", "52 rows occur more than once.", {"rows": 52, "examples": [3, 17, 211]}),
    ]
    return {
        "audit.json": {
            "findings": [
                {
                    "code": code,
                    "severity": severity,
                    "columns": [shape.columns[0]],
                    "message": message,
                    "evidence": evidence,
                }
                for code, severity, message, evidence in findings
            ]
        },
        "splits.json": {
            "strategy": "stratified",
            "test_rows": 0 if shape.test == "none" else shape.rows // 5,
            "folds": [fold] * shape.folds,
            "fingerprint": "91b4c2d0aa10ffee",
            "notes": ["Duplicate rows are kept on the same side of every split."],
        },
        "environment.json": _environment(shape),
        "decisions.json": [
            {"what": "5 folds, for 2 000 rows", "option": "--folds"},
            {"what": "20 % of the rows sealed as a test set", "option": "--test-size"},
        ],
    }


def write_run(folder: Path, shape: Shape | None = None) -> Path:
    """Write every file a report is drawn from, and return the folder."""
    shape = shape or Shape()
    draw = np.random.default_rng(shape.seed)
    folder.mkdir(parents=True, exist_ok=True)
    metric, greater, _ = _metric(shape)
    events = _journal(shape, draw, start=1.79e9)
    rows = _rows(shape, events, draw)
    board = {"schema": 1, "metric": metric, "greater_is_better": greater, "test": shape.test, "rows": rows}
    documents = _setting(shape) | {
        "dataset.json": _dataset(shape, draw),
        "leaderboard.json": board,
        "analysis.json": _analysis(shape, rows, draw),
    }
    for name, content in documents.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    spec = {"dataset": shape.name, "metric": metric, "budget_seconds": 600, "seed": 0, "test_size": 0.2}
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return folder
