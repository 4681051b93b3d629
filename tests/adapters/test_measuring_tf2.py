import re
from importlib.util import find_spec
from pathlib import Path
from textwrap import indent

import pytest

from canireuse.judge.verdict import judge
from canireuse.program.loader import load
from canireuse.run.hosts import Host
from canireuse_adapters.tf2 import TF2
from tests.adapters.timed import PRODUCT, seconds, timed

PERFORMANCE = sorted((Path(__file__).parents[2] / "specs" / "performance").glob("*.yaml"))

FRESH = """
steps:
  - scope: tower
    steps: [{get: kernel, numbered: 2, shape: [2], init: 1.0, as: made}]
  - measure: create
    size: 3
    fresh: true
    steps:
      - scope: tower
        steps: [{get: kernel, numbered: 3, shape: [2], init: 1.0}, {scope: deep, steps: [{get: kernel, init: 1.0}]}]
  - measure: reuse
    size: 3
    against: create
    steps: [{scope: tower, reuse: true, steps: [{get: kernel, numbered: 3, shape: [2], as: kernels}]}]
  - {expect: of-the-last-turn, variables: 4}
  - {scope: other, steps: [{get: bias, init: 1.0}]}
  - {scope: tower, reuse: true, steps: [{get: kernel_2, as: last}]}
  - {expect: found, value: last, is: [1.0, 1.0]}
  - {expect: one-more, variables: 5}
"""
STEP = """
steps:
  - {layer: dense, inputs: 2, units: 2, kernel: 0.5, as: dense}
  - {optimizer: tuner, kind: adam, over: dense}
  - function: step
    traced: usual
    takes: [x]
    steps: [{update: tuner, minimize: sum(y), steps: [{call: dense, on: x, as: y}]}]
  - {compute: "x = ones(1, 2)"}
  - {measure: step, steps: [{invoke: step, given: [x]}]}
  - {expect: one-trace, traces: step, is: 1}
"""
#: a layer in a model, and a variable in a `tf.Module` that two attributes hold
LAYER = """
steps:
  - {layer: dense, inputs: 256, units: 256, bias: 0.0, name: one, as: one}
  - {module: owner, members: {one: one, two: one}}"""
PAIR = """
steps:
  - {variable: w, init: 1.0, shape: [65792], as: w}
  - {module: owner, members: {one: w, two: w}}"""
SIZES = """
  - {expect: elements, elements: owner, is: 65792}
  - {expect: bytes, parameter_bytes: owner, is: 263168}
  - {optimizer: tuner, kind: adam, over: owner}
  - {expect: two-slots-and-the-count-of-steps-and-the-rate, slot_bytes: tuner, is: 526348, close: 0.0}
  - {save: owner, to: kept}
  - {expect: checkpoint, checkpoint_bytes: kept, is: 263168, close: 0.1}
  - {restore: owner, from: kept}
"""


class Fenced(TF2):
    """Words a script for the CPU with the fence of the GPU."""

    fences = {"cpu": TF2.fences["gpu"]}


@pytest.fixture(scope="module")
def host():
    """Return a host that is up."""
    if find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed")
    host = Host(TF2, device="cpu")
    assert host.ready() is None
    yield host
    host.stop()


def asynchronous(text):
    """Return a script that has TensorFlow queue on the CPU what it is told, as a GPU does."""
    head, rounds, loop = text.partition("for _ in rounds():")
    switch = "tf.config.experimental.set_synchronous_execution"
    return f"{head}{switch}(False)\ntry:\n{indent(rounds + loop, '    ')}finally:\n    {switch}(True)\n"


def test_a_loop_on_the_cpu_needs_no_fence(host, load_spec):
    """TensorFlow runs synchronously on a CPU: with a fence and without, the figures agree."""
    spec = load_spec(PRODUCT).spec
    without, fenced = (seconds(host, adapter().translate(spec).text) for adapter in (TF2, Fenced))
    assert fenced / 4 < without < fenced * 4


def test_the_fence_waits_for_what_is_on_its_way(host, load_spec):
    """Where calls return before they have run, as on a GPU, a loop without the fence is timed before it is done."""
    spec = load_spec(PRODUCT).spec
    without, fenced = (seconds(host, asynchronous(adapter().translate(spec).text)) for adapter in (TF2, Fenced))
    assert without < fenced / 4


def test_a_measured_loop_traces_its_function_once(host, load_spec):
    _, outcome = timed(host, TF2().translate(load_spec(STEP).spec).text)
    assert outcome.observations == {"one-trace": 1}


@pytest.mark.parametrize("path", PERFORMANCE, ids=lambda path: path.stem)
def test_a_loop_that_invokes_does_nothing_else(path):
    """No tensor is made in the loop, and no number is given that a function would be traced for."""
    spec = load(path).spec
    for loop in (step for step in spec.steps if step.verb == "measure"):
        if [step.verb for step in loop.steps] == ["invoke"]:
            text = TF2().translate(spec).text
            lines = text.partition(f"measure({loop.measure!r}")[2].splitlines()
            assert re.fullmatch(r" {8}([a-z]\w* = )?[a-z]\w*\([a-z]\w*\)", lines[1]), lines[1]
            assert not lines[2:] or not lines[2].startswith(" " * 8)


def test_what_follows_a_fresh_loop_finds_what_its_last_turn_made(host, load_spec):
    located = load_spec(FRESH)
    script = TF2().translate(located.spec)
    outcome = host.run(script, "<fresh>")
    assert (
        judge(located.spec, "tf2", TF2, {}, outcome, host.environment["packages"], script.one_place).verdict
        == "conforms"
    )


@pytest.mark.parametrize("owner", [LAYER, PAIR], ids=["a model", "a module"])
def test_what_is_shared_takes_its_room_once_in_every_way_of_saving(host, load_spec, owner):
    located = load_spec(owner + SIZES)
    ways = TF2.ways_of(located.spec)
    saved = {"checkpoint", "weights", "keras"} if owner is LAYER else {"checkpoint", "saved-model"}
    assert {way["restore"] for way in ways} == saved
    for way in ways:
        script = TF2(way=way).translate(located.spec)
        outcome = host.run(script, "<sizes>")
        verdict = judge(located.spec, "tf2", TF2, way, outcome, host.environment["packages"], script.one_place)
        assert verdict.verdict == "conforms", (way, verdict.reason, outcome.observations, outcome.error)
