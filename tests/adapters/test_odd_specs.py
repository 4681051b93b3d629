"""Specs that are valid and odd: a translator says them, or says why not."""

import pytest

import canireuse_adapters
from canireuse.emit import Unsupported

WEIGHT = "  - {variable: weight, init: [1.0], as: weight}\n  - {initialize: }\n"
ODD = {
    "an optimizer bound anew before a traced step": WEIGHT
    + """\
  - {optimizer: opt, kind: momentum, over: [weight]}
  - {optimizer: opt, kind: momentum, over: [weight]}
  - {function: step, traced: true, steps: [{update: opt, minimize: sum(weight)}]}
  - {invoke: step}
""",
    "several devices inside a block": WEIGHT
    + """\
  - {module: net, members: {weight: weight}}
  - {name_scope: part, steps: [{parallel: net, split: {x: [[1.0], [3.0]]}, minimize: sum(x * net.weight)}]}
""",
    "a module put together anew from what the one before holds": """\
  - {layer: dense, name: encoder, inputs: 1, units: 1, as: encoder}
  - {module: left, members: {encoder: encoder}}
  - {module: right, members: {encoder: encoder}}
  - {module: whole, members: {left: left, right: right}}
  - {copy: whole, as: clone}
  - {module: whole, members: {left: left, right: right}}
""",
    "a module put together anew in a function, after a tie": """\
  - function: make
    returns: net
    steps:
      - {layer: dense, name: embed, inputs: 1, units: 1, as: embed}
      - {layer: dense, name: head, inputs: 1, units: 1, as: head}
      - {tie: head.kernel, to: embed.kernel}
      - {module: net, members: {embed: embed, head: head}}
      - {module: net, members: {embed: embed, head: head}}
  - {invoke: make, abstract: true, as: net}
  - {expect: shape, shape: net.head.kernel, is: [1, 1]}
""",
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("backend", canireuse_adapters.loadable()[0])
def test_a_valid_spec_makes_scripts_that_compile(load_spec, backend, odd):
    spec, adapter = load_spec(f"steps:\n{ODD[odd]}").spec, canireuse_adapters.loadable()[0][backend]
    for way in adapter.ways_of(spec):
        try:
            script = adapter("cpu", way).translate(spec).text
        except Unsupported:
            continue
        compile(script, "<script>", "exec")
