"""A compiled function that only reads is given the model or captures it, each a case; nothing else has these ways."""

import pytest

from canireuse_adapters.equinox import Equinox
from canireuse_adapters.haiku import Haiku
from canireuse_adapters.keras import Keras
from canireuse_adapters.linen import Linen
from canireuse_adapters.nnx import NNX
from canireuse_adapters.torch import Torch

MADE = """\
steps:
  - {variable: weight, init: [1.0], as: weight}
  - {module: net, members: {first: weight}}
"""
READING = MADE + "  - {function: f, traced: true, returns: net.first, steps: []}\n"
WRITING = MADE + "  - {function: f, traced: true, steps: [{assign: net.first, to: [2.0]}]}\n"
CALL = "  - {invoke: f}\n"
TIMED = "  - {measure: turn, steps: [{invoke: f}]}\n"


def ways(adapter, spec):
    """Return the ways of functions in which an adapter says a spec, with their scripts' definitions of `f`."""
    found = {}
    for way in adapter.ways_of(spec):
        lines = adapter("cpu", way).translate(spec).text.splitlines()
        found[way.get("engine"), way.get("function")] = next((one for one in lines if one.startswith("def f(")), "")
    return found


@pytest.mark.parametrize("adapter", [NNX, Linen, Haiku, Equinox])
def test_a_function_that_reads_and_is_called_again_is_given_the_model_or_captures_it(load_spec, adapter):
    told = ways(adapter, load_spec(READING + 2 * CALL).spec)
    assert told[None, "captured"] == "def f():"
    assert told[None, "argument"] not in {"", "def f():"}


def test_keras_tells_the_two_ways_apart_on_jax_alone(load_spec):
    told = ways(Keras, load_spec(READING + 2 * CALL).spec)
    assert [*told] == [("tensorflow", None), ("jax", "argument"), ("jax", "captured"), ("torch", None)]


@pytest.mark.parametrize("steps", [READING + CALL, WRITING + 2 * CALL, READING + CALL + TIMED])
@pytest.mark.parametrize("adapter", [NNX, Linen, Haiku, Equinox, Keras])
def test_one_that_is_called_once_or_writes_or_is_timed_has_one_way(load_spec, adapter, steps):
    assert not any("function" in way for way in adapter.ways_of(load_spec(steps).spec))


def test_a_framework_that_reads_variables_as_objects_has_one_way(load_spec):
    assert Torch.ways_of(load_spec(READING + 2 * CALL).spec) == [{}]
