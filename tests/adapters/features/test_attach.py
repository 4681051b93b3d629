"""Attached functions: the module of TensorFlow 2 holds the traced function itself, and others keep no code in files."""

import pytest

from canireuse.emit import Unsupported
from canireuse_adapters import adapter

STEPS = """
  - {variable: total, init: [0.0], as: total}
  - {module: net, members: {first: total}}
  - {function: add, traced: true, takes: [x], steps: [{assign: net.first, to: net.first + x}], returns: net.first * 1.0}
  - {compute: "x = [1.0] + [0.0]"}
  - {attach: net, member: add, function: add}
  - {call_attached: net, member: add, given: [x], as: y}
"""


def script(load_spec, backend):
    spec = load_spec(f"steps:{STEPS}").spec
    way = adapter(backend).ways_of(spec)[0]
    return adapter(backend)("cpu", way).translate(spec).text


def test_the_module_holds_the_function_and_calls_it(load_spec):
    text = script(load_spec, "tf2")
    assert "net.add = add" in text
    assert "y = net.add(x)" in text


@pytest.mark.parametrize("backend", ["torch", "nnx", "keras", "tf1"])
def test_no_file_of_others_holds_code(load_spec, backend):
    with pytest.raises(Unsupported):
        script(load_spec, backend)
