from importlib.util import find_spec
from pathlib import Path

import pytest

from canireuse.emit import Unsupported
from canireuse.judge.verdict import judge
from canireuse.program.loader import load_all
from canireuse.run.hosts import Host
from canireuse.spec.vocabulary import Function, Layer, Tie, walk
from canireuse_adapters.haiku import Haiku
from tests.adapters.reuse import REUSE

needs_haiku = pytest.mark.skipif(find_spec("haiku") is None, reason="Haiku is not installed")

NAMES = """
steps:
  - scope: tower
    as: tower
    steps:
      - {get: w, shape: [1], init: 1.0, as: first}
      - {scope: inner, steps: [{get: w, shape: [1], init: 2.0, as: below}]}
      - {scope: inner, steps: [{get: w, shape: [1], init: 3.0, as: beside}]}
  - {scope: tower, steps: [{get: w, shape: [1], init: 4.0, as: renamed}]}
  - {scope: tower, reuse: auto, steps: [{scope: inner, steps: [{get: w, shape: [1], init: 5.0, as: again}]}]}
  - {reenter: tower, steps: [{get: w, shape: [1], init: 6.0, as: entered}, {get: b, shape: [1], init: 0.0}]}
  - {default_scope: tower_1, steps: [{get: b, shape: [1], init: 0.0}], raises: already_exists, expect: number-is-taken}
  - repeat: 2
    steps:
      - {scope: turn, steps: [{get: w, shape: [1], init: 7.0, as: last}]}
  - {expect: children-are-found-again, same: [below, again]}
  - {expect: entered-by-its-name, same: [first, entered]}
  - {expect: renamed-is-apart, distinct: [first, renamed]}
  - {expect: last-turn, name: last, is: turn_1/w}
  - {expect: paths, names: [tower/b, tower/inner/w, tower/inner_1/w, tower/w, tower_1/w, turn/w, turn_1/w]}
"""
OWNERS = """
steps:
  - {layer: dense, name: first, inputs: 2, units: 2, kernel: 1.0, bias: 0.0, as: first}
  - {layer: dense, name: last, inputs: 2, units: 2, kernel: 3.0, bias: 0.0, as: last}
  - {layer: norm, name: bn, inputs: 2, units: 2, kernel: 2.0, bias: 0.0, as: bn}
  - {module: chain, members: {one: first, two: first, three: last}}
  - {expect: counted-once, variables: 4, inside: chain}
  - gradient: slope
    of: sum(y)
    wrt: chain.one.bias
    steps: [{call: chain, on: [[1.0, 1.0]], as: y}]
  - {expect: summed-over-both-calls, value: slope, is: [18.0, 18.0]}
  - {tie: last.kernel, to: first.kernel}
  - {expect: tied, same: [chain.one.kernel, chain.three.kernel]}
  - {assign: first.kernel, to: [[1.0, 0.0], [0.0, 1.0]]}
  - {call: chain, on: [[1.0, 2.0]], as: y}
  - {expect: calls-follow, value: y, is: [[1.0, 2.0]]}
  - {copy: chain, as: twin}
  - {expect: copied-tie, same: [twin.one.kernel, twin.three.kernel]}
  - {assign: first.kernel, to: [[4.0, 0.0], [0.0, 4.0]]}
  - {expect: copy-is-apart, distinct: [twin.one.kernel, chain.one.kernel]}
  - {call: bn, on: [[1.0, 1.0], [3.0, 3.0]], training: true, as: y}
  - {expect: first-mean-is-unbiased, value: bn.mean, is: [2.0, 2.0]}
  - {reparametrize: first.bias, times: 2.0}
  - {call: first, on: [[0.0, 0.0]], given: {bias: [1.0, 1.0]}, as: y}
  - {expect: getter-doubles, value: y, is: [[2.0, 2.0]]}
"""
LEARNING = """
steps:
  - {variable: a, shape: [2], init: 1.0, as: a}
  - {variable: b, shape: [2], init: 2.0, as: b}
  - {get: kept, shape: [2], init: 3.0, trainable: false, as: kept}
  - {module: pair, members: {x: a, y: b}}
  - {tie: pair.y, to: a}
  - {optimizer: opt, kind: momentum, over: pair, rate: 0.5}
  - {update: opt, minimize: [sum(pair.x), sum(pair.y)]}
  - {expect: summed, value: a, is: [0.0, 0.0]}
  - {expect: slots, slots: opt, is: 1}
  - {expect: left-alone, value: b, is: [2.0, 2.0]}
  - function: learn
    traced: true
    takes: [x]
    steps:
      - {compute: y = x * b}
      - {update: opt, minimize: sum(a * y)}
  - {invoke: learn, given: [[1.0, 1.0]]}
  - {invoke: learn, given: [[1.0, 1.0]]}
  - {expect: moved-by-the-optimizer, value: a, is: [-4.61, -4.61]}
  - {freeze: a}
  - {train: sgd, minimize: sum(a) + sum(b), wrt: [a, b], rate: 0.5}
  - {expect: frozen, value: a, is: [-4.61, -4.61]}
  - {expect: trained, value: b, is: [1.5, 1.5]}
  - {expect: in-all, variables: 3}
"""
MODELS = """
steps:
  - function: make
    steps:
      - {layer: embedding, name: words, inputs: 2, units: 1, as: words}
      - {layer: embedding, name: scores, inputs: 2, units: 1, as: scores}
      - {tie: scores.kernel, to: words.kernel}
      - {module: both, members: {words: words, scores: scores}}
    returns: both
  - {invoke: make, abstract: true, as: blank}
  - {read: blank.words.kernel, raises: uninitialized, expect: no-memory}
  - {materialize: blank, as: real}
  - {invoke: make, as: other}
  - {assign: real.words.kernel, to: [[5.0], [6.0]]}
  - {expect: tied, same: [real.words.kernel, real.scores.kernel]}
  - {expect: each-its-own, distinct: [real.words.kernel, other.words.kernel]}
  - function: table
    template: true
    steps: [{get: w, shape: [1], init: 1.0, as: w}]
    returns: w
  - {scope: encoder, steps: [{invoke: table, as: first}]}
  - {scope: decoder, steps: [{invoke: table, as: second}]}
  - {expect: template-keeps-its-place, name: second, is: encoder/table/w}
  - {expect: template-shares, same: [first, second]}
"""


