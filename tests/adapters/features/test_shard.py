"""Sharding: the mesh that an array is laid out over stands above all steps, once."""

import pytest

from canireuse_adapters import adapter

STEPS = """
  - {layer: dense, inputs: 2, units: 2, kernel: 1.0, as: net}
  - {shard: net.kernel}
  - {shard: net.kernel}
"""
STEP = "  - {parallel: net, split: {x: [[[1.0, 2.0]], [[3.0, 4.0]]]}, minimize: sum(y), steps: [{call: net, on: x, as: y}]}\n"


@pytest.mark.parametrize("backend", ["linen", "nnx", "haiku", "equinox"])
@pytest.mark.parametrize("steps", [STEPS, STEPS + STEP])
def test_a_mesh_is_made_once_for_all_that_is_laid_out(load_spec, backend, steps):
    ways = {"linen": {"parallel": "shard_map"}, "nnx": {"parallel": "jit"}}
    text = adapter(backend)("cpu", ways.get(backend, {})).translate(load_spec(f"steps:\n{steps}").spec).text
    assert text.count("mesh = jax.make_mesh(") == 1
    assert text.index("mesh = ") < text.index("NamedSharding(mesh, ")
