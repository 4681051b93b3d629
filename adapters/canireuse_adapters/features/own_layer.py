"""Layers of the user's own: one that owns a variable beside a layer of the library is trained."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from canireuse.emit import Emitter, Lack, Tables, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras


class OwnLayer(Step):
    """Train a layer of the user's own, which multiplies what a dense layer inside gives by a variable: both are 1, and go one step of 0.5 down.

    Bound are how many variables the layer lists for training, and what that variable holds afterwards.
    """

    verb = "own_layer"
    binds = "tensor"
    bound_by = "own_layer"
    own_layer: Name
    owns: Literal["variable", "module"] = Field(
        description="What the layer has: the variable itself, or a module of variables that holds it."
    )


IN_TORCH = """\
class $word(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.block.weight)
        self.$owned = $made
    def forward(self, inputs):
        return self.block(inputs) * self.$path
layer = $word()
optimizer = torch.optim.SGD(layer.parameters(), 0.5)
layer(torch.ones(1, 1)).sum().backward()
optimizer.step()
$own_layer = torch.tensor([len(list(layer.parameters())), layer.$path.item()])
"""
IN_NNX = """\
class $word(nnx.Module):
    def __init__(self, rngs):
        self.block = nnx.Linear(1, 1, kernel_init=nnx.initializers.ones, use_bias=False, rngs=rngs)
        self.$owned = $made
    def __call__(self, inputs):
        return self.block(inputs) * self.$path
layer = $word(nnx.Rngs(0))
optimizer = nnx.Optimizer(layer, optax.sgd(0.5), wrt=nnx.Param)
optimizer.update(layer, nnx.grad(lambda layer: jnp.sum(layer(jnp.ones([1, 1]))))(layer))
$own_layer = jnp.array([len(jax.tree.leaves(nnx.state(layer, nnx.Param))), layer.$path[0]])
"""
IN_EQUINOX = """\
class Inner(eqx.Module):
    factor: jax.Array
class $word(eqx.Module):
    block: eqx.nn.Linear
    $owned: $kind
    def __call__(self, inputs):
        return self.block(inputs) * self.$path
block = eqx.nn.Linear(1, 1, use_bias=False, key=jax.random.key(0))
block = eqx.tree_at(lambda block: block.weight, block, jnp.ones([1, 1]))
layer = $word(block, $made)
grads = eqx.filter_grad(lambda layer: jnp.sum(layer(jnp.ones([1]))))(layer)
layer = eqx.apply_updates(layer, jax.tree.map(lambda grad: -0.5 * grad, grads))
$own_layer = jnp.array([len(jax.tree.leaves(eqx.filter(layer, eqx.is_array))), layer.$path[0]])
"""
IN_LINEN = """\
class Inner(nn.Module):
    def setup(self):
        self.factor = self.param('factor', nn.initializers.ones, [1])
class $word(nn.Module):
    def setup(self):
        self.block = nn.Dense(1, kernel_init=nn.initializers.ones, use_bias=False)
        self.$owned = $made
    def __call__(self, inputs):
        return self.block(inputs) * self.$path
layer = $word()
params = layer.init(jax.random.key(0), jnp.ones([1, 1]))['params']
grads = jax.grad(lambda params: jnp.sum(layer.apply({'params': params}, jnp.ones([1, 1]))))(params)
params = jax.tree.map(lambda param, grad: param - 0.5 * grad, params, grads)
$own_layer = jnp.array([len(jax.tree.leaves(params)), params$keys[0]])
"""
IN_KERAS = """\
class $word($keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.block = $keras.layers.Dense(1, kernel_initializer='ones', use_bias=False)
        self.$owned = $made
    def call(self, inputs):
        return self.block(inputs) * self.$path
layer = $word()
model = $keras.Sequential([$keras.Input([1]), layer])
model.compile(loss=lambda _, outputs: $keras.ops.sum(outputs), optimizer=$keras.optimizers.SGD(0.5))
model.fit(np.ones([1, 1]), np.ones([1, 1]), verbose=0)
"""


def of_tensorflow(keras: "Keras", step: OwnLayer) -> bool:
    """Return whether what the layer owns is TensorFlow's, and Keras does not run on that."""
    return keras.engine != "tensorflow" and (step.owns == "module" or keras.way["own_layer"] == "tf-variable")


def written(code: str, owns: str, variable: str, module: str) -> str:
    """Return a template with what the layer has: the variable, or the module that holds it."""
    is_module = owns == "module"
    return (
        code.replace("$path", "inner.factor" if is_module else "factor")
        .replace("$keys", "['inner']['factor']" if is_module else "['factor']")
        .replace("$kind", "Inner" if is_module else "jax.Array")
        .replace("$owned", "inner" if is_module else "factor")
        .replace("$made", module if is_module else variable)
    )


def said(code: str, variable: str, module: str) -> Tables:
    """Return what a framework says in which one call makes a module of variables."""

    def own_layer(emitter: Emitter, step: OwnLayer) -> None:
        emitter.fill(written(code, step.owns, variable, module), step, word=emitter.fresh("Scaled"))

    return Tables(code={"own_layer": own_layer})


def in_keras(emitter: Emitter, step: OwnLayer, keras: str, variable: str) -> None:
    """Write a layer of Keras, with a variable of Keras or of TensorFlow."""
    made = f"{variable}([1.0])"
    code = written(IN_KERAS, step.owns, made, f"tf.Module()\n        self.inner.factor = {made}")
    emitter.emit(code.replace("$keras", keras), word=emitter.fresh("Scaled"))
    moved = "inner.factor" if step.owns == "module" else "factor"
    outcome = expr(f"[len(layer.trainable_variables), {keras}.ops.convert_to_numpy(layer.{moved})[0]]")
    emitter.bind(step.own_layer, emitter.array(outcome))


FEATURE = Feature(
    verbs=(OwnLayer,),
    tables={
        "reference": Tables(missing={"own_layer": "The contract does not cover classes that a user derives from a framework's."}),
        "torch": said(IN_TORCH, "nn.Parameter(torch.ones(1))", "nn.Module()\n        self.inner.factor = nn.Parameter(torch.ones(1))"),
        "nnx": said(IN_NNX, "nnx.Param(jnp.ones([1]))", "nnx.Module()\n        self.inner.factor = nnx.Param(jnp.ones([1]))"),
        "equinox": said(IN_EQUINOX, "jnp.ones([1])", "Inner(jnp.ones([1]))"),
        "linen": said(IN_LINEN, "self.param('factor', nn.initializers.ones, [1])", "Inner()"),
        "haiku": Tables(missing={"own_layer": "A function of Haiku asks for a parameter where it is used: no object owns one that a list could leave out."}),
        "tf2": Tables(
            code={"own_layer": lambda tf, step: in_keras(tf, step, "tf.keras", "tf.Variable")}, also="import numpy as np",
        ),
        "keras": Tables(
            code={
                "own_layer/keras-variable": lambda keras, step: in_keras(keras, step, "keras", "keras.Variable"),
                "own_layer/tf-variable": lambda keras, step: in_keras(keras, step, "keras", "tf.Variable"),
            },
            ways={"own_layer": ("keras-variable", "tf-variable")},
            lacks=(
                Lack("own_layer", of_tensorflow, "A `tf.Variable` and a `tf.Module` are TensorFlow's: Keras computes with them on that engine alone."),
            ),
            also="import numpy as np\nimport tensorflow as tf",
        ),
        "tensorflow1": Tables(missing={"own_layer": "TF1 has no class of layers without Keras 2; what a `tf.Module` lists, `module` says."}),
    },
)  # fmt: skip
