"""What happened to people: what a symptom says of each framework, and how it is found and read."""

import pytest

from canireuse_reports.symptoms import symptoms
from canireuse_reports.view import view
from tests.reports.conftest import HOSTILE


def found(results):
    return {one.spec.line.id: one for listed in symptoms(view(results)).values() for one in listed}


def test_a_symptom_says_who_departs_why_and_who_does_not(results):
    one = found(results)["ties/kept-on-save"]
    (departure,) = one.departures
    assert [(who.backend, who.ways, who.loudness) for who in departure.who] == [("torch", "assign", "silent")]
    assert "tie it again" in departure.because
    assert [(who.backend, who.ways) for who in one.holds] == [("torch", "load_state_dict")]
    assert (list(one.unsaid), one.rank) == (["tf1"], (1, 1))
    other = found(results)["scopes/reuse-finds"]
    assert ([(who.backend, who.ways) for who in other.holds], list(other.unsaid)) == ([("tf1", "")], [])


def test_backends_with_one_reason_are_told_together(results):
    both = {
        "scopes/reuse-finds@tf1": results.cases["scopes/reuse-finds@tf1-eager"].model_copy(
            update={"id": "scopes/reuse-finds@tf1", "backend": "tf1"}
        )
    }
    (departure,) = found(results.model_copy(update={"cases": {**results.cases, **both}}))[
        "scopes/reuse-finds"
    ].departures
    assert departure.backends == ["tf1", "tf1-eager"]
    assert departure.because == f"Not explained yet; {HOSTILE}"


def test_topics_are_in_plain_words_and_the_worst_comes_first(results):
    lines = {name: line.model_copy(update={"symptom": f"It is {name}."}) for name, line in results.specs.items()}
    topics = symptoms(view(results.model_copy(update={"specs": lines})))
    assert list(topics) == ["Names and scopes", "Tied and shared weights"]
    assert [one.spec.line.id for one in topics["Names and scopes"]] == ["scopes/reuse-finds", "scopes/all-agree"]


def entries(tab):
    return tab.locator(".found .symptom:visible .says").all_inner_texts()


@pytest.mark.parametrize(
    "words",
    [
        "lm_head LOOSE",
        "tied weights lost after saving!",
        "sav",
        "the head came loose after I saved it",
        "copies instead, tie",
    ],
)
def test_what_happened_is_found_in_ones_own_words(visit, words):
    tab = visit()
    tab.fill("input[name=problem]", words)
    assert entries(tab)[0] == "After saving, my lm_head has come loose."
    entry = tab.locator(".found .symptom:visible >> nth=0")
    assert "tie it again" in entry.locator(".because").inner_text()
    entry.locator(".row-link").click()
    tab.locator('[id="ties/kept-on-save"] > p >> nth=0').wait_for()


def test_nonsense_finds_nothing_and_the_table_is_a_way_on(visit):
    tab = visit()
    tab.fill("input[name=problem]", "xyzzy")
    assert entries(tab) == []
    assert tab.inner_text(".asked-count") == "0 of 2"
    tab.fill("input[name=problem]", "all agree")
    tab.click(".table-link")
    tab.wait_for_function("document.querySelectorAll('tr.row:not([hidden])').length === 1")


def test_a_framework_is_chosen_by_keyboard_and_kept_in_the_address(visit):
    tab = visit()
    assert len(entries(tab)) == 2
    tab.focus("input[name=framework][value='']")
    tab.keyboard.press("ArrowLeft")
    assert tab.locator("input[name=framework]:checked").get_attribute("value") == "torch"
    assert entries(tab) == ["After saving, my lm_head has come loose."]
    assert "framework=torch" in tab.url
    again = visit("#?problem=generator&framework=torch")
    assert entries(again) == ["My generator is not shared any more."]
    assert again.locator(".found .departure:visible .who").inner_text().startswith("TensorFlow 1 calls, eager")


def test_a_name_that_is_not_chosen_is_not_shown(visit):
    tab = visit("#?framework=tf1-eager")
    names = tab.locator(".found .name:visible").all_inner_texts()
    assert [name.split(" silent")[0] for name in names] == ["TensorFlow 1 calls, eager"]


def test_symptoms_are_read_without_javascript(visit):
    tab = visit(java_script_enabled=False)
    assert not tab.locator(".asking").is_visible()
    tab.click("#symptoms summary:has-text('Tied and shared')")
    tab.click("#symptoms summary:has-text('come loose')")
    assert "tie it again" in tab.locator("#symptoms .because:visible").inner_text()


def test_an_address_that_names_no_framework_chooses_all(visit):
    tab = visit("#?problem=generator&framework=torch")
    tab.evaluate("location.hash = '#?problem=generator'")
    tab.wait_for_timeout(300)
    assert tab.locator("input[name=framework]:checked").get_attribute("value") == ""
    assert tab.input_value("[name=problem]") == "generator"
    assert tab.url.endswith("#?problem=generator")
