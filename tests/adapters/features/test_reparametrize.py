"""Reparametrizations: a number or an expression, and what it is computed from beside the variable."""

import pytest

from canireuse.emit import Unsupported
from canireuse.spec.problems import InputError
from canireuse_adapters import adapter

STEPS = (
    "steps:\n  - {variable: delta, init: [[1.0]], as: delta}\n"
    "  - {layer: embedding, name: e, inputs: 1, units: 1, kernel: 1.0, as: e}\n  - {reparametrize: e.kernel"
)


@pytest.mark.parametrize("said", ["", ", times: 2, by: raw"])
def test_a_function_is_said_once(load_spec, said):
    with pytest.raises(InputError, match="either `times` or `by`"):
        load_spec(f"{STEPS}{said}}}\n")


def test_a_parametrization_of_pytorch_owns_what_it_adds(load_spec):
    text = adapter("torch")("cpu", {}).translate(load_spec(f"{STEPS}, by: raw + delta}}\n").spec).text
    assert "self.delta = delta" in text
    assert "return parameter + self.delta" in text


def test_a_getter_of_haiku_is_given_the_parameter_alone(load_spec):
    with pytest.raises(Unsupported, match="the layer's own parameters"):
        adapter("haiku")("cpu", {}).translate(load_spec(f"{STEPS}, by: raw + delta}}\n").spec)
