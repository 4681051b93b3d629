from importlib.util import find_spec

import pytest

from canireuse.hosts import Host
from canireuse.judge import judge
from canireuse.translation import Unsupported
from canireuse_adapters.linen import Linen
from tests.adapters.reuse import REUSE

needs_flax = pytest.mark.skipif(find_spec("flax") is None, reason="Flax is not installed")

SHAPES = """
steps:
  - scope: tower
    steps:
      - {get: kernel, shape: [2], init: 1.0}
  - scope: tower
    reuse: true
    steps:
      - {get: kernel, shape: [3], raises: shape_mismatch, expect: other-shape-when-looked-up}
      - {get: kernel, as: found}
  - scope: tower
    reuse: auto
    steps:
      - {get: kernel, shape: [3], raises: shape_mismatch, expect: other-shape-when-got-or-made}
      - {get: kernel, shape: [2], dtype: float16, init: 3.0, as: again}
      - {get: bias, shape: [2], init: [4.0, 5.0], as: bias}
  - {expect: one-kernel, same: [found, again]}
  - {expect: made-as-asked, value: bias, is: [4.0, 5.0]}
"""
LEARNING = """
steps:
  - {layer: dense, name: first, inputs: 2, units: 2, kernel: 1.0, as: first}
  - {layer: dense, name: last, inputs: 2, units: 1, kernel: 1.0, bias: 0.0, as: last}
  - {module: chain, members: {one: first, two: first, three: last}}
  - {expect: counted-once, variables: 3, inside: chain}
  - gradient: slope
    of: sum(y)
    wrt: chain.one.kernel
    steps:
      - {call: chain, on: [[1.0, 2.0]], as: y}
  - {expect: summed-over-both-calls, value: slope, is: [[5.0, 5.0], [7.0, 7.0]]}
  - train: sgd
    minimize: sum(y)
    wrt: [chain.three.bias]
    rate: 0.5
    steps:
      - {call: chain, on: [[1.0, 2.0]], as: y}
  - {expect: trained, value: chain.three.bias, is: [-0.5]}
  - {expect: left-alone, value: chain.one.kernel, is: [[1.0, 1.0], [1.0, 1.0]]}
"""
DEFINING = """
steps:
  - function: make
    steps:
      - {layer: embedding, name: table, inputs: 2, units: 2, kernel: 1.0, as: table}
      - {layer: embedding, name: head, inputs: 2, units: 2, kernel: 2.0, as: head}
      - {tie: head.kernel, to: table.kernel}
      - {module: net, members: {table: table, head: head}}
    returns: net
  - {invoke: make, abstract: true, as: big}
  - {expect: shape-before-memory, shape: big.head.kernel, is: [2, 2]}
  - {materialize: big, as: real}
  - {assign: real.table.kernel, to: [[3.0, 3.0], [4.0, 4.0]]}
  - {call: real.head, on: [1], as: row}
  - {expect: head-reads-the-table, value: row, is: [[4.0, 4.0]]}
  - {expect: counted-once, variables: 1, inside: real}
"""
TIES = """
steps:
  - {layer: dense, name: a, inputs: 2, units: 2, kernel: 1.0, bias: 0.0, as: a}
  - {layer: dense, name: b, inputs: 2, units: 2, kernel: 2.0, bias: 0.0, as: b}
  - {module: m, members: {a: a, b: b}}
  - {tie: m.b.kernel, to: m.a.kernel}
  - {expect: paths, names: [a/bias, a/kernel, b/bias], inside: m}
  - {copy: m, as: twin}
  - {optimizer: adam, kind: adam, over: m, rate: 0.5}
  - {expect: slots, slots: adam, is: 3}
  - {update: adam, minimize: sum(y), steps: [{call: m, on: [[1.0, 1.0]], as: y}]}
  - {expect: one-step, value: b.kernel, is: [[0.5, 0.5], [0.5, 0.5]]}
  - {expect: copy-stays, value: twin.b.kernel, is: [[1.0, 1.0], [1.0, 1.0]]}
  - {average: m, decay: 0.5, as: slow}
  - {assign: a.kernel, to: [[2.5, 2.5], [2.5, 2.5]]}
  - {track: slow}
  - {expect: average, value: slow.b.kernel, is: [[1.5, 1.5], [1.5, 1.5]]}
  - {call: m, on: [[0.0, 0.0]], given: {a.bias: [0.0, 0.0], b.bias: [7.0, 7.0]}, as: other}
  - {expect: given, value: other, is: [[7.0, 7.0]]}
"""
STATISTICS = """
steps:
  - {layer: norm, name: n, inputs: 1, units: 1, as: n}
  - {module: m, members: {one: n, two: n}}
  - train: sgd
    minimize: sum(y)
    wrt: m
    times: 2
    steps:
      - {call: m, on: [[1.0], [3.0]], training: true, as: y}
  - function: once_more
    traced: true
    steps:
      - {call: n, on: [[1.0], [3.0]], training: true, as: y}
  - {compute: "earlier = n.mean * 1.0"}
  - {invoke: once_more}
  - {expect: moved-by-a-tenth, value: n.mean - earlier * 0.9, is: [0.2]}
  - {expect: mean-and-variance, names: [one/mean, one/scale, one/var], inside: m}
  - {save: m, to: kept}
  - {assign: n.var, to: [9.0]}
  - {restore: m, from: kept}
  - {expect: statistics-are-kept-too, value: n.var * 0.0 + n.kernel, is: [1.0]}
"""
WRAPPED = """
steps:
  - {layer: cell, name: c, inputs: 1, units: 1, kernel: 1.0, recurrent: 0.0, bias: 0.0, as: c}
  - {wrap: c, in: rnn, as: run}
  - {wrap: run, in: bidirectional, as: both}
  - {call: run, on: [[[0.0], [1.0]]], as: y}
  - {expect: all-steps, value: y, is: [[[0.0], [0.761594]]]}
  - {assign: c.kernel, to: [[0.0]]}
  - {call: both, on: [[[0.0], [1.0]]], as: z}
  - {expect: forward-direction-follows, value: z, is: [[[0.0, 0.0], [0.0, 0.761594]]]}
"""
RUNNING = """
steps:
  - {variable: w, shape: [2], init: 1.0, as: w}
  - {variable: n, shape: [], init: 0.0, trainable: false, as: n}
  - {compute: "h = [1.0, 1.0] * 1.0"}
  - scan: h
    to: h * w * 2.0
    times: 3
    steps: [{assign: n, to: n + 1.0}]
  - {expect: carried, value: n, is: 3.0}
  - {expect: looped, value: h, is: [8.0, 8.0]}
  - function: count
    traced: true
    steps: [{scope: inner, reuse: auto, steps: [{get: t, shape: [], init: 0.0, as: t}]}, {assign: t, to: t + 1.0}]
    returns: t * 10.0
  - {invoke: count}
  - {thread: count, as: second}
  - {expect: state-came-back, value: second, is: 20.0}
  - {default_scope: tower, steps: [{get: v, init: 0.0, as: first}]}
  - {default_scope: tower, as: other, steps: [{get: v, init: 0.0, as: last}]}
  - {expect: numbered, name: last, is: tower1/v}
  - {expect: listed-inside, names: [tower1/v], inside: other}
  - {module: m, members: {w: w}}
  - {shard: w}
  - parallel: m
    split: {x: [[1.0, 0.0], [3.0, 0.0]]}
    minimize: sum(x * m.w)
    rate: 0.5
  - {expect: mean-of-both, value: w, is: [0.0, 1.0]}
"""
FREEZING = """
steps:
  - {layer: dense, name: body, inputs: 1, units: 1, kernel: 2.0, trainable: false, as: body}
  - {layer: dense, name: head, inputs: 1, units: 1, kernel: 1.0, as: head}
  - {module: task, members: {body: body, head: head}}
  - train: sgd
    minimize: sum(y)
    wrt: task
    rate: 0.5
    steps:
      - {call: task, on: [[1.0]], as: y}
  - {expect: frozen-although-moved-in-the-tree, value: body.kernel, is: [[2.0]]}
  - {expect: trained, value: head.kernel, is: [[0.0]]}
"""


