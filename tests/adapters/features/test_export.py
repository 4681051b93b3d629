"""Exports: which programs have variables that a spec may name."""

import pytest

from canireuse.emit import Unsupported
from canireuse_adapters import adapter

STEPS = (
    "steps:\n  - {layer: dense, name: block, inputs: 1, units: 1, kernel: 1.0, as: block}\n"
    "  - {module: net, members: {block: block}}\n  - {export: net, on: [[1.0]], as: program}\n"
)
WRITES = "  - {assign: program.block.kernel, to: [[2.0]]}\n"


@pytest.mark.parametrize(("backend", "way"), [("torch", {"export": "freeze"}), ("keras", {"engine": "tensorflow"})])
def test_a_program_without_names_is_not_written(load_spec, backend, way):
    spec = load_spec(STEPS + WRITES).spec
    with pytest.raises(Unsupported, match=r"names|named"):
        adapter(backend)("cpu", way).translate(spec)


def test_a_program_of_pytorch_keeps_the_names(load_spec):
    text = adapter("torch")("cpu", {"export": "unflatten"}).translate(load_spec(STEPS + WRITES).spec).text
    assert "program.block.weight.fill_" in text or "program.block.weight.copy_" in text


@pytest.mark.parametrize("way", ["onnx", "onnx-trace"])
def test_what_is_in_an_onnx_graph_is_no_parameter(load_spec, way):
    listed = load_spec(f"{STEPS}  - {{expect: count, variables: 1, inside: program}}\n").spec
    for spec in (load_spec(STEPS + WRITES).spec, listed):
        with pytest.raises(Unsupported, match="initializers are constants"):
            adapter("torch")("cpu", {"export": way}).translate(spec)
