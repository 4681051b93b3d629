"""Made once: an attribute that is there is left alone, and what comes after knows of the variable."""

import pytest

from canireuse_adapters import adapter

STEPS = """
  - {variable: base, init: [1.0], as: base}
  - {module: net, members: {base: base}}
  - {function: run, traced: true, takes: [x], steps: [{make_once: net, member: scale, start: x * 2.0}], returns: net.scale * 1.0}
  - {compute: "x = [1.0] + [0.0]"}
  - {invoke: run, given: [x], as: y}
  - {expect: started, value: net.scale, is: [2.0]}
"""


@pytest.mark.parametrize(
    ("backend", "made"),
    [("torch", "nn.Parameter(x * 2.0)"), ("nnx", "nnx.Param(x * 2.0)"), ("tf2", "tf.Variable(x * 2.0)")],
)
def test_it_is_made_if_it_is_not_there(load_spec, backend, made):
    spec = load_spec(f"steps:{STEPS}").spec
    text = adapter(backend)("cpu", adapter(backend).ways_of(spec)[0]).translate(spec).text
    assert f"if not hasattr(net, 'scale'):\n        net.scale = {made}" in text
