import ast
from importlib.util import find_spec

import pytest

from canireuse.emit import Unsupported
from canireuse.judge.verdict import judge
from canireuse.run.hosts import Host
from canireuse_adapters.linen import Linen
from tests.adapters.reuse import REUSE

needs_flax = pytest.mark.skipif(find_spec("flax") is None, reason="Flax is not installed")

GOLDEN = """\
jax.config.update('jax_default_device', jax.devices('cpu')[0])

class Tower(nn.Module):

    @nn.compact
    def __call__(self):
        return self.param('kernel', nn.initializers.ones, [2])

class Model(nn.Module):

    @nn.compact
    def __call__(self):
        return Tower(name='tower')()
model = Model()
params = model.init(jax.random.key(0))['params']
second = model.apply({'params': params})
"""
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
  - {expect: paths, names: [a/bias, b/bias, kernel], inside: m}
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
  - {expect: numbered, name: last, is: Tower_1/v}
  - {expect: listed-inside, names: [v], inside: other}
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

EXCHANGED = """
steps:
  - {layer: dense, name: a, inputs: 1, units: 1, kernel: 2.0, as: a}
  - {layer: dense, name: b, inputs: 1, units: 1, kernel: 3.0, as: b}
  - {module: left, members: {part: a}}
  - {module: right, members: {part: b}}
  - {assign: left.part.kernel, to: [[5.0]]}
  - {assign: right.part.kernel, to: [[7.0]]}
  - {replace: left.part, by: b}
  - {replace: right.part, by: a}
  - {call: left, on: [[1.0]], as: from_left}
  - {expect: left-has-what-the-right-one-had, value: from_left, is: [[7.0]]}
  - {call: right, on: [[1.0]], as: from_right}
  - {expect: right-has-what-the-left-one-had, value: from_right, is: [[5.0]]}
  - {layer: dense, name: head, inputs: 1, units: 1, kernel: 1.0, as: head}
  - {module: net, members: {trunk: left, head: head}}
  - {layer: dense, name: fresh, inputs: 1, units: 1, kernel: 4.0, as: fresh}
  - {replace: net.head, by: fresh}
  - {call: net, on: [[1.0]], as: together}
  - {expect: trunk-keeps-its-value, value: together, is: [[28.0]]}
"""


def raised(kind: str, message: str, *bases: str) -> dict[str, object]:
    return {"type": kind, "bases": [kind, *bases], "message": message}


def test_the_script_is_what_a_user_would_write(load_spec):
    text = Linen().translate(load_spec(REUSE).spec).text
    assert ast.unparse(ast.parse(GOLDEN)) in ast.unparse(ast.parse(text))


def test_no_script_is_worded_in_scopes_or_writes_into_a_tree(load_spec):
    for steps in (REUSE, SHAPES, LEARNING, FREEZING, DEFINING, TIES, STATISTICS, WRAPPED, RUNNING, EXCHANGED):
        spec = load_spec(steps).spec
        for way in Linen.ways_of(spec):
            text = Linen("cpu", way).translate(spec).text
            assert not [word for word in ("Scope", "push(", "rewound", "put_variable", ".pop(", "] = ") if word in text]
            assert "(nn.Module):" in text or "= nn." in text


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (
            "already_exists",
            raised("NameInUseError", 'Could not create submodule "tower" in Module Model: Name in use.'),
        ),
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
        ("[{scope: a, as: a, steps: [{reuse_variables: a}]}]", "is switched inside of it"),
        ("[{scope: a, init: 1.0, steps: [{get: w}]}]", "has no defaults"),
        ("[{intercept: raw, returns: 2 * raw, steps: [{get: w}]}]", "no getters"),
        ("[{layer: cell, inputs: 1, units: 1, as: c}]", "always has a bias"),
        ("[{layer: dense, inputs: 1, units: 1, penalty: 1.0, as: d}]", "regularizer"),
        ("[{variable: w, as: w}, {train: sgd, minimize: w, wrt: w, steps: [{assign: w, to: 1.0}]}]", "pure function"),
        ("[{variable: w, as: w}, {module: m, members: {w: w}}, {call: m, on: [1.0]}]", "bare parameters"),
        (
            "[{variable: w, as: w}, {compute: h = 1.0 * w}, {scan: h, to: h, times: 2, steps: [{variable: v}]}]",
            "one structure",
        ),
        (
            "[{function: f, steps: [{layer: dense, inputs: 1, units: 1, as: d}, {call: d, on: [[1.0]], as: y}], returns: y}]",
            "made once",
        ),
    ],
)
def test_what_linen_cannot_say_is_refused_with_a_reason(load_spec, steps, reason):
    with pytest.raises(Unsupported, match=reason):
        Linen().translate(load_spec(f"steps: {steps}").spec)


