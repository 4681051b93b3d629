from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from canireuse.emit import Names, Unsupported
from canireuse.judge.verdict import judge
from canireuse.program.loader import load_all
from canireuse.run.hosts import Host
from canireuse_adapters.nnx import NNX, learning
from tests.adapters.reuse import REUSE

SPECS = Path(__file__).parents[2] / "specs"
needs_flax = pytest.mark.skipif(find_spec("flax") is None, reason="Flax is not installed")

TIED = """
steps:
  - {layer: embedding, name: embed, inputs: 3, units: 2, kernel: 1.0, as: embed}
  - {layer: dense, name: head, inputs: 3, units: 2, kernel: 0.5, as: head}
  - {tie: head.kernel, to: embed.kernel}
  - {module: pair, members: {embed: embed, head: head}}
  - {expect: counted-once, variables: 1, inside: pair}
  - gradient: slope
    of: sum(a) + sum(b)
    wrt: pair.head.kernel
    steps:
      - {call: pair.embed, on: [0], as: a}
      - {call: pair.head, on: [[1.0, 1.0, 1.0]], as: b}
  - {expect: summed-over-both-uses, value: slope, is: [[2.0, 2.0], [1.0, 1.0], [1.0, 1.0]]}
  - {copy: pair, as: twin}
  - {expect: copy-is-tied, same: [twin.head.kernel, twin.embed.kernel]}
  - {save: pair, to: saved}
  - {restore: pair, from: saved}
  - {expect: still-tied, same: [pair.head.kernel, pair.embed.kernel]}
  - train: sgd
    minimize: sum(b)
    wrt: pair.embed
    rate: 1.0
    steps:
      - {call: pair.head, on: [[1.0, 1.0, 1.0]], as: b}
  - {expect: trained-through-the-tie, value: "pair.head.kernel[2]", is: [1.0, 1.0]}
"""


