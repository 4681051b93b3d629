"""The section on performance in a real browser: both schemes, both widths, forced colours, without JavaScript, axe-core."""

import pytest

from canireuse_reports import build
from tests.reports.measurements import made

TRAINING = "performance/training-step-through-large-layers"
SPECS = (
    "training-step-through-large-layers",
    "training-step-through-small-layers",
    "variables-by-name",
    "calls-in-a-compiled-function",
    "what-sharing-saves",
)


@pytest.fixture(scope="module")
def measured_page(tmp_path_factory):
    few = made(5, backends=("keras", "nnx", "torch"), specs=SPECS)
    return build(few, tmp_path_factory.mktemp("report") / "index.html")


@pytest.mark.parametrize(("scheme", "width"), [("light", 380), ("dark", 1280)])
def test_axe_finds_nothing_and_nothing_sticks_out(visit, axe, measured_page, scheme, width):
    tab = visit("#performance", width=width, page=measured_page, color_scheme=scheme)
    tab.evaluate("document.querySelectorAll('#performance details').forEach(details => { details.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert axe(tab) == []


@pytest.mark.parametrize("width", [380, 1280])
def test_the_words_of_a_chart_stay_inside_it_and_its_rows_stand_beside_their_dots(visit, measured_page, width):
    tab = visit("#performance", width=width, page=measured_page)
    rows = tab.locator(f'[id="costs:{TRAINING}"] .rows')
    dots = rows.locator("circle, path.dot").evaluate_all("all => all.map(one => one.getBoundingClientRect()).map(box => box.top + box.height / 2)")  # fmt: skip
    for column in rows.locator("ul").all():
        names = column.locator("li").evaluate_all("all => all.map(one => one.getBoundingClientRect()).map(box => box.top + box.height / 2)")  # fmt: skip
        assert names == pytest.approx(dots, abs=2)
    beyond = """all => all.filter(one => { const box = one.getBoundingClientRect();
        return box.left < -1 || box.right > document.documentElement.clientWidth + 1; }).map(one => one.textContent)"""
    assert tab.locator("#performance .chart text").evaluate_all(beyond) == []


def test_every_chart_has_a_name_and_says_what_it_shows(visit, measured_page):
    tab = visit("#performance", page=measured_page)
    charts = tab.locator("#performance svg.chart")
    assert charts.count() > 10
    for name, words in charts.evaluate_all("all => all.map(one => [one.querySelector('title').textContent, one.querySelector('desc').textContent])"):  # fmt: skip
        assert name
        assert words
    assert set(charts.evaluate_all("all => all.map(one => one.getAttribute('role'))")) == {"img"}


def test_a_figure_leads_to_its_raw_samples_and_a_name_to_its_script(visit, measured_page):
    tab = visit("#performance", page=measured_page)
    rows = tab.locator(f'[id="costs:{TRAINING}"] .rows')
    rows.locator(".marks a").nth(3).click()
    tab.locator(f'[id="samples:{TRAINING}@torch:shared"]').wait_for()
    rows.locator("ul").first.locator("a").nth(3).click()
    tab.locator(f'[id="{TRAINING}@torch"] code.script').wait_for()


def test_a_difference_is_told_by_form_and_not_by_colour_alone(visit, measured_page):
    tab = visit("#performance", page=measured_page, forced_colors="active")
    dots = tab.locator(f'[id="costs:{TRAINING}"] .rows circle')
    fills = dots.evaluate_all("all => all.map(one => [one.classList.contains('seen'), getComputedStyle(one).fill])")
    seen, unseen = ({fill for was, fill in fills if was is state} for state in (True, False))
    assert len(seen) == len(unseen) == 1
    assert seen != unseen


def test_charts_need_no_javascript(visit, measured_page):
    tab = visit("#performance", page=measured_page, java_script_enabled=False)
    assert tab.locator("#performance svg.chart >> nth=0").is_visible()
    assert tab.locator("#performance .rows a >> nth=0").is_visible()
