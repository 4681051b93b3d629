"""What users report: each scenario has its specs or the reason why it has none, and a list that lies is refused."""

import pytest

from canireuse.runner.recording import scenario_lines
from canireuse.spec.problems import InputError
from canireuse.spec.reading import SCENARIOS
from canireuse.spec.scenarios import check_scenarios, load_scenarios

HEAD = "scenarios:\n"
GOOD = "  - {id: K01, scenario: A tied model is loaded, expects: the tie is kept, specs: [facet/spec]}\n"
STEPS = "steps:\n  - {variable: v, init: [1.0], as: v}\n  - {expect: one, variables: 1}\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "specs" / SCENARIOS
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + text, encoding="utf-8")
        return path

    return write


def test_a_scenario_comes_with_those_of_its_specs_that_are_there(write, load_spec):
    located = load_spec(STEPS)
    path = write(GOOD.replace("[facet/spec]", "[facet/spec, facet/other]"))
    (line,) = scenario_lines([located])
    assert (line.id, line.specs, line.not_tested) == ("K01", ["facet/spec"], None)
    with pytest.raises(InputError, match="there is no spec 'facet/other'"):
        check_scenarios(path, [located])


def test_a_spec_that_was_merged_is_named_by_its_id_of_today(write, load_spec):
    located = load_spec(STEPS)
    merged = located.model_copy(update={"spec": located.spec.model_copy(update={"aliases": ["facet/other"]})})
    with pytest.raises(InputError, match="write 'facet/spec', which it was merged into"):
        check_scenarios(write(GOOD.replace("facet/spec", "facet/other")), [merged])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  - {id: K01, scenario: A tied model is loaded, expects: it works}\n", "`specs`, or `not_tested`"),
        ("  - {id: k1, scenario: A tied model is loaded, expects: it works, specs: [a/b]}\n", "pattern"),
        ("  - {id: K01, scenario: A tied model is loaded, expects: it works, not_tested: no}\n", "at least 15"),
        (GOOD.replace("}", ", calls: {torch: ['children()']}}"), "pattern"),
        (GOOD.replace("specs: [facet/spec]", "not_tested: No file format., calls: {torch: [save]}"), "it has none"),
    ],
)
def test_what_says_nothing_is_refused_at_its_line(write, text, words):
    with pytest.raises(InputError, match=words) as refused:
        load_scenarios(write(text))
    assert refused.value.problems[0].line == 2


def test_an_id_stands_once(write, load_spec):
    with pytest.raises(InputError, match="a second time"):
        check_scenarios(write(GOOD + GOOD), [load_spec(STEPS)])


def test_specs_without_a_list_have_no_scenarios(load_spec):
    assert scenario_lines([load_spec(STEPS)]) == []
