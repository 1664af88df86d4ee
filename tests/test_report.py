"""The report: what it says, what it may not contain, and that it is written from whatever a run left behind."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from report_fixture import Shape, write_run

from bench.errors import StoreError
from bench.report import write_report
from bench.report.charts.svg import Scale, tick_text
from bench.report.journal import read_journal
from bench.report.markdown import escape
from bench.report.numbers import score_text, seconds_text
from bench.report.panels import PANELS
from bench.report.read import clean, read_lines

NASTY = "<script>alert(1)</script>\"'&amp; | `x` \u202eevil\x00\x1b[31m 😀 مرحبا"
OPTIONAL = (
    "spec.yaml",
    "environment.json",
    "audit.json",
    "splits.json",
    "journal.jsonl",
    "analysis.json",
    "decisions.json",
)
SHAPES = {
    "binary": Shape(),
    "multiclass": Shape(kind="multiclass", name="letter", classes=tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), tuned=4),
    "regression": Shape(kind="regression", name="homes", classes=()),
}


class _Page(HTMLParser):
    """Collects elements, attributes and text, and checks that what is opened is closed."""

    VOID = frozenset({"meta", "link", "input", "br", "wbr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def ids(self) -> list[str]:
        return [found for _, attributes in self.elements if (found := attributes.get("id"))]


def _reported(folder: Path) -> tuple[_Page, str]:
    write_report(folder)
    return _Page((folder / "report.html").read_text(encoding="utf-8")), (folder / "report.md").read_text("utf-8")


@pytest.fixture(scope="module", params=SHAPES)
def reported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shape, Path]:
    shape = SHAPES[request.param]
    folder = write_run(tmp_path_factory.mktemp("runs") / request.param, shape)
    write_report(folder)
    return shape, folder


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), encoding="utf-8")


def test_page_is_whole_and_its_ids_are_unique(reported: tuple[Shape, Path]) -> None:
    page = _Page((reported[1] / "report.html").read_text("utf-8"))
    assert page.open == []
    assert len(page.ids()) == len(set(page.ids()))


def test_page_asks_for_nothing_from_anywhere(reported: tuple[Shape, Path]) -> None:
    text = (reported[1] / "report.html").read_text("utf-8")
    page = _Page(text)
    policy = next(a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"https?://|@import|url\(", text)
    for tag, attributes in page.elements:
        assert tag not in ("img", "iframe", "object", "embed", "form", "base")
        assert not {"src", "srcset", "style", "data", "action", "xlink:href"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith(("#", "data:,"))


def test_page_is_small(reported: tuple[Shape, Path]) -> None:
    assert (reported[1] / "report.html").stat().st_size < 600_000


def test_every_link_of_the_page_leads_somewhere(reported: tuple[Shape, Path]) -> None:
    page = _Page((reported[1] / "report.html").read_text("utf-8"))
    anchors = {str(attributes["href"])[1:] for tag, attributes in page.elements if tag == "a"}
    assert anchors <= set(page.ids())
    absent = {"regression": {"curves", "confusion", "calibration", "classes"}}.get(reported[0].kind, {"residuals"})
    assert {panel.id for panel in PANELS} - set(page.ids()) == absent


def test_every_chart_has_a_name_and_a_description(reported: tuple[Shape, Path]) -> None:
    drawings = re.findall(r'<svg[^>]*role="img".*?</svg>', (reported[1] / "report.html").read_text("utf-8"), re.DOTALL)
    assert len(drawings) > 10
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        named = {child.get("id"): child.text for child in root if child.tag in ("title", "desc")}
        assert named[root.get("aria-labelledby")]
        assert named[root.get("aria-describedby")]


def test_charts_stay_within_their_frames(reported: tuple[Shape, Path]) -> None:
    drawings = re.findall(r'<svg[^>]*role="img".*?</svg>', (reported[1] / "report.html").read_text("utf-8"), re.DOTALL)
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        width, height = map(float, (root.get("viewBox") or "").split()[2:])
        for element in root.iter("text"):
            x, y = float(element.get("x") or "nan"), float(element.get("y") or "nan")
            assert 0 <= x <= width, (element.text, drawing[:200])
            assert 0 <= y <= height, (element.text, drawing[:200])
        assert "nan" not in drawing.replace("dominan", "")


def test_headline_names_the_best_model_and_what_it_gains(tmp_path: Path) -> None:
    page, markdown = _reported(write_run(tmp_path / "run"))
    board = json.loads((tmp_path / "run" / "leaderboard.json").read_text("utf-8"))["rows"]
    best = board[0]
    dummy = next(row for row in board if row["model"] == "dummy")
    default = next(row for row in board if row["model"] == "lightgbm")
    for text in (page.text, markdown):
        assert f"{best['cv_mean']:.4f} ± {best['cv_std']:.4f}" in text
        assert f"{best['test_low']:.4f} to {best['test_high']:.4f}" in text
        assert f"+{best['cv_mean'] - dummy['cv_mean']:.4f}" in text
        assert f"+{best['cv_mean'] - default['cv_mean']:.4f}" in text
    assert "Binary classification of income from 6 columns over 2 000 rows, judged by roc_auc" in page.text


@pytest.mark.parametrize("rank", [1, 2])
def test_what_predicts_is_told_where_it_is_not_the_first_row(tmp_path: Path, rank: int) -> None:
    folder = write_run(tmp_path)
    row = json.loads((folder / "leaderboard.json").read_text("utf-8"))["rows"][rank - 1]
    (folder / "predictor").mkdir()
    (folder / "predictor" / "predictor.json").write_text(json.dumps({"default": row["model"]}))
    page, markdown = _reported(folder)
    told = f"What predicts is {row['model']}, a fairer choice than the first of many (see the decisions):"
    scores = f"{told} {row['cv_mean']:.4f} in cross-validation, {row['test']:.4f} on test rows."
    assert (scores in page.text) == (scores in markdown.replace("\\", "")) == (rank > 1)


def test_gain_is_positive_when_lower_is_better(tmp_path: Path) -> None:
    page, _ = _reported(write_run(tmp_path, SHAPES["regression"]))
    rows = json.loads((tmp_path / "leaderboard.json").read_text("utf-8"))["rows"]
    dummy = next(row["cv_mean"] for row in rows if row["model"] == "dummy")
    assert f"Against the best baseline +{dummy - rows[0]['cv_mean']:.0f}" in page.text


def test_board_lists_every_row_and_failures_give_reasons(tmp_path: Path) -> None:
    page, markdown = _reported(write_run(tmp_path, Shape(tuned=18, failed=4)))
    rows = json.loads((tmp_path / "leaderboard.json").read_text("utf-8"))["rows"]
    assert len(rows) > 60
    for row in rows:
        assert row["model"] in page.text
    assert "4 candidates without a score: 2 pruned, 1 timeout, 1 out of memory." in page.text
    assert "chance of the lead 0.3 %" in page.text
    assert "chance of the lead 0.3 %" in markdown


def test_a_very_long_board_is_cut_and_says_so(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    rows = json.loads((folder / "leaderboard.json").read_text("utf-8"))["rows"]
    many = [row | {"model": f"model_{number}"} for number, row in enumerate(rows[:1] * 5000)]
    _edit(folder / "leaderboard.json", rows=many + rows[-1:] * 900)
    page, _ = _reported(folder)
    assert "4 850 more rows in leaderboard.csv" in page.text
    assert (folder / "report.html").stat().st_size < 600_000


def test_many_candidates_and_columns_keep_the_page_small(tmp_path: Path) -> None:
    columns = tuple(f"column_{number}" for number in range(3000))
    page, _ = _reported(write_run(tmp_path, Shape(tuned=700, folds=2, columns=columns)))
    assert (tmp_path / "report.html").stat().st_size < 1_500_000
    assert "2 800 more columns in dataset.json" in page.text


@pytest.mark.parametrize("kind", SHAPES)
def test_names_from_the_data_are_shown_and_never_obeyed(tmp_path: Path, kind: str) -> None:
    classes = (NASTY, *SHAPES[kind].classes[1:]) if SHAPES[kind].classes else ()
    folder = write_run(tmp_path, Shape(kind=kind, name=NASTY.replace("/", ""), classes=classes, columns=(NASTY, "b")))
    board = json.loads((folder / "leaderboard.json").read_text("utf-8"))
    for row in board["rows"]:
        row["model"], row["reason"] = NASTY, NASTY
    _edit(folder / "leaderboard.json", rows=board["rows"])
    page, markdown = _reported(folder)
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert "<script>alert(1)</script>" in page.text
    assert "😀 مرحبا" in page.text
    for text in ((folder / "report.html").read_text("utf-8"), markdown):
        assert not set("\x00\x1b\u202e") & set(text)
    outside_code = re.sub(r"(`+)[^\n]*?\1", "", re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE))
    assert "<script>" not in re.sub(r"\\.", "", outside_code)


@pytest.mark.parametrize("missing", OPTIONAL)
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_missing_file_is_no_obstacle(tmp_path: Path, missing: str, kind: str) -> None:
    folder = write_run(tmp_path, SHAPES[kind])
    (folder / missing).unlink()
    page, markdown = _reported(folder)
    assert page.open == []
    said = {
        "audit.json": "This folder holds no audit.json",
        "splits.json": "This folder holds no splits.json",
        "decisions.json": "This folder holds no decisions.json",
        "spec.yaml": "This folder holds no spec.yaml",
        "environment.json": "This folder holds no environment.json",
        "journal.jsonl": "The journal holds no finished candidate",
        "analysis.json": "No analysis was stored",
    }
    assert said[missing] in page.text
    assert markdown.count("\n## ") == 8


def test_the_least_that_a_run_leaves_is_enough(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text("{}")
    (tmp_path / "leaderboard.json").write_text('{"schema": 1, "metric": "roc_auc", "rows": []}')
    page, markdown = _reported(tmp_path)
    assert "no model has a score" in page.text
    assert "No model has a score." in markdown


@pytest.mark.parametrize("name", ["dataset.json", "leaderboard.json"])
@pytest.mark.parametrize("content", [None, "", "[1, 2]", '{"torn": '])
def test_without_the_two_needed_files_the_error_names_the_file(tmp_path: Path, name: str, content: str | None) -> None:
    folder = write_run(tmp_path)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(StoreError, match=rf"a report is drawn from a run folder with {name}.*`bench run`"):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_without_test_rows_no_test_score_is_shown(tmp_path: Path) -> None:
    page, markdown = _reported(write_run(tmp_path, Shape(test="none")))
    assert "the run kept no test rows" in page.text
    assert "roc_auc, test" not in page.text
    assert "There are no test scores" in markdown


def test_a_torn_journal_line_is_passed_over(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    whole, _ = _reported(folder)
    with (folder / "journal.jsonl").open("a") as file:
        file.write('{"event": "fold", "trial_id": "00')
    torn, _ = _reported(folder)
    assert torn.text == whole.text


def test_an_interrupted_journal_still_shows_when_candidates_ended(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    lines = (folder / "journal.jsonl").read_text("utf-8").splitlines()
    kept = [json.loads(line) for line in lines]
    for event in kept:
        event.pop("seconds", None)
    (folder / "journal.jsonl").write_text("\n".join(map(json.dumps, kept)))
    page, _ = _reported(folder)
    assert "and the best so far" in page.text


def test_where_the_time_went_is_told_when_the_journal_knows(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    page, _ = _reported(folder)
    assert "The command and its workers" in page.text
    assert re.search(r"fit \d\d\.\d%", page.text)
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text("utf-8").splitlines()]
    kept = [{key: value for key, value in line.items() if key != "spans"} for line in lines if line["event"] != "stage"]
    (folder / "journal.jsonl").write_text("\n".join(map(json.dumps, kept)))
    page, _ = _reported(folder)
    assert "the time cannot be laid out" in page.text


def test_a_candidate_that_was_cut_off_has_no_score(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    lucky = {"event": "trial", "status": "pruned", "reason": "", "score": 0.9999, "seconds": 9.0}
    with (folder / "journal.jsonl").open("a") as file:
        for event in ({"event": "candidate", "family": "knn", "params": {"k": 9}}, lucky):
            file.write(json.dumps({**event, "trial_id": "lucky"}) + "\n")
    trial = next(trial for trial in read_journal(read_lines(folder / "journal.jsonl")) if trial.trial_id == "lucky")
    assert (trial.status, trial.score) == ("pruned", None)


def test_columns_without_time_for_a_shuffle_are_counted(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    stored = json.loads((folder / "analysis.json").read_text("utf-8"))["importance"]
    late = [{"column": entry["column"], "mean": None, "std": None, "repeats": 0} for entry in stored[1:]]
    _edit(folder / "analysis.json", importance=[stored[0] | {"repeats": 1}, *late])
    page, _ = _reported(folder)
    assert "shuffled 1 time." in page.text
    assert f"There was time for 1 of {len(stored)} columns." in page.text


@pytest.mark.parametrize("value", [None, "NaN", [], {}, True, 1e308])
def test_odd_values_in_the_board_do_not_break_the_page(tmp_path: Path, value: object) -> None:
    folder = write_run(tmp_path)
    rows = json.loads((folder / "leaderboard.json").read_text("utf-8"))["rows"]
    odd = dict.fromkeys(("cv_std", "test", "test_low", "fit_seconds", "folds_ok", "cv_f1", "peak_memory_mb"), value)
    _edit(folder / "leaderboard.json", rows=[rows[0] | odd, *rows[1:]])
    page, _ = _reported(folder)
    assert rows[1]["model"] in page.text


def test_not_a_number_is_shown_as_absent(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    path = folder / "leaderboard.json"
    path.write_text(re.sub(r'"cv_std": [0-9.e-]+', '"cv_std": NaN', path.read_text("utf-8")), encoding="utf-8")
    page, _ = _reported(folder)
    assert "± \N{EN DASH}" in page.text
    assert "nan" not in page.text.lower().replace("dominan", "")


def test_writing_again_replaces_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    before = {path.name for path in folder.iterdir()}
    write_report(folder)
    first = (folder / "report.html").read_bytes()
    write_report(folder)
    assert (folder / "report.html").read_bytes() == first
    assert {path.name for path in folder.iterdir()} - before == {"report.html", "report.md"}


def test_markdown_tables_have_as_many_cells_in_every_row(reported: tuple[Shape, Path]) -> None:
    markdown = (reported[1] / "report.md").read_text("utf-8")
    tables = re.findall(r"(?:^\|.*\n?)+", markdown, re.MULTILINE)
    assert len(tables) >= 3
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_markdown_says_how_to_predict_and_to_reproduce(tmp_path: Path) -> None:
    _, markdown = _reported(write_run(tmp_path / "adult-1"))
    headings = re.findall(r"^## (.*)$", markdown, re.MULTILINE)
    assert headings[0] == "Problem"
    assert headings[-2:] == ["Deployment", "Reproduction"]
    assert "bench predict adult-1 DATA --output predictions.csv" in markdown
    assert "bench.load_run('adult-1').predictor" in markdown
    assert "bench run --dataset adult --metric roc_auc --budget 10m --seed 0" in markdown
    assert "| lightgbm |" in markdown


def test_pipes_in_names_do_not_split_markdown_cells() -> None:
    assert escape("a|b_c<d>") == r"a\|b\_c\<d\>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.92731, "0.9273"),
        (12.3456, "12.346"),
        (48213.4, "48213"),
        (0.0, "0.0000"),
        (0.0001234, "0.000123"),
        (None, "\N{EN DASH}"),
    ],
)
def test_score_text(value: float | None, text: str) -> None:
    assert score_text(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0042, "4 ms"), (0.52, "0.52 s"), (12.1, "12.1 s"), (184, "3 min 04 s"), (7500, "2 h 05 min"), (0, "0 ms")],
)
def test_seconds_text(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12), st.integers(2, 10))
def test_ticks_lie_within_the_scale_and_differ(low: float, span: float, most: int) -> None:
    assume(span > 1e-9 * abs(low))  # finer than that, and neighbouring numbers are no longer told apart
    scale = Scale(low=low, high=low + span, start=0.0, stop=100.0)
    ticks = scale.ticks(most)
    assert all(-1e-3 <= scale(value) <= 100 + 1e-3 for value, _ in ticks)
    assert len(ticks) <= most + 2


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [(48000, 500, "48.0k"), (0.25, 0.25, "0.25"), (0.02, 0.01, "0.02"), (2_500_000, 500_000, "2.5M"), (3, 1, "3")],
)
def test_tick_text(value: float, step: float, text: str) -> None:
    assert tick_text(value, step) == text


@given(st.text())
def test_cleaned_text_can_be_written_and_holds_no_control(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert all(character >= " " and not "\x7f" <= character <= "\x9f" for character in cleaned)
    assert clean(cleaned) == cleaned
