from importlib.util import find_spec

import pytest

from canireuse.emit import Unsupported
from canireuse.judge.verdict import judge
from canireuse.run.hosts import Host
from canireuse_adapters.tf1 import TF1, TF1Eager

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
REFUSALS = """
steps:
  - {get: weight, shape: [2], init: 1.0, as: weight}
  - {get: count, shape: [2], dtype: int32, init: 1.0}
  - {get: unshaped, raises: bad_argument, expect: neither-shape-nor-value}
  - {get: weight, shape: [2], raises: already_exists, expect: taken}
  - {read: weight, raises: uninitialized, expect: read-too-early}
  - {assign: weight, to: [1.0, 2.0, 3.0], raises: shape_mismatch, expect: three-into-two}
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
SCOPES = """
steps:
  - {default_scope: cell, init: 2.0, dtype: float64, penalty: 0.5, as: first, steps: [{get: w, shape: [2], as: w}]}
  - {default_scope: cell, auxiliary_name_scope: false, steps: [{get: w, shape: [1], init: 1.0, penalty: 3.0, as: other}]}
  - reenter: first
    reuse: true
    steps:
      - {current_scope: here}
      - {intercept: raw, returns: 2 * raw, steps: [{get: w, as: doubled}]}
  - {get: seen, shape: [1], init: 1.0, local: true, as: seen}
  - {get: parts, init: [1.0, 2.0, 3.0, 4.0], partitions: 2, as: parts}
  - function: net
    template: true
    takes: [x]
    steps: [{get: w, shape: [1], init: 3.0, as: w}]
    returns: x * w
  - {invoke: net, given: ["[1.0]"]}
  - {invoke: net, given: ["[2.0]"], as: y}
  - function: find
    steps: [{scope: own, reuse: auto, steps: [{get: w, shape: [1], init: 5.0, as: w}]}]
    returns: w
  - {thread: find, times: 2, as: found}
  - initialize:
  - {expect: doubled, value: doubled, is: [4.0, 4.0]}
  - {expect: numbered, name: other, is: cell_1/w}
  - {expect: terms, penalties: 2}
  - {expect: terms-of-the-scope, penalties: 1, inside: here}
  - {expect: listed-by-scope, names: [cell/w], inside: here}
  - {expect: local-value, value: seen, is: [1.0]}
  - {expect: local-apart, collection: local_variables, is: 1}
  - {assign: parts, to: parts * 2}
  - {expect: put-together, value: parts, is: [2.0, 4.0, 6.0, 8.0]}
  - {gradient: slope, of: sum(parts * parts), wrt: parts}
  - {expect: slope-of-parts, value: slope, is: [4.0, 8.0, 12.0, 16.0]}
  - {expect: found-by-the-template, value: y, is: [6.0]}
  - {expect: found-by-the-thread, name: found, is: own/w}
"""
OBJECTS = """
steps:
  - {layer: dense, inputs: 1, units: 1, kernel: 1.0, bias: 0.0, penalty: 0.5, as: one}
  - {layer: dense, name: two, inputs: 1, units: 1, kernel: 4.0, as: two}
  - {module: both, members: {one: one, two: two}}
  - {tie: both.two.kernel, to: both.one.kernel}
  - initialize:
  - {expect: tied, same: [both.one.kernel, both.two.kernel]}
  - {assign: one.kernel, to: [[2.0]]}
  - {call: both, on: [[3.0]], as: y}
  - {expect: in-turn, value: y, is: [[12.0]]}
  - {expect: listed-once, names: [dense/bias, dense/kernel], inside: both}
  - {average: both, decay: 0.5, as: mean}
  - {assign: one.kernel, to: [[4.0]]}
  - {track: mean}
  - {expect: averaged, value: mean.two.kernel, is: [[3.0]]}
  - {copy: both, shallow: true, as: twin}
  - {expect: shallow, identical: [twin.one, both.one], is: true}
  - {replace: twin.two, by: one}
  - {call: twin, on: [[1.0]], as: z}
  - {expect: replaced, value: z, is: [[16.0]]}
  - {save: both, to: kept}
  - {assign: one.kernel, to: [[9.0]]}
  - {restore: both, from: kept}
  - {expect: restored, value: two.kernel, is: [[4.0]]}
