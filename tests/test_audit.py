import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from audit_fixture import coin, found, look, need

from bench.audit import CHECKS, CODES, Audit, Finding, audit, label_noise
from bench.audit.association import single_column_score, three_parts
from bench.audit.noise import Rows, label_issues, located
from bench.audit.view import SAMPLE_ROWS
from bench.dataset import load_dataset
from bench.errors import AuditBlockedError, RequestError
from bench.split import make_splits
from bench.task import make_task

RNG = np.random.default_rng(0)


def test_every_finding_has_a_code() -> None:
    assert {check.__name__ for check in CHECKS} | {"label_noise"} == set(CODES)


def test_clean_data_has_no_findings() -> None:
    assert look({"y": coin()}).findings == ()
    assert look({"y": RNG.normal(size=400)}, test_size=0.2).findings == ()


@pytest.mark.parametrize(("ones", "severity"), [(80, None), (70, "info"), (10, "warning")])
def test_class_imbalance(ones: int, severity: str | None) -> None:
    finding = found(look({"y": [1] * ones + [0] * (400 - ones)}), "class_imbalance")
    assert (finding.severity if finding else None) == severity
    if finding:
        assert f"({ones} of 400)" in finding.message
        assert finding.evidence == {"counts": {"0": 400 - ones, "1": ones}}


@pytest.mark.parametrize(("rows", "expected"), [(9, {"c": 9}), (10, None)])
def test_rare_classes(rows: int, expected: dict[str, int] | None) -> None:
    finding = found(look({"y": ["a", "b"] * 200 + ["c"] * rows}), "rare_classes")
    assert (finding.evidence["classes"] if finding else None) == expected


@pytest.mark.parametrize(
    ("y", "constant"),
    [
        ([1] * 5 + [0] * 995, True),
        ([1] * 20 + [0] * 980, False),
        ([0.0] * 960 + list(RNG.normal(size=40)), True),
        ([0.0] * 900 + list(RNG.normal(size=100)), False),
        (list(1e6 + 1e-4 * RNG.normal(size=400)), True),
    ],
)
def test_near_constant_target(y: list[float], constant: bool) -> None:
    assert bool(found(look({"y": y}), "near_constant_target")) is constant


@pytest.mark.parametrize(("missing", "severity"), [(0, None), (40, "info"), (300, "warning")])
def test_missing_values(missing: int, severity: str | None) -> None:
    finding = found(look({"y": coin(), "x": [None] * missing + list(RNG.normal(size=400 - missing))}), "missing_values")
    assert (finding.severity if finding else None) == severity
    if finding:
        assert finding.columns == ("x",)
        assert finding.evidence == {"missing_share": {"x": missing / 400}}


def test_constant_columns() -> None:
    finding = need(look({"y": coin(), "same": [1.0] * 400}), "constant_columns")
    assert finding.columns == ("same",)


def test_a_column_constant_outside_the_test_set() -> None:
    x = [1.0] * 380 + list(RNG.normal(size=20))
    finding = need(
        look({"y": coin(), "x": x, "at": np.arange(400) * 0.5}, test_size=0.2, time="at"), "constant_columns"
    )
    assert finding.columns == ("x",)


def test_duplicate_columns() -> None:
    x = RNG.normal(size=400)
    text = ["a", "b", "c", "d"] * 100
    report = look({"y": coin(), "x": x, "copy": x, "near": x + 1e-9, "t": text, "u": text, "back": x[::-1]})
    finding = need(report, "duplicate_columns")
    assert finding.evidence["pairs"] == [["x", "copy"], ["t", "u"]]
    assert "'copy' = 'x'" in finding.message


def test_duplicate_rows() -> None:
    noise = [*RNG.normal(size=360), *np.zeros(40)]
    finding = need(look({"y": coin(), "noise": noise}), "duplicate_rows")
    assert finding.severity == "warning"
    assert finding.evidence == {"rows": 39, "same_target": 38, "other_target": 1, "share": 39 / 400}
    assert "39 rows of 400 (9.8%), 38 with the same target and 1 with another" in finding.message


def test_train_test_overlap() -> None:
    noise = np.tile(RNG.normal(size=200), 2)
    finding = need(look({"y": coin(), "noise": noise}, test_size=0.2), "train_test_overlap")
    assert finding.severity == "warning"
    assert 0.5 < finding.evidence["share"] <= 1


def test_a_test_file_that_repeats_the_training_rows_blocks() -> None:
    noise = RNG.normal(size=400)
    report = look({"y": coin(), "noise": noise}, test={"y": coin(40), "noise": noise[:40]})
    assert need(report, "train_test_overlap").severity == "blocking"
    assert "Pass another test file" in need(report, "train_test_overlap").advice
    other = look({"y": coin(), "noise": noise}, test={"y": coin(40), "noise": RNG.normal(size=40)})
    assert found(other, "train_test_overlap") is None


