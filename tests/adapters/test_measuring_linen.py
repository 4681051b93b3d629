from importlib.util import find_spec

import pytest

from canireuse.emit import Unsupported
from canireuse.judge.verdict import judge
from canireuse.run.hosts import Host
from canireuse_adapters.linen import Linen

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
      - {gradient: found, of: sum(y), wrt: other.kernel, steps: [{call: other, on: x, as: y}]}
    returns: found
  - {compute: "x = ones(1, 2)"}
  - {invoke: slope, given: [x], as: found}
  - {expect: slope, value: found, is: [[1.0, 1.0], [1.0, 1.0]]}
  - {expect: all, trainable: 3}
  - {expect: pair, trainable: 2, inside: pair}
  - {measure: step, steps: [{invoke: step, given: [x]}]}
  - {expect: stepped, value: pair.one.kernel, is: [[0.4, 0.4], [0.4, 0.4]]}
  - {expect: left-alone, value: other.kernel, is: [[0.5, 0.5], [0.5, 0.5]]}
"""
STEP_CODE = """\
@jax.jit
def step(pair_params, tuner_state, x):

    def loss(pair_params):

        def forward(bound_pair):
            h = bound_pair.one(x)
            y = bound_pair.two(h)
            return jnp.sum(y)
        return pair.apply({'params': pair_params}, method=forward)
    grads = jax.grad(loss)(pair_params)
    updates, tuner_state = tuner.update(grads, tuner_state, pair_params)
    pair_params = optax.apply_updates(pair_params, updates)
    return (pair_params, tuner_state)
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
FRESH_CODE = """\
for _ in rounds():
    for _ in measure('create', fence=lambda: jax.block_until_ready(params)):
        model = Model()
        params = model.init(jax.random.key(0))['params']
    for _ in measure('reuse', fence=lambda: jax.block_until_ready(kernels)):
        kernels = model.apply({'params': params})
    for _ in measure('again', fence=lambda: jax.block_until_ready(kernel)):
        kernel = Kernel().apply({'params': params})
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
  - scope: tower
    reuse: true
    steps: [{get: kernel, numbered: 2, shape: [3], as: wide}]
    raises: shape_mismatch
    expect: other-shape
  - {expect: all, variables: 4}
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
  - {expect: file, checkpoint_bytes: kept, is: 1000, close: 0.95}
"""
SCRIPTS = {"step": STEP, "fresh": FRESH, "numbered": NUMBERED, "sizes": SIZES}


def test_where_loops_are_timed_each_model_has_parameters_of_its_own(load_spec):
    text = Linen().translate(load_spec(STEP).spec).text
    assert STEP_CODE in text
    assert "def slope(other_params, x):" in text
    assert "pair_params, tuner_state = step(pair_params, tuner_state, x)" in text


def test_names_are_made_and_found_by_the_one_call_that_modules_make(load_spec):
    text = Linen().translate(load_spec(FRESH).spec).text
    assert FRESH_CODE in text
    assert "[self.param(f'kernel_{number}', nn.initializers.ones, [2]) for number in range(3)]" in text


def test_no_scope_is_open_where_a_new_tree_is_begun(load_spec):
    steps = "[{scope: a, steps: [{measure: m, fresh: true, steps: [{get: w, shape: [1], init: 1.0}]}]}]"
    with pytest.raises(Unsupported, match="none is open"):
        Linen().translate(load_spec(f"steps: {steps}").spec)


@needs_flax
def test_scripts_run_and_conform(load_spec):
    host = Host(Linen, device="cpu")
    try:
        for name, steps in SCRIPTS.items():
            spec = load_spec(steps, name=f"facet/{name}").spec
            for way in Linen.ways_of(spec):
                script = Linen("cpu", way).translate(spec)
                outcome = host.run(script, f"<{name}>")
                verdict = judge(spec, "linen", Linen, way, outcome, {}, script.one_place)
                assert verdict.verdict == "conforms", (name, way, verdict.reason, outcome.error)
    finally:
        host.stop()