PAIR = """
  - {layer: embedding, inputs: 3, units: 2, kernel: 1.0, as: embed}
  - {layer: dense, inputs: 3, units: 2, kernel: 0.5, as: head}
  - {tie: head.kernel, to: embed.kernel}
  - {module: pair, members: {embed: embed, head: head}}
"""
USE = "[{call: pair.head, on: [[1.0, 1.0, 1.0]], as: a}]"
LEARNING = f"""
steps:{PAIR}
  - {{optimizer: adam, kind: adam, over: pair}}
  - {{optimizer: twice, kind: momentum, over: [pair.embed.kernel, pair.head.kernel], rate: 0.5, clip: 100.0}}
  - {{expect: one-slot, slots: adam, is: 1}}
  - {{expect: one-slot-for-two-names, slots: twice, is: 1}}
  - {{update: adam, minimize: sum(a), times: 2, steps: {USE}}}
  - {{expect: stepped-twice, value: "head.kernel[0]", is: [0.8, 0.8]}}
  - {{update: twice, minimize: [sum(a), sum(a)], steps: {USE}}}
  - {{expect: accumulated, value: "head.kernel[0]", is: [-0.2, -0.2]}}
  - function: step
    traced: true
    steps: [{{update: adam, minimize: sum(a), steps: {USE}}}]
  - {{invoke: step}}
  - {{invoke: step}}
  - {{expect: stepped-inside, value: "head.kernel[0]", is: [-0.4, -0.4]}}
  - {{gradient: again, of: sum(a), wrt: head.kernel, remat: true, steps: {USE}}}
  - {{expect: remat-changes-nothing, value: sum(again), is: 6.0}}
"""
DEVICES = f"""
steps:{PAIR}
  - parallel: pair
    split: {{x: [[[1.0, 0.0, 0.0]], [[0.0, 1.0, 1.0]]], rows: [[0], [1]]}}
    minimize: sum(a) + sum(b)
    rate: 1.0
    steps:
      - {{call: pair.head, on: x, as: a}}
      - {{call: pair.embed, on: rows, as: b}}
  - {{expect: mean-of-both-devices, value: pair.embed.kernel, is: [[0.0, 0.0], [0.0, 0.0], [0.5, 0.5]]}}
"""
LOOPS = """
steps:
  - {variable: w, init: 2.0, as: w}
  - {compute: h = 1.0 * w}
  - {scan: h, to: h + w, times: 2, steps: [{assign: w, to: w + 1.0}]}
  - {expect: written-in-the-loop, value: w, is: 4.0}
  - {expect: carried, value: h, is: 9.0}
  - {gradient: slope, of: k, wrt: w, steps: [{compute: k = w * 1.0}, {scan: k, to: k * w, times: 2}]}
  - {expect: summed-over-turns, value: slope, is: 48.0}
  - {vectorize: rows, over: "[1.0, 2.0]", each: x, returns: x * w}
  - {expect: one-for-all-rows, value: rows, is: [4.0, 8.0]}
  - {function: up, returns: w * 1.0, steps: [{assign: w, to: w + 1.0}]}
  - {thread: up, times: 2, as: last}
  - {expect: seen-in-threads, value: last, is: 6.0}
"""
OWNERS = """
steps:
  - {layer: norm, inputs: 2, units: 2, kernel: 1.0, bias: 0.0, as: norm}
  - {call: norm, on: [[1.0, 2.0], [3.0, 4.0]], training: true}
  - {expect: mean-moves, value: norm.mean, is: [0.2, 0.3]}
  - {expect: statistics-are-not-trained, trainable: 2, inside: norm}
  - {layer: cell, inputs: 1, units: 1, kernel: 0.5, recurrent: 0.1, as: cell}
  - {wrap: cell, in: rnn, as: rnn}
  - {wrap: rnn, in: bidirectional, as: both}
  - {call: rnn, on: [[[1.0], [1.0]]], as: out}
  - {expect: runs-over-time, value: "out[0][0][0]", is: 0.4621172}
  - {expect: forward-is-the-cell, same: [cell.kernel, both.forward.kernel]}
  - {expect: backward-is-a-copy, variables: 4, inside: both}
  - {module: pair, members: {one: cell, two: cell}}
  - {expect: every-path, paths: cell.kernel, inside: pair, is: [one/dense_i/kernel, two/dense_i/kernel]}
  - {expect: listed-once, names: [one/dense_h/kernel, one/dense_i/kernel], inside: pair}
  - {call: norm, on: [[1.0, 1.0]], given: {kernel: [0.0, 0.0]}, as: zeroed}
  - {expect: computed-with-what-was-given, value: zeroed, is: [[0.0, 0.0]]}
  - {expect: untouched, value: norm.kernel, is: [1.0, 1.0]}
  - {variable: lone, init: 1.0, as: lone}
  - {drop: lone}
  - {expect: gone, alive: lone, is: false}
"""


