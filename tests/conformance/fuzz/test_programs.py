"""Random programs: each is a valid spec, on which the reference model holds, and each verb of the core is in many."""

from collections import Counter

import pytest
from hypothesis import given

from canireuse.fuzz import campaign, programs
from canireuse.fuzz.agreement import located
from canireuse.program.loader import load
from tests.conformance.fuzz.ring import Ring, each, fixed

CORE = {
    "variable", "get", "scope", "layer", "module", "tie", "assign", "compute", "call", "gradient", "train", "optimizer", "update", "copy",
    "save", "restore", "freeze", "function", "invoke", "repeat", "expect", "initialize",
}  # fmt: skip


@pytest.mark.parametrize("contract", ["sharing", "by-name"])
def test_a_program_can_be_saved_and_loaded_and_holds_on_the_reference_model(contract, tmp_path):
    seen = []

    @each(40, contract)
    def holds(program):
        seen.append(program)
        path = tmp_path / "program.yaml"
        path.write_text(program.text)
        assert load(path).spec == program.spec
        assert [case.verdict for case in Ring().cases(program)] == ["conforms"]

    holds()
    assert len(seen) > 30


def test_each_verb_of_the_core_is_in_many_programs():
    counts = Counter()

    @fixed(300)
    @given(programs.programs("sharing", "by-name"))
    def count(program):
        counts.update(["programs", *campaign.held(located(program))])

    count()
    assert counts["programs"] == 300
    assert {verb for verb in CORE if counts[verb] < 0.05 * counts["programs"]} == set()
    groups = ("a tie", "an optimizer", "a copy or restore")
    assert {group for group in groups if 3 * counts[group] < counts["programs"]} == set()


def test_what_numbers_do_not_decide_is_the_first_option():
    made = [("layer", b""), ("layer", b""), ("scope", b""), ("get", b""), ("get", b""), ("leave", b"")]
    program = programs.Drawn("by-name", made, [("tie again", b""), ("update", b""), ("restore", b"")]).said()
    verbs = [next(iter(step)) for step in program["steps"]]
    assert verbs[:5] == ["layer", "layer", "scope", "initialize", "tie"]
    assert [step.get("raises") for step in program["steps"][2]["steps"]] == [None, "already_exists"]
    assert {"optimizer", "update", "save", "restore"} <= set(verbs)
    assert located(program).spec.contract == "by-name"


def test_by_name_nothing_is_tied_before_variables_are_initialized():
    made = [("layer", b""), ("layer", b""), ("tie", b"")]
    for contract, ties in ("by-name", False), ("sharing", True):
        verbs = [next(iter(step)) for step in programs.Drawn(contract, made, []).said()["steps"]]
        assert ("tie" in verbs) is ties


def test_what_layers_have_is_asked_after_they_are_made():
    made = [("layer", b""), ("look", b""), ("look", b"\x01"), ("look", b"\x02")]
    for contract in "by-name", "sharing":
        steps = programs.Drawn(contract, made, []).said()["steps"]
        assert [next(iter(step)) for step in steps[:2]] == ["layer", "initialize"]