def test_a_tie_is_one_entry_that_two_classes_are_handed(load_spec):
    short = TIES[: TIES.index("  - {expect: paths")]
    text = Linen().translate(load_spec(f"{short}  - {{expect: one, same: [m.a.kernel, m.b.kernel]}}").spec).text
    assert "self.kernel = self.param('kernel', nn.initializers.ones, [2, 2])\n" in text
    assert "self.a = Affine(self.kernel)\n        self.b = Affine(self.kernel)\n" in text
    assert "'after': bound.a.kernel.tolist(), 'written': bound.b.kernel.tolist()" in text


def test_a_layer_that_two_modules_hold_is_made_where_both_are(load_spec):
    steps = """
steps:
  - {layer: dense, name: s, inputs: 1, units: 1, kernel: 3.0, as: s}
  - {module: left, members: {s: s}}
  - {module: right, members: {s: s}}
  - {call: right, on: [[1.0]], as: y}
  - {expect: y, value: y, is: [[3.0]]}
"""
    text = Linen().translate(load_spec(steps).spec).text
    assert "self.left = Left(self.s)\n        self.right = Right(self.s)\n" in text
    assert "bound = models.bind({'params': params})\ny = bound.right(jnp.array([[1.0]]))" in text


def test_a_compiled_function_is_given_the_tree_and_returns_it(load_spec):
    steps = "[{variable: w, as: w}, {function: f, traced: true, steps: [{assign: w, to: w + 1.0}]}, {invoke: f}]"
    text = Linen().translate(load_spec(f"steps: {steps}").spec).text
    assert (
        "@jax.jit\ndef f(params):\n    params = {'w': params['w'] + 1.0}\n    return params\nparams = f(params)" in text
    )


def test_what_is_frozen_is_a_label_of_the_optimizer(load_spec):
    steps = """
steps:
  - {layer: dense, name: a, inputs: 1, units: 1, as: a}
  - {layer: dense, name: b, inputs: 1, units: 1, as: b}
  - {module: m, members: {a: a, b: b}}
  - {freeze: a}
  - {optimizer: frozen, over: m}
  - {unfreeze: m.a}
  - {optimizer: thawed, over: m}
"""
    text = Linen().translate(load_spec(steps).spec).text
    labelled = "{'train': optax.sgd(0.1), 'keep': optax.set_to_zero()}, {'a': 'keep', 'b': 'train'}"
    assert f"frozen = optax.multi_transform({labelled})\nfrozen_state = frozen.init(params)" in text
    assert "thawed = optax.sgd(0.1)\n" in text


def test_no_list_tells_what_is_frozen(load_spec):
    steps = "[{layer: dense, inputs: 1, units: 1, as: a}, {freeze: a}, {expect: one, trainable: 0, inside: a}]"
    with pytest.raises(Unsupported, match="no list tells"):
        Linen().translate(load_spec(f"steps: {steps}").spec)


def test_a_template_is_an_instance_that_is_called_twice(load_spec):
    steps = "[{function: f, template: true, steps: [{get: w, shape: [], init: 1.0, as: w}], returns: w}, {invoke: f, as: x}, {invoke: f, as: y}, {expect: one, same: [x, y]}]"
    text = Linen().translate(load_spec(f"steps: {steps}").spec).text
    assert "        f = F()\n        x = f()\n        y = f()\n        return (x, y)\n" in text


def test_under_reuse_a_second_definition_is_applied_to_what_is_there(load_spec):
    inside = "steps: [{layer: dense, name: hidden, inputs: 1, units: 1, as: %s}, {call: %s, on: [[1.0]], as: z}]"
    again = f"steps: [{{scope: a, {inside % ('x', 'x')}}}, {{scope: a, reuse: auto, {inside % ('y', 'y')}}}, {{expect: z, value: z, is: [[1.0]]}}]"
    text = Linen().translate(load_spec(again).spec).text
    assert text.count(".init(") == 1
    assert "apply({'params': params['a']['hidden']}" in text


def test_a_start_that_differs_is_a_field_that_classes_hand_down(load_spec):
    get = "{scope: a%s, steps: [{scope: b, steps: [{get: w, shape: [2], init: %s, as: %s}]}]}"
    steps = [get % ("", 1.0, "x"), get % (", reuse: true", 7.0, "y"), "{expect: one, same: [x, y]}"]
    script = Linen().translate(load_spec(f"steps: [{', '.join(steps)}]").spec)
    assert "return B(self.start, name='b')()" in script.text
    assert "model = Model(1.0)\n" in script.text
    assert "y = Model(7.0).apply({'params': params})" in script.text
    assert script.one_place == ()


