"""What is known of calls before a line is written: which functions are transformed, and which calls build alone."""

import pytest

from canireuse.program import Facts
from canireuse.vocabulary import Call

FUNCTIONS = """
steps:
  - {variable: w, init: [1.0], as: w}
  - {function: inner, returns: w, steps: []}
  - {function: middle, returns: x, steps: [{invoke: inner, as: x}]}
  - {function: plain, returns: y, steps: [{compute: y = 2 * w}]}
  - {invoke: plain, as: z}
"""
CALLS = """
steps:
  - {layer: dense, inputs: 1, units: 1, name: d, as: d}
"""


@pytest.mark.parametrize(
    ("step", "functions"),
    [
        ("{gradient: g, of: sum(x), wrt: w, steps: [{invoke: middle, as: x}]}", {"inner", "middle"}),
        ("{function: f, traced: true, steps: [{invoke: inner}]}", {"inner"}),
        ("{function: f, steps: [{invoke: middle}]}", set()),
    ],
)
def test_functions_that_a_transformation_calls_are_known(load_spec, step, functions):
    assert Facts(load_spec(f"{FUNCTIONS}  - {step}").spec).transformed == functions


@pytest.mark.parametrize(
    ("steps", "builds"),
    [
        ("{call: d, on: [[1.0]], as: y}", True),
        ("{call: d, on: [[1.0]]}", True),
        ("{call: d, on: [[1.0]], as: y}\n  - {compute: z = 2 * y}", False),
        ("{call: d, on: [[1.0]], training: true, as: y}", False),
        ("{call: d, on: [[1.0, 2.0]], raises: shape_mismatch, expect: refused}", False),
        ("{repeat: 2, steps: [{call: d, on: [[1.0]], as: y}]}", False),
    ],
)
def test_a_call_of_which_nothing_comes_builds(load_spec, steps, builds):
    facts = Facts(load_spec(f"{CALLS}  - {steps}").spec)
    assert facts.builds(next(one for one in facts.steps if isinstance(one, Call))) is builds