"""
IN_A_GRAPH = """
steps:
  - function: make
    steps:
      - {layer: dense, name: one, inputs: 1, units: 1, kernel: 1.0, as: one}
      - {module: made, members: {one: one, again: one}}
    returns: made
  - {invoke: make, abstract: true, as: hollow}
  - {read: hollow.one.kernel, raises: uninitialized, expect: no-memory}
  - {materialize: hollow, as: full}
  - {assign: full.one.kernel, to: [[1.0]]}
  - parallel: full
    split: {x: [[[1.0]], [[3.0]]]}
    minimize: sum(y)
    rate: 0.5
    steps: [{call: full, on: x, as: y}]
  - {expect: mean-of-the-towers, value: full.again.kernel, is: [[-1.0]]}
  - {optimizer: descent, kind: adam, over: full}
  - {freeze: full}
  - {expect: none-left, trainable: 0, inside: full}
  - {unfreeze: full}
  - {update: descent, minimize: sum(y), steps: [{call: full, on: [[1.0]], as: y}]}
  - {expect: one-slot, slots: descent, is: 1}
"""
TOWERS = """
steps:
  - {variable: w, init: [1.0], as: w}
  - {module: net, members: {one: w, two: w}}
  - initialize:
  - {parallel: net, split: {x: [[1.0], [3.0]]}, minimize: sum(x * net.one), rate: 0.5}
  - {expect: mean-of-the-gradients, value: net.two, is: [0.0]}
"""
RUNNING = """
steps:
  - {variable: w, init: [1.0], as: w}
  - initialize:
  - {optimizer: heavy, kind: momentum, over: w}
  - {repeat: 2, steps: [{update: heavy, minimize: sum(w)}]}
  - {expect: momentum-lasts, value: w, is: [0.71]}
  - {expect: slot, slots: heavy, is: 1}
  - {optimizer: clipped, over: w, clip: 1.0}
  - {update: clipped, minimize: 5 * sum(w)}
  - {expect: clipped, value: w, is: [0.61]}
  - {assign: w, to: [1.0]}
  - {optimizer: decayed, over: w, decay: 0.5}
  - {update: decayed, minimize: ["sum(w)", "sum(w * w)"]}
  - {expect: decayed-and-added-up, value: w, is: [0.65]}
  - function: count
    traced: true
    steps: [{assign: w, to: w + 1.0}]
    returns: w * 10.0
  - {invoke: count, as: counted}
  - {expect: traced, value: counted, is: [16.5]}
  - {compute: h = w * 0.0 + 1.0}
  - {assign: w, to: [2.0]}
  - {scan: h, to: h * w, times: 3, steps: []}
  - {expect: looped, value: h, is: [8.0]}
  - {vectorize: rows, over: "[[1.0], [3.0]]", each: row, returns: row * w}
  - {expect: mapped, value: rows, is: [[2.0], [6.0]]}
  - {gradient: slope, of: sum(v * v), wrt: w, remat: true, steps: [{compute: v = w * 3.0}]}
  - {expect: computed-again, value: slope, is: [36.0]}
  - {layer: cell, inputs: 1, units: 1, kernel: 1.0, bias: 0.0, as: cell}
  - {wrap: cell, in: rnn, as: over_time}
  - {layer: norm, inputs: 1, units: 1, kernel: 1.0, as: norm}
  - initialize:
  - {call: over_time, on: [[[1.0], [2.0]]], as: steps}
  - {expect: over-time, value: steps, is: [[[0.7615942], [0.9920457]]]}
  - {call: norm, on: [[1.0], [3.0]], training: true}
  - {expect: running-mean, value: norm.mean, is: [0.2]}
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


