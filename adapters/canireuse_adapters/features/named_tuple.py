"""Named tuples: a model holds two layers in one, and reads them by their names."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class NamedTupleOfLayers(Step):
    """Make and call a model that has two dense layers, each with a kernel of 1, in a named tuple."""

    verb = "named_tuple"
    binds = "tensor"
    bound_by = "named_tuple"
    named_tuple: Name = Field(description="Bind how many kernels the model lists, and what it gives for 1.")


CLASS = "class Parts(NamedTuple):\n    first: $layer\n    second: $layer\n"
IN_TORCH = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = Parts(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
        nn.init.ones_(self.parts.first.weight)
        nn.init.ones_(self.parts.second.weight)
    def forward(self, inputs):
        return self.parts.second(self.parts.first(inputs))
model = Model()
$named_tuple = torch.tensor([len(list(model.parameters())), model(torch.ones(1, 1)).item()])
"""
IN_LINEN = """\
class Model(nn.Module):
    def setup(self):
        first = nn.Dense(1, use_bias=False, kernel_init=nn.initializers.ones)
        second = nn.Dense(1, use_bias=False, kernel_init=nn.initializers.ones)
        self.parts = Parts(first, second)
    def __call__(self, inputs):
        return self.parts.second(self.parts.first(inputs))
outputs, variables = Model().init_with_output(jax.random.key(0), jnp.ones([1, 1]))
$named_tuple = jnp.array([len(jax.tree.leaves(variables)), outputs[0, 0]])
"""
IN_NNX = """\
class Model(nnx.Module):
    def __init__(self, rngs):
        first = nnx.Linear(1, 1, use_bias=False, kernel_init=nnx.initializers.ones, rngs=rngs)
        second = nnx.Linear(1, 1, use_bias=False, kernel_init=nnx.initializers.ones, rngs=rngs)
        self.parts = nnx.data(Parts(first, second))
    def __call__(self, inputs):
        return self.parts.second(self.parts.first(inputs))
model = Model(nnx.Rngs(0))
$named_tuple = jnp.array([len(jax.tree.leaves(nnx.state(model))), model(jnp.ones([1, 1]))[0, 0]])
"""
IN_EQUINOX = """\
class Model(eqx.Module):
    parts: Parts
    def __call__(self, inputs):
        return self.parts.second(self.parts.first(inputs))
def layer():
    made = eqx.nn.Linear(1, 1, use_bias=False, key=jax.random.key(0))
    return eqx.tree_at(lambda layer: layer.weight, made, jnp.ones([1, 1]))
model = Model(Parts(layer(), layer()))
$named_tuple = jnp.array([len(jax.tree.leaves(eqx.filter(model, eqx.is_array))), model(jnp.ones([1]))[0]])
"""
IN_KERAS = """\
class Model($keras.Model):
    def __init__(self):
        super().__init__()
        first = $keras.layers.Dense(1, use_bias=False, kernel_initializer='ones')
        second = $keras.layers.Dense(1, use_bias=False, kernel_initializer='ones')
        self.parts = Parts(first, second)
    def call(self, inputs):
        return self.parts.second(self.parts.first(inputs))
model = Model()
outputs = $keras.ops.convert_to_numpy(model($keras.ops.ones([1, 1])))
"""
OUTCOME = "[float(len(model.trainable_variables)), float(outputs[0, 0])]"
ALSO = "from typing import NamedTuple"


def said(code: str, layer: str, to: str = "") -> Tables:
    """Return what a framework says whose layers are of this class."""
    keras, _, _ = layer.partition(".layers")
    made = CLASS.replace("$layer", layer) + code.replace("$keras", keras) + (to and f"$named_tuple = {to}")
    return Tables(code={"named_tuple": made}, also=ALSO)


FEATURE = Feature(
    verbs=(NamedTupleOfLayers,),
    tables={
        "reference": Tables(missing={"named_tuple": "The contract does not cover classes that a user derives from a framework's."}),
        "torch": said(IN_TORCH, "nn.Module"),
        "linen": said(IN_LINEN, "nn.Module"),
        "nnx": said(IN_NNX, "nnx.Linear"),
        "equinox": said(IN_EQUINOX, "eqx.nn.Linear"),
        "haiku": Tables(missing={"named_tuple": "A Haiku module keeps no parameters: a tuple of modules is Python's own, and says nothing of them."}),
        "tf2": said(IN_KERAS, "tf.keras.layers.Layer", f"tf.constant({OUTCOME})"),
        "keras": said(IN_KERAS, "keras.layers.Layer", f"keras.ops.convert_to_tensor({OUTCOME})"),
        "tensorflow1": Tables(missing={"named_tuple": "TF1 has no class of layers without Keras 2, from which a user would derive a model."}),
    },
)  # fmt: skip
