from importlib.util import find_spec

import pytest

from adapters.linen import Linen
from conformance.hosts import Host
from conformance.judge import judge
from conformance.translation import Unsupported
from tests.adapters.reuse import REUSE

needs_flax = pytest.mark.skipif(find_spec("flax") is None, reason="Flax is not installed")

GOLDEN = """\
jax.config.update('jax_default_device', jax.devices('cpu')[0])
params = {}
root = Scope({'params': params}, mutable=True)
tower = root.push('tower')
first = tower.variable('params', 'kernel', jnp.full, [2], 1.0)
tower = root.push('tower', reuse=True)
second = tower.variable('params', 'kernel')
tower.rewound().param('kernel', nn.initializers.zeros, [2])
try:
    tower.variable('params', 'bias')
    tower.rewound().param('bias', nn.initializers.zeros, [2])
except Exception as error:
    observe('missing-name', error)
else:
    observe('missing-name', None)
second.value = jnp.array([5.0, 6.0])
observe('seen', first.value.tolist())
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


def test_the_script_is_what_a_user_would_write(load_spec):
    text = Linen().translate(load_spec(REUSE).spec).text
    assert text.partition("\n\n")[2] == GOLDEN


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
        ("[{scope: a, reuse: true, steps: [{scope: b, steps: [{get: w}]}]}]", "does not inherit"),
        ("[{scope: a, as: a, steps: [{reuse_variables: a}]}]", "no reuse mode"),
        ("[{variable: w, as: w}, {function: f, traced: true, steps: [{assign: w, to: 1.0}]}]", "is pure"),
        (
            "[{layer: dense, name: a, inputs: 1, units: 1, as: a}, {layer: dense, name: b, inputs: 1, units: 1, as: b}, {tie: a.kernel, to: b.kernel}]",
            "immutable arrays",
        ),
    ],
)
def test_what_linen_cannot_say_is_refused_with_a_reason(load_spec, steps, reason):
    with pytest.raises(Unsupported, match=reason):
        Linen().translate(load_spec(f"steps: {steps}").spec)


def test_saying_a_lookup_and_its_shape_is_marked_as_idiom(load_spec):
    assert any("compares the shape" in note for note in Linen().translate(load_spec(REUSE).spec).idioms)


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
        }.items():
            located = load_spec(steps, name)
            outcome = host.run(Linen("cpu").translate(located.spec), name)
            judgement = judge(located.spec, "linen", Linen, {}, outcome, {})
            assert judgement.verdict == "conforms", judgement
    finally:
        host.stop()