FUNCTIONS = """
steps:
  - {variable: w, init: [2.0], as: w}
  - {variable: n, init: [0.0], trainable: false, as: n}
  - {module: net, members: {a: w, b: w}}
  - {compute: h = 3.0 * w}
  - {function: times, takes: [x], returns: y, steps: [{compute: y = x * net.b}]}
  - {gradient: slope, of: sum(y) + sum(net.a), wrt: net.a, steps: [{invoke: times, given: ["[3.0]"], as: y}]}
  - {expect: of-a-plain-function-too, value: slope, is: [4.0]}
  - {gradient: slope, of: sum(h), wrt: w, steps: [{compute: h = h * w}]}
  - {expect: bound-anew-inside, value: slope, is: [6.0]}
  - {function: again, traced: true, returns: h, steps: [{compute: h = h + w}]}
  - {invoke: again, as: more}
  - {expect: bound-anew-in-a-traced-one, value: more, is: [8.0]}
  - {function: count, returns: r, steps: [{assign: n, to: n + 1.0}, {compute: r = n * net.a}]}
  - {gradient: slope, of: sum(z), wrt: net.a, steps: [{invoke: count, as: z}]}
  - {expect: counted-in-the-loss, value: n, is: [1.0]}
  - {scan: h, to: h + net.a, times: 2, steps: [{assign: w, to: w * 2.0}]}
  - {expect: written-under-another-name, value: h, is: [18.0]}
"""
FREEZING = """
steps:
  - {variable: w, init: [1.0], as: w}
  - {variable: v, init: [1.0], as: v}
  - {module: net, members: {a: w, b: v, c: w}}
  - {freeze: net.c}
  - {train: sgd, minimize: sum(3 * net.a) + sum(4 * net.b), wrt: net}
  - {expect: frozen-under-both-names, value: net.a, is: [1.0]}
  - {expect: trained, value: net.b, is: [0.6]}
  - {unfreeze: net.a}
  - {train: sgd, minimize: sum(3 * net.a) + sum(net.c), wrt: net.a}
  - {expect: trained-again, value: net.c, is: [0.6]}
  - {expect: left-alone, value: net.b, is: [0.6]}
"""
NAMES = """
steps:
  - {variable: turn, init: [1.0], as: turn}
  - {variable: rest, init: [1.0], as: rest}
  - {module: given, members: {a: turn, b: rest}}
  - {module: mean_loss, members: {trained: turn, b: rest}}
  - {compute: carried = 1.0 * turn}
  - {scan: carried, to: carried + given.a, times: 2, steps: [{assign: given.a, to: given.a * 2.0}]}
  - {expect: carried, value: carried, is: [7.0]}
  - {gradient: gradients, of: sum(given.a * mean_loss.trained), wrt: given.a}
  - {expect: slope, value: gradients, is: [8.0]}
  - {freeze: rest}
  - {optimizer: trained, over: given}
  - {update: trained, minimize: [sum(given.a), sum(given.b)]}
  - {expect: trained, value: given.a, is: [3.9]}
"""
SCOPED = """
steps:
  - {function: make, returns: v, steps: [{scope: tower, steps: [{get: v, shape: [1], init: 2.0, as: v}]}]}
  - {scope: net, steps: [{invoke: make, as: first}]}
  - {invoke: make, as: second}
  - {train: sgd, minimize: sum(3 * first) + sum(second), wrt: first}
  - {expect: trained, value: first, is: [1.7]}
  - {expect: left-alone, value: second, is: [2.0]}
  - {optimizer: both, over: [first, second]}
  - {update: both, minimize: sum(3 * first) + sum(second)}
  - {expect: both, value: second, is: [1.9]}
  - {expect: listed, names: [net/tower/v, tower/v]}
"""
LOCAL = """
steps:
  - {variable: w, init: [2.0], as: w}
  - {variable: v, init: [3.0], as: v}
  - {function: step, steps: [{train: sgd, minimize: sum(w * v), wrt: [w, v]}]}
  - {invoke: step}
  - {train: sgd, minimize: sum(w * v), wrt: [w, v]}
  - {expect: stepped-inside-and-outside, value: w, is: [1.42]}
"""
SCENARIOS = {
    "local": LOCAL, "functions": FUNCTIONS, "freezing": FREEZING, "names": NAMES, "scoped": SCOPED, "reuse": REUSE, "tied": TIED, "learning": LEARNING, "devices": DEVICES, "loops": LOOPS, "owners": OWNERS,
}  # fmt: skip
#: scenario and ways -> what becomes of a tie in ways that lose or refuse it
LATER = ("copy-is-tied", "still-tied", "trained-through-the-tie")
UNTIED = {
    # the copy holds the source's variables: a write to it stays in the source
    ("tied", "split-merge", "msgpack"): {"trained-through-the-tie": [2.0, 2.0]},
    ("tied", "tree-map", "msgpack"): {"copy-is-tied": False},
    ("tied", "clone-tree-mode", "msgpack"): dict.fromkeys(LATER, "unobserved"),
}


