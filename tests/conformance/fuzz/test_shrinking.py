"""Shrinking: what a disagreement does not need is left out, and it stays the same disagreement."""

from canireuse.fuzz.shrinking import shrunk, without
from tests.conformance.fuzz.ring import Ring
from tests.conformance.fuzz.test_agreement import PROGRAM
from tests.zoo.animals import ANIMALS


def test_a_lost_tie_is_shrunk_to_the_tie():
    ring = Ring(ANIMALS["zoo-unties-at-tie"])
    steps = [
        *PROGRAM["steps"][:-1],
        {"repeat": 2, "steps": [{"assign": "other.kernel", "to": [[1.0]]}]},
        PROGRAM["steps"][-1],
    ]
    program = {**PROGRAM, "steps": [step for step in steps if step.get("expect") in {None, "tied"}]}
    answered = ring.answered(program)
    (case,) = ring.cases(answered)
    small = shrunk(ring, ring.compared(answered, case), program)
    assert [step.verb for step in small.located.spec.steps] == ["layer", "layer", "tie", "expect"]
    assert small.first.label == "tied"


def test_steps_are_left_out_inside_a_step_too():
    inner = [{"assign": "a"}, {"assign": "b"}]
    tried = [*without([{"repeat": 2, "steps": inner}, {"read": "a"}])]
    assert [{"repeat": 2, "steps": inner}] in tried
    assert [{"repeat": 2, "steps": inner[:1]}, {"read": "a"}] in tried
    assert [*inner, {"read": "a"}] in tried


def test_variables_stay_initialized():
    steps = [{"layer": "dense"}, {"initialize": None}, {"tie": "a"}]
    assert all({"initialize": None} in fewer for fewer in without(steps))
    assert [{"initialize": None}] in [*without([{"initialize": None}, {"tie": "a"}])]
    assert not [*without([{"initialize": None}])]


def test_what_stands_in_a_scope_that_says_a_start_stays_there():
    inner = [{"get": "a", "shape": [2]}, {"get": "b", "init": 1.0}]
    assert inner in [*without([{"scope": "tower", "steps": inner}])]
    assert inner not in [*without([{"scope": "tower", "init": 1.0, "steps": inner}])]
