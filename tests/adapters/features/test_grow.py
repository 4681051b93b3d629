"""Growing: TensorFlow is told when a variable is made that its shape is open, and others need not be."""

import pytest

from canireuse.emit import Unsupported
from canireuse_adapters import adapter

STEPS = """
  - {variable: table, init: [[1.0]], open_shape: true, as: table}
  - initialize:
  - {grow: table, to: [[1.0], [2.0]]}
"""


def script(load_spec, backend):
    return adapter(backend)("cpu").translate(load_spec(f"steps:{STEPS}").spec).text


@pytest.mark.parametrize("backend", ["tf1", "tf1-eager", "tf2"])
def test_tensorflow_leaves_the_shape_open(load_spec, backend):
    text = script(load_spec, backend)
    assert "shape=tf.TensorShape(None)" in text
    assert "table.assign([[1.0], [2.0]])" in text


def test_a_parameter_of_torch_gets_other_data(load_spec):
    assert "table.data = torch.tensor([[1.0], [2.0]])" in script(load_spec, "torch")


def test_keras_has_no_open_shape(load_spec):
    with pytest.raises(Unsupported, match="one shape from the start"):
        script(load_spec, "keras")
