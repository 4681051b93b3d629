from importlib.util import find_spec

import pytest

from canireuse.emit import Unsupported, statements
from canireuse.judge.verdict import judge
from canireuse.run.hosts import Host
from canireuse_adapters.nnx import NNX
from tests.adapters.timed import seconds, without_fence

needs_flax = pytest.mark.skipif(find_spec("flax") is None, reason="Flax is not installed")

STEP = """
steps:
  - {layer: dense, inputs: 2, units: 2, kernel: 0.5, name: one, as: one}
  - {layer: dense, inputs: 2, units: 2, kernel: 0.5, name: two, as: two}
  - {layer: dense, inputs: 2, units: 2, kernel: 0.5, name: other, as: other}
  - {module: pair, members: {one: one, two: two}}
  - {optimizer: tuner, kind: adam, rate: 0.1, over: pair}
  - function: step
    traced: usual
    takes: [x]
    steps:
      - update: tuner
        minimize: sum(y)
        steps: [{call: one, on: x, as: h}, {call: two, on: h, as: y}]
  - function: slope
    traced: usual
    takes: [x]
    steps:
      - gradient: found
        of: sum(y) + sum(z)
        wrt: other.kernel
        steps: [{call: other, on: x, as: y}, {call: one, on: x, as: z}]
    returns: found
  - {compute: "x = ones(1, 2)"}
  - {invoke: slope, given: [x], as: found}
  - {expect: slope, value: found, is: [[1.0, 1.0], [1.0, 1.0]]}
  - {expect: pair, trainable: 2, inside: pair}
  - {measure: step, steps: [{invoke: step, given: [x]}]}
  - {measure: slope, steps: [{invoke: slope, given: [x], as: found}]}
  - {expect: stepped, value: pair.one.kernel, is: [[0.4, 0.4], [0.4, 0.4]]}
  - {expect: left-alone, value: other.kernel, is: [[0.5, 0.5], [0.5, 0.5]]}
"""
FRESH = """
steps:
  - measure: create
    fresh: true
    steps: [{scope: tower, steps: [{get: kernel, numbered: 3, shape: [2], init: 1.0}]}]
  - measure: reuse
    steps: [{scope: tower, reuse: true, steps: [{get: kernel, numbered: 3, shape: [2], as: kernels}]}]
  - measure: again
    steps: [{scope: tower, reuse: true, steps: [{get: kernel_0, shape: [2], as: kernel}]}]
  - {expect: three, variables: 3}
"""
NUMBERED = """
steps:
  - scope: tower
    steps:
      - {get: kernel, numbered: 2, shape: [2], init: 1.0, as: kernels}
      - {get: count, numbered: 2, init: 0.0, trainable: false}
  - scope: tower
    reuse: true
    steps:
      - {get: kernel, numbered: 2, as: found}
      - {get: kernel, numbered: 3, shape: [2], as: found, raises: not_found, expect: one-is-missing}
      - {get: kernel_1, as: last}
  - {gradient: slope, of: sum(last), wrt: last, steps: []}
  - {expect: found-among-the-others, value: slope, is: [1.0, 1.0]}
  - {expect: all, variables: 4}
"""
SIZES = """
steps:
  - {layer: dense, inputs: 8, units: 4, kernel: random, bias: 0.0, name: layer, as: layer}
  - {module: whole, members: {layer: layer, again: layer}}
  - {optimizer: tuner, kind: adam, rate: 0.1, over: whole}
  - {save: whole, to: kept}
  - {expect: elements, elements: whole, is: 36}
  - {expect: bytes, parameter_bytes: whole.layer, is: 144}
  - {expect: slots-and-two-counts, slot_bytes: tuner, is: 296}
  - {expect: file, checkpoint_bytes: kept, is: 1000, close: 0.95}
"""
SCRIPTS = {"step": STEP, "fresh": FRESH, "numbered": NUMBERED, "sizes": SIZES}
HEAVY = """
steps:
  - {layer: dense, inputs: 512, units: 512, kernel: 0.001, name: layer, as: layer}
  - {optimizer: tuner, kind: adam, rate: 1.0e-9, over: layer}
  - {compute: "x = ones(512, 512)"}
  - function: step
    traced: usual
    takes: [x]
    steps:
      - update: tuner
        minimize: mean(square(h))
        steps: [{compute: h = x}, {repeat: 4, steps: [{call: layer, on: h, as: h}]}]
  - {invoke: step, given: [x]}
  - {measure: step, steps: [{invoke: step, given: [x]}]}
  - {expect: shape, shape: layer.kernel, is: [512, 512]}
"""


def test_functions_take_what_they_use_and_losses_one_owner_of_what_they_train(load_spec):
    text = NNX().translate(load_spec(STEP).spec).text
    assert "def step(pair, tuner, x):\n" in text
    assert "def slope(one, other, x):\n" in text
    assert "fence=lambda: jax.block_until_ready((pair, tuner))" in text
    assert "fence=lambda: jax.block_until_ready(found)" in text
    assert "root" not in text
    apart = NNX().translate(load_spec(STEP.replace("call: two, on: h", "call: pair.two, on: h")).spec).text
    assert "y = pair.two(h)" in apart


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("y = f(x)", ["y"]),
        ("root.tower.w = nnx.Param(x)", ["root"]),
        ("made = root.tower.w = nnx.Param(x)", ["made", "root"]),
        ("optimizer.update(root, x)", ["optimizer", "root"]),
        ("kernel = root.tower.w", []),
        ("kernels = [getattr(root, name) for name in names]", []),
        ("for number in range(3):\n    setattr(root, number, x)", []),
    ],
)
def test_what_a_statement_writes_is_waited_for(line, names):
    assert NNX().awaited(statements(line)) == names


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ("[{scope: a, steps: [{measure: m, fresh: true, steps: [{get: w, shape: [1], init: 1.0}]}]}]", "no scope is open"),
    ],
)  # fmt: skip
def test_what_nnx_cannot_say_is_refused_with_a_reason(load_spec, steps, reason):
    with pytest.raises(Unsupported, match=reason):
        NNX().translate(load_spec(f"steps: {steps}").spec)


@pytest.fixture(scope="module")
def host():
    host = Host(NNX, device="cpu")
    assert host.ready() is None
    yield host
    host.stop()


@needs_flax
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_run_and_conform(load_spec, host, name):
    spec = load_spec(SCRIPTS[name], name=f"facet/{name}").spec
    for way in NNX.ways_of(spec):
        outcome = host.run(NNX("cpu", way).translate(spec), f"<{name}>")
        verdict = judge(spec, "nnx", NNX, way, outcome, {})
        assert verdict.verdict == "conforms", (way, verdict.reason, outcome.error)


@needs_flax
def test_without_its_fence_a_step_that_returns_nothing_is_timed_before_it_is_done(load_spec, host):
    """The step is dispatched to a thread of XLA's own and writes modules: waiting for these, as JAX trees, is waiting for it."""
    text = NNX().translate(load_spec(HEAVY).spec).text
    without = without_fence(text)
    assert "fence=lambda: jax.block_until_ready((layer, tuner))" in text
    assert "measure('step')" in without
    assert seconds(host, without) < seconds(host, text) / 3
