"""Hooks: each does one thing to a gradient."""

import pytest

from canireuse.spec.problems import InputError
from canireuse_adapters import adapter

STEPS = "steps:\n  - {variable: w, init: [1.0], as: w}\n  - {hook: w"


def test_a_hook_cuts_a_gradient_down(load_spec):
    text = adapter("torch")("cpu", {}).translate(load_spec(f"{STEPS}, at_most: 2}}\n").spec).text
    assert "lambda grad: grad.clamp(max=2)" in text


@pytest.mark.parametrize("said", ["", ", times: 10, at_most: 2"])
def test_a_hook_that_does_nothing_or_two_things_is_refused(load_spec, said):
    with pytest.raises(InputError, match="either `times` or `at_most`"):
        load_spec(f"{STEPS}{said}}}\n")
