from importlib.util import find_spec

import pytest

from canireuse.emit import Unsupported
from canireuse.judge.verdict import judge
from canireuse.run.hosts import Host
from canireuse_adapters.tf2 import TF2

needs_tensorflow = pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")

REUSE = """
steps:
  - scope: tower
    steps:
      - {get: kernel, shape: [2], init: 1.0, as: first}
  - scope: tower
    reuse: true
    steps:
      - {get: kernel, shape: [2], as: second}
      - {get: bias, shape: [2], raises: not_found, expect: missing-name}
  - {assign: second, to: [5.0, 6.0]}
  - {expect: seen, value: first + 1.0, is: [6.0, 7.0]}
  - {expect: one-variable, variables: 1}
"""
SHARED_LAYER = """
steps:
  - {layer: dense, name: first, inputs: 2, units: 2, as: first}
  - {layer: dense, name: last, inputs: 2, units: 1, bias: 0.0, as: last}
  - {module: chain, members: {one: first, two: first, three: last}}
  - {expect: counted-once, variables: 3, inside: chain}
  - {gradient: slope, of: sum(y), wrt: chain.one.kernel, steps: [{call: chain, on: [[1.0, 2.0]], as: y}]}
  - {expect: summed-over-both-calls, value: slope, is: [[5.0, 5.0], [7.0, 7.0]]}
  - {save: chain, to: kept}
  - {assign: chain.one.kernel, to: [[9.0, 9.0], [9.0, 9.0]]}
  - {restore: chain, from: kept}
  - {expect: shared, same: [chain.one.kernel, chain.two.kernel]}
  - {expect: restored, value: chain.one.kernel, is: [[2.0, 2.0], [2.0, 2.0]]}
  - {copy: chain, as: twin}
  - {assign: chain.one.kernel, to: [[4.0, 4.0], [4.0, 4.0]]}
  - {expect: copied, distinct: [chain.one.kernel, twin.one.kernel]}
  - {freeze: chain}
  - {train: sgd, minimize: sum(y), wrt: chain, steps: [{call: chain, on: [[1.0, 2.0]], as: y}], raises: not_trainable, expect: frozen}
"""
TRACED = """
steps:
  - {variable: weight, init: [2.0], as: weight}
  - {function: learn, traced: true, steps: [{train: sgd, minimize: sum(weight), wrt: weight, rate: 0.5}]}
  - {invoke: learn}
  - {invoke: learn}
  - {expect: two-steps, value: weight, is: [1.0]}
  - {function: weigh, traced: true, takes: [x], steps: [], returns: x * weight}
  - {invoke: weigh, given: [[1.0]]}
  - {invoke: weigh, given: [[3.0]], as: scaled}
  - {expect: scaled, value: scaled, is: [3.0]}
  - {expect: one-trace, traces: weigh, is: 1}
  - {function: make, traced: true, steps: [{variable: other, as: other}], returns: other + 1.0}
  - {invoke: make, raises: created_again, expect: made-anew}
"""
PAIR = "{variable: w, init: 1.0, as: w}, {module: pair, members: {a: w, b: w}}"
LAYER = "{layer: dense, name: one, inputs: 1, units: 1, as: one}"
#: what goes beyond making and training, each in few steps and with what TensorFlow answers
BEYOND = {
    "a cell in two loops": """
  - {layer: cell, inputs: 1, units: 1, as: cell}
  - {wrap: cell, in: rnn, as: one}
  - {wrap: cell, in: rnn, as: two}
  - {wrap: one, in: bidirectional, as: both}
  - {call: one, on: [[[1.0], [2.0]]]}
  - {call: both, on: [[[1.0], [2.0]]]}
  - {expect: one-cell, same: [one.cell.kernel, two.kernel]}
  - {expect: weights-without-seeds, variables: 2, inside: two}
  - {expect: copied, distinct: [both.forward.cell.recurrent, cell.recurrent]}""",
    "a norm": """
  - {layer: norm, inputs: 1, units: 1, kernel: 2.0, bias: 0.5, penalty: 0.5, as: norm}
  - {call: norm, on: [[1.0], [3.0]], training: true}
  - {expect: mean, value: norm.mean, is: [0.2]}
  - {expect: scale-and-shift, value: norm.kernel + norm.bias, is: [2.5]}
  - {expect: one-term, penalties: 1, inside: norm}
  - {expect: added-up, penalty: 2.0, inside: norm}""",
    "layers whose variables are tied": """
  - {layer: embedding, inputs: 2, units: 1, as: table}
  - {layer: dense, inputs: 2, units: 1, bias: 1.0, as: last}
  - {module: pair, members: {table: table, last: last}}
  - {tie: pair.last.kernel, to: table.kernel}
  - {expect: tied, same: [last.kernel, pair.table.kernel]}
  - {gradient: slope, of: sum(y), wrt: table.kernel, steps: [{call: table, on: [1], as: y}]}
  - {expect: slope, value: slope, is: [[0.0], [1.0]]}
  - {expect: listed, names: [bias, kernel], inside: pair}""",
    "an optimizer that lasts": """
  - {layer: dense, name: a, inputs: 1, units: 1, as: a}
  - {layer: dense, name: b, inputs: 1, units: 1, as: b}
  - {module: pair, members: {a: a, b: b}}
  - {optimizer: adam, kind: adamw, over: pair, clip: 1.0}
  - {optimizer: plain, over: a, rate: 0.5, decay: 0.5}
  - {freeze: b}
  - {update: adam, minimize: [sum(y), sum(y)], steps: [{call: pair, on: [[1.0]], as: y}]}
  - {expect: kept, value: b.kernel, is: [[1.0]]}
  - {expect: slots, slots: adam, is: 2}
  - {expect: none-for-plain, slots: plain, is: 0}
  - {optimizer: late, over: pair}
  - {unfreeze: b}
  - {update: late, minimize: sum(y), steps: [{call: pair, on: [[1.0]], as: y}], raises: not_found, expect: unknown}""",
    "a stateless call": """
  - {layer: dense, name: a, inputs: 1, units: 1, as: a}
  - {call: a, on: [[1.0]], given: {kernel: [[4.0]]}, as: y}
  - {expect: given, value: y, is: [[4.0]]}
  - {expect: own, value: a.kernel, is: [[1.0]]}""",
    "loops": """
  - {layer: dense, name: a, inputs: 1, units: 1, kernel: 2.0, as: a}
  - {function: run, traced: true, takes: [h], steps: [{scan: h, to: y, times: 3, steps: [{call: a, on: h, as: y}]}], returns: h}
  - {invoke: run, given: [[[1.0]]], as: out}
  - {expect: out, value: out, is: [[8.0]]}
  - {gradient: slope, of: sum(y), wrt: a.kernel, remat: true, steps: [{call: a, on: [[3.0]], as: y}]}
  - {expect: slope, value: slope, is: [[3.0]]}
  - {vectorize: rows, over: out, each: row, returns: row + a.kernel}
  - {expect: rows, value: rows, is: [[[10.0]]]}""",
    "two devices": """
  - {layer: dense, name: a, inputs: 1, units: 1, as: a}
  - {module: pair, members: {one: a, two: a}}
  - {move: pair, as: there}
  - {expect: shared, same: [there.one.kernel, there.two.kernel]}
  - {parallel: pair, split: {x: [[[1.0]], [[3.0]]]}, minimize: sum(y), steps: [{call: pair, on: x, as: y}]}
  - {expect: one-step, value: a.kernel, is: [[0.6]]}
  - {expect: still-shared, same: [pair.one.kernel, pair.two.kernel]}""",
    "what is made anew": """
  - {layer: dense, name: a, inputs: 1, units: 1, as: a}
  - {module: pair, members: {one: a, two: a}}
  - {cast: pair, to: float16, as: half}
  - {expect: half, dtype: half.one.kernel, is: float16}
  - {expect: shared, same: [half.one.kernel, half.two.kernel]}
  - {copy: pair, shallow: true, as: twin}
  - {expect: not-shallow, distinct: [pair.one.kernel, twin.one.kernel]}
  - {quantize: pair, as: small}
  - {expect: small, dtype: small.two.kernel, is: int8}""",
    "a part of a checkpoint": """
  - {variable: w, init: 1.0, as: w}
  - {variable: v, init: 1.0, as: v}
  - {module: inner, members: {v: v}}
  - {module: whole, members: {w: w, inner: inner}}
  - {save: whole, only: [inner.v], to: kept}
  - {assign: w, to: 5.0}
  - {assign: v, to: 5.0}
  - {restore: whole, from: kept, partial: true}
  - {expect: restored, value: v - w, is: -4.0}""",
    "functions that nobody calls": """
  - {layer: dense, inputs: 1, units: 1, as: a}
  - {layer: dense, inputs: 1, units: 1, kernel: 2.0, as: b}
  - {function: use, steps: [{call: a, on: [[1.0]], as: y}], returns: y}
  - {function: hold, steps: [{module: m, members: {one: b, two: b}}], returns: m}
  - {expect: built-for-the-reading, value: a.kernel, is: [[1.0]]}
  - {expect: and-so-is-what-a-model-would-hold, value: b.kernel, is: [[2.0]]}
  - {invoke: hold, as: made}
  - {expect: held, same: [made.one.kernel, b.kernel]}""",
    "threads and names": """
  - scope: tower
    as: tower
    steps: [{get: w, shape: [1], init: 1.0, as: w}, {current_scope: here}]
  - {reenter: here, reuse: true, steps: [{get: w, as: again}]}
  - {function: bump, steps: [{assign: w, to: w + 1.0}], returns: w}
  - {thread: bump, times: 2, as: bumped}
  - {expect: bumped, value: again, is: [3.0]}
  - {expect: one, variables: 1, inside: tower}
  - {layer: dense, inputs: 1, units: 1, as: a}
  - {drop: a}
  - {expect: gone, alive: a, is: false}""",
}
#: what TensorFlow 2.21 and Keras 3.15 say
MESSAGES = [
    (
        "sharing_refused",
        "ValueError",
        "You cannot add new elements of state (variables or sub-layers) to a layer that is already built.",
    ),
    (
        "not_found",
        "ValueError",
        "Unknown variable: <Variable path=b/kernel>. This optimizer can only be called for the variables it was",
    ),
    (
        "not_found",
        "ValueError",
        "A total of 1 objects could not be loaded. ... Layer 'big' expected 1 variables, but received 0 variables",
    ),
    (
        "not_found",
        "ValueError",
        "You called `set_weights(weights)` on layer 'both' with a weight list of length 1, but the layer was expecting 2",
    ),
    (
        "not_found",
        "AssertionError",
        "Found 1 Python objects that were not bound to checkpointed values, likely due to changes in the Python program.",
    ),
    ("already_exists", "ValueError", "Layer 'd' is already quantized with dtype_policy='int8_from_float32'."),
    ("uninitialized", "ValueError", "Cannot quantize a layer that isn't yet built. Layer 'd' (of type 'Dense')"),
    (
        "shape_mismatch",
        "ValueError",
        "Received incompatible tensor with shape (1,) when attempting to restore variable with shape (2,) and name w",
    ),
    (
        "shape_mismatch",
        "ValueError",
        (
            "Invalid variable value in StatelessScope: all values in argument `mapping` must be tensors with a shape that "
            "matches the corresponding variable shape."
        ),
    ),
    ("not_found", "AttributeError", "'Module' object has no attribute 'bias'"),
    (None, "AttributeError", "'NoneType' object has no attribute 'numpy'"),
    (
        "bad_argument",
        "AttributeError",
        "'tensorflow.python.framework.ops.EagerTensor' object has no attribute 'assign'",
    ),
    ("bad_argument", "ValueError", "The `initial_value` arg to `tf.Variable` must be specified except when"),
    ("uninitialized", "AttributeError", "You must build the layer before accessing `kernel`."),
    (
        "created_again",
        "ValueError",
        "in user code: ... tf.function only supports singleton tf.Variables created on the first call.",
    ),
    (
        "already_exists",
        "ValueError",
        "All layers added to a Sequential model should have unique names. Name 'a' is already the name of a layer",
    ),
    (
        "shape_mismatch",
        "ValueError",
        "Cannot assign value to variable ' Variable:0': Shape mismatch.The variable shape (2,)",
    ),
    (
        "shape_mismatch",
        "ValueError",
        "The shape of the target variable and the shape of the target value must match. variable.shape=(2,), Received: value.shape=(3,)",
    ),
    (
        "shape_mismatch",
        "ValueError",
        "Input 0 with name 'None' of layer 'dense' is incompatible with the layer: expected axis -1",
    ),
    (
        "shape_mismatch",
        "InvalidArgumentError",
        "{{function_node __wrapped__AddV2}} Incompatible shapes: [2] vs. [3] [Op:AddV2] name:",
    ),
    (
        "dtype_mismatch",
        "InvalidArgumentError",
        "cannot compute AddV2 as input #1(zero-based) was expected to be a float tensor but is a int32 tensor",
    ),
    ("dtype_mismatch", "ValueError", "Tensor conversion requested dtype float32 for Tensor with dtype int32"),
    ("not_trainable", "ValueError", "No gradients provided for any variable."),
    (None, "AttributeError", "module 'tensorflow' has no attribute 'Modul'"),
    (None, "TypeError", "Dense.__init__() missing 1 required positional argument: 'units'"),
]


