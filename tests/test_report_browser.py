"""The report in a real browser: it sorts, it fits, it keeps quiet and asks for nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_fixture import Shape, write_run

from bench.report import write_report

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    classes = tuple(f"a rather long label of class {number}" for number in range(26))
    columns = tuple(f"column_{number}_{'x' * number}" for number in range(40))
    shape = Shape(kind="multiclass", name="letter" * 12, classes=classes, columns=columns, tuned=17, failed=5)
    folder = write_run(tmp_path_factory.mktemp("report"), shape)
    write_report(folder)
    return (folder / "report.html").as_uri()


class _Visit:
    """A page with what it said and what it asked for."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)

    def column(self, number: int) -> list[float]:
        cells = self.page.locator(f"table.board tbody td:nth-child({number})").all()
        return [float(cell.get_attribute("data-sort") or "nan") for cell in cells]

    def overflow(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@pytest.fixture
def visit(browser: Any, report: str, request: pytest.FixtureRequest) -> Iterator[_Visit]:
    visited = _Visit(browser, report, **getattr(request, "param", {}))
    yield visited
    visited.context.close()


def test_page_says_nothing_and_asks_for_nothing(visit: _Visit, report: str) -> None:
    visit.page.mouse.wheel(0, 20_000)
    visit.page.wait_for_timeout(200)
    assert visit.said == []
    assert visit.asked == [report]


def test_a_click_on_a_header_sorts_and_a_second_one_turns_round(visit: _Visit) -> None:
    header = visit.page.locator("table.board thead th", has_text="Fit")
    before = visit.column(6)
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert visit.column(6) == sorted(before) != before
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert visit.column(6) == sorted(before, reverse=True)


def test_the_metric_sorts_best_first_by_its_direction(visit: _Visit) -> None:
    header = visit.page.locator("table.board thead th", has_text="log_loss, CV")
    header.locator("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert visit.column(3) == sorted(visit.column(3))


def test_names_sort_as_people_count(visit: _Visit) -> None:
    visit.page.locator("table.board thead th", has_text="Model").locator("button").click()
    names = visit.page.locator("table.board tbody bdi").all_inner_texts()
    assert names.index("lightgbm_2") < names.index("lightgbm_10")


def test_the_board_sorts_and_shows_all_metrics_from_the_keyboard(visit: _Visit) -> None:
    visit.page.locator("#all-metrics").focus()
    visit.page.keyboard.press("Space")
    assert visit.page.locator("table.board thead th.extra").first.is_visible()
    visit.page.locator("table.board thead button").first.focus()
    visit.page.keyboard.press("Tab")
    visit.page.keyboard.press("Enter")
    assert visit.page.locator("table.board thead th").nth(1).get_attribute("aria-sort") == "ascending"
    outline = visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_further_metrics_are_hidden_until_asked_for(visit: _Visit) -> None:
    extra = visit.page.locator("table.board thead th.extra").first
    assert not extra.is_visible()
    visit.page.get_by_label("Show all").check()
    assert extra.is_visible()


def test_the_header_stays_while_the_board_scrolls(visit: _Visit) -> None:
    board = visit.page.locator(".scroll.tall").first
    board.scroll_into_view_if_needed()
    board.evaluate("element => { element.scrollTop = 600; }")
    top = board.bounding_box()["y"]
    assert abs(visit.page.locator("table.board thead th").first.bounding_box()["y"] - top) < 3


@pytest.mark.parametrize("visit", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_a_phone_need_not_scroll_sideways(visit: _Visit) -> None:
    assert visit.overflow() <= 0
    visit.page.get_by_label("Show all").check()
    visit.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert visit.overflow() <= 0


@pytest.mark.parametrize(
    "visit", [{"viewport": {"width": width, "height": 900}} for width in (700, 1160, 1900)], indirect=True
)
def test_no_width_overflows(visit: _Visit) -> None:
    assert visit.overflow() <= 0


@pytest.mark.parametrize(
    "visit", [{"viewport": {"width": width, "height": 900}} for width in (1160, 1280)], indirect=True
)
def test_the_main_columns_of_the_board_fit(visit: _Visit) -> None:
    board = visit.page.locator(".scroll.table").first
    assert board.evaluate("element => element.scrollWidth - element.clientWidth") <= 0


def _contrast(visit: _Visit, selector: str) -> float:
    """The contrast of an element's text with the page, as in WCAG 2.2."""
    return float(
        visit.page.evaluate(
            """selector => {
              const light = text => {
                const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(v => v / 255)
                  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const ink = light(getComputedStyle(document.querySelector(selector)).color);
              const paper = light(getComputedStyle(document.body).backgroundColor);
              return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
            }""",
            selector,
        )
    )


@pytest.mark.parametrize("visit", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True, ids=str)
def test_text_can_be_read_in_light_and_in_dark(visit: _Visit) -> None:
    for selector in ("h1", ".lede", ".gain", ".remark", ".tag.warning", ".tag.blocking", "nav a", "small"):
        assert _contrast(visit, selector) >= 4.5, selector


def test_dark_differs_from_light(browser: Any, report: str) -> None:
    papers = []
    for scheme in ("light", "dark"):
        visited = _Visit(browser, report, color_scheme=scheme)
        papers.append(visited.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        visited.context.close()
    assert papers[0] != papers[1]


@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True)
def test_everything_is_there_without_scripts(visit: _Visit) -> None:
    assert visit.page.locator("table.board tbody tr").count() > 60
    assert visit.page.locator("table.board thead button").count() == 0
    visit.page.locator("#all-metrics").check()
    assert visit.page.locator("table.board thead th.extra").first.is_visible()


def test_no_chart_text_runs_out_of_its_drawing(visit: _Visit) -> None:
    visit.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    clipped = visit.page.evaluate(
        """() => [...document.querySelectorAll('svg[role=img] text')].filter(text => {
          const box = text.getBoundingClientRect(), frame = text.ownerSVGElement.getBoundingClientRect();
          return box.left < frame.left - 1 || box.right > frame.right + 1;
        }).map(text => text.textContent)"""
    )
    assert clipped == []
