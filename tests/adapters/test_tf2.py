from importlib.util import find_spec

import pytest

from adapters.tf2 import TF2
from conformance.hosts import Host
from conformance.judge import judge
from conformance.translation import Unsupported

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
GOLDEN = """\
import tensorflow as tf

root = tf.Module()
root.tower = tf.Module(name='tower')
root.tower.kernel = tf.Variable(tf.constant(1.0, shape=[2]), name='kernel')
first = root.tower.kernel
second = root.tower.kernel
try:
    root.tower.bias
except Exception as error:
    observe('missing-name', error)
else:
    observe('missing-name', None)
second.assign([5.0, 6.0])
observe('seen', (first + 1.0).numpy().tolist())
observe('one-variable', len(root.variables))
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
  - {function: scale, traced: true, takes: [x], steps: [], returns: x * weight}
  - {invoke: scale, given: [[1.0]]}
  - {invoke: scale, given: [[3.0]], as: scaled}
  - {expect: scaled, value: scaled, is: [3.0]}
  - {expect: one-trace, traces: scale, is: 1}
  - {function: make, traced: true, steps: [{variable: other, as: other}], returns: other + 1.0}
  - {invoke: make, raises: created_again, expect: made-anew}
"""
#: what TensorFlow 2.21 and Keras 3.15 say
MESSAGES = [
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


def test_the_script_is_what_a_user_would_write(load_spec):
    assert TF2().translate(load_spec(REUSE).spec).text == GOLDEN


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ("[{scope: a, reuse: auto, steps: [{get: w}]}]", "no get-or-create"),
        ("[{scope: a, reuse: true, steps: [{scope: b, steps: [{get: w}]}]}]", "hand no reuse mode down"),
        ("[{scope: a, reuse: {text: 'True'}, steps: []}]", "no reuse flag"),
        ("[{scope: a, as: a, steps: [{reuse_variables: a}]}]", "no reuse mode"),
        ("[{function: f, steps: [{get: w}]}, {scope: a, steps: [{invoke: f}]}]", "no ambient scope"),
        ("[{variable: w, collection: kept}]", "no collections"),
        ("[{variable: w}, {expect: all, variables: 1}]", "no list of all variables"),
        ("[{variable: w, as: w}, {freeze: w}]", "from the start"),
        (
            "[{layer: dense, name: a, inputs: 1, units: 1, as: a}, {variable: w, as: w}, {tie: a.kernel, to: w}]",
            "no setter",
        ),
        ("[{session: other, steps: []}]", "no sessions"),
    ],
)
def test_what_cannot_be_said_is_refused_with_a_reason(load_spec, steps, reason):
    with pytest.raises(Unsupported, match=f"{reason}.*[.]$"):
        TF2().translate(load_spec(f"steps: {steps}").spec)


def test_only_ways_that_fit_the_saved_object_are_cases(load_spec):
    plain = "steps: [{variable: w, as: w}, {module: m, members: {w: w}}, {save: m, to: kept}, {restore: m, from: kept}]"
    assert [way["restore"] for way in TF2.ways_of(load_spec(plain).spec)] == ["checkpoint", "saved-model"]
    assert [way["restore"] for way in TF2.ways_of(load_spec(SHARED_LAYER).spec)] == ["checkpoint", "weights", "keras"]


@needs_tensorflow
def test_scripts_run_and_conform(load_spec):
    host = Host(TF2, device="cpu")
    try:
        assert host.ready() is None
        assert "CPU:0" in host.device_name
        for steps in (REUSE, SHARED_LAYER, TRACED):
            spec = load_spec(steps).spec
            for way in TF2.ways_of(spec):
                outcome = host.run(TF2("cpu", way).translate(spec), "spec")
                judgement = judge(spec, "tf2", TF2, way, outcome, {})
                assert judgement.verdict == "conforms", (way, judgement)
    finally:
        host.stop()
