from importlib.util import find_spec

import pytest

from canireuse.emit import Unsupported
from canireuse.judge.verdict import judge
from canireuse.run.hosts import Host
from canireuse_adapters.equinox import Equinox

needs_equinox = pytest.mark.skipif(find_spec("equinox") is None, reason="Equinox is not installed")

HOLDS = """
steps:
  - {variable: kernel, shape: [2], init: 1.0, as: kernel}
  - {module: tower, members: {kernel: kernel}}
  - {read: tower.bias, raises: not_found, expect: missing-name}
  - {assign: kernel, to: [5.0, 6.0]}
  - {expect: seen, value: kernel, is: [5.0, 6.0]}
"""
TIED = """
steps:
  - {layer: embedding, name: embed, inputs: 3, units: 2, kernel: 1.0, as: embed}
  - {layer: dense, name: head, inputs: 3, units: 2, kernel: 0.5, as: head}
  - {tie: head.kernel, to: embed.kernel}
  - {module: both, members: {embed: embed, head: head}}
  - {expect: counted-once, variables: 1, inside: both}
  - gradient: slope
    of: sum(a) + sum(b)
    wrt: both.head.kernel
    steps:
      - {call: both.embed, on: [0], as: a}
      - {call: both.head, on: [[1.0, 1.0, 1.0]], as: b}
  - {expect: summed-over-both-uses, value: slope, is: [[2.0, 2.0], [1.0, 1.0], [1.0, 1.0]]}
  - {copy: both, as: twin}
  - {expect: copy-is-tied, same: [twin.head.kernel, twin.embed.kernel]}
  - {save: both, to: saved}
  - {restore: both, from: saved}
  - {cast: both, to: float16, as: half}
  - {expect: cast-is-tied, same: [half.head.kernel, half.embed.kernel]}
  - {optimizer: opt, kind: momentum, over: both, rate: 1.0}
  - {update: opt, minimize: sum(b), steps: [{call: both.head, on: [[1.0, 1.0, 1.0]], as: b}]}
  - {expect: one-moment, slots: opt, is: 1}
  - {expect: trained-through-the-tie, value: "both.embed.kernel[2]", is: [0.0, 0.0]}
"""
CHANGES = """
steps:
  - {layer: dense, name: d, inputs: 1, units: 1, kernel: 2.0, as: layer}
  - {variable: w, init: 1.0, as: w}
  - function: step
    traced: true
    takes: [x]
    steps:
      - {assign: w, to: w + 1.0}
      - {call: layer, on: x, as: y}
    returns: sum(y) * w
  - {invoke: step, given: [[[3.0]]], as: first}
  - {expect: w-is-changed-before-it-is-used, value: first, is: 12.0}
  - {expect: change-is-kept, value: w, is: 2.0}
  - {average: layer, decay: 0.5, as: mean}
  - {assign: layer.kernel, to: [[4.0]]}
  - {track: mean}
  - {expect: half-way, value: mean.kernel, is: [[3.0]]}
  - {call: layer, on: [[1.0]], given: {kernel: [[9.0]]}, as: z}
  - {expect: given, value: z, is: [[9.0]]}
  - {move: layer, as: moved}
  - {expect: still-the-value, value: moved.kernel, is: [[4.0]]}
  - {function: make, steps: [{layer: dense, inputs: 1, units: 1, as: inner}], returns: inner}
  - {invoke: make, abstract: true, as: bare}
  - {read: bare.kernel, raises: uninitialized, expect: no-memory}
  - {materialize: bare, as: real}
  - {assign: real.kernel, to: [[7.0]]}
  - {expect: has-memory, value: real.kernel, is: [[7.0]]}
  - {parallel: real, split: {x: [[[1.0]], [[3.0]]]}, minimize: sum(y), rate: 1.0, steps: [{call: real, on: x, as: y}]}
  - {expect: mean-gradient, value: real.kernel, is: [[5.0]]}
"""
NORM = """
steps:
  - {layer: norm, name: n, inputs: 1, units: 1, bias: 0.0, as: norm}
  - {layer: dense, name: d, inputs: 1, units: 1, as: head}
  - {module: net, members: {norm: norm, head: head}}
  - {call: net, on: [[1.0], [3.0]], training: true, as: y}
  - {expect: running-mean, value: net.norm.mean, is: [0.2]}
  - {train: sgd, minimize: sum(z), wrt: net, steps: [{call: net, on: [[1.0], [3.0]], training: true, as: z}]}
  - {expect: the-loss-has-moved-it, value: net.norm.mean, is: [0.38]}
  - {copy: net, as: twin}
  - {assign: twin.norm.mean, to: [9.0]}
  - {expect: the-copy-has-its-own, value: net.norm.mean, is: [0.38]}
"""


def code(load_spec, steps: str, **way: str) -> str:
    return Equinox("cpu", way).translate(load_spec(f"steps: {steps}").spec).text


