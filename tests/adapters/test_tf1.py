from importlib.util import find_spec

import pytest

from adapters.tf1 import TF1, TF1Eager
from conformance.hosts import Host
from conformance.judge import judge
from conformance.translation import Unsupported

needs_tensorflow = pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")

REUSE = """
steps:
  - scope: tower
    steps:
      - {get: kernel, shape: [2], init: 1, as: first}
  - scope: tower
    reuse: true
    steps:
      - {get: kernel, as: second}
      - {get: bias, shape: [2], raises: not_found, expect: missing-name}
  - initialize:
  - {assign: second, to: [5.0, 6.0]}
  - {expect: seen, value: first, is: [5.0, 6.0]}
  - {expect: one-variable, variables: 1}
"""
GOLDEN = """\
with tf.Graph().as_default(), tf1.Session() as session:
    with tf1.variable_scope('tower'):
        first = tf1.get_variable('kernel', shape=[2], initializer=tf1.constant_initializer(1.0))
    with tf1.variable_scope('tower', reuse=True):
        second = tf1.get_variable('kernel')
        try:
            tf1.get_variable('bias', shape=[2])
        except Exception as error:
            observe('missing-name', error)
        else:
            observe('missing-name', None)
    session.run(tf1.global_variables_initializer())
    session.run(tf1.assign(second, [5.0, 6.0]))
    observe('seen', session.run(first).tolist())
    observe('one-variable', len(tf1.global_variables()))
"""
REFUSALS = """
steps:
  - {get: weight, shape: [2], init: 1.0, as: weight}
  - {get: count, shape: [2], dtype: int32, init: 1.0}
  - {get: unshaped, raises: bad_argument, expect: neither-shape-nor-value}
  - {get: weight, shape: [2], raises: already_exists, expect: taken}
  - {read: weight, raises: uninitialized, expect: read-too-early}
  - {assign: weight, to: [1.0, 2.0, 3.0], raises: shape_mismatch, expect: three-into-two}
  - {train: sgd, minimize: sum(weight), wrt: [], raises: not_trainable, expect: nothing-to-train}
"""
LEARNING = """
steps:
  - {layer: embedding, name: table, inputs: 3, units: 1, kernel: [[1.0], [2.0], [3.0]], as: table}
  - {get: fixed, init: [1.0, 2.0], trainable: false, as: fixed}
  - {call: table, on: [0, 2], as: rows}
  - initialize:
  - {expect: rows, value: rows, is: [[1.0], [3.0]]}
  - {gradient: slope, of: sum(y), wrt: table.kernel, steps: [{call: table, on: [0, 0], as: y}]}
  - {expect: summed-over-both-rows, value: slope, is: [[2.0], [0.0], [0.0]]}
  - {gradient: other, of: sum(square(fixed)), wrt: fixed}
  - {expect: of-what-is-not-trained, value: other, is: [2.0, 4.0]}
  - {save: table, to: kept}
  - {train: sgd, minimize: sum(y), wrt: table, rate: 0.5, steps: [{call: table, on: [1, 1], as: y}]}
  - {expect: trained, value: table.kernel, is: [[1.0], [1.0], [3.0]]}
  - {restore: table, from: kept}
  - {expect: restored, value: table.kernel, is: [[1.0], [2.0], [3.0]]}
"""
#: what TensorFlow 2.21 (first) and 1.15 say of the same mistake
MESSAGES = [
    (
        "already_exists",
        "ValueError",
        "Variable s/v already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE in VarScope?",
    ),
    (
        "not_found",
        "ValueError",
        "Variable s/w does not exist, or was not created with tf.get_variable(). Did you mean to set reuse=tf.AUTO_REUSE?",
    ),
    ("shape_mismatch", "ValueError", "Trying to share variable o/v, but specified shape (2,) and found shape (1,)."),
    (
        "shape_mismatch",
        "ValueError",
        "Cannot assign value to variable ' q:0': Shape mismatch.The variable shape (2,), and the assigned value shape (3,)",
    ),
    (
        "shape_mismatch",
        "ValueError",
        "Dimension 0 in both shapes must be equal, but are 2 and 3. Shapes are [2] and [3]. for 'Assign' (op: 'Assign')",
    ),
    (
        "dtype_mismatch",
        "ValueError",
        "Trying to share variable o/v, but specified dtype int32 and found dtype float32.",
    ),
    (
        "dtype_mismatch",
        "ValueError",
        "Tensor conversion requested dtype float32 for Tensor with dtype int32: <tf.Tensor 'Const_1:0'>",
    ),
    (
        "dtype_mismatch",
        "TypeError",
        "Input 'value' of 'Assign' Op has type int32 that does not match type float32 of argument 'ref'.",
    ),
    ("bad_argument", "ValueError", "The reuse parameter must be True or False or None."),
    ("bad_argument", "ValueError", "Variable v did not get an initializer, so its `shape` argument must be specified."),
    ("bad_argument", "ValueError", "The initializer passed is not valid. It should be a callable with no arguments"),
    ("bad_argument", "TypeError", "get_variable() got an unexpected keyword argument 'reuse'"),
    ("uninitialized", "FailedPreconditionError", "Attempting to use uninitialized value w"),
    ("not_trainable", "ValueError", "No variables to optimize."),
    (None, "IndexError", "list index out of range"),
    (None, "TypeError", "get_variable() got an unexpected keyword argument 'shpae'"),
    (None, "TypeError", 'can only concatenate str (not "int") to str'),
    (None, "ValueError", "Optimizer must be an instance of tf.train.Optimizer"),
]


