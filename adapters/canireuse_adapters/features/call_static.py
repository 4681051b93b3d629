"""Static arguments: a compiled function is given a model as one, so that it is part of what is compiled."""

from typing import Literal

from pydantic import Field

from canireuse.emit import Emitter, Lack, Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class CallStatic(Step):
    """Give a compiled function a model as a static argument, of a weight that is 1, and again after 5 was written to it."""

    verb = "call_static"
    binds = "tensor"
    bound_by = "call_static"
    call_static: Name = Field(
        description="Bind what each call gives for 1; of a definition, also how often the function was compiled for two equal ones."
    )
    holds: Literal["definition", "values"] = Field(
        description="What the model holds: how it computes alone, its values being handed over beside; or the values, too."
    )


LINEN = """\
class Model(nn.Module):
    features: int
    block: nn.Module = dataclasses.field(init=False)
    def setup(self):
        self.block = nn.Dense(self.features, use_bias=False, kernel_init=nn.initializers.ones)
    def __call__(self, inputs):
        return self.block(inputs)
inputs = jnp.ones([1, 1])
variables = Model(1).init(jax.random.key(0), inputs)
"""
WITH_VALUES_BESIDE = """\
@functools.partial(jax.jit, static_argnums=0)
def run(model, variables, inputs):
    return model.apply(variables, inputs)
"""
COMPILED = """\
@functools.partial(jax.jit, static_argnums=0)
def run(model, inputs):
    return model(inputs)
"""
IN_LINEN = {
    "definition": f"""\
{LINEN}{WITH_VALUES_BESIDE}first = run(Model(1), variables, inputs)
variables = jax.tree.map(lambda leaf: jnp.full_like(leaf, 5.0), variables)
second = run(Model(1), variables, inputs)
$call_static = jnp.array([first[0, 0], second[0, 0], run._cache_size()])
""",
    "values": f"""\
{LINEN}{COMPILED}first = run(Model(1).bind(variables), inputs)
variables = jax.tree.map(lambda leaf: jnp.full_like(leaf, 5.0), variables)
second = run(Model(1).bind(variables), inputs)
$call_static = jnp.array([first[0, 0], second[0, 0]])
""",
}
IN_HAIKU = f"""\
def network(inputs):
    return hk.Linear(1, with_bias=False, w_init=jnp.ones)(inputs)
def definition():
    return hk.without_apply_rng(hk.transform(network))
{WITH_VALUES_BESIDE}inputs = jnp.ones([1, 1])
variables = definition().init(jax.random.key(0), inputs)
first = run(definition(), variables, inputs)
variables = jax.tree.map(lambda leaf: jnp.full_like(leaf, 5.0), variables)
second = run(definition(), variables, inputs)
$call_static = jnp.array([first[0, 0], second[0, 0], run._cache_size()])
"""
IN_NNX = f"""\
{COMPILED}model = nnx.Linear(1, 1, use_bias=False, kernel_init=nnx.initializers.ones, rngs=nnx.Rngs(0))
first = run(model, jnp.ones([1, 1]))
model.kernel[...] = jnp.full([1, 1], 5.0)
second = run(model, jnp.ones([1, 1]))
$call_static = jnp.array([first[0, 0], second[0, 0]])
"""
IN_EQUINOX = f"""\
{COMPILED}model = eqx.nn.Linear(1, 1, use_bias=False, key=jax.random.key(0))
model = eqx.tree_at(lambda model: model.weight, model, jnp.ones([1, 1]))
first = run(model, jnp.ones([1]))
model = eqx.tree_at(lambda model: model.weight, model, jnp.full([1, 1], 5.0))
second = run(model, jnp.ones([1]))
$call_static = jnp.array([first[0], second[0]])
"""
IN_TORCH = """\
@torch.compile(backend='eager')
def run(model, inputs):
    return model(inputs)
model = nn.Linear(1, 1, bias=False)
nn.init.constant_(model.weight, 1.0)
first = run(model, torch.ones(1, 1)).item()
nn.init.constant_(model.weight, 5.0)
second = run(model, torch.ones(1, 1)).item()
$call_static = torch.tensor([first, second])
"""
IN_TF2 = """\
@tf.function
def run(model, inputs):
    return model(inputs)
model = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer='ones')
first = run(model, tf.ones([1, 1]))
model.kernel.assign([[5.0]])
second = run(model, tf.ones([1, 1]))
$call_static = tf.stack([first[0, 0], second[0, 0]])
"""


def of(holds: str, reason: str) -> Lack:
    """Return what a framework lacks whose models hold nothing else."""
    return Lack("call_static", lambda _, step: step.holds == holds, reason)


def in_linen(linen: Emitter, step: CallStatic) -> None:
    """Hand over the definition alone, or one that is bound to its values."""
    linen.fill(IN_LINEN[step.holds], step)


BOTH = of("definition", "A model holds its values here: there is no definition apart from them.")
FEATURE = Feature(
    verbs=(CallStatic,),
    tables={
        "reference": Tables(missing={"call_static": "The contract traces nothing: a model is no argument of what is compiled."}),
        "linen": Tables(code={"call_static": in_linen}, also="import dataclasses\nimport functools"),
        "haiku": Tables(
            code={"call_static": IN_HAIKU}, also="import functools",
            lacks=(of("values", "A function that Haiku transformed holds no values: they are handed to it at each call."),),
        ),
        "nnx": Tables(code={"call_static": IN_NNX}, lacks=(BOTH,), also="import functools"),
        "equinox": Tables(code={"call_static": IN_EQUINOX}, lacks=(BOTH,), also="import functools"),
        "torch": Tables(code={"call_static": IN_TORCH}, lacks=(BOTH,)),
        "tf2": Tables(code={"call_static": IN_TF2}, lacks=(BOTH,)),
        "keras": Tables(missing={"call_static": "Keras compiles what a model does in `fit`; a function that is given the model is compiled by the engine, as that engine's own specs say."}),
        "tensorflow1": Tables(missing={"call_static": "A graph is built once and takes tensors alone: no model is an argument of what runs."}),
    },
)  # fmt: skip
