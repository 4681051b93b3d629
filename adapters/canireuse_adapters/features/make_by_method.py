"""Models of several methods: one is first called by another method than the one that runs all of it."""

from typing import Literal

from pydantic import Field

from canireuse.emit import Tables
from canireuse.emit.emitter import Emitter
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class MakeByMethod(Step):
    """Call the first method of a model of two dense layers, which runs the first layer; kernels start from 1."""

    verb = "make_by_method"
    binds = "tensor"
    bound_by = "make_by_method"
    make_by_method: Name = Field(
        description="Bind how many kernels the model has then, or what the whole gives for 1 afterwards."
    )
    then: Literal["count", "call"]


IN_TORCH = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.first.weight)
        nn.init.ones_(self.second.weight)
    def encode(self, inputs):
        return self.first(inputs)
    def forward(self, inputs):
        return self.second(self.encode(inputs))
model = Model()
model.encode(torch.ones(1, 1))
"""
IN_LINEN = """\
class Model(nn.Module):
    def setup(self):
        self.first = nn.Dense(1, use_bias=False, kernel_init=nn.initializers.ones)
        self.second = nn.Dense(1, use_bias=False, kernel_init=nn.initializers.ones)
    def encode(self, inputs):
        return self.first(inputs)
    def __call__(self, inputs):
        return self.second(self.encode(inputs))
model = Model()
encoded, variables = model.init_with_output(jax.random.key(0), jnp.ones([1, 1]), method='encode')
"""
IN_HAIKU = """\
class Model(hk.Module):
    def __init__(self):
        super().__init__()
        self.first = hk.Linear(1, with_bias=False, w_init=jnp.ones)
        self.second = hk.Linear(1, with_bias=False, w_init=jnp.ones)
    def encode(self, inputs):
        return self.first(inputs)
    def __call__(self, inputs):
        return self.second(self.encode(inputs))
encode = hk.without_apply_rng(hk.transform(lambda inputs: Model().encode(inputs)))
model = hk.without_apply_rng(hk.transform(lambda inputs: Model()(inputs)))
params = encode.init(jax.random.key(0), jnp.ones([1, 1]))
"""
IN_NNX = """\
class Model(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(1, 1, use_bias=False, kernel_init=nnx.initializers.ones, rngs=rngs)
        self.second = nnx.Linear(1, 1, use_bias=False, kernel_init=nnx.initializers.ones, rngs=rngs)
    def encode(self, inputs):
        return self.first(inputs)
    def __call__(self, inputs):
        return self.second(self.encode(inputs))
model = Model(nnx.Rngs(0))
model.encode(jnp.ones([1, 1]))
"""
IN_EQUINOX = """\
class Model(eqx.Module):
    first: eqx.nn.Linear
    second: eqx.nn.Linear
    def encode(self, inputs):
        return self.first(inputs)
    def __call__(self, inputs):
        return self.second(self.encode(inputs))
def layer():
    made = eqx.nn.Linear(1, 1, use_bias=False, key=jax.random.key(0))
    return eqx.tree_at(lambda layer: layer.weight, made, jnp.ones([1, 1]))
model = Model(layer(), layer())
model.encode(jnp.ones([1]))
"""
IN_KERAS = """\
class Model($keras.Model):
    def __init__(self):
        super().__init__()
        self.first = $keras.layers.Dense(1, use_bias=False, kernel_initializer='ones')
        self.second = $keras.layers.Dense(1, use_bias=False, kernel_initializer='ones')
    def encode(self, inputs):
        return self.first(inputs)
    def call(self, inputs):
        return self.second(self.encode(inputs))
model = Model()
model.encode($keras.ops.ones([1, 1]))
"""


def said(code: str, count: str, call: str) -> Tables:
    """Return what a framework says: the model, how many kernels it has, and the call of the whole."""

    def make(emitter: Emitter, step: MakeByMethod) -> None:
        emitter.fill(f"{code}$make_by_method = {count if step.then == 'count' else call}", step)

    return Tables(code={"make_by_method": make})


def in_keras(keras: str, array: str) -> Tables:
    """Return what Keras says under one of its names."""
    count = f"{array}(float(len(model.trainable_variables)))"
    return said(IN_KERAS.replace("$keras", keras), count, f"model({keras}.ops.ones([1, 1]))")


FEATURE = Feature(
    verbs=(MakeByMethod,),
    tables={
        "reference": Tables(missing={"make_by_method": "The contract does not cover classes that a user derives from a framework's."}),
        "torch": said(IN_TORCH, "torch.tensor(len(list(model.parameters())))", "model(torch.ones(1, 1)).detach()"),
        "linen": said(IN_LINEN, "jnp.array(len(jax.tree.leaves(variables)))", "model.apply(variables, encoded)"),
        "haiku": said(IN_HAIKU, "jnp.array(len(jax.tree.leaves(params)))", "model.apply(params, jnp.ones([1, 1]))"),
        "nnx": said(IN_NNX, "jnp.array(len(jax.tree.leaves(nnx.state(model))))", "model(jnp.ones([1, 1]))"),
        "equinox": said(IN_EQUINOX, "jnp.array(len(jax.tree.leaves(eqx.filter(model, eqx.is_array))))", "model(jnp.ones([1]))[None]"),
        "tf2": in_keras("tf.keras", "tf.constant"),
        "keras": in_keras("keras", "keras.ops.convert_to_tensor"),
        "tensorflow1": Tables(missing={"make_by_method": "TF1 has no class of layers without Keras 2, from which a user would derive a model."}),
    },
)  # fmt: skip