@pytest.mark.parametrize(("kind", "name", "message"), MESSAGES)
def test_messages_of_both_versions_mean_kinds(kind, name, message):
    assert TF1.kind_of({"type": name, "bases": [name], "message": message}) == kind


def test_the_script_is_what_a_user_would_write(load_spec):
    text = TF1().translate(load_spec(REUSE).spec).text
    assert text.partition("tf1 = tf.compat.v1\n\n")[2] == GOLDEN


@pytest.mark.parametrize(
    ("adapter", "steps", "reason"),
    [
        (TF1, "[{function: f, traced: true, steps: []}]", "traces by itself"),
        (TF1, "[{variable: v, as: v}, {module: m, members: {v: v}}]", "own nothing"),
        (TF1, "[{variable: v, as: v}, {freeze: v}]", "when a variable is made"),
        (TF1Eager, "[{graph: other, steps: []}]", "no graph"),
        (TF1Eager, "[{variable: v, as: v}, {reinitialize: v}]", "keeps no initializer"),
    ],
)
def test_what_cannot_be_said_is_refused_with_a_reason(load_spec, adapter, steps, reason):
    with pytest.raises(Unsupported, match=f"{reason}.*[.]$"):
        adapter().translate(load_spec(f"steps: {steps}").spec)


@needs_tensorflow
@pytest.mark.parametrize(("adapter", "specs"), [(TF1, [REUSE, REFUSALS, LEARNING]), (TF1Eager, [LEARNING])])
def test_scripts_run_and_conform(load_spec, adapter, specs):
    host = Host(adapter, device="cpu")
    try:
        assert host.ready() is None
        assert "CPU:0" in host.device_name
        for steps in specs:
            spec = load_spec(steps).spec
            outcome = host.run(adapter("cpu").translate(spec), "spec")
            judgement = judge(spec, adapter.name, adapter, {}, outcome, {})
            assert judgement.verdict == "conforms", judgement
    finally:
        host.stop()


def test_a_session_opened_in_eager_mode_is_asked_for_the_value(load_spec):
    script = TF1Eager().translate(
        load_spec(
            "steps: [{variable: v, as: v}, {session: main, steps: [{initialize: null}, {read: v}]}, {read: v}]"
        ).spec
    )
    assert script.text.endswith(
        "with tf1.Session() as session:\n"
        "    session.run(tf1.global_variables_initializer())\n"
        "    session.run(v)\n"
        "v.numpy()\n"
    )