def raised(kind: str, message: str, *bases: str) -> dict[str, object]:
    return {"type": kind, "bases": [kind, *bases], "message": message}


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("not_found", raised("ValueError", "Unable to retrieve parameter 'b' for module 'a' All parameters must be created as part of `init`.")),
        ("not_found", raised("ValueError", "Initializer must be specified.")),
        ("already_exists", raised("ValueError", "Module name 'a_1' is not unique.")),
        ("shape_mismatch", raised("ValueError", "'~/w' with retrieved shape (2,) does not match shape=[3] dtype=<class 'jax.numpy.float32'>")),
        ("bad_argument", raised("ValueError", "`hk.get_parameter` must be used as part of an `hk.transform`")),
        ("uninitialized", raised("AttributeError", "'ShapeDtypeStruct' object has no attribute 'tolist'")),
        (None, raised("AttributeError", "module 'haiku' has no attribute 'lines'")),
        (None, raised("ValueError", "State updater must only be used once.")),
        ("not_found", raised("KeyError", "'head'")),
        (None, raised("KeyError", "0")),
    ],
)  # fmt: skip
def test_messages_mean_kinds(kind, error):
    assert Haiku.kind_of(error) == kind


@pytest.mark.parametrize("verb", sorted(Haiku.missing))
def test_what_is_missing_is_said_in_a_sentence(verb):
    reason = Haiku.missing[verb]
    assert reason[0].isupper() or reason.startswith("`")
    assert reason.endswith(".")


@pytest.mark.parametrize(
    "steps",
    [
        "function: make, steps: [{variable: v, init: 1.0, as: v}, {module: net, members: {w: v}}], returns: net",
        "function: make, steps: [{layer: dense, inputs: 1, units: 1, as: one}], returns: one.kernel",
    ],
)
def test_what_haiku_could_say_is_refused_as_words_that_this_project_lacks(load_spec, steps):
    with pytest.raises(Unsupported, match=r"project words a Haiku function .* has no words yet"):
        Haiku().translate(load_spec(f"steps: [{{{steps}}}, {{invoke: make, as: made}}]").spec)


@pytest.mark.parametrize("called", ["f", "g"])
def test_a_function_that_enters_a_scope_by_its_path_is_not_called_in_another_scope(load_spec, called):
    f = "{function: f, returns: w, steps: [{scope: s, reuse: auto, steps: [{get: w, shape: [2], as: w}]}]}"
    g = "{function: g, returns: w, steps: [{get: v, shape: [2], as: v}, {invoke: f, as: w}]}"
    call = f"{{invoke: {called}, as: r}}"
    assert "force_name('s')" in Haiku().translate(load_spec(f"steps: [{f}, {g}, {call}]").spec).text
    with pytest.raises(Unsupported, match="this call stands in a scope, and means another"):
        Haiku().translate(load_spec(f"steps: [{f}, {g}, {{scope: outer, steps: [{call}]}}]").spec)


