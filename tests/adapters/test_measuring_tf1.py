from importlib.util import find_spec

import pytest

from canireuse.emit import Script, Unsupported
from canireuse.judge.verdict import judge
from canireuse.run.hosts import Host
from canireuse_adapters.tf1 import TF1, TF1Eager
from tests.adapters.timed import seconds

needs_tensorflow = pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")

BUILT_BEFORE = """
steps:
  - {variable: w, init: [1.0, 2.0], as: w}
  - {module: net, members: {w: w}}
  - {compute: "x = [1.0, 1.0]"}
  - {optimizer: tuner, kind: momentum, rate: 0.5, over: net}
  - {optimizer: other, kind: adam, over: net}
  - {function: twice, traced: usual, takes: [x], steps: [{compute: y = w * x * 2.0}], returns: y}
  - {function: once, traced: true, takes: [x], steps: [{compute: y = w * x}], returns: y}
  - {function: step, traced: usual, takes: [x], steps: [{update: tuner, minimize: sum(w * x)}]}
  - {initialize: }
  - {invoke: twice, given: [x], as: y}
  - {invoke: step, given: [x]}
  - {expect: stepped, value: w, is: [0.5, 1.5]}
  - {measure: calls, size: 1, steps: [{invoke: once, given: [x], as: z}]}
  - {measure: calls, size: 2, steps: [{invoke: twice, given: [x], as: y}]}
  - {measure: calls, size: 3, steps: [{compute: z = w * x}, {compute: z = z * x}]}
  - {measure: function, steps: [{invoke: step, given: [x]}]}
  - {measure: step, steps: [{update: other, minimize: sum(w * x)}]}
"""
COUNTED = """
steps:
  - {layer: dense, inputs: 3, units: 2, kernel: 0.5, bias: 0.0, as: dense}
  - {layer: norm, inputs: 2, units: 2, kernel: 1.0, as: norm}
  - {module: net, members: {dense: dense, again: dense}}
  - {optimizer: tuner, kind: adam, rate: 0.1, over: net}
  - function: step
    traced: usual
    takes: [x]
    steps:
      - update: tuner
        minimize: sum(square(y))
        steps: [{call: dense, on: x, as: h}, {call: norm, on: h, training: true, as: y}]
  - {initialize: }
  - {invoke: step, given: ["[[1.0, 1.0, 1.0]]"]}
  - {save: net, to: kept}
  - {expect: elements, elements: net, is: 8}
  - {expect: bytes, parameter_bytes: net, is: 32}
  - {expect: slots, slot_bytes: tuner, is: 72}
  - {expect: more-than-the-values, checkpoint_bytes: kept, is: 300, close: 0.9}
  - {measure: step, steps: [{invoke: step, given: ["[[1.0, 1.0, 1.0]]"]}]}
  - {expect: mean, value: norm.mean, is: [0.2, 0.2], close: 0.9}
"""
AFRESH = """
steps:
  - {scope: old, steps: [{get: w, init: 1.0, shape: [1]}]}
  - {measure: make, fresh: true, steps: [{scope: s, steps: [{get: w, numbered: 3, shape: [2], init: 2.0}]}]}
  - {measure: find, steps: [{scope: s, reuse: true, steps: [{get: w, numbered: 3, shape: [2], as: found}]}]}
  - {initialize: }
  - {expect: only-the-new, names: [s/w_0, s/w_1, s/w_2]}
  - {scope: s, reuse: true, steps: [{get: w_2, as: last}]}
  - {expect: value, value: last, is: [2.0, 2.0]}
"""
PRODUCT = """
import tensorflow as tf
tf1 = tf.compat.v1
{opening}
    # a product of constants would be computed once, when the graph is optimized
    x = tf1.Variable(tf.ones([700, 700]))
    total = tf1.Variable(tf.zeros([700, 700]))
    {before}
    for _ in rounds():
        for _ in measure('product'{fence}):
            {turn}
"""
SESSION = {
    "opening": "with tf.Graph().as_default(), tf1.Session() as session:",
    "before": "add = tf1.assign(total, tf.matmul(x, x)).op; session.run(tf1.global_variables_initializer())",
    "turn": "session.run(add)",
}
EAGER = {"opening": "if True:", "before": "", "turn": "total.assign(tf.matmul(x, x))"}
LAYER = "{layer: dense, inputs: 1, units: 1, kernel: 1.0, as: l}"


