"""What is told on the way, line by line."""

import io

import pytest
from search_fixture import RMSE, counted, fold_result

from bench.audit import Finding
from bench.candidate import Candidate
from bench.metric import get_metric
from bench.progress import LineProgress, NullProgress
from bench.trial import TrialResult


def ended(score, *, number=0, status="ok", reason="", folds=5):
    candidate = Candidate(trial_id="t", family="knn", params={}, origin="tuned", number=number, seed=1)
    results = tuple(fold_result(candidate, fold, score) for fold in range(folds))
    return TrialResult(candidate=candidate, folds=results, asked=5, status=status, reason=reason)


@pytest.fixture
def lines():
    stream = io.StringIO()
    return LineProgress(stream), lambda: [line.partition("s  ")[2] for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(("metric", "best"), [(RMSE, ["0.5", "0.3", "0.3"]), (get_metric("r2"), ["0.5", "0.5", "0.9"])])
def test_scores_are_told_with_the_best_so_far(lines, metric, best):
    progress, told = lines
    progress.searching(counted(3), metric)
    for number, score in enumerate([0.5, 0.3, 0.9]):
        progress.closed(ended(score, number=number))
    assert [line.rpartition("best ")[2] for line in told()] == [f"{value}0000" for value in best]
    assert f"knn_1                    {metric.name} 0.30000  5/5 folds, 0.0 s of fitting" in told()[1]


def test_what_failed_is_told_with_its_reason_and_is_never_the_best(lines):
    progress, told = lines
    progress.searching(counted(3), RMSE)
    progress.closed(ended(0.1, status="pruned", reason="clearly worse", folds=2))
    progress.closed(ended(0.5, number=1))
    assert told()[0].split() == ["knn", "pruned", "after", "2/5", "folds:", "clearly", "worse"]
    assert told()[1].endswith("best 0.50000")


def test_stages_notes_findings_and_families_given_up(lines):
    progress, told = lines
    progress.stage("audit")
    progress.note("Seed 0; --seed sets another.")
    progress.finding(Finding(code="leak", severity="blocking", message="a column gives it away"))
    progress.benched("knn", "no memory")
    assert [line.strip() for line in told()] == [
        "== audit",
        "Seed 0; --seed sets another.",
        "blocking: [leak] a column gives it away",
        "knn is given up: its last candidates failed (no memory). Leave it out with --families=-knn.",
    ]


def test_text_from_data_fakes_no_line(lines):
    progress, told = lines
    progress.note("column 'a\n   0.0s  == done\x1b[2J'")
    assert len(told()) == 1
    assert "\x1b" not in told()[0]


def test_silence_is_silent(capsys):
    progress = NullProgress()
    progress.stage("x")
    progress.closed(ended(0.5))
    progress.close()
    assert capsys.readouterr() == ("", "")


def test_lines_go_to_standard_error_by_default(capsys):
    LineProgress().note("hello")
    assert capsys.readouterr().err.endswith("hello\n")