@pytest.mark.parametrize(("kind", "name", "message"), MESSAGES)
def test_messages_mean_kinds(kind, name, message):
    assert TF2.kind_of({"type": name, "bases": [name], "message": message}) == kind


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ("[{variable: w, as: w}, {variable: v, as: v}, {tie: w, to: v}]", "is no place"),
        (f"[{PAIR}, {{quantize: pair, as: small}}]", "no such call"),
        (f"[{PAIR}, {{expect: terms, penalties: 0, inside: pair}}]", "by nothing else"),
        (
            f"[{PAIR}, {{parallel: pair, split: {{x: [1.0]}}, minimize: x * w}}, {{train: sgd, minimize: w, wrt: w}}]",
            "alone",
        ),
        (f"[{LAYER}, {{wrap: one, in: rnn, as: rnn}}]", "wraps no layer of this kind"),
    ],
)
def test_what_cannot_be_said_is_refused_with_a_reason(load_spec, steps, reason):
    with pytest.raises(Unsupported, match=f"{reason}.*[.]$"):
        TF2().translate(load_spec(f"steps: {steps}").spec)


def ways(load_spec, steps, verb):
    return [way.get(verb) for way in TF2.ways_of(load_spec(f"steps: {steps}").spec)]


def test_only_ways_that_fit_the_saved_object_are_cases(load_spec):
    saved = "{save: pair, to: kept}, {restore: pair, from: kept}"
    assert ways(load_spec, f"[{PAIR}, {saved}]", "restore") == ["checkpoint", "saved-model"]
    model = f"{LAYER}, {{module: pair, members: {{a: one, b: one}}}}"
    assert ways(load_spec, f"[{model}, {saved}]", "restore") == ["checkpoint", "weights", "keras"]
    partly = "{save: pair, only: [a], to: kept}, {restore: pair, from: kept}"
    assert ways(load_spec, f"[{PAIR}, {partly}]", "restore") == ["checkpoint", "checkpoint-matched"]