@pytest.fixture(scope="module")
def hosts():
    """Yield a host for each of the two backends, up."""
    both = {adapter: Host(adapter, device="cpu") for adapter in (TF1, TF1Eager)}
    try:
        for host in both.values():
            host.start()
        assert [host.ready() for host in both.values()] == [None, None]
        yield both
    finally:
        for host in both.values():
            host.stop()


@needs_tensorflow
@pytest.mark.parametrize(("adapter", "specs"), [(TF1, [BUILT_BEFORE, COUNTED, AFRESH]), (TF1Eager, [BUILT_BEFORE])])
def test_measured_scripts_run_and_a_turn_leaves_the_graph_as_it_is(load_spec, hosts, adapter, specs):
    for steps in specs:
        spec = load_spec(steps).spec
        script = adapter().translate(spec)
        if adapter is TF1 and steps != AFRESH:
            closed = script.text.replace("    for _ in rounds", "    session.graph.finalize()\n    for _ in rounds")
            script = Script(closed, script.idioms)
        judgement = judge(spec, adapter.name, adapter, {}, hosts[adapter].run(script, "spec"), {})
        assert judgement.verdict == "conforms", judgement


@pytest.mark.parametrize(
    ("adapter", "steps", "reason"),
    [
        (TF1, "{measure: m, steps: [{assign: v, to: v}]}", "`assign` is no part of it"),
        (TF1, "{measure: m, steps: [{graph: g, steps: [{initialize: null}]}]}", "one or the other"),
        (TF1, "{measure: m, steps: [{update: o, minimize: sum(v)}, {compute: h = v}]}", "one training step"),
        (TF1, "{measure: m, steps: [{compute: h = v}, {call: l, on: h}]}", "bind what is to be measured"),
        (TF1, "{measure: m, steps: [{repeat: 2, steps: [{update: o, minimize: sum(v)}]}]}", "one training step"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_reason(load_spec, adapter, steps, reason):
    with pytest.raises(Unsupported, match=f"{reason}.*[.]$"):
        adapter().translate(
            load_spec(f"steps: [{{variable: v, as: v}}, {{optimizer: o, over: v}}, {LAYER}, {steps}]").spec
        )


@pytest.mark.parametrize(
    "steps", ["[{assign: v, to: v}]", "[{update: o, minimize: sum(v)}, {update: o, minimize: sum(v)}]"]
)
def test_a_function_that_is_measured_builds_and_runs_nothing(load_spec, steps):
    spec = load_spec(
        f"steps: [{{variable: v, as: v}}, {{optimizer: o, over: v}}, {{function: f, steps: {steps}}}, {{measure: m, steps: [{{invoke: f}}]}}]"
    ).spec
    with pytest.raises(Unsupported, match="what is measured is"):
        TF1().translate(spec)


@needs_tensorflow
@pytest.mark.parametrize(
    ("adapter", "code", "wait"), [(TF1, SESSION, "lambda: session.run(total)"), (TF1Eager, EAGER, "total.numpy")]
)
def test_on_the_cpu_a_turn_is_done_when_the_call_returns(hosts, adapter, code, wait):
    """On the CPU a session, and an eager operation, return when they are done: to wait for the result adds next to nothing.

    An operation alone is run, of which no value is fetched that would have to be waited for.
    """
    assert not adapter.fences.get("cpu")
    without = seconds(hosts[adapter], PRODUCT.format(fence="", **code))
    assert without > seconds(hosts[adapter], PRODUCT.format(fence=f", fence={wait}", **code)) / 4
