import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import polars as pl
import pytest
from conftest import table
from rich.console import Console
from spies import candidate

from bench import engine
from bench.audit import Finding
from bench.budget import Plan
from bench.cli.show import print_board, print_outcome
from bench.cli.terminal import TerminalProgress, progress_for
from bench.errors import BenchError
from bench.family import discover
from bench.leaderboard import HEAD, Leaderboard
from bench.metric import METRICS
from bench.presets import PRESETS
from bench.progress import LineProgress, NullProgress
from bench.resources import Deadline
from bench.trial import FoldResult, TrialResult

ENTRY = [sys.executable, "-c", "from bench.cli import main; main()"]
CHEAP = ("--families", "linear,decision_tree", "--trials", "4", "--folds", "2", "--engine", "local", "--no-track")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory with ``data.csv`` in it."""
    monkeypatch.setattr("bench.wrap_up._IMPORTANCE_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)
    table("binary").write_csv(tmp_path / "data.csv")
    return tmp_path


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    path = tmp_path_factory.mktemp("leaky") / "leaky.csv"
    table("binary").with_columns(copy=pl.col("y") + "!").write_csv(path)
    return path


def run(cli, *words, data="data.csv"):
    return cli("run", "--dataset", data, "--target", "y", *CHEAP, *words)


# --- start-up --------------------------------------------------------------------------------------------------------

HEAVY = {"ray", "mlflow", "torch", "sklearn", "xgboost", "lightgbm", "catboost", "pandas", "polars", "numpy", "optuna"}


@pytest.mark.parametrize("words", ["", "--help", "run --help", "--version", "list --help"])
def test_start_up_loads_nothing_heavy(words):
    code = f"""
import atexit, sys
sys.argv = ["bench", *{words.split()!r}]
atexit.register(lambda: print(sorted({HEAVY!r} & set(sys.modules)), "rich" in sys.modules, file=sys.stderr))
from bench.cli import main
main() if sys.argv[1:] else None
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stderr.startswith("[]"), told.stderr


def test_version_is_that_of_the_package(cli):
    from importlib.metadata import version

    told = cli("--version")
    assert (told.code, told.out) == (0, f"bench {version('automl-bench')}\n")


@pytest.mark.parametrize(
    "verb",
    [
        "run",
        "predict",
        "leaderboard",
        "report",
        "check",
        "card",
        "fetch",
        "list",
        "doctor",
        "deploy",
        "submit",
        "status",
        "stop",
    ],
)
def test_every_verb_explains_itself(cli, verb):
    told = cli(verb, "--help")
    assert told.code == 0
    assert f"bench {verb}" in told.out
    assert told.err == ""


def test_help_tells_defaults_and_groups_options(cli):
    told = cli("run", "--help").out
    assert "[default: 5m]" in told
    places = [told.index(panel) for panel in ("What is predicted", "Search", "Splits", "Machine", "Output")]
    assert places == sorted(places)


def test_unknown_flag_is_a_usage_error(cli):
    told = cli("run", "--tirals", 3)
    assert told.code == 2
    assert told.out == ""
    assert "--tirals" in told.err
    assert "--trials" in told.err


# --- run -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [False, True])
def test_another_row_than_the_first_that_predicts_is_told(binary, capsys, monkeypatch, other):
    name = binary.ranked[int(other)]["model"]
    monkeypatch.setattr(type(binary.run), "default_model", name)
    print_outcome(binary.run)
    assert (f"predicts by default: {name}" in capsys.readouterr().err) == other


def test_results_go_to_stdout_and_messages_to_stderr(cli, place):
    told = run(cli, "--output", "out")
    assert told.code == 0
    assert told.out.startswith("roc_auc (higher is better); ranked by cross-validation; test: sealed rows")
    for model in ("decision_tree", "linear", "ensemble_greedy"):
        assert model in told.out
    assert "best: " not in told.out
    for message in (
        "== search",
        "best: ",
        "best baseline: ",
        "report:  ",
        f"predict: bench predict {place / 'out'} DATA",
    ):
        assert message in told.err
    assert "\x1b" not in told.out + told.err
    environment = json.loads((place / "out" / "environment.json").read_text())
    assert environment["command"].startswith("bench run --dataset data.csv --target y --families linear,decision_tree")


def test_json_on_stdout_is_the_board_and_nothing_else(cli, place):
    told = run(cli, "--output", "out", "--json")
    document = json.loads(told.out)
    assert document["schema"] == 1
    assert document == json.loads((place / "out" / "leaderboard.json").read_text())
    assert {"metric", "greater_is_better", "task", "test", "rows"} <= document.keys()