def test_a_norm_that_is_trained_in_a_loss_lacks_words_and_no_framework(load_spec):
    steps = "{layer: norm, inputs: 1, units: 1, name: n, as: n}, {train: sgd, minimize: sum(y), wrt: n, rate: 1.0, steps: [{call: n, on: [[1.0]], training: true, as: y}]}"
    with pytest.raises(Unsupported, match="this project has no words yet"):
        Haiku().translate(load_spec(f"steps: [{steps}]").spec)


def test_how_a_parameter_starts_and_how_its_shape_is_handed_over(load_spec):
    got = "{get: w, shape: [2, 3], shape_as: tuple, uniform: [2.0, 4.0], as: w}"
    made = Haiku().translate(load_spec(f"steps: [{got}, {{expect: shape, shape: w, is: [2, 3]}}]").spec).text
    assert "hk.get_parameter('w', (2, 3), init=hk.initializers.RandomUniform(2.0, 4.0))" in made


@needs_haiku
@pytest.mark.parametrize("steps", [REUSE, NAMES, OWNERS, LEARNING, MODELS])
def test_scripts_run_and_conform(load_spec, host, steps):
    spec = load_spec(steps).spec
    for way in Haiku.ways_of(spec):
        script = Haiku("cpu", way).translate(spec)
        judgement = judge(spec, "haiku", Haiku, way, host.run(script, "facet/spec"), {}, script.one_place)
        assert judgement.verdict == "conforms", judgement


@pytest.fixture(scope="module")
def host():
    made = Host(Haiku, device="cpu")
    assert made.ready() is None
    assert made.device_name.startswith("cpu:0")
    yield made
    made.stop()


def test_layers_of_one_name_stand_in_one_function_or_in_two(load_spec):
    two = "steps: [{{layer: dense, name: a, inputs: 1, units: 1, as: one}}, {{layer: dense, name: {}, inputs: 1, units: 1, as: two}}, {{call: one, on: [[1.0]]}}]"
    assert [way.get("layer") for way in Haiku.ways_of(load_spec(two.format("b")).spec)] == [None]
    same = load_spec(two.format("a")).spec
    assert [way["layer"] for way in Haiku.ways_of(same)] == ["one-transform", "transforms-apart"]
    together, apart = (Haiku("cpu", way).translate(same).text for way in Haiku.ways_of(same))
    assert (together.count("transform\n"), apart.count("hk.transform\n")) == (1, 2)


def test_a_module_that_may_be_refused_is_made_where_that_is_observed(load_spec):
    layer = "{layer: dense, name: a, inputs: 1, units: 1, as: one}"
    module = "{module: m, members: {a: one}, raises: nothing, expect: accepted}"
    made = Haiku().translate(load_spec(f"steps: [{layer}, {module}, {{call: m, on: [[1.0]]}}]").spec).text
    assert "try:\n\n    @hk.transform\n    def m(inputs):" in made


def test_a_step_and_the_block_around_it_that_may_both_be_refused_are_both_tried(load_spec):
    got = "{get: w, shape: [1], init: 1.0, as: w, raises: nothing, expect: inner}"
    block = f"{{scope: tower, raises: nothing, expect: outer, steps: [{got}]}}"
    made = Haiku().translate(load_spec(f"steps: [{block}, {{expect: value, value: w, is: [1.0]}}]").spec).text
    assert [made.count(f"observe('{label}', None)") for label in ("inner", "outer")] == [1, 1]


def test_each_tie_after_the_network_was_made_is_noted_as_a_network_written_anew():
    """Haiku ties by another function of the same tree, so the script defines the network twice; what makes a tied one defines it once."""
    noted, once = 0, 0
    for located in load_all([Path(__file__).parents[2] / "specs"]):
        steps = [*walk(located.spec.steps)]
        makers = [one for one in steps if isinstance(one, Function) and any(isinstance(s, Layer) for s in one.steps)]
        made_tied = {id(inner) for maker in makers for inner in maker.steps}
        ties = [one for one in steps if isinstance(one, Tie)]
        for way in Haiku.ways_of(located.spec) if ties else ():
            try:
                idioms = Haiku("cpu", way).translate(located.spec).idioms
            except Unsupported:
                continue
            anew = any(id(one) not in made_tied for one in ties)
            assert any("it is written anew" in one for one in idioms) == anew, (located.id, way)
            noted, once = noted + anew, once + (not anew)
    assert noted
    assert once