def raised(kind: str, message: str, *bases: str) -> dict[str, object]:
    return {"type": kind, "bases": [kind, *bases], "message": message}


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("not_found", raised("AttributeError", "'Module' object has no attribute 'bias'")),
        ("not_trainable", raised("AttributeError", "No attribute 'frozen' in State")),
        (
            "shape_mismatch",
            raised(
                "ValueError", "Incompatible types for broadcasting: input type=float32[3] and requested type=float32[2]"
            ),
        ),
        (
            "shape_mismatch",
            raised(
                "TypeError", "dot_general requires contracting dimensions to have the same shape, got (2,) and (3,)."
            ),
        ),
        (None, raised("ZeroDivisionError", "division by zero")),
        (None, raised("AttributeError", "module 'flax' has no attribute 'lines'")),
        (None, raised("TypeError", "full() missing 1 required positional argument: 'fill_value'")),
        (None, raised("KeyError", "'kernle'")),
    ],
)
def test_messages_mean_kinds(kind, error):
    assert NNX.kind_of(error) == kind


@pytest.mark.parametrize("verb", sorted(NNX.missing))
def test_what_is_missing_is_said_in_a_sentence(verb):
    reason = NNX.missing[verb]
    assert reason[0].isupper()
    assert reason.endswith(".")


TWO = "{variable: w, as: w}, {variable: v, as: v}, {module: a, members: {x: w}}"


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (
            "[{variable: w, as: w}, {module: a, members: {w: w}}, {optimizer: o, over: a}, {module: b, members: {w: w}}, {update: o, minimize: a.w * b.w}]",
            "make the optimizer last",
        ),
        (
            f"[{TWO}, {{function: f, steps: [{{gradient: g, of: a.x + v, wrt: v}}]}}, {{tie: a.x, to: v}}, {{invoke: f}}]",
            "is written once|are written once",
        ),
        (
            f"[{TWO}, {{function: f, steps: [{{train: sgd, minimize: a.x + v, wrt: [v]}}]}}, {{tie: a.x, to: v}}, {{invoke: f}}]",
            "is written once|are written once",
        ),
        (
            f"[{TWO}, {{repeat: 2, steps: [{{gradient: g, of: 2 * a.x + v, wrt: a.x}}, {{tie: a.x, to: v}}]}}]",
            "is written once|are written once",
        ),
        (
            f"[{TWO}, {{module: b, members: {{a: a, y: w}}}}, {{optimizer: o, over: a}}, {{tie: b.y, to: v}}, {{update: o, minimize: b.a.x * b.y}}]",
            "make the optimizer last",
        ),
        (
            f"[{TWO}, {{optimizer: o, over: v}}, {{function: f, steps: [{{update: o, minimize: a.x + v}}]}}, {{tie: a.x, to: v}}, {{invoke: f}}]",
            "make the optimizer last",
        ),
        (
            f"[{TWO}, {{function: f, steps: [{{train: sgd, minimize: v, wrt: a}}]}}, {{tie: a.x, to: v}}, {{invoke: f}}]",
            "is written once|are written once",
        ),
        (
            f"[{TWO}, {{optimizer: o, over: a}}, {{function: f, steps: [{{update: o, minimize: v}}]}}, {{tie: a.x, to: v}}, {{invoke: f}}]",
            "is written once|are written once",
        ),
        ("[{layer: cell, inputs: 1, units: 1, as: a}, {call: a, on: [[1.0]]}]", "state before"),
        (
            "[{variable: w, as: w}, {compute: h = 1.0 * w}, {scan: h, to: h, times: 2, steps: [{get: v}]}]",
            "no variable can be made",
        ),
    ],
)
def test_what_nnx_cannot_say_is_refused_with_a_reason(load_spec, steps, reason):
    with pytest.raises(Unsupported, match=reason):
        NNX().translate(load_spec(f"steps: {steps}").spec)


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        (
            "[{get: w, shape: [1], init: 1.0, as: first}, {scope: w, steps: [{get: v, shape: [1], init: 1.0}]}, {expect: path, name: first, is: w}]",
            "root.w = nnx.Module()\nroot.w.v = nnx.Param",
        ),
    ],
)
def test_a_scope_is_the_module_at_its_path(load_spec, steps, code):
    assert code in NNX().translate(load_spec(f"steps: {steps}").spec).text