def test_quiet_says_nothing_but_the_board(cli, place):
    told = run(cli, "--output", "out", "--quiet")
    assert told.err == ""
    assert "ensemble_greedy" in told.out


def test_same_command_again_answers_at_once(cli, place, monkeypatch):
    first = run(cli, "--output", "out", "--json")
    monkeypatch.setattr(engine, "run_fold", None)
    second = run(cli, "--output", "out", "--json")
    assert second.out == first.out
    assert "This run is complete" in second.err


def test_config_gives_settings_and_flags_win(cli, place):
    (place / "run.yaml").write_text(
        "dataset: data.csv\ntarget: y\nfamilies: [decision_tree, dummy]\nbudget: 10m\ntest-size: 0.3\n"
        "folds: 2\nengine: local\nno-track: true\nseed: 5\nmetric: accuracy\noutput: out\nquiet: true\n"
    )
    told = cli("run", "--config", "run.yaml", "--trials", 3, "--metric", "log_loss", "--json")
    assert told.code == 0, told.err
    assert told.err == ""
    spec = (place / "out" / "spec.yaml").read_text()
    for line in ("metric: log_loss", "trials: 3", "seed: 5", "test_size: 0.3", "- decision_tree", "track: false"):
        assert line in spec
    assert "budget" not in spec
    assert json.loads(told.out)["metric"] == "log_loss"


def test_written_request_starts_the_same_run(cli, place):
    first = run(cli, "--output", "out", "--json", "--test-size", 0.3, "--seed", 3)
    second = cli("run", "--config", "out/spec.yaml", "--output", "again", "--json")
    assert second.code == 0, second.err
    rows = [json.loads(told.out)["rows"] for told in (first, second)]
    assert [row["trial_id"] for row in rows[0]] == [row["trial_id"] for row in rows[1]]
    assert [row["cv_mean"] for row in rows[0]] == [row["cv_mean"] for row in rows[1]]


def test_blocked_run_names_the_flag_that_lets_it_go_on(cli, place, leaky):
    told = run(cli, "--output", "out", data=leaky)
    assert told.code == 2
    assert told.out == ""
    assert "[target_leakage]" in told.err
    assert "--allow target_leakage" in told.err
    assert run(cli, "--output", "out", "--allow", "target_leakage", data=leaky).code == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["interrupt", "terminate"]
)
@pytest.mark.parametrize("after", [0, 2])
def test_signal_ends_the_search_and_still_shows_what_is_finished(cli, place, monkeypatch, number, code, after):
    """``after`` counts the candidates that are finished by then; with none there is nothing to show."""
    original = engine.do
    done = []

    def work(item, problem, allotment):
        if len({one.candidate.trial_id for one in done}) == after:
            signal.raise_signal(number)
        done.append(item)
        return original(item, problem, allotment)

    monkeypatch.setattr(engine, "do", work)
    before = signal.getsignal(number)
    told = run(cli, "--output", "out", "--json")
    assert told.code == code, told.err
    assert "stopping; a board of what is finished follows" in told.err
    assert "Traceback" not in told.err
    assert signal.getsignal(number) == before
    assert not (place / "out" / "DONE").exists()
    if after:
        whole = [row for row in json.loads(told.out)["rows"] if row["status"] == "ok" and row["origin"] != "ensemble"]
        assert len(whole) >= 1
        monkeypatch.undo()
        monkeypatch.chdir(place)
        again = run(cli, "--output", "out", "--json")
        assert again.code == 0
        assert len(json.loads(again.out)["rows"]) > len(whole)


def test_signal_before_the_search_is_no_failure_of_the_run(cli, place, monkeypatch):
    start = engine.LocalEngine.start

    def interrupted(self):
        signal.raise_signal(signal.SIGINT)
        start(self)

    monkeypatch.setattr(engine.LocalEngine, "start", interrupted)
    told = run(cli, "--output", "out")
    assert told.code == 130
    assert "stopped before there was anything to report; the same command goes on." in told.err


