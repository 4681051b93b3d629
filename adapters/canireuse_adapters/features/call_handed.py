"""Parts that a model was handed: one is called by its name in the model, before the model itself is."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class CallHanded(Step):
    """Hand a model a dense layer that was made outside, write 5 to the kernel, and call the layer through the model, and then the model."""

    verb = "call_handed"
    binds = "tensor"
    bound_by = "call_handed"
    call_handed: Name = Field(description="Bind what the layer gives for 1, and what the model gives.")


IN_LINEN = """\
class Model(nn.Module):
    part: nn.Module
    def __call__(self, inputs):
        return self.part(inputs)
model = Model(nn.Dense(1, use_bias=False))
inputs = jnp.ones([1, 1])
variables = model.init(jax.random.key(0), inputs)
variables = jax.tree.map(lambda leaf: jnp.full_like(leaf, 5.0), variables)
bound = model.bind(variables)
alone = bound.part(inputs)
$call_handed = jnp.array([alone[0, 0], bound(inputs)[0, 0]])
"""
IN_NNX = """\
class Model(nnx.Module):
    def __init__(self, part):
        self.part = part
    def __call__(self, inputs):
        return self.part(inputs)
model = Model(nnx.Linear(1, 1, use_bias=False, rngs=nnx.Rngs(0)))
model.part.kernel[...] = jnp.full([1, 1], 5.0)
alone = model.part(jnp.ones([1, 1]))
$call_handed = jnp.array([alone[0, 0], model(jnp.ones([1, 1]))[0, 0]])
"""
IN_EQUINOX = """\
class Model(eqx.Module):
    part: eqx.Module
    def __call__(self, inputs):
        return self.part(inputs)
model = Model(eqx.nn.Linear(1, 1, use_bias=False, key=jax.random.key(0)))
model = eqx.tree_at(lambda model: model.part.weight, model, jnp.full([1, 1], 5.0))
alone = model.part(jnp.ones([1]))
$call_handed = jnp.array([alone[0], model(jnp.ones([1]))[0]])
"""
IN_TORCH = """\
class Model(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = part
    def forward(self, inputs):
        return self.part(inputs)
model = Model(nn.Linear(1, 1, bias=False))
nn.init.constant_(model.part.weight, 5.0)
alone = model.part(torch.ones(1, 1))
$call_handed = torch.tensor([alone.item(), model(torch.ones(1, 1)).item()])
"""
IN_KERAS = """\
class Model($keras.Model):
    def __init__(self, part):
        super().__init__()
        self.part = part
    def call(self, inputs):
        return self.part(inputs)
model = Model($keras.layers.Dense(1, use_bias=False))
model.part.build([None, 1])
model.part.kernel.assign([[5.0]])
alone = $keras.ops.convert_to_numpy(model.part($keras.ops.ones([1, 1]))).item()
$call_handed = $array([alone, $keras.ops.convert_to_numpy(model($keras.ops.ones([1, 1]))).item()])
"""
FEATURE = Feature(
    verbs=(CallHanded,),
    tables={
        "reference": Tables(missing={"call_handed": "The contract does not cover classes that a user derives from a framework's."}),
        "linen": Tables(code={"call_handed": IN_LINEN}),
        "nnx": Tables(code={"call_handed": IN_NNX}),
        "equinox": Tables(code={"call_handed": IN_EQUINOX}),
        "haiku": Tables(missing={"call_handed": "A module of Haiku lives in the function that makes it: no part of it is called from outside."}),
        "torch": Tables(code={"call_handed": IN_TORCH}),
        "tf2": Tables(code={"call_handed": IN_KERAS.replace("$keras", "tf.keras").replace("$array", "tf.constant")}),
        "keras": Tables(code={"call_handed": IN_KERAS.replace("$keras", "keras").replace("$array", "keras.ops.convert_to_tensor")}),
        "tensorflow1": Tables(missing={"call_handed": "TF1 has no class of layers without Keras 2, from which a user would derive a model."}),
    },
)  # fmt: skip