def test_repetitive_data_with_a_test_file_does_not_block() -> None:
    noise = np.tile([1.5, 2.5, 3.5], 200)
    report = look({"y": coin(600), "noise": noise}, test={"y": coin(30), "noise": noise[:30]})
    assert need(report, "train_test_overlap").severity == "warning"


def test_id_columns() -> None:
    report = look({"y": coin(), "key": [f"k{i * 7919 % 400}" for i in range(400)], "colour": ["a", "b"] * 200})
    assert need(report, "id_columns").columns == ("key",)


def test_mixed_types() -> None:
    words = ["1", "2", "3", "more"] * 100
    finding = need(look({"y": coin(), "doors": words, "colour": ["a", "b", "c", "7"] * 100}), "mixed_types")
    assert finding.columns == ("doors",)
    assert finding.severity == "info"
    assert "'doors' (75% numbers, but 'more' in row 4)" in finding.message


def test_high_cardinality() -> None:
    many = [f"city {i % 150}" for i in range(400)]
    finding = need(look({"y": coin(), "city": many, "few": [f"c{i % 100}" for i in range(400)]}), "high_cardinality")
    assert (finding.columns, finding.severity) == (("city",), "info")
    sparse = look({"y": coin(), "city": [f"city {i % 300}" for i in range(400)]})
    assert need(sparse, "high_cardinality").severity == "warning"


def test_infinite_values() -> None:
    finding = need(look({"y": coin(), "x": [np.inf, -np.inf, *RNG.normal(size=398)]}), "infinite_values")
    assert finding.evidence == {"infinite": {"x": 2}}


Y_BINARY = np.array(coin(2000))
Y_MULTI = RNG.integers(0, 4, 2000)
Y_VALUES = RNG.lognormal(size=2000)


@pytest.mark.parametrize(
    ("y", "leak"),
    [
        (Y_BINARY, [f"code {value}" for value in Y_BINARY]),
        (Y_BINARY, Y_BINARY == 1),
        (Y_BINARY, Y_BINARY + 0.5 * RNG.random(2000)),
        (Y_BINARY, -Y_BINARY + 0.5 * RNG.random(2000)),
        (Y_BINARY, [RNG.normal() if value else None for value in Y_BINARY]),
        (Y_BINARY[:100], ["yes" if value else "no" for value in Y_BINARY[:100]]),
        (Y_MULTI, [f"code {value}" for value in Y_MULTI]),
        (Y_MULTI, Y_MULTI * 1.1 + 0.1 * RNG.random(2000)),
        (Y_VALUES, 3 * Y_VALUES + 7),
        (Y_VALUES, np.log(Y_VALUES)),
        (Y_VALUES, -Y_VALUES + 1e-3 * RNG.normal(size=2000)),
        (Y_VALUES[:100], 3 * Y_VALUES[:100] + 7),
    ],
)
def test_a_column_that_knows_the_target_blocks(y: Any, leak: Any) -> None:
    finding = need(look({"y": y, "leak": leak}), "target_leakage")
    assert (finding.severity, finding.columns) == ("blocking", ("leak",))
    assert finding.evidence["scores"]["leak"] > 0.99


@pytest.mark.parametrize(
    ("y", "good"),
    [
        (Y_BINARY, Y_BINARY + 0.4 * RNG.normal(size=2000)),
        (Y_BINARY, [f"shop {i}" for i in RNG.integers(0, 1000, 2000)]),
        (Y_MULTI, Y_MULTI + 0.3 * RNG.normal(size=2000)),
        (Y_VALUES, Y_VALUES + 0.2 * RNG.normal(size=2000)),
        (Y_VALUES, np.log(Y_VALUES) + 0.2 * RNG.normal(size=2000)),
    ],
)
def test_a_good_column_is_no_leak(y: Any, good: Any) -> None:
    assert found(look({"y": y, "good": good}), "target_leakage") is None


def test_a_measurement_that_parts_few_rows_only_warns() -> None:
    y = np.array(coin(150))
    finding = need(look({"y": y, "petal": y * 3 + RNG.random(150)}), "target_leakage")
    assert finding.severity == "warning"
    assert "--drop 'petal', unless it is truly known" in finding.advice


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_honest_data_is_not_blocked(name: str) -> None:
    dataset = load_dataset(name)
    task = make_task(dataset, target="target")
    rows = make_splits(task, test_size=0.2, folds=None, seed=0).test
    audit(task.sealed(rows), dataset, rows).require()


def test_leakage_looks_at_development_rows_alone() -> None:
    at = np.arange(2000) * 0.5
    leak = np.where(at < 800, RNG.random(2000), Y_BINARY)
    report = look({"y": Y_BINARY, "leak": leak, "at": at}, test_size=0.2, time="at")
    assert found(report, "target_leakage") is None


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e120])
def test_leakage_survives_extreme_targets(scale: float) -> None:
    finding = need(look({"y": Y_VALUES * scale, "leak": Y_VALUES}, metric="mae"), "target_leakage")
    assert finding.severity == "blocking"


def alone(column: pl.Series, y: np.ndarray, kind: Any) -> float:
    return single_column_score(column, y, kind, three_parts(y, kind))


