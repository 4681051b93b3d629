from importlib.util import find_spec

import pytest

from adapters.nnx import NNX
from conformance.hosts import Host
from conformance.judge import judge
from conformance.translation import Unsupported
from tests.adapters.reuse import REUSE

needs_flax = pytest.mark.skipif(find_spec("flax") is None, reason="Flax is not installed")

GOLDEN = """\
jax.config.update('jax_default_device', jax.devices('cpu')[0])
root = nnx.Module()
root.tower = nnx.Module()
first = root.tower.kernel = nnx.Param(jnp.full([2], 1.0))
second = root.tower.kernel
try:
    root.tower.bias
except Exception as error:
    observe('missing-name', error)
else:
    observe('missing-name', None)
second[...] = jnp.array([5.0, 6.0])
observe('seen', first[...].tolist())
"""
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


def raised(kind: str, message: str, *bases: str) -> dict[str, object]:
    return {"type": kind, "bases": [kind, *bases], "message": message}


def test_the_script_is_what_a_user_would_write(load_spec):
    text = NNX().translate(load_spec(REUSE).spec).text
    assert text.partition("\n\n")[2] == GOLDEN


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


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ("[{scope: a, reuse: true, steps: [{scope: b, steps: [{get: w}]}]}]", "would inherit"),
        ("[{scope: a, reuse: auto, steps: [{get: w}]}]", "no get-or-create"),
        ("[{variable: w, as: w}, {reinitialize: w}]", "no initializer"),
        ("[{get: w, as: a}, {get: w, as: b}, {gradient: g, of: a * a, wrt: b}]", "root module"),
    ],
)
def test_what_nnx_cannot_say_is_refused_with_a_reason(load_spec, steps, reason):
    with pytest.raises(Unsupported, match=reason):
        NNX().translate(load_spec(f"steps: {steps}").spec)


@needs_flax
def test_scripts_run_and_conform_in_every_way(load_spec):
    host = Host(NNX, device="cpu")
    try:
        assert host.ready() is None
        for name, steps in {"facet/reuse": REUSE, "facet/tied": TIED}.items():
            located = load_spec(steps, name)
            for way in NNX.ways_of(located.spec):
                outcome = host.run(NNX("cpu", way).translate(located.spec), name)
                judgement = judge(located.spec, "nnx", NNX, way, outcome, {})
                assert judgement.verdict == "conforms", (way, judgement)
    finally:
        host.stop()
