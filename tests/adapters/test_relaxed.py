"""Functions that are told that lengths differ: each compiler's own option, and a refusal where there is none."""

import pytest

from canireuse.emit import Unsupported
from canireuse_adapters import adapter

STEPS = """
  - {function: double, traced: relaxed, takes: [x], steps: [{compute: y = x * 2.0}], returns: y}
  - {compute: "x = [1.0] + [0.0]"}
  - {invoke: double, given: [x], as: z}
"""


def script(load_spec, backend):
    return adapter(backend)("cpu").translate(load_spec(f"steps:{STEPS}").spec).text


@pytest.mark.parametrize("backend", ["tf1", "tf1-eager", "tf2"])
def test_tensorflow_is_told_to_retrace_less(load_spec, backend):
    assert "@tf.function(reduce_retracing=True)\n" in script(load_spec, backend)


def test_torch_compiles_for_lengths_that_differ(load_spec):
    assert "@torch.compile(backend='eager', dynamic=True)\n" in script(load_spec, "torch")


@pytest.mark.parametrize("backend", ["linen", "nnx", "haiku", "equinox"])
def test_jax_leaves_no_length_open(load_spec, backend):
    with pytest.raises(Unsupported, match="for each shape"):
        script(load_spec, backend)
