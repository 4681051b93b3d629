"""Casts, which the specs of this project run: what PyTorch's own does to Keras, and what cannot be cast."""

import pytest

from canireuse.emit import Unsupported
from canireuse.run.hosts import Host
from canireuse_adapters.keras import Keras
from canireuse_adapters.nnx import NNX
from canireuse_adapters.tf2 import TF2

LAYER = "{layer: dense, name: one, inputs: 1, units: 1, as: one}"
CAST = "{cast: one, to: float16, as: half}"


def test_pytorchs_own_cast_is_not_seen_by_keras(load_spec):
    host = Host(Keras, device="cpu", engine="torch")
    try:
        if reason := host.ready():
            pytest.skip(reason)
        spec = load_spec(f"steps: [{LAYER}, {CAST}, {{expect: dtype, dtype: half.kernel, is: float16}}]").spec
        script = Keras("cpu", {"engine": "torch", "cast": "module"}).translate(spec)
        assert host.run(script, "<test>").observations == {"dtype": "float32"}
    finally:
        host.stop()


@pytest.mark.parametrize(
    ("made", "steps", "reason"),
    [
        (TF2, "{variable: w, as: w}, {module: one, members: {a: w}}, {cast: one, to: float16, as: half}", "for life"),
        (TF2, f"{LAYER}, {{cast: one, to: int32, as: whole}}", "one of floats"),
        (TF2, f"{LAYER}, {{variable: w, as: w}}, {{module: net, members: {{a: one, w: w}}}}, {{cast: net, to: float16, as: half}}", "get_config"),
        (NNX, f"{LAYER}, {{function: f, steps: [{CAST}]}}", "made once"),
    ],
)  # fmt: skip
def test_what_cannot_be_cast_is_refused(load_spec, made, steps, reason):
    spec = load_spec(f"steps: [{steps}]").spec
    with pytest.raises(Unsupported, match=reason):
        made("cpu", made.ways_of(spec)[0]).translate(spec)