def test_only_keras_makes_a_copy_from_a_configuration(load_spec):
    assert ways(load_spec, f"[{PAIR}, {{copy: pair, as: twin}}]", "copy") == ["deepcopy"]
    assert ways(load_spec, f"[{LAYER}, {{copy: one, as: twin}}]", "copy") == ["deepcopy", "clone"]
    assert {(way["restore"], way["copy"]) for way in TF2.ways_of(load_spec(SHARED_LAYER).spec)} == {
        ("checkpoint", "deepcopy"),
        ("checkpoint", "clone"),
        ("weights", "deepcopy"),
        ("keras", "deepcopy"),
    }


def test_a_layer_beside_a_variable_is_held_by_keras_or_by_a_module(load_spec):
    mixed = f"[{LAYER}, {{variable: w, as: w}}, {{module: m, members: {{a: one, b: w}}}}]"
    assert ways(load_spec, mixed, "module") == ["keras-model", "tf-module"]
    assert ways(load_spec, f"[{PAIR}]", "module") == [None]


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        (f"{PAIR}, {{variable: turn, as: turn}}, {{scan: w, to: w * 2, times: 3}}", "def turn_(w):"),
        (f"{LAYER}, {{quantize: one, as: small}}", "one.quantize('int8')"),
        (
            "{get: w, shape: [2, 3], shape_as: tuple, uniform: [2.0, 4.0]}",
            "root.w = tf.Variable(tf.random.uniform((2, 3), 2.0, 4.0), name='w')",
        ),
    ],
)
def test_code(load_spec, steps, line):
    assert line in TF2().translate(load_spec(f"steps: [{steps}]").spec).text


def test_what_is_mirrored_is_constructed_in_the_scope_and_nothing_else(load_spec):
    steps = f"[{LAYER}, {{layer: dense, inputs: 1, units: 1, as: other}}, {{parallel: one, split: {{x: [[[1.0]]]}}, minimize: sum(x)}}]"
    lines = TF2().translate(load_spec(f"steps: {steps}").spec).text.splitlines()
    assert lines[3] == "with strategy.scope():"
    assert [line[:9] for line in lines[4:7]] == ["    one =", "    one.b", "other = t"]


@needs_tensorflow
def test_scripts_run_and_conform(load_spec):
    host = Host(TF2, device="cpu")
    try:
        assert host.ready() is None
        assert "CPU:0" in host.device_name
        for steps in (REUSE, SHARED_LAYER, TRACED, *(f"steps: {each}" for each in BEYOND.values())):
            spec = load_spec(steps).spec
            for way in TF2.ways_of(spec):
                script = TF2("cpu", way).translate(spec)
                outcome = host.run(script, "spec")
                judgement = judge(spec, "tf2", TF2, way, outcome, {}, script.one_place)
                assert judgement.verdict == "conforms", (way, judgement)
    finally:
        host.stop()
