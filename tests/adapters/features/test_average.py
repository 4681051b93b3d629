"""Averages of layers, which the specs of this project leave to a test, and what no average can be asked."""

import pytest

from canireuse.emit import Unsupported
from canireuse.judge.verdict import judge
from canireuse.run.hosts import Host
from canireuse_adapters import adapter
from canireuse_adapters.nnx import NNX
from canireuse_adapters.tf1 import TF1, TF1Eager
from canireuse_adapters.tf2 import TF2
from canireuse_adapters.torch import Torch

LAYERS = """
steps:
  - {layer: dense, inputs: 1, units: 1, kernel: 1.0, as: a}
  - {module: pair, members: {one: a, two: a}}
  - initialize:
  - {average: pair, decay: 0.75, as: mean}
  - {track: mean}
  - {assign: a.kernel, to: [[5.0]]}
  - {track: mean}
  - {expect: moved-by-a-quarter, value: mean.two.kernel + 0.0, is: [[2.0]]}
  - {expect: source-stays, value: pair.one.kernel, is: [[5.0]]}
"""
MEAN = "{variable: w, init: 1.0, as: w}, {module: pair, members: {a: w, b: w}}, {average: pair, as: mean}"


@pytest.mark.parametrize("backend", ["torch", "tf1", "tf1-eager", "tf2", "keras", "linen", "nnx", "haiku", "equinox"])
def test_the_average_of_a_layer_moves_once_a_track(load_spec, backend):
    made, spec = adapter(backend), load_spec(LAYERS).spec
    ways = made.ways_of(spec)
    host = Host(made, device="cpu", engine=ways[0].get("engine"))
    try:
        if reason := host.ready():
            pytest.skip(reason)
        for way in ways:
            if way.get("engine") == ways[0].get("engine"):
                script = made("cpu", way).translate(spec)
                judgement = judge(spec, backend, made, way, host.run(script, "<test>"), {}, script.one_place)
                twice = way.get("average") == "state-dict"  # its dictionary has a shared weight under each name
                assert judgement.verdict == ("fails" if twice else "conforms"), (way, judgement.reason, script.text)
    finally:
        host.stop()


@pytest.mark.parametrize(
    ("made", "steps", "reason"),
    [
        (TF2, "{copy: mean, as: other}", "no model that could be copied"),
        (TF1Eager, "{tie: mean.a, to: w}", "A shadow .* is no place"),
        (TF1, "{call: mean, on: [[1.0]]}", "computes nothing"),
        (TF1, "{expect: listed, variables: 1, inside: mean}", "lists none"),
        (TF1, "{function: f, traced: true, steps: [{track: mean}]}", "`track` is for the session"),
        (NNX, "{function: f, steps: [{average: pair, as: other}]}", "is made once"),
    ],
)
def test_what_cannot_be_said_of_an_average_is_refused(load_spec, made, steps, reason):
    spec = load_spec(f"steps: [{MEAN}, {steps}]").spec
    with pytest.raises(Unsupported, match=reason):
        made("cpu", made.ways_of(spec)[0]).translate(spec)


@pytest.mark.parametrize("made", [Torch, TF2])
def test_an_average_that_a_function_returned_follows_what_is_not_known(load_spec, made):
    steps = f"{MEAN}, {{function: f, steps: [], returns: mean}}, {{invoke: f, as: it}}, {{track: it}}"
    with pytest.raises(Unsupported, match="not of what a function returned"):
        made().translate(load_spec(f"steps: [{steps}]").spec)


def test_what_is_tracked_is_the_latest_average_of_the_name(load_spec):
    steps = f"{MEAN}, {{variable: v, as: v}}, {{module: other, members: {{v: v}}}}, {{track: mean}}, {{average: other, as: mean}}, {{track: mean}}"
    text = Torch().translate(load_spec(f"steps: [{steps}]").spec).text
    assert [line for line in text.splitlines() if "update" in line] == [
        "mean.update_parameters(pair)", "mean.update_parameters(other)",
    ]  # fmt: skip
