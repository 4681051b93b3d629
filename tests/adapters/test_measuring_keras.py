import re
from importlib.util import find_spec

import pytest

from canireuse.judge.verdict import judge
from canireuse.measure.machine import ONE_THREAD
from canireuse.run.hosts import Host
from canireuse_adapters.keras import Keras
from tests.adapters.timed import PRODUCT, seconds, without_fence

ENGINES = ("tensorflow", "jax", "torch")
STEP = """
steps:
  - {layer: dense, inputs: 2, units: 2, kernel: 0.5, name: one, as: one}
  - {module: whole, members: {one: one}}
  - {optimizer: tuner, kind: sgd, rate: 0.1, over: whole}
  - {compute: "x = ones(1, 2)"}
  - function: learn
    traced: usual
    takes: [x]
    steps: [{update: tuner, minimize: sum(y), steps: [{call: one, on: x, as: y}]}]
  - {function: cost, traced: usual, takes: [x], steps: [{call: one, on: x, as: y}], returns: sum(y)}
  - {invoke: learn, given: [x]}
  - {expect: one-step, value: one.kernel, is: [[0.4, 0.4], [0.4, 0.4]]}
  - {measure: training, steps: [{invoke: learn, given: [x]}]}
  - {measure: cost, steps: [{invoke: cost, given: [x], as: found}]}
  - {expect: two-steps, value: one.kernel, is: [[0.3, 0.3], [0.3, 0.3]]}
"""
MIXED = """
steps:
  - {layer: dense, inputs: 2, units: 2, kernel: 0.5, name: one, as: one}
  - {optimizer: tuner, rate: 0.1, over: one}
  - {compute: "x = ones(1, 2)"}
  - {call: one, on: x, as: y}
  - function: learn
    traced: true
    takes: [x]
    steps: [{update: tuner, minimize: sum(y), steps: [{call: one, on: x, as: y}]}]
    returns: sum(y)
  - {function: twice, traced: true, takes: [x], steps: [{call: one, on: x, as: y}], returns: y + y}
  - {measure: compiled, steps: [{invoke: learn, given: [x], as: total}, {invoke: twice, given: [x], as: z}]}
  - {measure: result, steps: [{invoke: learn, given: [x]}]}
  - {measure: eager, steps: [{update: tuner, minimize: sum(y), steps: [{call: one, on: x, as: y}]}]}
  - {expect: three-steps, value: one.kernel, is: [[0.2, 0.2], [0.2, 0.2]]}
"""
NAMES = """
steps:
  - {get: weight, numbered: 2, init: 2.0, dtype: float32, as: weights}
  - scope: sample
    steps: [{get: kernel, numbered: 3, shape: [2], init: 1.0, as: made}]
  - {expect: all, variables: 5}
  - {expect: inside-root, names: [sample/kernel_0, sample/kernel_1, sample/kernel_2, weight_0, weight_1]}
  - measure: create
    fresh: true
    steps: [{scope: tower, steps: [{scope: floor, steps: [{get: kernel, numbered: 3, shape: [2], init: 1.0}]}]}]
  - measure: reuse
    steps:
      - {scope: tower, reuse: true, steps: [{scope: floor, reuse: true, steps: [{get: kernel, numbered: 3, as: found}]}]}
  - measure: one
    steps: [{scope: tower, reuse: true, steps: [{scope: floor, reuse: true, steps: [{get: kernel_2, as: last}]}]}]
"""
COUNTED = """
steps:
  - {measure: create, fresh: true, steps: [{scope: tower, steps: [{get: kernel, shape: [2], init: 1.0}]}]}
  - {expect: one, variables: 1}
"""
SAVED = """
steps:
  - {layer: dense, inputs: 256, units: 256, bias: 0.0, name: one, as: one}
  - {module: chain, members: {a: one, b: one}}
  - {optimizer: tuner, kind: adam, over: chain}
  - {save: chain, to: kept}
  - {restore: chain, from: kept}
  - {expect: elements, elements: chain, is: 65792}
  - {expect: bytes, parameter_bytes: one, is: 263168}
  - {expect: slots, slot_bytes: tuner, is: 526336, close: 0.001}
  - {expect: file, checkpoint_bytes: kept, is: 263168, close: 0.15}
"""
SAYS = {"step": STEP, "mixed": MIXED, "names": NAMES, "counted": COUNTED, "saved": SAVED}


@pytest.fixture(scope="module")
def hosts():
    found = {
        engine: Host(Keras, device="cpu", engine=engine, environ=ONE_THREAD) for engine in ENGINES if find_spec(engine)
    }
    for host in found.values():
        host.start()
    yield found
    for host in found.values():
        host.stop()


def up(hosts, engine):
    """Return the host of an engine, or skip the test where it is not installed."""
    if engine not in hosts or hosts[engine].ready():
        pytest.skip(f"Keras on {engine} is not installed")
    return hosts[engine]


def test_without_its_fence_a_loop_on_jax_is_timed_before_it_is_done(load_spec, hosts):
    """JAX dispatches a product of two large matrices to a thread of its own."""
    host = up(hosts, "jax")
    text = Keras("cpu", {"engine": "jax"}).translate(load_spec(PRODUCT).spec).text
    without = without_fence(text)
    assert "measure('product')" in without
    assert seconds(host, without) < seconds(host, text) / 4


@pytest.mark.parametrize(
    ("engine", "fence"),
    [
        ("tensorflow", "tf.test.experimental.sync_devices"),
        ("torch", "lambda: y[0, 0].item()"),
    ],
)
def test_on_the_cpu_the_other_engines_are_done_when_a_call_returns(load_spec, hosts, engine, fence):
    """A fence changes nothing here: what is timed with and without one agrees within a factor."""
    host = up(hosts, engine)
    text = Keras("cpu", {"engine": engine}).translate(load_spec(PRODUCT).spec).text
    assert "measure('product'):" in text
    fenced = text.replace("measure('product'):", f"measure('product', fence={fence}):")
    assert 1 / 3 < seconds(host, fenced) / seconds(host, text) < 3


def test_what_a_loop_on_jax_moves_is_waited_for(load_spec):
    text = Keras(way={"engine": "jax"}).translate(load_spec(MIXED).spec).text
    fences = re.findall(r"block_until_ready\((.*)\)\):$", text, re.MULTILINE)
    of = "[variable.value for variable in {}]".format
    assert fences == [
        f"(total, z, {of('state_of_learn')}, {of('state_of_twice')})",
        "(result, values)",
        of("[*one.variables, *tuner.variables]"),
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("title", SAYS)
def test_what_is_said_runs_and_means_the_spec(load_spec, hosts, engine, title):
    text = SAYS[title].replace("traced: true", "traced: usual") if engine == "torch" else SAYS[title]
    spec, host = load_spec(text).spec, up(hosts, engine)
    for way in Keras.ways_of(spec):
        if way["engine"] == engine:
            script = Keras("cpu", way).translate(spec)
            judgement = judge(spec, "keras", Keras, way, host.run(script, "<test>"), {}, script.one_place)
            assert judgement.verdict == "conforms", (way, judgement.reason, script.text)
