"""Mixed precision: a layer that computes in half precision with variables of full precision."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from canireuse.emit import Lack, Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.tf2 import TF2


class MixPrecision(Step):
    """Pass a dense layer twice in mixed precision; its kernel is 1.

    Bound are, of a dense layer, whether kernel and output are in half precision, and by how many 1024ths a step takes the kernel down that would take it down by one;
    of a layer of the user's own, which has a scale, a mean that is to be exact and a number of turns, and calls a layer in full precision before it reads them, whether
    its output, the scale, the mean and the number are in half precision during the call, and the output of a layer that makes its variables in its first call, known by its form alone; of a policy that is set later, whether output, its form and kernel are, and
    whether the kernel is in whole numbers once the policy says so.
    """

    verb = "mix_precision"
    binds = "tensor"
    bound_by = "mix_precision"
    mix_precision: Name
    of: Literal["dense", "own", "policy-set-later"] = Field(
        description="A layer of the library; one of the user's own; one of the library that is told so after it was called."
    )


DENSE = "$keras.layers.Dense(1, use_bias=False, kernel_initializer='ones')"
HALF = "$mix_precision = $array([float('bfloat16' in str(one.dtype)) for one in $of])\n"
KERAS = {
    "dense": f"""\
layer = {DENSE.replace("'ones'", "'ones', dtype='mixed_bfloat16'")}
pixels = $keras.Input([1])
model = $keras.Model(pixels, layer(layer(pixels)))
model.compile(loss=lambda _, outputs: $keras.ops.sum(outputs), optimizer=$keras.optimizers.SGD(1 / 2048))
model.fit(np.ones([1, 1]), np.ones([1, 1]), verbose=0)
half = [float('bfloat16' in str(one.dtype)) for one in (layer.kernel, model(np.ones([1, 1])))]
$mix_precision = $array([*half, 1024 * (1 - $read(layer.kernel).item())])
""",
    "own": f"""\
class Scaled($keras.layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.block = {DENSE.replace("'ones'", "'ones', dtype=self.dtype_policy")}
        self.exact = {DENSE.replace("'ones'", "'ones', dtype='float32'")}
    def build(self, shape):
        self.block.build(shape)
        self.scale = self.add_variable([1], 'ones', name='scale')
        self.mean = self.add_weight(shape=[1], initializer='zeros', trainable=False, autocast=False, name='mean')
        self.turns = self.add_weight(shape=[1], initializer='zeros', dtype='int32', trainable=False, name='turns')
    def call(self, inputs):
        outputs = self.block(self.block(inputs))
        self.exact(outputs)
        seen[:] = [outputs, self.scale.value, self.mean.value, self.turns.value]
        return outputs * self.scale
class Late($keras.layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.block = {DENSE.replace("'ones'", "'ones', dtype=self.dtype_policy")}
    def call(self, inputs):
        return self.block(self.block(inputs))
seen = []
Scaled(dtype='mixed_bfloat16')(np.ones([1, 1]))
late = Late(dtype='bfloat16')($keras.Input([1]))
"""
    + HALF.replace("$of", "(*seen, late)"),
    "policy-set-later": f"""\
layer = {DENSE}
layer(np.ones([1, 1]))
layer.dtype_policy = 'mixed_bfloat16'
half = [float('bfloat16' in str(one.dtype)) for one in (layer(layer(np.ones([1, 1]))), layer($keras.Input([1])), layer.kernel)]
layer.dtype_policy = 'int8_from_float32'
$mix_precision = $array([*half, float('int8' in str(layer.kernel.dtype))])
""",
}
BOUND = "$mix_precision = $array([*half, 1024 * (1 - $kernel.item())])\n"
IN_TORCH = """\
layer = nn.Linear(1, 1, bias=False)
nn.init.ones_(layer.weight)
optimizer = torch.optim.SGD(layer.parameters(), 1 / 2048)
with torch.autocast(layer.weight.device.type, dtype=torch.bfloat16):
    outputs = layer(layer(torch.ones(1, 1)))
outputs.sum().backward()
optimizer.step()
half = [float(one.dtype is torch.bfloat16) for one in (layer.weight, outputs)]
""" + BOUND.replace("$array", "torch.tensor").replace("$kernel", "layer.weight")
IN_LINEN = """\
layer = nn.Dense(1, use_bias=False, dtype=jnp.bfloat16, kernel_init=nn.initializers.ones)
params = layer.init(jax.random.key(0), jnp.ones([1, 1]))
def twice(params):
    return layer.apply(params, layer.apply(params, jnp.ones([1, 1])))
grads = jax.grad(lambda params: jnp.sum(twice(params)))(params)
params = jax.tree.map(lambda value, grad: value - grad / 2048, params, grads)
kernel = params['params']['kernel']
half = [float(one.dtype == jnp.bfloat16) for one in (kernel, twice(params))]
""" + BOUND.replace("$array", "jnp.array").replace("$kernel", "kernel")
IN_NNX = """\
layer = nnx.Linear(1, 1, use_bias=False, dtype=jnp.bfloat16, kernel_init=nnx.initializers.ones, rngs=nnx.Rngs(0))
optimizer = nnx.Optimizer(layer, optax.sgd(1 / 2048), wrt=nnx.Param)
optimizer.update(layer, nnx.grad(lambda layer: jnp.sum(layer(layer(jnp.ones([1, 1])))))(layer))
half = [float(one.dtype == jnp.bfloat16) for one in (layer.kernel, layer(layer(jnp.ones([1, 1]))))]
""" + BOUND.replace("$array", "jnp.array").replace("$kernel", "layer.kernel[...]")


def in_keras(keras: "Keras | TF2", step: MixPrecision) -> None:
    """Give the layer a policy of dtypes."""
    words = ("keras", "keras.ops.array", "keras.ops.convert_to_numpy")
    if keras.name == "tf2":
        words = ("tf.keras", "tf.constant", "np.array")
    code = KERAS[step.of].replace("$keras", words[0]).replace("$array", words[1]).replace("$read", words[2])
    keras.fill(code, step)


def only(code: str, why: str) -> Tables:
    """Return the tables of a framework that has mixed precision, and no policies of dtypes."""
    return Tables(code={"mix_precision": code}, lacks=(Lack("mix_precision", lambda _, step: step.of != "dense", why),))


FEATURE = Feature(
    verbs=(MixPrecision,),
    tables={
        "reference": Tables(missing={"mix_precision": "The contract computes in one precision."}),
        "keras": Tables(code={"mix_precision": in_keras}, also="import numpy as np"),
        "tf2": Tables(code={"mix_precision": in_keras}, also="import numpy as np"),
        "torch": only(IN_TORCH, "PyTorch casts what operations are given, in a region; no layer has a policy."),
        "linen": only(IN_LINEN, "A Linen module computes in its `dtype`, and casts its own variables by its own code."),
        "nnx": only(IN_NNX, "An NNX module computes in its `dtype`, and casts its own variables by its own code."),
        "haiku": Tables(missing={"mix_precision": "Haiku takes its policies of dtypes from another package, jmp."}),
        "equinox": Tables(missing={"mix_precision": "A layer of Equinox computes in the dtype of its arrays: users cast a copy of them for each step."}),
        "tensorflow1": Tables(missing={"mix_precision": "A getter of the user's own casts each variable; no layer has a policy."}),
    },
)  # fmt: skip
