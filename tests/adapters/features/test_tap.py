"""Taps: the path or the name by which a framework knows what is tapped."""

import pytest

from canireuse.emit import Unsupported
from canireuse_adapters import adapter

NET = (
    "steps:\n  - {layer: dense, name: block, inputs: 1, units: 1, kernel: 1.0, as: block}\n"
    "  - {module: net, members: {first: block, second: block}}\n  - tap: net.second\n    as: caught\n    steps:\n"
)
CALL = "      - {call: net, on: [[1.0]], as: y}\n"


def test_an_interceptor_waits_for_the_path_that_the_spec_names(load_spec):
    text = adapter("linen")("cpu", {"tap": "intercept_methods"}).translate(load_spec(NET + CALL).spec).text
    assert "context.module.path == ('second',)" in text


def test_keras_makes_an_extractor_of_one_call_alone(load_spec):
    with pytest.raises(Unsupported, match="functional model"):
        adapter("keras")("cpu", {"engine": "torch"}).translate(load_spec(NET + CALL + CALL).spec)


def test_a_copy_made_inside_a_capture_is_not_said(load_spec):
    copied = "      - {copy: net, as: twin}\n" + CALL
    with pytest.raises(Unsupported, match="hangs variables of its own"):
        adapter("nnx")("cpu", {}).translate(load_spec(NET + copied).spec)
