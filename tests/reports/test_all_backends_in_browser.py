"""A page with as many backends as there are: every column is seen and printed, and the one that is chosen comes first."""

from io import BytesIO
from unicodedata import normalize

import pytest
from pypdf import PdfReader

import canireuse_adapters
from canireuse_reports import build
from tests.reports.conftest import case, environment, spec

NAMES = list(canireuse_adapters.ORDER)
#: as long as the longest there are
WAYS = ("load_state_dict-assign", "safetensors-model")
#: more than the list of symptoms shows at first
SPECS = [f"checkpoints/file-of-a-tied-model-{number}" for number in range(12)]
#: where torch has no words, and where it has two ways
UNSAID, TWO_WAYS = 1, 3


def cases_of(name, backend, turn):
    """Return the cases of a cell: verdicts take turns, and one backend in four departs in one of two ways."""
    if turn % 4 == 0:
        return [
            case(name, backend, "differs", observed=False, way=WAYS[0], loudness="silent"),
            case(name, backend, "conforms", way=WAYS[1]),
        ]
    return [case(name, backend, ("conforms", "unsupported", "timeout")[turn % 4 - 1])]


@pytest.fixture(scope="module")
def wide_page(results, tmp_path_factory):
    title = "A file of a tied model gives back one weight with two names, number {}"
    lines = [
        spec(name, title.format(at), NAMES, f"Symptom {at}: my head is loose again.") for at, name in enumerate(SPECS)
    ]
    cases = [
        one
        for at, line in enumerate(lines)
        for turn, backend in enumerate(NAMES)
        for one in cases_of(line.id, backend, at + turn)
    ]
    made = results.model_copy(
        update={
            "environments": {f"{name}@cpu": environment(name) for name in NAMES},
            "specs": {one.id: one for one in lines},
            "cases": {one.id: one for one in cases},
        }
    )
    return build(made, tmp_path_factory.mktemp("report") / "index.html")


@pytest.mark.parametrize("width", [1280, 1440, 1920])
def test_every_column_is_seen_without_scrolling_sideways(visit, wide_page, width):
    tab = visit(width=width, page=wide_page)
    tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    beyond = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.getAttribute('aria-label'))"
    assert tab.locator(".scroll, .side").evaluate_all(beyond) == []
    cut = """all => all.filter(one => { const box = one.getBoundingClientRect(), cell = one.closest('th, td').getBoundingClientRect();
        return box.left < cell.left || box.right > Math.min(cell.right, innerWidth); }).map(one => one.textContent)"""
    words = tab.locator(".matrix thead span, .matrix .v, .matrix .loud, .matrix small")
    assert words.count() > len(NAMES) * len(SPECS)
    assert words.evaluate_all(cut) == []


def test_on_a_small_screen_the_first_column_stays_and_the_others_scroll(visit, wide_page):
    tab = visit(width=768, page=wide_page)
    tab.evaluate("document.querySelector('.tall').scrollLeft = 10000")
    column, torch = (tab.locator(f".matrix thead th:{which}-child").bounding_box() for which in ("first", "last"))
    assert column["x"] >= 0
    assert torch["x"] >= column["x"] + column["width"]
    assert torch["x"] + torch["width"] <= 768


def heads(tab):
    return tab.locator(".matrix thead th:not(:first-child)").all_inner_texts()


def backends(tab, selector):
    return tab.locator(selector).evaluate_all("all => all.map(one => one.dataset.backend)")


