"""Memory for tied layers that were made without any: what the ways of PyTorch and NNX leave of the tie, and who has memory already."""

import pytest

from canireuse.emit import Unsupported
from canireuse.run.hosts import Host
from canireuse_adapters.haiku import Haiku
from canireuse_adapters.keras import Keras
from canireuse_adapters.nnx import NNX
from canireuse_adapters.tf1 import TF1Eager
from canireuse_adapters.torch import Torch

TIED = """
steps:
  - function: make
    returns: pair
    steps:
      - {layer: embedding, inputs: 3, units: 2, as: embed}
      - {layer: dense, inputs: 3, units: 2, as: head}
      - {tie: head.kernel, to: embed.kernel}
      - {module: pair, members: {embed: embed, head: head}}
  - {invoke: make, abstract: true, as: blank}
  - {materialize: blank, as: real}
  - {expect: tied, identical: [real.embed.kernel, real.head.kernel], is: true}
"""


@pytest.mark.parametrize(
    ("made", "tied"),
    [
        (
            Torch,
            {
                "to_empty": False,
                "to_empty-swap": True,
                "load-assign": False,
                "load_checkpoint_and_dispatch": True,
                "init_empty_weights+load_checkpoint_and_dispatch": False,
            },
        ),
        (NNX, {"update": True, "split-merge": True, "module": False}),
    ],
)
def test_the_way_decides_whether_a_tie_survives(load_spec, made, tied):
    spec, host = load_spec(TIED).spec, Host(made, device="cpu")
    try:
        if reason := host.ready():
            pytest.skip(reason)
        for way in made.ways_of(spec):
            outcome = host.run(made("cpu", way).translate(spec), "<test>")
            expected = tied.get("+".join(way.values()), tied.get(way["materialize"]))
            assert outcome.observations == {"tied": expected}, (way, outcome)
    finally:
        host.stop()


@pytest.mark.parametrize(
    ("made", "steps", "reason"),
    [
        (Keras, "{materialize: one, as: two}", "has variables elsewhere has their memory too"),
        (NNX, "{materialize: one, as: two}", "has its memory already"),
        (Haiku, "{materialize: one, as: two}", "these parameters have theirs"),
        (TF1Eager, "{materialize: one, as: two}", "has its memory and its value from the start"),
    ],
)  # fmt: skip
def test_what_has_memory_is_given_none(load_spec, made, steps, reason):
    spec = load_spec(f"steps: [{{layer: dense, inputs: 1, units: 1, as: one}}, {steps}]").spec
    with pytest.raises(Unsupported, match=reason):
        made("cpu", made.ways_of(spec)[0]).translate(spec)
