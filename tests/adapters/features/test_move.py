"""Moves, which the specs of this project run: what cannot be moved."""

import pytest

from canireuse.emit import Unsupported
from canireuse_adapters.nnx import NNX
from canireuse_adapters.tf1 import TF1Eager
from canireuse_adapters.tf2 import TF2
from canireuse_adapters.torch import Torch

LAYER = "{layer: dense, name: one, inputs: 1, units: 1, as: one}"
MOVE = "{move: one, as: there}"


@pytest.mark.parametrize(
    ("made", "device", "steps", "reason"),
    [
        (Torch, "cpu", f"{LAYER}, {MOVE}", "all CPUs for one device"),
        (Torch, "gpu", f"{LAYER}, {MOVE}", "counts on one"),
        (TF1Eager, "cpu", f"{LAYER}, {MOVE}", "stays on the device"),
        (TF2, "gpu", f"{LAYER}, {MOVE}", "a GPU only with a limit"),
        (NNX, "cpu", f"{LAYER}, {{function: f, steps: [{MOVE}]}}", "made once"),
        (TF2, "cpu", f"{LAYER}, {{variable: w, as: w}}, {{module: net, members: {{a: one, w: w}}}}, {{move: net, as: there}}", "get_config"),
    ],
)  # fmt: skip
def test_what_cannot_be_moved_is_refused(load_spec, made, device, steps, reason):
    spec = load_spec(f"steps: [{steps}]").spec
    with pytest.raises(Unsupported, match=reason):
        made(device, made.ways_of(spec)[0]).translate(spec)


def test_pytorch_moves_to_the_first_gpu_in_place(load_spec):
    script = Torch("gpu").translate(load_spec(f"steps: [{LAYER}, {{move: one, device: 0, as: one}}]").spec)
    assert "one = one.to('cuda:0')" in script.text