def raised(kind: str, message: str, *bases: str) -> dict[str, object]:
    return {"type": kind, "bases": [kind, *bases], "message": message}


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("not_found", raised("AttributeError", "'Tower' object has no attribute 'bias'")),
        ("not_found", raised("TreePathError", "Error at leaf with path (GetAttrKey(name='bias'),)", "RuntimeError")),
        ("uninitialized", raised("AttributeError", "'ShapeDtypeStruct' object has no attribute 'tolist'")),
        ("dtype_mismatch", raised("RuntimeError", "Deserialised leaf at path () has changed dtype from float16")),
        (
            "shape_mismatch",
            raised("ValueError", "Every node being shared together must have the same pytree structure, shape+dtype"),
        ),
        ("bad_argument", raised("ValueError", "pytree structure error: different types at key path")),
        (None, raised("ZeroDivisionError", "division by zero")),
        (None, raised("KeyError", "a key that is no name")),
    ],
)
def test_messages_mean_kinds(kind, error):
    assert Equinox.kind_of(error) == kind


@pytest.mark.parametrize("verb", sorted(Equinox.missing))
def test_what_is_missing_is_said_in_a_sentence(verb):
    reason = Equinox.missing[verb]
    assert reason[0].isupper()
    assert reason.endswith(".")


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (
            "[{layer: norm, inputs: 1, units: 1, as: a}, {layer: norm, inputs: 1, units: 1, as: b}, {module: m, members: {a: a, b: b}}]",
            "whose keys are the same",
        ),
        (
            "[{variable: w, as: w}, {optimizer: o, kind: adam, over: w}, {module: m, members: {w: w}}, {update: o, minimize: w}]",
            "part of another tree",
        ),
        (
            "[{variable: v, as: v}, {variable: w, as: w}, {module: m, members: {a: v, b: w}}, {function: f, returns: c, steps: [{copy: m, as: c}]}, {tie: m.b, to: m.a}, {invoke: f, as: d}]",
            "is not tied; Equinox users write it for the new one",
        ),
    ],
)
def test_what_equinox_cannot_say_is_refused_with_a_reason(load_spec, steps, reason):
    spec = load_spec(f"steps: {steps}").spec
    with pytest.raises(Unsupported, match=reason):
        Equinox(way=Equinox.ways_of(spec)[-1]).translate(spec)


def test_an_array_in_two_places_is_two_places_unless_it_is_shared(load_spec):
    spec = load_spec("steps: [{variable: w, as: w}, {module: m, members: {a: w, b: w}}]").spec
    assert [way["module"] for way in Equinox.ways_of(spec)] == ["same-array", "shared"]


def test_a_module_used_once_has_one_way(load_spec):
    spec = load_spec("steps: [{variable: w, as: w}, {module: m, members: {a: w}}]").spec
    assert Equinox.ways_of(spec) == [{}]


def test_the_name_of_a_member_stands_for_its_place_unless_the_spec_uses_both(load_spec):
    module = "{variable: w, as: w}, {module: m, members: {w: w}}"
    assert code(load_spec, f"[{module}, {{read: w}}]").endswith("m.w.tolist()\n")
    assert code(load_spec, f"[{module}, {{read: m.w}}, {{read: w}}]").endswith("m.w.tolist()\nw.tolist()\n")


@needs_equinox
def test_scripts_run_and_conform(load_spec):
    host = Host(Equinox, device="cpu")
    try:
        assert host.ready() is None
        for name, steps in {
            "facet/holds": HOLDS,
            "facet/tied": TIED,
            "facet/changes": CHANGES,
            "facet/norm": NORM,
        }.items():
            located = load_spec(steps, name)
            for way in Equinox.ways_of(located.spec):
                if "same-array" in way.values():
                    continue
                outcome = host.run(Equinox("cpu", way).translate(located.spec), name)
                judgement = judge(located.spec, "equinox", Equinox, way, outcome, {})
                assert judgement.verdict == "conforms", (way, judgement)
    finally:
        host.stop()


@pytest.mark.parametrize("way", ["same-array", "shared"])
def test_a_write_through_the_place_that_shares_a_leaf_is_an_idiom(load_spec, way):
    steps = "{variable: v, init: 1.0, as: v}, {module: m, members: {one: v, two: v}}, {assign: m.two, to: 5.0}"
    made = Equinox("cpu", {"module": way}).translate(load_spec(f"steps: [{steps}]").spec)
    assert any("keeps one leaf for both places" in note for note in made.idioms) == (way == "shared")


def test_one_leaf_is_saved_as_itself_and_several_as_a_tuple(load_spec):
    steps = "{variable: v, init: 1.0, as: v}, {variable: w, init: 1.0, as: w}, {module: m, members: {v: v, w: w}}"
    kept = "{save: m, only: [%s], to: kept}, {restore: m, from: kept, partial: true}"
    one, two = (Equinox().translate(load_spec(f"steps: [{steps}, {kept % only}]").spec).text for only in ("v", "v, w"))
    assert "eqx.tree_serialise_leaves(kept, m.v)" in one
    assert "eqx.tree_at(lambda m: m.v, m, eqx.tree_deserialise_leaves(kept, m.v))" in one
    assert "eqx.tree_serialise_leaves(kept, (m.v, m.w))" in two
