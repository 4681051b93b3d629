"""Removals: where taking a name out would take what else it holds, or where no attribute stands for a layer."""

import pytest

from canireuse.emit import Unsupported
from canireuse_adapters import adapter

PAIR = "steps:\n  - {variable: w, init: [1.0], as: w}\n  - {module: net, members: {first: w, second: w}}\n"


def test_the_leaf_of_a_shared_pair_is_not_taken_out(load_spec):
    spec = load_spec(f"{PAIR}  - {{remove: net.first}}\n  - {{expect: left, variables: 1, inside: net}}\n").spec
    with pytest.raises(Unsupported, match="keeps the leaf of a tie"):
        adapter("equinox")("cpu", {"engine": "", "tie": "shared", "module": "shared"}).translate(spec)


def test_a_functional_model_has_no_attribute_to_take_out(load_spec):
    spec = load_spec(
        "steps:\n  - {layer: dense, name: fc, inputs: 1, units: 1, as: fc}\n  - {module: net, members: {first: fc, second: fc}}\n"
        "  - {remove: net.first}\n  - {call: net, on: [[1.0]], as: y}\n  - {expect: given, value: y, is: [[1.0]]}\n"
    ).spec
    with pytest.raises(Unsupported, match="functional Keras model"):
        adapter("keras")("cpu", {"engine": "torch"}).translate(spec)
