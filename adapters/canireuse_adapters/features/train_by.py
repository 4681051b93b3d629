"""One training step for several models: a compiled function that is given the model and its optimizer."""

import ast
from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Fill, Lack, Tables, Unsupported, expr, text
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Place, Real, Step, Value
from canireuse.spec.vocabulary import Call, Train
from canireuse_adapters.keras import layers as keras_layers
from canireuse_adapters.tf2 import layers as tf2_layers

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.tf2 import TF2


class TrainBy(Step):
    """Take a step of Adam on the sum of a model's outputs, by a compiled function that is given the model and an optimizer of its own."""

    verb = "train_by"
    probes = True
    uses = {"model": OWNERS}
    expressions = ("on",)
    train_by: Name = Field(
        description="The function: it is defined where it is named first, and is given each model in turn."
    )
    model: Place
    on: Value
    rate: Real = 0.1
    donate: bool = Field(
        default=False, description="Let the compiled function write the new values over the memory of the old ones."
    )


def is_first(adapter: Emitter, step: TrainBy) -> bool:
    """Return whether the function is to be defined here."""
    named = (one for one in adapter.facts.steps if isinstance(one, TrainBy) and one.train_by == step.train_by)
    return next(named) is step


def said(adapter: Emitter, step: TrainBy, definition: str, call: str, **code: Fill) -> None:
    """Write the definition where it is due, and the call."""
    if is_first(adapter, step):
        donated = DONATED.get(adapter.name, {}) if step.donate else {}
        adapter.emit(
            definition, step=step.train_by, rate=step.rate, donated=donated, outputs=outputs(adapter, step.model)
        )
    given = code or {"model": adapter.place(step.model)}
    adapter.emit(call, step=step.train_by, on=adapter.expression(step.on), rate=step.rate, **given)


def outputs(adapter: Emitter, model: str) -> ast.expr:
    """Return the code that calls a model: a module of libraries that give it no call of its own is called member by member."""
    found, code = adapter.symbols.at(model), expr("inputs")
    if found is None or found.kind != "module":
        return expr("model(inputs)")
    for part in found.parts:
        code = expr("model.$part($code)", part=part, code=code)
    return code


def in_reference(adapter: Emitter, step: TrainBy) -> None:
    """Take the step: the contract compiles nothing."""
    given = adapter.own("outputs")
    called = Call(call=step.model, on=step.on, as_=given)
    adapter.emit_verb(Train(train="adam", minimize=f"sum({given})", wrt=step.model, rate=step.rate, steps=[called]))


IN_TORCH = """\
@torch.compile(backend='eager')
def $step(model, optimizer, inputs):
    optimizer.zero_grad()
    torch.sum(model(inputs)).backward()
    optimizer.step()
"""
IN_TENSORFLOW = """\
@tf.function
def $step(model, optimizer, inputs):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
"""
IN_NNX = """\
@nnx.jit($**donated)
def $step(model, optimizer, inputs):
    def loss(model):
        return jnp.sum($outputs)
    optimizer.update(model, nnx.grad(loss)(model))
"""
IN_EQUINOX = """\
adam = optax.adam($rate)
@eqx.filter_jit($**donated)
def $step(model, moments, inputs):
    grads = eqx.filter_grad(lambda model: jnp.sum(jax.vmap(lambda inputs: $outputs)(inputs)))(model)
    updates, moments = adam.update(grads, moments, model)
    return eqx.apply_updates(model, updates), moments
"""
IN_LINEN = """\
adam = optax.adam($rate)
def $step(model, params, moments, inputs):
    grads = jax.grad(lambda params: jnp.sum(model.apply({'params': params}, inputs)))(params)
    updates, moments = adam.update(grads, moments, params)
    return optax.apply_updates(params, updates), moments
$step = jax.jit($step, static_argnums=0, $**donated)
"""


#: what says that the model and the moments are given up
DONATED: dict[str, dict[str, Fill]] = {
    "nnx": {"donate_argnums": expr("(0, 1)")}, "linen": {"donate_argnums": expr("(1, 2)")}, "equinox": {"donate": text("all")},
}  # fmt: skip


def in_tf2(tf: "TF2", step: TrainBy) -> None:
    """Have the layers of the model built before the function is traced."""
    tf2_layers.build(tf, tf2_layers.inside(tf, step.model))
    said(tf, step, IN_TENSORFLOW, "$step($model, tf.keras.optimizers.Adam($rate), $on)")


def in_keras(keras: "Keras", step: TrainBy) -> None:
    """Have the layers of the model built before the function is traced."""
    keras_layers.build(keras, keras.place(step.model), keras.at(step.model))
    said(keras, step, IN_TENSORFLOW, "$step($model, keras.optimizers.Adam($rate), $on)")


def in_equinox(eqx: "Equinox", step: TrainBy) -> None:
    """Have the function return the model."""
    if "." in step.model or eqx.sharing:
        raise Unsupported("An Equinox step returns the whole tree that it was given, under the name of that tree.")
    said(eqx, step, IN_EQUINOX, "$model, _ = $step($model, adam.init(eqx.filter($model, eqx.is_array)), $on)")


def in_linen(linen: "Linen", step: TrainBy) -> None:
    """Have the function return the parameters."""
    tree = linen.tree_at(step.model)
    if linen.route(tree, step.model) or tree.is_whole:
        raise Unsupported("A training step of Linen is given a module and its parameters, and no part of one.")
    said(
        linen, step, IN_LINEN, "$params, _ = $step($model, $params, adam.init($params), $on)",
        params=tree.name, model=tree.module,
    )  # fmt: skip
    tree.written()


IN_PLACE = "A `tf.Variable` is assigned in place: there is no second memory that could be saved."
FEATURE = Feature(
    verbs=(TrainBy,),
    tables={
        "reference": Tables(code={"train_by": in_reference}),
        "torch": Tables(
            code={
                "train_by": lambda torch, step: said(
                    torch, step, IN_TORCH, "$step($model, torch.optim.Adam($model.parameters(), lr=$rate), $on)"
                ),
            },
            missing={"train_by.donate": "PyTorch's optimizers write parameters in place: there is no second memory that could be saved."},
        ),
        "tf2": Tables(code={"train_by": in_tf2}, missing={"train_by.donate": IN_PLACE}),
        "keras": Tables(
            code={"train_by": in_keras}, missing={"train_by.donate": IN_PLACE},
            lacks=(
                Lack(
                    "train_by", lambda keras, _: keras.engine != "tensorflow",
                    "A model as an argument of a compiled step is said on TensorFlow: on JAX a function is given values, and this project has no words yet for PyTorch's.",
                ),
            ),
        ),
        "nnx": Tables(
            code={
                "train_by": lambda nnx, step: said(
                    nnx, step, IN_NNX, "$step($model, nnx.Optimizer($model, optax.adam($rate), wrt=nnx.Param), $on)"
                ),
            },
        ),
        "equinox": Tables(code={"train_by": in_equinox}),
        "linen": Tables(code={"train_by": in_linen}),
        "haiku": Tables(missing={"train_by": "A step of Haiku is given parameters and no model: what is applied is a function that the step refers to."}),
        "tensorflow1": Tables(missing={"train_by": "A training operation of a graph is built for the variables of one model; another model has another operation."}),
    },
)  # fmt: skip
