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


@pytest.mark.parametrize(
    "fragment", ["#ties/saved-tie", "#ties/saved-tie@torch+assign", "#ties/kept-on-save@torch+gone"]
)
def test_a_link_to_what_was_merged_or_is_no_more_leads_to_its_spec(visit, fragment):
    tab = visit(fragment)
    assert tab.locator('[id="ties/kept-on-save"]').evaluate("node => node.open")
    tab.fill("input[name=q]", "ties/saved-tie")
    assert shown(tab) == ["ties/kept-on-save"]


def test_a_cell_leads_to_its_script(visit):
    tab = visit()
    tab.click("tr.row td a.v-fails")
    tab.locator('[id="scopes/reuse-finds@tf1-eager"]').wait_for()


def test_a_permalink_to_a_filtered_row_shows_it(visit):
    tab = visit("#?facet=ties")
    tab.evaluate("location.hash = '#scopes/reuse-finds'")
    tab.wait_for_function("!document.getElementById('scopes/reuse-finds').hidden")


@pytest.mark.parametrize("width", [380, 1440])
def test_from_the_front_to_what_to_write_instead_takes_three_clicks(visit, width):
    tab = visit(width=width)
    assert not tab.locator(".statement").first.is_visible()
    tab.click("#first a[href='#document-a-document']")
    wrong = tab.locator(".statement[data-verdict=refuted] >> nth=0")
    assert not wrong.locator(".instead").is_visible()
    wrong.locator("summary >> nth=0").click()
    assert "line 3" in wrong.locator("summary >> nth=0").inner_text()
    assert "Write get" in wrong.locator(".instead").inner_text()
    wrong.locator(".instead ~ .seen a >> nth=0").click()
    tab.locator('[id="scopes/reuse-finds@tf1"]').wait_for()


def test_a_document_and_a_statement_have_addresses_of_their_own(visit):
    assert visit("#document-a-document").locator("#document-a-document .statement >> nth=0").is_visible()
    assert visit("#claim-doc-confirmed").locator("#claim-doc-confirmed .seen >> nth=0").is_visible()


def test_on_paper_stands_what_is_wrong_and_what_to_write_instead(visit):
    tab = visit()
    tab.emulate_media(media="print")
    assert tab.locator("#claim-doc-refuted .instead").is_visible()
    assert not tab.locator("#claim-doc-refuted details .plain").is_visible()
    assert not tab.locator("#claim-doc-confirmed .seen >> nth=0").is_visible()


def test_the_search_finds_what_is_wrong_in_a_document(visit):
    tab = visit()
    assert not tab.locator(".in-documents").is_visible()
    tab.fill("input[name=problem]", "towers share nothing")
    found = tab.locator(".in-documents a")
    assert found.all_inner_texts() == ["line 3 is wrong: Nothing is ever shared between towers."]
    found.click()
    assert tab.locator("#claim-doc-refuted .instead").is_visible()
    tab.fill("input[name=problem]", "zebra")
    assert not tab.locator(".in-documents").is_visible()


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
    tab.locator("#document-a-document > summary").click()
    tab.locator("#claim-doc-refuted > summary").click()
    assert tab.locator("#claim-doc-refuted .instead").is_visible()


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
