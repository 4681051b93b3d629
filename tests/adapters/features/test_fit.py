"""Fitting: a model is fitted after it was compiled, and models alone are."""

import pytest

from canireuse.emit import Unsupported
from canireuse_adapters import adapter

LAYER = "  - {layer: dense, name: fc, inputs: 1, units: 1, kernel: 1.0, as: fc}\n"
MODEL = f"{LAYER}  - {{module: net, members: {{fc: fc}}}}\n"


def script(load_spec, backend, steps):
    spec = load_spec(f"steps:\n{steps}").spec
    way = adapter(backend).ways_of(spec)[0]
    return adapter(backend)("cpu", way).translate(spec).text


@pytest.mark.parametrize("backend", ["keras", "tf2", "torch", "reference"])
def test_a_model_that_was_not_compiled_is_not_fitted(load_spec, backend):
    with pytest.raises(Unsupported, match="after it was compiled"):
        script(load_spec, backend, MODEL + "  - {fit: net, on: [[1.0]], to: [[0.0]]}\n")


@pytest.mark.parametrize("backend", ["keras", "tf2"])
def test_a_layer_is_no_model(load_spec, backend):
    with pytest.raises(Unsupported, match="a layer"):
        script(load_spec, backend, LAYER + "  - {compile: fc}\n")


def test_batches_are_handed_over_one_by_one_in_a_loop(load_spec):
    fit = "  - {compile: net}\n  - {fit: net, on: [[1.0]], to: [[0.0]], times: 2"
    assert "epochs=2" in script(load_spec, "keras", f"{MODEL}{fit}}}\n")
    assert "range(2):\n    net.train_on_batch(" in script(load_spec, "keras", f"{MODEL}{fit}, batchwise: true}}\n")