def raised(kind: str, message: str, *bases: str) -> dict[str, object]:
    return {"type": kind, "bases": [kind, *bases], "message": message}


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("already_exists", raised("ValueError", 'Duplicate use of scope name: "kernel"')),
        (
            "not_found",
            raised(
                "ScopeVariableNotFoundError", 'No Variable named "bias" for collection "params" exists in "/tower".'
            ),
        ),
        ("not_found", raised("ScopeParamNotFoundError", 'Could not find parameter named "bias" in scope "/".')),
        (
            "not_found",
            raised(
                "ValueError",
                "The target dict keys and state dict keys do not match, target dict contains keys {'x'} which are not present in state dict",
            ),
        ),
        (
            "shape_mismatch",
            raised(
                "ScopeParamShapeError",
                'For parameter "kernel" in "/", the given initializer is expected to generate shape (2, 2)',
            ),
        ),
        (
            "shape_mismatch",
            raised(
                "TypeError", "dot_general requires contracting dimensions to have the same shape, got (3,) and (2,)."
            ),
        ),
        ("shape_mismatch", raised("TypeError", "add got incompatible shapes for broadcasting: (2,), (3,).")),
        (
            "not_trainable",
            raised(
                "TypeError",
                "grad requires real- or complex-valued inputs (input dtype that is a sub-dtype of np.inexact), but got int32.",
            ),
        ),
        (None, raised("ZeroDivisionError", "division by zero")),
        (None, raised("AttributeError", "module 'flax' has no attribute 'lines'")),
        (None, raised("TypeError", "full() missing 1 required positional argument: 'fill_value'")),
        (None, raised("KeyError", "'kernle'")),
    ],
)
def test_messages_mean_kinds(kind, error):
    assert Linen.kind_of(error) == kind


