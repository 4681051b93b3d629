from importlib.util import find_spec

import pytest

from canireuse.emit import Unsupported
from canireuse.judge.verdict import judge
from canireuse.run.hosts import Host
from canireuse_adapters.haiku import Haiku
from tests.adapters.timed import LAYER_PRODUCT, seconds, without_fence

needs_haiku = pytest.mark.skipif(find_spec("haiku") is None, reason="Haiku is not installed")

STEP = """
steps:
  - {layer: dense, inputs: 2, units: 2, kernel: 0.5, name: one, as: one}
  - {layer: dense, inputs: 2, units: 2, kernel: 0.5, name: two, as: two}
  - {layer: embedding, inputs: 2, units: 2, kernel: 0.5, name: other, as: other}
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
    takes: [rows]
    steps:
      - {gradient: found, of: sum(y), wrt: other.kernel, steps: [{call: other, on: rows, as: y}]}
    returns: found
  - {compute: "x = ones(1, 2)"}
  - {invoke: slope, given: [[0]], as: found}
  - {expect: slope, value: found, is: [[1.0, 1.0], [0.0, 0.0]]}
  - {expect: pair, trainable: 2, inside: pair}
  - {measure: step, steps: [{invoke: step, given: [x]}]}
  - {expect: stepped, value: pair.one.kernel, is: [[0.4, 0.4], [0.4, 0.4]]}
  - {expect: left-alone, value: other.kernel, is: [[0.5, 0.5], [0.5, 0.5]]}
"""
FRESH = """
steps:
  - measure: create
    fresh: true
    steps: [{scope: tower, steps: [{scope: inner, steps: [{get: kernel, numbered: 3, shape: [2], init: 1.0}]}]}]
  - measure: reuse
    steps:
      - scope: tower
        reuse: true
        steps: [{scope: inner, reuse: true, steps: [{get: kernel, numbered: 3, shape: [2], as: kernels}]}]
  - measure: again
    steps:
      - {scope: tower, reuse: true, steps: [{scope: inner, reuse: true, steps: [{get: kernel_0, shape: [2]}]}]}
  - {expect: three, variables: 3}
"""
NUMBERED = """
steps:
  - {scope: tower, steps: [{get: kernel, numbered: 2, shape: [2], init: 1.0, as: kernels}]}
  - {scope: tower, reuse: true, steps: [{get: kernel, numbered: 2, shape: [2], as: found}]}
  - scope: tower
    reuse: true
    steps: [{get: kernel, numbered: 3, shape: [2], as: found}]
    raises: not_found
    expect: one-is-missing
  - {expect: all, names: [tower/kernel_0, tower/kernel_1]}
"""
COMPILED = """
steps:
  - {function: made, traced: true, steps: [{get: w, shape: [2], init: 1.0, as: w}, {compute: y = 2 * w}], returns: y}
  - {invoke: made, as: y}
  - {measure: apply, steps: [{invoke: made, as: z}]}
  - {expect: value, value: y, is: [2.0, 2.0]}
"""
SIZES = """
steps:
  - {layer: dense, inputs: 8, units: 4, kernel: random, bias: 0.0, name: layer, as: layer}
  - {layer: dense, inputs: 8, units: 4, kernel: random, name: other, as: other}
  - {module: whole, members: {layer: layer}}
  - {optimizer: tuner, kind: adam, rate: 0.1, over: whole}
  - {save: whole, to: kept}
  - {expect: elements, elements: whole, is: 36}
  - {expect: bytes, parameter_bytes: whole.layer, is: 144}
  - {expect: slots, slot_bytes: tuner, is: 292}
  - {expect: file, checkpoint_bytes: kept, is: 1000, close: 0.95}
"""
SCRIPTS = {"step": STEP, "fresh": FRESH, "numbered": NUMBERED, "compiled": COMPILED, "sizes": SIZES}


@pytest.fixture(scope="module")
def host():
    host = Host(Haiku, device="cpu")
    yield host
    host.stop()


@needs_haiku
def test_without_its_fence_a_loop_is_timed_before_it_is_done(load_spec, host):
    """A compiled function of the parameters returns before they are multiplied: the clock that reads then sees a part."""
    text = Haiku().translate(load_spec(LAYER_PRODUCT).spec).text
    without = without_fence(text)
    assert "measure('product')" in without
    assert host.ready() is None
    assert seconds(host, without) < seconds(host, text) / 4


@pytest.mark.parametrize(
    "step",
    [
        "{scope: a, steps: [{get: w, shape: [1], init: 1.0}]}",
        "{layer: norm, inputs: 2, units: 2, kernel: 1.0, name: norm, as: norm}",
        "{module: all, members: {pair: pair, other: other}}",
        "{expect: names, names: []}",
    ],
)
def test_what_is_said_of_one_tree_is_worded_so_in_timed_specs_too(load_spec, step):
    text = Haiku().translate(load_spec(f"{STEP}  - {step}\n").spec).text
    assert "def slope(params, rows):" in text


def test_a_transformed_function_is_compiled_above_the_loop(load_spec):
    text = Haiku().translate(load_spec(COMPILED).spec).text
    assert "compiled_made = jax.jit(made.apply)\nfor _ in rounds():" in text
    assert "        z = compiled_made(params, None)\n" in text


@pytest.mark.parametrize(
    "steps",
    [
        "{get: w, shape: [1], init: 1.0, as: w}, {compute: y = w + 1}",
        "{invoke: plain, as: y}",
    ],
)
def test_a_loop_over_names_holds_nothing_else(load_spec, steps):
    function = "{function: plain, steps: [{get: w, shape: [1], init: 1.0, as: w}], returns: w}"
    with pytest.raises(Unsupported, match="an `init` or an `apply` alone"):
        Haiku().translate(load_spec(f"steps: [{function}, {{measure: loop, steps: [{steps}]}}]").spec)


@needs_haiku
def test_scripts_run_and_conform(load_spec, host):
    for name, steps in SCRIPTS.items():
        spec = load_spec(steps, name=f"facet/{name}").spec
        for way in Haiku.ways_of(spec):
            script = Haiku("cpu", way).translate(spec)
            outcome = host.run(script, f"<{name}>")
            verdict = judge(spec, "haiku", Haiku, way, outcome, {}, script.one_place)
            assert verdict.verdict == "conforms", (name, way, verdict.reason, outcome.error)