def test_unexpected_error_is_told_without_a_traceback(cli, place, monkeypatch):
    def broken(*parts, **rest):
        raise ZeroDivisionError("a bug\x1b[31m")

    monkeypatch.setattr("bench.spine.make_splits", broken)
    told = run(cli)
    assert told.code == 1
    assert (
        "bench failed unexpectedly: ZeroDivisionError: a bug\\x1b[31m. BENCH_DEBUG=1 shows the traceback." in told.err
    )
    assert "Traceback" not in told.err
    monkeypatch.setenv("BENCH_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(cli)


def test_error_ends_with_the_code_of_its_kind(cli, monkeypatch, place):
    def broken(*parts, **rest):
        raise BenchError("it must hold.")

    monkeypatch.setattr("bench.spine.make_splits", broken)
    told = run(cli)
    assert (told.code, told.out) == (1, "")
    assert told.err.endswith("error: it must hold.\n")


# --- progress --------------------------------------------------------------------------------------------------------


def through(progress, *, timed):
    """A search in which one candidate goes well, one is cut off and a family is given up."""
    good = replace(candidate("knn"), origin="default")
    slow = replace(candidate("linear"), number=1, trial_id="slow")
    limit = 60.0 if timed else None
    spending = Plan(
        slots=1,
        trials=None if timed else 2,
        search=Deadline(limit),
        total=Deadline(limit),
        window_seconds=limit or 0.0,
    )
    fold = FoldResult(trial_id="knn-7", fold=0, status="ok", score=1.25, scores={})
    progress.stage("search")
    progress.note("A decision; --option overrules it.\x1b[31m")
    progress.finding(Finding(code="missing_values", severity="warning", message="b lacks 3 values."))
    progress.searching(spending, METRICS["rmse"])
    for one in (good, slow):
        progress.opened(one)
    progress.folded(fold)
    progress.closed(TrialResult(candidate=good, folds=(fold,), asked=1, status="ok"))
    progress.closed(TrialResult(candidate=slow, folds=(), asked=1, status="timeout", reason="not in time"))
    progress.benched("linear", "not in time")


@pytest.mark.parametrize("timed", [True, False])
def test_live_display_shows_what_is_known_and_takes_itself_away(timed):
    drawn = io.StringIO()
    progress = TerminalProgress(Console(file=drawn, force_terminal=True, width=160, color_system=None))
    through(progress, timed=timed)
    time.sleep(0.3)
    frame = Console(file=io.StringIO(), width=160)
    frame.print(progress._draw())
    progress.close()
    shown = frame.file.getvalue()
    assert "search" in shown
    assert ("s left" in shown) == timed
    assert "1 done, 0 running, 0 pruned, 1 failed; 1 folds" in shown
    assert "best rmse" in shown
    assert "1.25" in shown
    for kept in (
        "A decision; --option overrules it.\\x1b[31m",
        "[missing_values] b lacks 3 values.",
        "linear is given up",
    ):
        assert kept in drawn.getvalue()
    assert "\x1b[31m" not in drawn.getvalue()


def test_lines_say_the_same_where_nothing_can_be_drawn():
    told = io.StringIO()
    through(LineProgress(told), timed=False)
    for line in (
        "== search",
        "A decision; ",
        "warning: [missing_values]",
        "knn ",
        "rmse 1.25000  1/1 folds",
        "best 1.25",
    ):
        assert line in told.getvalue()
    assert "linear_1                 timeout after 0/1 folds: not in time" in told.getvalue()
    assert "\x1b" not in told.getvalue()


@pytest.mark.parametrize(
    ("terminal", "term", "quiet", "kind"),
    [
        (True, "xterm", False, TerminalProgress),
        (True, "dumb", False, LineProgress),
        (False, "xterm", False, LineProgress),
        (True, "xterm", True, NullProgress),
    ],
)
def test_display_fits_where_messages_go(monkeypatch, terminal, term, quiet, kind):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    with progress_for(quiet=quiet) as progress:
        assert type(progress) is kind


# --- boards ----------------------------------------------------------------------------------------------------------


def test_leaderboard_prints_what_the_run_did(cli, binary):
    told = cli("leaderboard", binary.folder)
    assert told.err == ""
    first = binary.ranked[0]
    line = next(line for line in told.out.splitlines() if "│ 1 " in line or "│    1 " in line)
    assert first["model"] in line
    assert f"{first['cv_mean']:.5g}" in line
    assert f"{first['test']:.5g} [{first['test_low']:.5g}, {first['test_high']:.5g}]" in line
    assert f"{first['folds_ok']}/{first['folds_asked']}" in line


def test_leaderboard_as_json_and_csv(cli, binary):
    document = json.loads(cli("leaderboard", binary.folder, "--json").out)
    assert document == binary.run.board.to_dict()
    rows = list(csv.DictReader(io.StringIO(cli("leaderboard", binary.folder, "--csv").out)))
    assert [row["model"] for row in rows] == binary.frame["model"].to_list()
    assert [float(row["cv_mean"]) for row in rows] == binary.frame["cv_mean"].to_list()
    both = cli("leaderboard", binary.folder, "--csv", "--json")
    assert (both.code, both.out) == (2, "")


def test_leaderboard_by_another_metric(cli, binary, tmp_path):
    told = cli("leaderboard", binary.folder, "--metric", "log_loss", "--json")
    document = json.loads(told.out)
    scores = [row["cv_mean"] for row in document["rows"] if row["rank"] is not None]
    assert (document["metric"], scores) == ("log_loss", sorted(scores))


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_leaves_no_escape_codes(binary, no_color):
    environment = os.environ | {"FORCE_COLOR": "1", "NO_COLOR": no_color}
    told = subprocess.run(
        [*ENTRY, "leaderboard", str(binary.folder)], env=environment, capture_output=True, text=True, check=True
    )
    assert ("\x1b" in told.stdout) == (not no_color)


def test_reader_that_closes_early_is_no_error():
    command = subprocess.list2cmdline([*ENTRY[:2]]) + " 'from bench.cli import main; main()' list metrics"
    told = subprocess.run(["bash", "-c", f"{command} | head -n 1"], capture_output=True, text=True, check=True)
    assert told.stderr == ""


def board(*rows):
    filled = [dict.fromkeys(HEAD) | {"trial_id": "", "origin": "tuned", "reason": ""} | row for row in rows]
    frame = pl.DataFrame(filled, schema=HEAD | dict.fromkeys(("trial_id", "origin", "reason"), pl.String))
    return Leaderboard(frame=frame, metric="rmse", greater_is_better=False, kind="regression", test="none")


def test_failures_are_counted_and_nothing_in_them_reaches_the_terminal_raw(capsys):
    bad = {"status": "error", "model": "a\x1b[2J", "reason": "boom\r\n\x07", "folds_ok": 0, "folds_asked": 2}
    pruned = {"status": "pruned", "model": "b", "folds_ok": 1, "folds_asked": 2}
    print_board(board(bad, pruned, pruned))
    out = capsys.readouterr().out
    assert "not ranked: 1 error, 2 pruned" in out
    assert "a\\x1b[2J: boom\\r\\n\\x07" in out
    assert "\x1b" not in out
    assert "test" not in out.splitlines()[1]


def test_long_boards_are_cut_to_the_best_few_of_every_kind(capsys):
    row = {"status": "ok", "cv_mean": 1.0, "folds_ok": 2, "folds_asked": 2, "fit_seconds": 0.1, "predict_seconds": 0.1}
    rows = [row | {"rank": n, "model": f"m{n}", "family": "linear", "peak_memory_mb": 1.0} for n in range(1, 41)]
    rows[29]["family"] = rows[34]["family"] = "knn"
    for place in (36, 38):
        rows[place] |= {"family": "ensemble", "origin": "ensemble"}
    print_board(board(*rows))
    out = capsys.readouterr().out
    shown = [int(number) for number in re.findall(r"\bm(\d+)\b", out)]
    assert shown == [1, 2, 3, 30, 35, 37, 39]
    assert "and 33 more, in leaderboard.csv" in out


def test_boards_of_many_families_keep_the_best_of_each(capsys):
    row = {"status": "ok", "cv_mean": 1.0, "folds_ok": 2, "folds_asked": 2, "fit_seconds": 0.1, "predict_seconds": 0.1}
    rows = [row | {"rank": n, "model": f"m{n}", "family": f"f{n % 20}", "peak_memory_mb": 1.0} for n in range(1, 61)]
    print_board(board(*rows))
    shown = [int(number) for number in re.findall(r"\bm(\d+)\b", capsys.readouterr().out)]
    assert shown == list(range(1, 26))


# --- the other verbs -------------------------------------------------------------------------------------------------


def test_boolean_labels_are_spelled_in_predictions_as_in_the_names_of_columns(cli, place):
    table("binary").with_columns(y=pl.col("y") == "yes").write_csv(place / "flags.csv")
    assert run(cli, "--output", "out", "--quiet", data="flags.csv").code == 0
    assert cli("predict", "out", "flags.csv", "--output", "told.csv").code == 0
    rows = list(csv.DictReader(io.StringIO((place / "told.csv").read_text())))
    assert list(rows[0]) == ["prediction", "probability_False", "probability_True"]
    assert all(float(row[f"probability_{row['prediction']}"]) >= 0.5 for row in rows)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_predictions_are_written(cli, binary, tmp_path, suffix):
    binary.test_features.write_csv(tmp_path / "rows.csv")
    told = cli("predict", binary.folder, tmp_path / "rows.csv", "--output", tmp_path / f"told{suffix}")
    assert (told.code, told.out) == (0, "")
    readers = {".csv": pl.read_csv, ".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson}
    written = readers[suffix](tmp_path / f"told{suffix}")
    assert written.equals(binary.run.predictor.predict_frame(binary.test_features))
    assert written.columns == ["prediction", "probability_benign", "probability_malignant"]
    default = binary.run.predictor.default
    assert told.err == f"{written.height} predictions of {default}: {tmp_path / f'told{suffix}'}\n"


def test_predictions_of_a_named_model_and_what_was_assumed(cli, binary, tmp_path):
    rows = binary.test_features.with_columns(extra=pl.lit(1))
    rows.write_parquet(tmp_path / "rows.parquet")
    output = tmp_path / "told.parquet"
    told = cli("predict", binary.folder, tmp_path / "rows.parquet", "--output", output, "--model", "ensemble_stack")
    assert "columns 'extra' are not used and were left out" in told.err
    assert "predictions of ensemble_stack" in told.err
    expected = binary.run.predictor.predict_frame(binary.test_features, "ensemble_stack")
    assert pl.read_parquet(output).equals(expected)


def test_model_that_is_fitted_again_is_told(cli, multiclass, tmp_path):
    import shutil

    shutil.copytree(multiclass.folder, tmp_path / "run")
    multiclass.test_features.write_csv(tmp_path / "rows.csv")
    kept = set(multiclass.run.predictor.models)
    told = [
        cli(
            "predict",
            tmp_path / "run",
            tmp_path / "rows.csv",
            "--output",
            tmp_path / "told.csv",
            "--model",
            row["model"],
        )
        for row in multiclass.ranked
        if row["model"] not in kept
    ]
    assert {each.code for each in told} == {0}
    assert any("was fitted again" in each.err for each in told)


def test_report_is_drawn_anew(cli, binary, tmp_path):
    import shutil

    shutil.copytree(binary.folder, tmp_path / "run")
    for name in ("report.html", "report.md"):
        (tmp_path / "run" / name).unlink()
    told = cli("report", tmp_path / "run")
    assert (told.code, told.out, told.err) == (0, f"{tmp_path / 'run' / 'report.html'}\n", "")
    assert (tmp_path / "run" / "report.md").read_text().startswith("#")


def test_check_tells_columns_and_findings(cli, place):
    told = cli("check", "data.csv", "--target", "y")
    assert told.code == 0
    assert "data: 120 rows, 4 columns" in told.out
    assert "colour" in told.out
    assert told.err.endswith("as the second of 'no' and 'yes'; --positive-class overrules this.\n")


def test_check_fails_on_a_leak(cli, leaky):
    told = cli("check", leaky, "--target", "y")
    assert told.code == 1
    assert "target_leakage" in told.out
    document = json.loads(cli("check", leaky, "--target", "y", "--json").out)
    assert document["schema"] == 1
    assert document["findings"][0]["severity"] == "blocking"
    assert document["findings"][0]["columns"] == ["copy"]


def test_lists_hold_what_there_is(cli, binary):
    families = cli("list", "families")
    assert all(name in families.out for name in discover())
    metrics = cli("list", "metrics")
    assert all(name in metrics.out for name in METRICS)
    datasets = cli("list", "datasets")
    assert all(name in datasets.out for name in ("iris", "adult", "diabetes"))
    presets = cli("list", "presets")
    assert all(name in presets.out for name in PRESETS)
    assert {told.code for told in (families, metrics, datasets, presets)} == {0}
    assert {told.err for told in (families, metrics, datasets, presets)} == {""}


def test_runs_are_listed_with_their_best(cli, binary, tmp_path):
    told = cli("list", "runs", binary.folder.parent)
    assert told.code == 0
    assert "binary" in told.out
    assert "complete" in told.out
    assert binary.ranked[0]["model"] in told.out
    empty = cli("list", "runs", tmp_path)
    assert (empty.code, empty.out, empty.err) == (0, "", f"there are no runs below {tmp_path}.\n")


def test_doctor_looks_without_ray(cli, place):
    told = cli("doctor", "--no-ray")
    assert told.code in (0, 1)
    assert "error" not in told.out if told.code == 0 else "error" in told.out
    assert "python" in told.out.lower()
    assert "Traceback" not in told.err


def test_fetch_needs_a_card_that_is_downloaded(cli, place):
    told = cli("fetch", "iris", "--from", "data.csv")
    assert told.code == 2
    assert "dataset 'iris' needs no fetching: its data comes with bench" in told.err