@pytest.mark.parametrize("verb", sorted(Linen.missing))
def test_what_is_missing_is_said_in_a_sentence(verb):
    reason = Linen.missing[verb]
    assert reason[0].isupper() or reason.startswith("`")
    assert reason.endswith(".")


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ("[{variable: w, as: w}, {module: m, members: {w: w}}, {call: m, on: [1.0]}]", "bare parameters"),
        (
            "[{variable: w, as: w}, {compute: h = 1.0 * w}, {scan: h, to: h, times: 2, steps: [{variable: v}]}]",
            "one structure",
        ),
        (
            "[{function: f, traced: true, steps: [{get: w, shape: [], init: 1.0}]}, {scope: a, steps: [{invoke: f}]}]",
            "is not seen inside",
        ),
    ],
)
def test_what_linen_cannot_say_is_refused_with_a_reason(load_spec, steps, reason):
    with pytest.raises(Unsupported, match=reason):
        Linen().translate(load_spec(f"steps: {steps}").spec)


def test_a_tie_is_one_entry_or_the_same_array_under_two_paths(load_spec):
    spec = load_spec(TIES).spec
    assert {way["tie"] for way in Linen.ways_of(spec)} == {"one-entry"}, "what a tie survives is asked of ties alone"
    short = TIES[: TIES.index("  - {copy: m")]
    assert [way["tie"] for way in Linen.ways_of(load_spec(short).spec)] == ["one-entry", "same-array"]
    one = Linen("cpu", {"tie": "one-entry"}).translate(spec).text
    assert "'b': {'kernel': params['m']['a']['kernel'], 'bias': params['m']['b']['bias']}" in one


def test_a_variable_that_one_module_holds_is_in_no_way_shared(load_spec):
    alone = load_spec("steps: [{variable: w, as: w}, {module: m, members: {w: w}}]").spec
    shared = load_spec("steps: [{variable: w, as: w}, {module: m, members: {a: w, b: w}}]").spec
    assert Linen.ways_of(alone) == [{}]
    assert [way["module"] for way in Linen.ways_of(shared)] == ["one-entry", "same-array"]


def test_under_reuse_a_second_definition_is_applied_to_what_is_there(load_spec):
    inside = "steps: [{layer: dense, name: hidden, inputs: 1, units: 1, as: %s}, {call: %s, on: [[1.0]]}]"
    again = f"steps: [{{scope: a, {inside % ('x', 'x')}}}, {{scope: a, reuse: auto, {inside % ('y', 'y')}}}]"
    text = Linen().translate(load_spec(again).spec).text
    assert text.count(".init(") == 1
    assert "y.apply({'params': params['a']['hidden']}" in text


def test_a_prefix_that_was_numbered_in_a_loop_has_no_number_known_ahead(load_spec):
    loop = "{repeat: 2, steps: [{default_scope: t, steps: [{get: v, as: v}]}]}"
    template = "{function: t, template: true, steps: [{get: w, as: w}], returns: w}"
    with pytest.raises(Unsupported, match="outside of functions and loops"):
        Linen().translate(load_spec(f"steps: [{loop}, {template}]").spec)


@needs_flax
def test_scripts_run_and_conform(load_spec):
    host = Host(Linen, device="cpu")
    try:
        assert host.ready() is None
        assert host.device_name.startswith("cpu:0")
        for name, steps in {
            "facet/reuse": REUSE,
            "facet/shapes": SHAPES,
            "facet/learning": LEARNING,
            "facet/freezing": FREEZING,
            "facet/defining": DEFINING,
            "facet/ties": TIES,
            "facet/statistics": STATISTICS,
            "facet/wrapped": WRAPPED,
            "facet/running": RUNNING,
        }.items():
            located = load_spec(steps, name)
            ways = [way for way in Linen.ways_of(located.spec) if "same-array" not in way.values()]
            for way in ways:
                outcome = host.run(Linen("cpu", way).translate(located.spec), name)
                judgement = judge(located.spec, "linen", Linen, way, outcome, {})
                assert judgement.verdict == "conforms", (way, judgement)
    finally:
        host.stop()
