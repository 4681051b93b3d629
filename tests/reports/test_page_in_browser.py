"""The page in a real browser, from a file: search, permalinks, schemes, widths, without JavaScript, axe-core."""

import pytest


def shown(tab):
    return tab.locator("tr.row:visible").evaluate_all("rows => rows.map(row => row.dataset.id)")


def test_search_and_filters_narrow_the_table(visit):
    tab = visit()
    assert len(shown(tab)) == 3
    tab.fill("input[name=q]", "SURVIVES saved")
    assert shown(tab) == ["ties/kept-on-save"]
    assert tab.inner_text(".count") == "1 of 3 scenarios"
    tab.fill("input[name=q]", "")
    tab.select_option("select[name=facet]", "scopes")
    assert shown(tab) == ["scopes/all-agree", "scopes/reuse-finds"]
    assert tab.locator(".group:visible h3").all_inner_texts() == ["scopes"]
    tab.check("input[name=disagree]")
    assert shown(tab) == ["scopes/reuse-finds"]
    tab.click("button[type=reset]")
    tab.wait_for_function("document.querySelectorAll('tr.row:not([hidden])').length === 3")
    tab.select_option("select[name=verdict]", "silent")
    tab.select_option("select[name=backend]", "torch")
    assert shown(tab) == ["ties/kept-on-save"]
    tab.fill("input[name=q]", "no such thing")
    assert shown(tab) == []


def test_filters_are_in_the_address_and_come_back(visit):
    tab = visit()
    tab.select_option("select[name=facet]", "ties")
    assert "facet=ties" in tab.url
    again = visit("#?facet=ties&disagree=1")
    assert shown(again) == ["ties/kept-on-save"]
    assert again.is_checked("input[name=disagree]")


def test_typing_keeps_the_caret(visit):
    tab = visit()
    tab.fill("input[name=q]", "svived")
    tab.evaluate("document.querySelector('input[name=q]').setSelectionRange(1, 1)")
    tab.keyboard.type("ur", delay=30)
    assert tab.input_value("input[name=q]") == "survived"


def test_a_malformed_link_does_no_harm(visit):
    assert len(shown(visit("#?q=%"))) == 0
    assert len(shown(visit("#%"))) == 3


def test_the_silent_ones_of_a_backend_are_one_link_away(visit):
    tab = visit()
    tab.locator(".silent summary", has_text="PyTorch").click()
    tab.locator(".silent details[open] a", has_text="Show them in the table").click()
    tab.wait_for_function("document.querySelectorAll('tr.row:not([hidden])').length === 1")
    assert shown(tab) == ["ties/kept-on-save"]
    assert tab.evaluate("document.getElementById('matrix').getBoundingClientRect().top < innerHeight / 2")


@pytest.mark.parametrize(
    "fragment", ["#ties/kept-on-save@torch+assign", "#scopes/reuse-finds@tf1-eager", "#scopes/reuse-finds"]
)
def test_a_permalink_opens_its_cell(visit, fragment):
    tab = visit(fragment)
    target = tab.locator(f'[id="{fragment[1:]}"]')
    assert target.is_visible()
    assert target.evaluate("node => node.closest('details.spec').open")
    assert target.evaluate(
        "node => { const box = node.getBoundingClientRect(); return box.top < innerHeight && box.bottom > 0; }"
    )


def test_a_cell_leads_to_its_script(visit):
    tab = visit()
    tab.click("tr.row td a.v-fails")
    tab.locator('[id="scopes/reuse-finds@tf1-eager"]').wait_for()


def test_a_permalink_to_a_filtered_row_shows_it(visit):
    tab = visit("#?facet=ties")
    tab.evaluate("location.hash = '#scopes/reuse-finds'")
    tab.wait_for_function("!document.getElementById('scopes/reuse-finds').hidden")


def test_claims_filter_by_verdict_and_lead_to_evidence(visit):
    tab = visit("#claims")
    tab.select_option("select[name=claim]", "depends")
    assert tab.locator("tr.claim:visible").count() == 1
    tab.click("tr.claim:visible .evidence a >> nth=0")
    tab.locator('[id="scopes/reuse-finds@tf1"]').wait_for()


def test_the_filter_of_claims_is_in_the_address_and_comes_back(visit):
    tab = visit("#claims")
    tab.select_option("select[name=claim]", "not checkable")
    assert tab.url.endswith("#?claim=not%20checkable")
    again = visit("#?claim=not%20checkable")
    assert again.locator("tr.claim:visible").count() == 1
    assert len(shown(again)) == 3
    again.click("a.c-depends >> nth=0")
    again.wait_for_function("document.querySelector('tr.claim:not([hidden])').dataset.verdict === 'depends'")
    tab.select_option("select[name=claim]", "")
    assert tab.url.endswith("#claims")


def test_scripts_get_colours_where_they_are_opened_and_stay_what_they_are(visit):
    from tests.reports.conftest import SCRIPT

    tab = visit("#scopes/reuse-finds@tf1")
    code = tab.locator('[id="scopes/reuse-finds@tf1"] code.script')
    code.locator("i.k >> nth=0").wait_for()
    assert code.evaluate("code => code.textContent") == SCRIPT
    assert code.locator("i.k").all_inner_texts() == ["import", "if", "pass"]
    assert code.locator("i.b").all_inner_texts() == ["observe"]
    assert tab.locator('[id="scopes/reuse-finds"] code.yaml i.t').all_inner_texts() == ["title", "steps", "expect"]
    assert tab.locator('[id="scopes/all-agree"] i').count() == 0


def test_the_scheme_can_be_switched(visit):
    tab = visit(color_scheme="light")
    before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.click(".theme")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_a_script_is_copied_whole(visit):
    from tests.reports.conftest import SCRIPT

    tab = visit("#scopes/reuse-finds@tf1", permissions=["clipboard-read", "clipboard-write"])
    tab.locator('[id="scopes/reuse-finds@tf1"] .copy').click()
    tab.wait_for_function("document.body.innerText.includes('Copied')")
    assert tab.evaluate("navigator.clipboard.readText()") == SCRIPT


def test_without_javascript_everything_can_be_read(visit):
    tab = visit(java_script_enabled=False)
    assert tab.locator("tr.row").count() == 3
    assert not tab.locator(".filters").is_visible()
    for summary in tab.locator("details.spec > summary").all():
        summary.click()
    assert tab.locator('[id="ties/kept-on-save@torch+assign"] code.script').is_visible()
    assert tab.locator("tr.claim >> nth=0").is_visible()


@pytest.mark.parametrize("width", [380, 768, 1280])
def test_nothing_sticks_out(visit, width):
    tab = visit("#ties/kept-on-save", width=width)
    assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    for region in tab.locator(".scroll:visible, .side:visible").all():
        assert region.get_attribute("tabindex") == "0"
        assert region.get_attribute("aria-label")


@pytest.mark.parametrize("width", [380, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit, axe, scheme, width):
    tab = visit("#ties/kept-on-save", width=width, color_scheme=scheme)
    tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    assert axe(tab) == []


def test_axe_would_find_something(visit, axe):
    tab = visit()
    tab.evaluate("document.body.insertAdjacentHTML('beforeend', '<main><img src=\"data:,\"></main>')")
    assert axe(tab)
