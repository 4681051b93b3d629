"""A page with as many backends as there are: every column is seen."""

import pytest

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