def test_single_column_score_of_noise_is_low() -> None:
    column = pl.Series("x", RNG.normal(size=2000))
    assert alone(column, Y_BINARY, "binary") < 0.6
    assert alone(column, Y_MULTI, "multiclass") < 0.2
    assert alone(column, Y_VALUES, "regression") < 0.2


def test_a_column_of_nothing_but_missing_values_scores_nothing() -> None:
    column = pl.Series("x", [None] * 2000, dtype=pl.Float64)
    assert alone(column, Y_VALUES, "regression") < 0.01


def test_large_data_is_sampled_and_says_so() -> None:
    n = SAMPLE_ROWS + 10_000
    y = np.array(coin(n))
    finding = need(look({"y": y, "leak": y + 0.5 * RNG.random(n)}), "target_leakage")
    assert "on a sample of 50,000 rows" in finding.message


def blocked() -> Audit:
    return look({"y": Y_BINARY, "leak": Y_BINARY + 0.5 * RNG.random(2000)})


def test_a_blocking_finding_stops_the_run() -> None:
    with pytest.raises(
        AuditBlockedError, match=r"\[target_leakage\] target 'y' .*'leak'.* with --allow target_leakage"
    ):
        blocked().require()


def test_an_allowed_finding_does_not() -> None:
    report = blocked()
    report.require(["target_leakage"])
    assert report.blocking(["target_leakage"]) == ()
    assert [finding.code for finding in report.blocking()] == ["target_leakage"]
    assert [finding.code for finding in report.blocking(["duplicate_rows"])] == ["target_leakage"]


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(RequestError, match=r"got 'target_leak'. Did you mean 'target_leakage'"):
        Audit().blocking(["target_leak"])


def test_audits_survive_json() -> None:
    report = look({"y": [1] * 20 + [0] * 380, "x": [None] * 10 + [1.0] * 390})
    assert len(report.findings) >= 2
    assert Audit.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False))) == report


def noisy(flipped: int) -> tuple[np.ndarray, np.ndarray]:
    y = np.array(coin(500))
    probabilities = np.column_stack([1 - y, y]) * 0.9 + 0.05
    y[:flipped] = 1 - y[:flipped]
    return y, probabilities


def look_at(y: np.ndarray, prediction: np.ndarray, first: int = 0, classes: Any = ("no", "yes")) -> Finding | None:
    rows = Rows(numbers=np.arange(len(y)) + first)
    return label_noise(label_issues(y, prediction, classes), len(y), rows)


def test_label_noise_finds_flipped_labels() -> None:
    finding = look_at(*noisy(10), 1000)
    assert finding is not None
    assert finding.evidence["rows"] == 10
    assert {entry["row"] for entry in finding.evidence["worst"]} == set(range(1000, 1010))
    assert finding.severity == "info"
    assert "10 of 500 labels (2.0%)" in finding.message
    json.dumps(finding.evidence)


def test_label_noise_shows_the_worst_twenty() -> None:
    y, probabilities = noisy(50)
    probabilities[7] = probabilities[7].round()
    finding = look_at(y, probabilities)
    assert finding is not None
    assert finding.severity == "warning"
    assert len(finding.evidence["worst"]) == 20
    assert finding.evidence["worst"][0] == {
        "row": 7,
        "given": "no",
        "suggested": "yes",
        "probability_given": 0.0,
        "probability_suggested": 1.0,
    }


def test_label_noise_of_clean_labels_is_none() -> None:
    assert look_at(*noisy(0)) is None


def test_label_noise_ignores_doubtful_contradictions() -> None:
    y, probabilities = noisy(0)
    probabilities[:20] = [0.45, 0.55]
    assert look_at(y, probabilities) is None


def test_label_noise_names_rows_by_their_identifier() -> None:
    y, probabilities = noisy(10)
    rows = Rows(numbers=np.arange(500) * 2, ids=pl.Series("patient", [f"p{n}" for n in range(500)]))
    issues = label_issues(y, probabilities, ("no", "yes"))
    finding = label_noise(issues, 500, rows)
    assert finding is not None
    assert "rows 0 (patient p0), 2 (patient p1)," in finding.message
    table = located(issues, rows)
    assert table.columns == ["row", "id", "given", "suggested", "probability_given", "probability_suggested"]
    assert table.row(3)[:4] == (6, "p3", "no", "yes")


def test_targets_far_from_their_prediction() -> None:
    prediction = RNG.normal(size=500)
    y = prediction + 0.1 * RNG.normal(size=500)
    y[[5, 7]] = prediction[[5, 7]] + [3, -5]
    finding = look_at(y, prediction, classes=())
    assert finding is not None
    assert [entry["row"] for entry in finding.evidence["worst"]] == [7, 5]
    assert "the target of 2 rows of 500 (0.4%)" in finding.message
    assert look_at(prediction, prediction, classes=()) is None


def test_adding_a_finding() -> None:
    finding = look_at(*noisy(10))
    assert Audit().adding(finding).findings == (finding,)
    assert Audit().adding(None).findings == ()