@pytest.mark.parametrize(
    ("adapter", "steps", "reason"),
    [
        (TF1, "[{function: f, traced: true, steps: [{initialize: null}]}]", "for the session"),
        (TF1, "[{variable: v, as: v}, {module: m, members: {name: v}}]", "has a property `name`"),
        (TF1, "[{variable: v, as: v}, {optimizer: o, over: v, decay: 0.1, clip: 1.0}]", "is clipped with the rest"),
        (
            TF1Eager,
            "[{get: v, shape: [2], partitions: 2, as: v}, {optimizer: o, kind: adam, over: v}, {update: o, minimize: sum(v)}]",
            "slots of a variable in parts",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_with_a_reason(load_spec, adapter, steps, reason):
    with pytest.raises(Unsupported, match=f"{reason}.*[.]$"):
        adapter().translate(load_spec(f"steps: {steps}").spec)


@needs_tensorflow
@pytest.mark.parametrize(
    ("adapter", "specs"),
    [
        (TF1, [REUSE, REFUSALS, LEARNING, SCOPES, OBJECTS, IN_A_GRAPH, TOWERS, RUNNING]),
        (TF1Eager, [LEARNING, OBJECTS, TOWERS, RUNNING]),
    ],
)
def test_scripts_run_and_conform(load_spec, adapter, specs):
    host = Host(adapter, device="cpu")
    try:
        assert host.ready() is None
        assert "CPU:0" in host.device_name
        for steps in specs:
            spec = load_spec(steps).spec
            for way in adapter.ways_of(spec):
                outcome = host.run(adapter("cpu", way).translate(spec), "spec")
                judgement = judge(spec, adapter.name, adapter, way, outcome, {})
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


@pytest.mark.parametrize(
    ("adapter", "way", "steps", "code"),
    [
        (
            TF1,
            {},
            "[{variable: v, as: v}, {compute: h = v}, {function: f, steps: [{compute: h = h * 2}], returns: h}]",
            "    def f(h=h):\n        h = h * 2\n",
        ),
    ],
)
def test_the_wording(load_spec, adapter, way, steps, code):
    assert code in adapter("cpu", way).translate(load_spec(f"steps: {steps}").spec).text


def test_what_saves_an_object_whole_is_no_way_to_leave_something_out(load_spec):
    whole = "steps: [{variable: v, as: v}, {module: m, members: {v: v}}, {save: m, to: kept}, {restore: m, from: kept}]"
    assert [way["restore"] for way in TF1.ways_of(load_spec(whole).spec)] == ["saver", "checkpoint"]
    missed = whole.replace("from: kept}]", "from: kept, raises: not_found, expect: missed}]")
    assert [way["restore"] for way in TF1.ways_of(load_spec(missed).spec)] == [
        "saver",
        "checkpoint",
        "checkpoint-matched",
    ]
    usual, asked = (
        TF1("cpu", {"restore": f"checkpoint{way}"}).translate(load_spec(missed).spec).text for way in ("", "-matched")
    )
    assert ".restore(kept).run_restore_ops(session)" in usual
    assert ".restore(kept).assert_existing_objects_matched().run_restore_ops(session)" in asked
    part = whole.replace("to: kept}, {restore", "only: [v], to: kept}, {restore")
    assert [way["restore"] for way in TF1.ways_of(load_spec(part).spec)] == ["saver"]


def test_two_uses_of_a_norm_in_one_training_step_are_refused(load_spec):
    calls = "{call: n, on: [[1.0]], training: true, as: y}"
    steps = f"[{{layer: norm, inputs: 1, units: 1, as: n}}, {{train: sgd, minimize: sum(y), wrt: n, steps: [{calls}, {calls}]}}]"
    with pytest.raises(Unsupported, match="have no order"):
        TF1().translate(load_spec(f"steps: {steps}").spec)


def test_a_session_stands_where_something_runs_in_it(load_spec):
    got = "{get: v, init: 1.0, as: v}"
    counted = TF1().translate(load_spec(f"steps: [{got}, {{expect: one, variables: 1}}]").spec).text
    assert counted.splitlines()[2] == "with tf.Graph().as_default():"
    again = f"{got}, {{initialize: null}}, {{session: other, steps: [{{initialize: null}}, {{read: v}}]}}"
    last, followed = (
        TF1().translate(load_spec(f"steps: [{steps}]").spec).text for steps in (again, f"{again}, {{read: v}}")
    )
    assert ("outer" in last, followed.count("outer")) == (False, 2)
