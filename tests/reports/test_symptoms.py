"""What happened to people: what a symptom says of each framework, and how it is found and read."""

import pytest

from canireuse_reports import build
from canireuse_reports.symptoms import errors, symptoms
from canireuse_reports.view import view
from tests.reports.conftest import HOSTILE, case, spec


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


TWICE = "Expected to mark a variable ready only once. This error is caused by: 1) parameters used twice"
MISSING = """Error(s) in loading state_dict for Module:\n\tMissing key(s) in state_dict: "second". """


@pytest.fixture(scope="module")
def pasted(results):
    """Results of rows whose scripts ran into errors, and of rows with words of their own."""
    rows = {
        "devices/twice": "The wrapped block takes no step.",
        "checkpoints/one-name": "My file is too short.",
        "checkpoints/half": "Half of my model is random.",
        "freezing/layer": "The frozen layer moves.",
        "state/freed": "The memory is not freed.",
        "gradients/recomputed": "With gradient recomputation all is renamed.",
        "gradients/exploding": "Gradients explode.",
    }
    specs = {name: spec(name, f"Row {number}", symptom=says) for number, (name, says) in enumerate(rows.items())}
    error = {"type": "RuntimeError", "message": TWICE, "bases": ["RuntimeError"]}
    refused = {"error": {"type": "RuntimeError", "message": MISSING, "bases": ["RuntimeError"]}}
    cases = [
        case("devices/twice", "torch", "error", blame="backend", error=error),
        *(case(name, "torch", "differs", way="file", loudness="refused") for name in list(rows)[1:3]),
        *(case(name, "torch", "conforms") for name in ("freezing/layer", "gradients/recomputed")),
        case("state/freed", "torch", "conforms"),
        case("state/freed", "tf1", "differs", observed=False, loudness="silent"),
        case("gradients/exploding", "tf1", "differs", observed=False, loudness="silent"),
    ]
    for one in cases[1:3]:
        one.expectations[0] = one.expectations[0].model_copy(update={"raw": refused})
    return results.model_copy(update={"specs": specs, "cases": {one.id: one for one in cases}, "scenarios": {}})


def test_an_error_is_kept_once_and_without_what_is_of_one_script(pasted):
    assert errors(view(pasted)) == [
        (
            "RuntimeError: Error in loading state_dict for Module: Missing key in state_dict",
            ["checkpoints/half", "checkpoints/one-name"],
        ),
        (
            "RuntimeError: Expected to mark a variable ready only once. This error is caused by: parameters used twice",
            ["devices/twice"],
        ),
    ]


def test_a_row_without_a_symptom_has_no_errors(pasted):
    silent = {name: line.model_copy(update={"symptom": None}) for name, line in pasted.specs.items()}
    assert errors(view(pasted.model_copy(update={"specs": silent}))) == []


@pytest.fixture(scope="module")
def answers(pasted, tmp_path_factory):
    return build(pasted, tmp_path_factory.mktemp("pasted") / "index.html")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("RuntimeError: Expected to mark a variable ready only once", ["The wrapped block takes no step."]),
        ("Missing key(s) in state_dict", ["Half of my model is random.", "My file is too short."]),
        ("memory freed", ["The memory is not freed."]),
        ("ValueError: memory freed", ["The memory is not freed."]),
        ("remat renamed", ["With gradient recomputation all is renamed."]),
        ("donate a buffer to a pipeline stage", []),
    ],
)
def test_what_is_pasted_finds_the_rows_that_ran_into_it_and_no_others(visit, answers, words, says):
    tab = visit(page=answers)
    tab.fill("input[name=problem]", words)
    assert entries(tab) == says
    assert tab.locator(".nothing").is_visible() is (not says)


def test_where_nothing_has_the_words_the_page_says_so_and_what_to_do(visit, answers):
    tab = visit(page=answers)
    assert not tab.locator(".nothing").is_visible()
    tab.fill("input[name=problem]", "sparse tensors on a watch")
    assert "We have nothing on this" in tab.inner_text(".nothing")
    assert "canireuse new" in tab.inner_text(".nothing")
    assert "come close" not in tab.inner_text(".nothing")
    tab.fill("input[name=problem]", "frozen layer moves sideways")
    assert entries(tab) == ["The frozen layer moves."]
    assert "come close" in tab.inner_text(".nothing")


def test_a_rows_own_sentence_goes_before_a_row_that_departs(visit, answers):
    tab = visit("#?problem=gradient+row&framework=tf1", page=answers)
    assert entries(tab)[0] == "Gradients explode."
    tab = visit("#?problem=gradient&framework=torch", page=answers)
    tab.fill("input[name=problem]", "gradient recomputation")
    assert entries(tab)[0] == "With gradient recomputation all is renamed."
