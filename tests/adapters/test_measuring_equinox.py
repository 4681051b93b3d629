from importlib.util import find_spec

import pytest

from canireuse.emit import Script
from canireuse.judge.verdict import judge
from canireuse.run.hosts import Host
from canireuse_adapters.equinox import Equinox
from tests.adapters.timed import LAYER_PRODUCT, seconds, without_fence

needs_equinox = pytest.mark.skipif(find_spec("equinox") is None, reason="Equinox is not installed")

STEP = """
steps:
  - {layer: dense, inputs: 2, units: 2, kernel: 0.5, name: one, as: one}
  - {layer: dense, inputs: 2, units: 2, kernel: 0.5, name: other, as: other}
  - {compute: "x = ones(3, 2)"}
  - {call: other, on: x, as: made}
  - {optimizer: tuner, kind: adam, rate: 0.1, over: one}
  - function: step
    traced: usual
    takes: [x]
    steps: [{update: tuner, minimize: sum(y), steps: [{call: one, on: x, as: y}]}]
  - {measure: step, steps: [{invoke: step, given: [x]}]}
  - {expect: stepped, value: one.kernel, is: [[0.4, 0.4], [0.4, 0.4]]}
"""
SIZES = """
steps:
  - {layer: dense, inputs: 8, units: 4, kernel: random, bias: 0.0, name: layer, as: layer}
  - {module: whole, members: {layer: layer}}
  - {optimizer: tuner, kind: adam, rate: 0.1, over: whole}
  - {save: whole, to: kept}
  - {expect: elements, elements: whole, is: 36}
  - {expect: bytes, parameter_bytes: whole.layer, is: 144}
  - {expect: slots, slot_bytes: tuner, is: 292}
  - {expect: file, checkpoint_bytes: kept, is: 400}
"""
TIED = """
steps:
  - {layer: embedding, inputs: 3, units: 2, kernel: random, name: embed, as: embed}
  - {layer: embedding, inputs: 3, units: 2, kernel: random, name: head, as: head}
  - {tie: head.kernel, to: embed.kernel}
  - {module: both, members: {embed: embed, head: head}}
  - {expect: elements, elements: both, is: 6}
  - {expect: bytes, parameter_bytes: both, is: 24}
"""
READY = """
import equinox as eqx
import jax
import jax.numpy as jnp
x = jnp.ones([700, 700])
for label, compiled in [('filtered', eqx.filter_jit(jnp.matmul)), ('plain', jax.jit(jnp.matmul))]:
    compiled(x, x).block_until_ready()
    results = [compiled(x, x) for _ in range(8)]
    observe(label, results[-1].is_ready())
"""


@pytest.fixture(scope="module")
def host():
    host = Host(Equinox, device="cpu")
    yield host
    host.stop()


@needs_equinox
def test_a_call_returns_when_it_is_done_with_its_fence_or_without(load_spec, host):
    """`eqx.filter_jit` waits for its result at each call, to raise errors there: the fence finds nothing left to wait for.

    So both figures agree, here within a factor that a busy machine keeps; what `jax.jit` returns is not ready yet.
    """
    text = Equinox().translate(load_spec(LAYER_PRODUCT).spec).text
    without = without_fence(text)
    assert "measure('product')" in without
    assert host.ready() is None
    assert seconds(host, without) > seconds(host, text) / 4
    ready = host.run(Script(READY), "<ready>")
    assert (ready.observations, ready.error) == ({"filtered": True, "plain": False}, None)


@needs_equinox
def test_scripts_run_and_conform(load_spec, host):
    for name, steps in {"step": STEP, "sizes": SIZES}.items():
        spec = load_spec(steps, name=f"facet/{name}").spec
        outcome = host.run(Equinox("cpu", Equinox.ways_of(spec)[0]).translate(spec), f"<{name}>")
        verdict = judge(spec, "equinox", Equinox, {}, outcome, {})
        assert verdict.verdict == "conforms", (name, verdict.reason, outcome.error)
    for way in ({"tie": "shared"}, {"tie": "same-array"}):
        outcome = host.run(Equinox("cpu", way).translate(load_spec(TIED).spec), "<tied>")
        once = way["tie"] == "shared"
        assert outcome.observations == {"elements": 6 if once else 12, "bytes": 24 if once else 48}