def test_the_framework_that_is_chosen_comes_first(visit, wide_page):
    tab = visit("#?framework=torch", page=wide_page)
    others = [name for name in NAMES if name != "torch"]
    assert heads(tab) == ["torch", *others]
    assert backends(tab, "tr.row:nth-child(2) td") == ["torch", *others]
    assert tab.input_value("select[name=backend]") == "torch"
    tab.evaluate(f"location.hash = '#{SPECS[TWO_WAYS]}'")
    details = f'[id="{SPECS[TWO_WAYS]}"]'
    tab.locator(f"{details} article >> nth=0").wait_for()
    rows = backends(tab, f"{details} .answers tr[data-backend]")
    assert rows[:2] == ["torch", "torch"]
    assert rows == sorted(rows, key=["torch", *others].index)
    assert tab.locator(f"{details} article").evaluate_all("all => all.slice(0, 2).map(one => one.id)") == [
        f"{SPECS[TWO_WAYS]}@torch+{way}" for way in WAYS
    ]
    tab.select_option("select[name=backend]", "nnx")
    assert heads(tab)[:2] == ["nnx", "reference"]
    assert heads(tab)[-1] == "torch"
    assert backends(tab, f"{details} .answers tr[data-backend]")[0] == "nnx"
    assert tab.locator("input[name=framework]:checked").get_attribute("value") == "nnx"
    tab.select_option("select[name=backend]", "")
    assert heads(tab) == NAMES
    assert backends(tab, "tr.row:nth-child(2) td") == NAMES
    assert tab.locator("input[name=framework]:checked").get_attribute("value") == ""


def test_a_scenario_that_the_chosen_framework_cannot_say_is_followed_and_the_choice_kept(visit, wide_page):
    tab = visit("#?backend=torch", page=wide_page)
    name = SPECS[UNSAID]
    assert not tab.locator(f'[id="{name}"]').is_visible()
    tab.evaluate(f"location.hash = '#{name}'")
    tab.locator(f'[id="{name}"] li[data-backend] >> nth=0').wait_for()
    assert backends(tab, f'[id="{name}"] li[data-backend]')[0] == "torch"
    assert heads(tab)[0] == "torch"


def test_a_link_without_a_framework_takes_back_the_one_before(visit, wide_page):
    tab = visit("#?problem=loose&framework=torch", page=wide_page)
    assert heads(tab)[0] == "torch"
    tab.evaluate("location.hash = '#?problem=loose'")
    tab.wait_for_function("document.querySelector('[name=framework]').checked")
    assert heads(tab) == NAMES


def printed(tab, **paper):
    """Return the text of each page; ligatures are letters."""
    pages = PdfReader(BytesIO(tab.pdf(format="A4", **paper))).pages
    return [normalize("NFKC", page.extract_text()) for page in pages]


@pytest.mark.parametrize("scripted", [True, False])
def test_paper_holds_every_symptom_by_topic_and_why_it_is(visit, wide_page, scripted):
    tab = visit("#?framework=torch" if scripted else "", page=wide_page, java_script_enabled=scripted)
    text = " ".join(" ".join(printed(tab)).split())
    assert text.index("Saving and loading") < text.index("Symptom 0:")
    for number in range(len(SPECS)):
        assert text.count(f"Symptom {number}:") == 1
    assert text.count("tie it again") >= len(SPECS)


@pytest.mark.parametrize("landscape", [False, True])
def test_paper_holds_every_column(visit, wide_page, landscape):
    tab = visit(page=wide_page)
    pages = [page for page in printed(tab, landscape=landscape) if "what holds" in page]
    assert set(NAMES) <= set(pages[0].split("what holds")[1].split("checkpoints")[0].split())
    words = "".join(pages).split()
    badges = tab.locator(".matrix .v").count()
    assert badges > len(NAMES) * len(SPECS)
    assert sum(map(words.count, ("conforms", "differs", "unsupported", "timeout"))) == badges
    assert words.count("silent") == tab.locator(".matrix .loud").count() > 0


def test_after_printing_the_page_is_what_it_was(visit, wide_page):
    tab = visit("#?framework=torch", page=wide_page)
    before = tab.locator(".found .symptom:visible .says").all_inner_texts()
    assert before
    tab.pdf()
    assert tab.locator(".found .symptom:visible .says").all_inner_texts() == before
    assert not tab.locator(".topics").is_visible()
