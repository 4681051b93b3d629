"""The house style: every rule finds what it is for, and a good spec has nothing to find."""

import pytest

from canireuse.commands.style import RULES, lint_specs

STEPS = """
    steps:
      - get: kernel
        init: 1.0
        as: first
      - expect: reads-one
        value: first
        is: 1.0
"""
SAVED = """
    steps:
      - variable: kernel
        init: 1.0
        as: first
      - module: net
        members: {kernel: first}
      - save: net
        to: kept
      - restore: net
        from: kept
      - expect: reads-one
        value: first
        is: 1.0
"""
EQUAL_VALUES = """
    steps:
      - get: kernel
        init: 1.0
        as: first
      - get: other
        init: 1.0
        as: second
      - expect: first-is-one
        value: first
        is: 1.0
      - expect: second-is-one
        value: second
        is: 1.0
"""


def rules_broken(located):
    return {problem.happened.rpartition("[")[2].rstrip("]") for problem in lint_specs([located])}


def test_a_good_spec_breaks_no_rule(load_spec):
    assert rules_broken(load_spec(STEPS)) == set()


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("modeline", lambda text: text.partition("\n")[2]),
        ("title", lambda text: text.replace("A small spec", "A spec that should be small")),
        ("title", lambda text: text.replace("facet/spec\n", "facet/spec.\n", 1)),
        ("size", lambda text: text.replace("steps:\n", "steps:\n" + "\n" * 90, 1)),
        ("source", lambda text: text.replace("convention: made up by a test of this project", "somewhere")),
        ("judged", lambda text: text.partition("- expect")[0]),
        ("probing", lambda text: text.replace("by-name", "sharing")),
    ],
)
def test_each_rule_finds_what_it_is_for(write_spec, rule, change):
    from canireuse.program.loader import load

    path = write_spec(EQUAL_VALUES if rule == "probing" else STEPS)
    assert rule not in rules_broken(load(path))
    path.write_text(change(path.read_text()))
    assert rules_broken(load(path)) == {rule}


@pytest.mark.parametrize(
    ("about", "symptom", "found"),
    [
        ("Said for the test.", "My head has come loose.", True),
        ("Said before the test.", "My head has come loose.", True),
        ("Ties were lost until PyTorch 1.13.", "My head has come loose.", False),
        ("Said for the test.", "Has my head come loose?", False),
    ],
)
def test_a_row_that_clears_everybody_of_a_symptom_says_since_when_or_asks(write_spec, about, symptom, found):
    from canireuse.program.loader import load

    path = write_spec(STEPS)
    said = "A spec of a test; it says long enough why it is here.\n"
    path.write_text(path.read_text().replace(said, f"{said}  {about}\nsymptom: {symptom}\n"))
    assert rules_broken(load(path)) == ({"cleared"} if found else set())


@pytest.mark.parametrize(
    ("backend", "more", "found"),
    [
        ("torch", "", False),
        ("torhc", "", True),
        ("torch", "ways: [load_state_dict]", False),
        ("torch", "ways: [pickel]", True),
        ("torch", "ways: [to_empty]", True),  # a way of another verb
        ("torch", "versions: torch<2", False),
        ("torch", "versions: tensorflow<2", True),
    ],
)
def test_a_divergence_that_could_never_apply_is_found(load_spec, backend, more, found):
    divergence = f"""
    divergences:
      - backends: [{backend}]
        answers: {{reads-one: 2.0}}
        because: it is long enough to be a reason
        source: observed
        {more}
"""
    assert rules_broken(load_spec(SAVED + divergence.lstrip("\n"))) == ({"backends"} if found else set())


LAYER = """
    steps:
      - {layer: dense, inputs: 1, units: 1, name: d, as: d}
STEPS
      - {expect: one-variable, variables: 1, inside: d}
"""


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ("{call: d, on: [[1.0]]}", True),
        ("{call: d, on: [[1.0]], as: y}", True),
        ("{call: d, on: [[1.0]], as: y}\n{call: d, on: [[2.0]], as: y}\n{expect: output, value: y, is: [[2.0]]}", True),
        ("{call: d, on: [[1.0]], as: y}\n{expect: output, value: y, is: [[1.0]]}", False),
        ("{call: d, on: [[1.0]], as: y}\n{compute: y = 2.0 * y}\n{expect: output, value: y, is: [[2.0]]}", False),
        ("{compute: y = 1.0 + 1.0}", True),
        ("{function: f, steps: [], returns: d.kernel}\n{invoke: f, as: y}", True),
        ("{function: f, steps: [], returns: d.kernel}\n{invoke: f}", False),
        ("{train: sgd, minimize: sum(d.kernel), wrt: d, steps: [{call: d, on: [[1.0]], as: y}]}", True),
        ("{train: sgd, minimize: sum(y), wrt: d, steps: [{call: d, on: [[1.0]], as: y}]}", False),
        # what a spec is about: a call that changes something, that stands somewhere, after which something differs
        ("{call: d, on: [[1.0]], training: true}", False),
        ("{scope: inner, steps: [{call: d, on: [[1.0]], as: y}]}", False),
        ("{function: f, steps: [{call: d, on: [[1.0]]}]}\n{invoke: f}", False),
        ("{expect: none-yet, variables: 0, inside: d}\n{call: d, on: [[1.0]]}", False),
        ("{call: d, on: [[1.0]]}\n{call: d, on: [[1.0, 1.0]], raises: shape_mismatch, expect: refused}", False),
        ("{measure: loop, steps: [{call: d, on: [[1.0]], as: y}]}", False),
        # what ends as it was expected to has been looked at
        ("{call: d, on: [[1.0]], as: y, raises: nothing, expect: accepted}", False),
    ],
)
def test_what_no_step_reads_is_found(load_spec, steps, found):
    told = "\n".join(f"      - {step}" for step in steps.split("\n"))
    assert rules_broken(load_spec(LAYER.replace("STEPS", told))) == ({"unread"} if found else set())


def test_what_no_step_reads_is_found_at_its_line(load_spec):
    located = load_spec(LAYER.replace("STEPS", "      - {call: d, on: [[1.0]]}"))
    (problem,) = lint_specs([located])
    assert "call: d" in located.text.splitlines()[problem.line - 1]


def test_a_file_name_that_is_no_slug_is_found(load_spec):
    assert rules_broken(load_spec(STEPS, "facet/No_Slug")) == {"slug"}


def test_every_rule_is_explained():
    assert all(len(rule.explanation) > 30 for rule in RULES.values())