@pytest.mark.parametrize(
    ("members", "freeze", "code"),
    [
        ("a: w, b: v", "net.b", "nnx.All(nnx.Param, nnx.PathContains('a'))"),
        ("a: w, b: v, c: u", "net.b", "nnx.All(nnx.Param, nnx.Not(nnx.PathContains('b')))"),
        ("a: w, b: v, c: w", "net.c", "nnx.filterlib.PathIn(*[path for path, node in nnx.iter_graph(net) if node is net.b])"),
    ],
)  # fmt: skip
def test_what_a_filter_says_of_shared_variables_is_asked_of_the_script(load_spec, members, freeze, code):
    made = "".join(f"  - {{variable: {one}, as: {one}}}\n" for one in "wvu")
    steps = f"steps:\n{made}  - {{module: net, members: {{{members}}}}}\n  - {{freeze: {freeze}}}\n"
    steps += "  - {train: sgd, minimize: net.a * net.b, wrt: net}"
    assert code in NNX().translate(load_spec(steps).spec).text


def test_no_loss_captures_what_it_is_differentiated_by(load_spec, monkeypatch):
    """What it captured would be a constant to it: the gradient would be another one, and nothing would show it."""
    seen = []

    def watched(nnx, steps, scalar, argument, owner, *more, **kinds):
        takes = loss(nnx, steps, scalar, argument, owner, *more, **kinds)
        free = {**nnx.symbols.names, **nnx.models}
        captured = [one for one in Names([nnx.body[-1]]).free if one in free]
        seen.append([one for one in captured if not owner.variables().keys().isdisjoint(free[one].variables())])
        return takes

    loss = learning.loss
    monkeypatch.setattr(learning, "loss", watched)
    located = [*load_all([SPECS]), *(load_spec(steps, f"facet/{name}") for name, steps in SCENARIOS.items())]
    for one in located:
        for way in NNX.ways_of(one.spec):
            with suppress(Unsupported):
                NNX("cpu", way).translate(one.spec)
    assert len(seen) > 200
    assert not any(seen)


def test_ways_of_several_verbs_are_not_multiplied(load_spec):
    spec = load_spec(f"steps:{PAIR}  - {{copy: pair, as: twin}}\n  - {{cast: twin, to: float16, as: half}}").spec
    ways = NNX.ways_of(spec)
    assert ways[0] == {"copy": "clone", "cast": "update"}
    assert len(ways) == 1 + 4 + 2
    assert NNX.ways_of(
        load_spec("steps: [{layer: dense, inputs: 1, units: 1, as: a}, {call: a, on: [[1.0]]}]").spec
    ) == [{}]


@needs_flax
def test_scripts_run_and_conform_in_every_way(load_spec):
    host = Host(NNX, device="cpu")
    try:
        assert host.ready() is None
        for name, steps in SCENARIOS.items():
            located = load_spec(steps, f"facet/{name}")
            for way in NNX.ways_of(located.spec):
                outcome = host.run(NNX("cpu", way).translate(located.spec), name)
                judgement = judge(located.spec, "nnx", NNX, way, outcome, {})
                answers = {one.label: one.observed for one in judgement.expectations if not one.holds}
                assert answers == UNTIED.get((name, *way.values()), {}), (way, judgement)
                assert judgement.verdict == ("fails" if answers else "conforms") or "unobserved" in answers.values()
    finally:
        host.stop()