def test_one_call_of_a_pure_function_is_not_compared_with_itself_unnoticed(load_spec):
    get = "{scope: a%s, steps: [{get: %s, shape: [2], init: 1.0, as: %s}]}"
    counted = "{expect: counted, variables: 1}"
    steps = [get % ("", "w", "x"), get % (", reuse: true", "w", "y"), "{expect: one, same: [x, y]}", counted]
    assert Linen().translate(load_spec(f"steps: [{', '.join(steps)}]").spec).one_place == ("one",)
    members = [*steps[:2], "{module: m, members: {p: x, q: y}}, {expect: one, same: [m.p, m.q]}", counted]
    assert Linen().translate(load_spec(f"steps: [{', '.join(members)}]").spec).one_place == ("one",)
    steps[1:] = [get.replace("a%s", "b%s") % ("", "w", "y"), "{expect: two, distinct: [x, y]}"]
    assert Linen().translate(load_spec(f"steps: [{', '.join(steps)}]").spec).one_place == ()


@pytest.mark.parametrize(
    ("option", "asked"),
    [("trainable: false", "constants"), ("collection: kept", "kept"), ("trainable: true", "params")],
)
def test_a_reusing_get_asks_in_the_collection_that_it_names(load_spec, option, asked):
    get = "{scope: a%s, steps: [{get: w, shape: [2], %s, as: %s}]}"
    steps = [get % ("", "init: 1.0", "x"), get % (", reuse: true", option, "y"), "{expect: listed, variables: 1}"]
    text = Linen().translate(load_spec(f"steps: [{', '.join(steps)}]").spec).text
    assert (f"self.variable('{asked}', 'w')" in text) is (asked != "params")


def test_a_loss_is_lent_the_module_by_apply_and_binds_none(load_spec):
    tied = TIES[: TIES.index("  - {expect: paths")]
    slope = "  - {gradient: slope, of: %s, wrt: m.a.kernel, steps: [%s]}\n"
    text = Linen().translate(load_spec(tied + slope % ("sum(m.b.kernel)", "")).spec).text
    assert "return m.apply({'params': params}, method=lambda bound: jnp.sum(bound.b.kernel))" in text
    text = Linen().translate(load_spec(tied + slope % ("sum(y)", "{call: m.b, on: [[1.0, 1.0]], as: y}")).spec).text
    assert "def forward(bound):\n        y = bound.b(jnp.array([[1.0, 1.0]]))\n        return jnp.sum(y)\n" in text
    assert ".bind(" not in text


def test_checkpoints_are_bytes_or_a_folder(load_spec):
    spec = load_spec(
        "steps: [{layer: dense, inputs: 1, units: 1, as: d}, {save: d, to: k}, {restore: d, from: k}]"
    ).spec
    assert "serialization.from_bytes(params, k)" in Linen("cpu", {"save": "msgpack"}).translate(spec).text
    opened = "with ocp.StandardCheckpointer() as checkpointer:\n    params = checkpointer.restore(k, params)"
    assert opened in Linen("cpu", {"save": "orbax"}).translate(spec).text


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
            "facet/exchanged": EXCHANGED,
        }.items():
            located = load_spec(steps, name)
            for way in Linen.ways_of(located.spec):
                script = Linen("cpu", way).translate(located.spec)
                outcome = host.run(script, name)
                judgement = judge(located.spec, "linen", Linen, way, outcome, {}, script.one_place)
                assert judgement.verdict == "conforms", (way, judgement)
    finally:
        host.stop()


BARE = """
steps:
  - {variable: w, init: [[2.0]], as: w}
  - {layer: dense, name: fc, inputs: 1, units: 1, kernel: 1.0, as: fc}
  - {tie: fc.kernel, to: w}
  - initialize:
  - {call: fc, on: [[1.0]], as: y}
  - {expect: computed-by-the-variable, value: y, is: [[2.0]]}
"""


def test_a_layer_whose_only_kernel_is_a_variable_of_the_spec_is_written_out(load_spec):
    text = Linen().translate(load_spec(BARE).spec).text
    assert "self.kernel = self.param('kernel', nn.initializers.constant(2.0), [1, 1])" in text
    assert "return inputs @ self.kernel" in text


COPIES = """
steps:
  - {variable: v, init: [0.0], as: v}
  - {variable: w, init: [1.0], as: w}
  - {module: first, members: {a: v, b: w}}
  - {layer: dense, inputs: 1, units: 1, kernel: 1.0, bias: 3.0, as: fc}
  - {module: second, members: {fc: fc}}
  - {tie: first.a, to: second.fc.bias}
  - {copy: first, as: twin}
  - {copy: fc, as: other}
  - {tie: twin.b, to: twin.a}
  - {copy: other, shallow: true, as: third}
  - {expect: tied-in-the-copy, value: twin.b, is: [3.0]}
"""


def test_each_model_that_is_defined_anew_has_a_name_of_its_own(load_spec):
    text = Linen().translate(load_spec(COPIES).spec).text
    assert text.index("models_changed = ChangedModels()") < text.index("models_changed_ = ChangedModels_()")
    assert "bound_twin = models_changed.bind({'params': twin_params})" in text
