"""A spec may call things as it likes: names of a script's own give way to those of the spec, in every framework."""

from importlib.util import find_spec

import pytest

import canireuse_adapters
from canireuse.emit import Unsupported
from canireuse.emit.asking import script_of
from canireuse.program.loader import load
from canireuse.run.hosts import Host
from canireuse.spec.problems import InputError
from canireuse.spec.step import RESERVED
from tests.adapters.test_standalone import FRAMEWORK

LEARNS = """
    steps:
      - {{layer: dense, name: inner, inputs: 1, units: 1, kernel: 2.0, as: {0}}}
      - {{module: {1}, members: {{left: {0}, right: {0}}}}}
      - {{call: {0}, on: [[3.0]], as: {2}}}
      - {{initialize: }}
      - {{gradient: {3}, of: sum({4}), wrt: {0}.kernel, steps: [{{call: {0}, on: [[3.0]], as: {4}}}]}}
      - {{train: sgd, rate: 0.5, minimize: sum({4}), wrt: {1}, steps: [{{call: {0}, on: [[1.0]], as: {4}}}]}}
      - {{expect: slope, value: {3}, is: [[3.0]]}}
      - {{expect: shared, same: [{1}.left.kernel, {1}.right.kernel]}}
      - {{expect: kernel, value: {1}.right.kernel, is: [[2.5]]}}
"""
FINDS = """
    steps:
      - {{scope: s, steps: [{{get: w, shape: [1], init: 2.0, as: {0}}}]}}
      - {{scope: s, reuse: true, steps: [{{get: w, shape: [1], as: {1}}}]}}
      - {{function: {2}, takes: [{3}], steps: [], returns: "{3} * 2"}}
      - {{invoke: {2}, given: [[3.0]], as: {4}}}
      - {{initialize: }}
      - {{expect: one, same: [{0}, {1}]}}
      - {{expect: doubled, value: {4}, is: [6.0]}}
"""
#: what scripts call things of their own, what they import, and what they use of Python
NAMES = (
    "sum", "len", "list", "sorted", "next", "isinstance", "model", "grads", "step", "session", "tape", "rngs", "graph", "layer", "before",
    "error", "keras", "jax", "jnp", "hk", "optax", "torch", "np", "tape_", "Model", "tree", "bound", "forward", "transformed",
    "trained", "x", "inputs", "getattr", "hasattr", "pickle",
)  # fmt: skip
PLAIN = ("first", "second", "third", "fourth", "fifth")


def windows():
    """Yield the names five at a time."""
    for at in range(0, len(NAMES), len(PLAIN)):
        yield NAMES[at : at + len(PLAIN)]


def test_every_name_is_accepted_that_is_not_reserved(write_spec):
    for names in windows():
        load(write_spec(LEARNS.format(*names)))
    for reserved in RESERVED:
        with pytest.raises(InputError, match="scripts use for themselves"):
            load(write_spec(LEARNS.format(reserved, *PLAIN[1:])))


@pytest.mark.parametrize("backend", canireuse_adapters.names())
def test_a_spec_is_run_whatever_it_calls_things(backend, write_spec):
    if find_spec(FRAMEWORK[backend]) is None:
        pytest.skip(f"{FRAMEWORK[backend]} is not installed")
    adapter = canireuse_adapters.adapter(backend)
    host = Host(adapter, device="cpu", engine=next(iter(adapter.engines), None))
    assert host.ready() is None
    ran = 0
    try:
        for text in (LEARNS, FINDS):
            plain = load(write_spec(text.format(*PLAIN))).spec
            way = adapter.ways_of(plain)[0]
            try:
                right = host.run(script_of(adapter, "cpu", way, host.environment["packages"], plain), "<plain>")
            except Unsupported:
                continue
            assert right.error is None
            for names in windows():
                spec = load(write_spec(text.format(*names))).spec
                script = script_of(adapter, "cpu", way, host.environment["packages"], spec)
                outcome = host.run(script, "<named>")
                assert (outcome.error, outcome.observations) == (None, right.observations), script.text
                ran += 1
    finally:
        host.stop()
    assert ran > 0
