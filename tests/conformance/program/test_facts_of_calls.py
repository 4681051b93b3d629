"""What is known of calls before a line is written: which functions are transformed, and what is used before it is called."""

import pytest

from canireuse.program import Facts
from canireuse.spec.vocabulary import Initialize

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
    ("steps", "asked"),
    [
        ("{copy: d, as: other}", True),
        ("{expect: one, variables: 1, inside: d}", True),
        ("{module: net, members: {d: d}}\n  - {freeze: net}", True),
        ("{call: d, on: [[1.0]], as: y}\n  - {copy: d, as: other}", False),
        ("{function: f, traced: true, steps: [{call: d, on: [[1.0]], as: y}]}\n  - {invoke: f}", True),
        ("{function: f, steps: [{call: d, on: [[1.0]], as: y}]}\n  - {invoke: f}", False),
        ("{train: sgd, minimize: sum(y), wrt: d, steps: [{call: d, on: [[1.0]], as: y}]}", False),
        ("{compute: y = 1.0 + 1.0}", False),
        (
            """{variable: v, init: 1.0, as: v}
  - {module: net, members: {d: d, v: v}}
  - {compute: y = net.v + 1.0}
  - {expect: one, variables: 1, inside: net.d}""",
            True,
        ),
    ],
)
def test_a_layer_is_asked_for_its_variables_before_it_is_called(load_spec, steps, asked):
    facts = Facts(load_spec(f"{CALLS}  - {{initialize: }}\n  - {steps}").spec)
    after = next(one for one in facts.steps if isinstance(one, Initialize))
    assert facts.asked_first("d", after) is asked


def test_what_was_saved_is_called_where_what_it_is_read_into_is(load_spec):
    modules = "\n".join(f"  - {{module: {name}, members: {{d: d}}}}" for name in ("old", "new", "other"))
    steps = "  - {save: old, to: kept}\n  - {restore: new, from: kept}\n  - {call: new, on: [[1.0]], as: y}"
    called = Facts(load_spec(f"{CALLS}{modules}\n{steps}").spec).called
    assert {"old", "new"} <= called
    assert "other" not in called
