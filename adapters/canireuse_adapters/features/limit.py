"""Limits: a weight that is never to be more than a number, whatever is written to it."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class Limit(Step):
    """Have the kernel of a dense layer be limited to 3, take a step of an optimizer that would bring it from 1 to 11, and write 9 to it."""

    verb = "limit"
    binds = "tensor"
    bound_by = "limit"
    limit: Name = Field(description="Bind what the kernel is after the step, and after the write.")


STEP = """\
optimizer = nnx.Optimizer(layer, optax.sgd(10.0), wrt=nnx.Param)
grads = nnx.grad(lambda layer: -jnp.sum(layer(jnp.ones([1, 1]))))(layer)
optimizer.update(layer, grads)
stepped = layer.kernel[0, 0]
layer.kernel[...] = jnp.full([1, 1], 9.0)
$limit = jnp.array([stepped, layer.kernel[0, 0]])
"""
BY_INITIALIZER = (
    "start = nnx.with_metadata(nnx.initializers.ones, $hook=lambda _, value: jnp.minimum(value, 3.0))\n"
    "layer = nnx.Linear(1, 1, use_bias=False, kernel_init=start, rngs=nnx.Rngs(0))\n"
)
BY_CLASS = """\
class Limited(nnx.Param):
    def on_get_value(self, value):
        return jnp.minimum(value, 3.0)
layer = nnx.Linear(1, 1, use_bias=False, rngs=nnx.Rngs(0))
layer.kernel = Limited(jnp.ones([1, 1]))
"""
IN_TORCH = """\
class Limited(nn.Module):
    def forward(self, weight):
        return weight.clamp(max=3.0)
layer = nn.Linear(1, 1, bias=False)
nn.init.ones_(layer.weight)
nn.utils.parametrize.register_parametrization(layer, 'weight', Limited())
optimizer = torch.optim.SGD(layer.parameters(), 10.0)
(-layer(torch.ones(1, 1)).sum()).backward()
optimizer.step()
stepped = layer.weight.item()
with torch.no_grad():
    layer.parametrizations.weight.original.fill_(9.0)
$limit = torch.tensor([stepped, layer.weight.item()])
"""
IN_KERAS = """\
def limited(kernel):
    return $keras.ops.minimum(kernel, 3.0)
layer = $keras.layers.Dense(1, use_bias=False, kernel_initializer='ones', kernel_constraint=limited)
model = $keras.Sequential([$keras.Input([1]), layer])
model.compile(loss=lambda _, outputs: -$keras.ops.sum(outputs), optimizer=$keras.optimizers.SGD(10.0))
model.fit(np.ones([1, 1]), np.ones([1, 1]), verbose=0)
stepped = $keras.ops.convert_to_numpy(layer.kernel).item()
layer.kernel.assign([[9.0]])
$limit = $array([stepped, $keras.ops.convert_to_numpy(layer.kernel).item()])
"""
BESIDE = "What limits a weight is said beside the model: the script cuts the new values down before it keeps them."
FEATURE = Feature(
    verbs=(Limit,),
    tables={
        "reference": Tables(missing={"limit": "The contract has no limits: what is written is what is read."}),
        "nnx": Tables(
            code={
                "limit/on-write": BY_INITIALIZER.replace("$hook", "on_set_value") + STEP,
                "limit/on-read": BY_INITIALIZER.replace("$hook", "on_get_value") + STEP,
                "limit/class": BY_CLASS + STEP,
            },
            ways={"limit": ("on-write", "on-read", "class")},
        ),
        "jax": Tables(missing={"limit": BESIDE}),
        "torch": Tables(code={"limit": IN_TORCH}),
        "tf2": Tables(code={"limit": IN_KERAS.replace("$keras", "tf.keras").replace("$array", "tf.constant")}, also="import numpy as np"),
        "keras": Tables(code={"limit": IN_KERAS.replace("$keras", "keras").replace("$array", "keras.ops.convert_to_tensor")}, also="import numpy as np"),
        "tensorflow1": Tables(missing={"limit": "The constraint of `tf1.get_variable` is asked for by the optimizers of Keras 2 alone."}),
    },
)  # fmt: skip
