"""Constructors of the user's own that leave out what the class above does: a model of such a class is made."""

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Step


class SkipBase(Step):
    """Make a model of a user's class that sets a layer in its constructor, and does not call that of the framework's class."""

    verb = "skip_base"
    skip_base: None = None


IN_LINEN = """\
class Model(nn.Module):
    def __post_init__(self):
        self.block = nn.Dense(1)
    def __call__(self, inputs):
        return self.block(inputs)
"""
IN_TORCH = """\
class Model(nn.Module):
    def __init__(self):
        self.block = nn.Linear(1, 1)
    def forward(self, inputs):
        return self.block(inputs)
Model()(torch.ones(1, 1))
"""
IN_NNX = """\
class Model(nnx.Module):
    def __init__(self, rngs):
        self.block = nnx.Linear(1, 1, rngs=rngs)
    def __call__(self, inputs):
        return self.block(inputs)
Model(nnx.Rngs(0))(jnp.ones([1, 1]))
"""
IN_EQUINOX = """\
class Model(eqx.Module):
    block: eqx.nn.Linear
    def __init__(self, key):
        self.block = eqx.nn.Linear(1, 1, key=key)
    def __call__(self, inputs):
        return self.block(inputs)
Model(jax.random.key(0))(jnp.ones([1]))
"""
IN_HAIKU = """\
class Model(hk.Module):
    def __init__(self):
        self.block = hk.Linear(1)
    def __call__(self, inputs):
        return self.block(inputs)
hk.transform(lambda inputs: Model()(inputs)).init(jax.random.key(0), jnp.ones([1, 1]))
"""
IN_KERAS = """\
class Model($keras.layers.Layer):
    def __init__(self):
        self.block = $keras.layers.Dense(1)
    def call(self, inputs):
        return self.block(inputs)
Model()($keras.ops.ones([1, 1]))
"""
FEATURE = Feature(
    verbs=(SkipBase,),
    tables={
        "reference": Tables(missing={"skip_base": "The contract does not cover classes that a user derives from a framework's."}),
        "torch": Tables(code={"skip_base": IN_TORCH}),
        "nnx": Tables(code={"skip_base": IN_NNX}),
        "equinox": Tables(code={"skip_base": IN_EQUINOX}),
        "linen": Tables(
            code={
                "skip_base/init": f"{IN_LINEN}Model().init(jax.random.key(0), jnp.ones([1, 1]))",
                "skip_base/bind": IN_LINEN + "block = {'kernel': jnp.ones([1, 1]), 'bias': jnp.zeros([1])}\nModel().bind({'params': {'block': block}})",
            },
            ways={"skip_base": ("init", "bind")},
        ),
        "haiku": Tables(code={"skip_base": IN_HAIKU}),
        "tf2": Tables(code={"skip_base": IN_KERAS.replace("$keras", "tf.keras")}),
        "keras": Tables(code={"skip_base": IN_KERAS.replace("$keras", "keras")}),
        "tensorflow1": Tables(missing={"skip_base": "TF1 has no class of layers without Keras 2, from which a user would derive one."}),
    },
)  # fmt: skip
