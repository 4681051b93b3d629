"""Training by names: what is trained is chosen by a word in the names of parameters, as users freeze a part of a model."""

import ast
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from canireuse.emit import Body, Emitter, Fill, Tables, Unsupported, expr, literal
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Member, Name, Real, Step, Values
from canireuse.spec.vocabulary import Call
from canireuse_adapters.features.train_by import outputs

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX


class TrainNamed(Step):
    """Take a step of gradient descent on the sum of a model's outputs, for parameters that are chosen by a word in their names."""

    verb = "train_named"
    calls = "train_named"
    probes = True
    uses = {"train_named": OWNERS}
    train_named: Name
    only: Member | None = Field(None, description="What has this word in its name is trained, and nothing else.")
    but: Member | None = Field(None, description="What has this word in its name is frozen, and nothing else.")
    on: Values
    rate: Real = 0.1

    @model_validator(mode="after")
    def check_one(self) -> "TrainNamed":
        """Refuse a choice that is made twice, or not at all."""
        if (self.only is None) == (self.but is None):
            raise ValueError("what is trained is chosen by `only` or by `but`")
        return self

    @property
    def word(self) -> str:
        """The word."""
        return self.only or self.but or ""


def chosen(step: TrainNamed, of: str) -> ast.expr:
    """Return the code that asks whether what has a name is trained."""
    return expr(f"'$word' {'in' if step.only else 'not in'} {of}", word=step.word)


def called(emitter: Emitter, step: TrainNamed) -> tuple[Body, str]:
    """Return the statements that call the model, and the name of what comes."""
    given = emitter.own("outputs")
    with emitter.apart() as body:
        emitter.steps([Call(call=step.train_named, on=step.on, as_=given)])
    return body, given


IN_TORCH = """\
for name, parameter in $model.named_parameters():
    parameter.requires_grad_($chosen)
optimizer = torch.optim.SGD($model.parameters(), lr=$rate)
$*body
torch.sum($outputs).backward()
optimizer.step()
"""
IN_KERAS = """\
for layer in $model.layers:
    layer.trainable = $chosen
$model.compile(loss=lambda _, outputs: keras.ops.sum(outputs), optimizer=keras.optimizers.SGD($rate))
$model.fit(np.array($on), np.array($on), verbose=0)
"""
IN_TF2 = """\
trained = [variable for variable in $model.trainable_variables if $chosen]
with tf.GradientTape() as tape:
    $*body
    loss = tf.reduce_sum($outputs)
tf.keras.optimizers.SGD($rate).apply_gradients(zip(tape.gradient(loss, trained), trained))
"""
IN_GRAPH = """\
$*body
trained = [variable for variable in $model.trainable_variables if $chosen]
session.run(tf1.train.GradientDescentOptimizer($rate).minimize(tf.reduce_sum($outputs), var_list=trained))
"""
EAGERLY = """\
def loss():
    $*body
    return tf.reduce_sum($outputs)
trained = [variable for variable in $model.trainable_variables if $chosen]
tf1.train.GradientDescentOptimizer($rate).minimize(loss, var_list=trained)
"""
IN_NNX = """\
trained = nnx.All(nnx.Param, $chosen)
def loss(model):
    inputs = $on
    return jnp.sum($outputs)
optimizer = nnx.Optimizer($model, optax.sgd($rate), wrt=trained)
optimizer.update($model, nnx.grad(loss, argnums=nnx.DiffState(0, trained))($model))
"""
IN_JAX = """\
def loss($params):
    $*body
    return jnp.sum($outputs)
def label(tree):
    return jax.tree_util.tree_map_with_path(lambda path, _: $chosen, tree)
descent = optax.multi_transform({True: optax.sgd($rate), False: optax.set_to_zero()}, label)
updates, _ = descent.update($grads, descent.init($tree), $tree)
$params = $apply($params, updates)
"""
PATH = "jax.tree_util.keystr(path)"


def said(code: str, of: str) -> Tables:
    """Return what a framework says in which variables are objects."""

    def train(emitter: Emitter, step: TrainNamed) -> None:
        body, given = called(emitter, step)
        emitter.emit(
            code, model=emitter.place(step.train_named), chosen=chosen(step, of), rate=step.rate, body=body, outputs=given,
        )  # fmt: skip

    return Tables(code={"train_named": train})


def in_keras(keras: Emitter, step: TrainNamed) -> None:
    """Switch each layer on or off by its name."""
    fills: dict[str, Fill] = {"model": keras.place(step.train_named), "chosen": chosen(step, "layer.name")}
    keras.emit(IN_KERAS, rate=step.rate, on=literal(step.on), **fills)


def in_nnx(nnx: "NNX", step: TrainNamed) -> None:
    """Filter by the paths of variables, for the gradient and for the optimizer."""
    path = "nnx.PathContains('$word')"
    fills: dict[str, Fill] = {
        "model": nnx.place(step.train_named), "chosen": expr(path if step.only else f"nnx.Not({path})", word=step.word),
    }  # fmt: skip
    given = {"on": nnx.array(literal(step.on)), "outputs": outputs(nnx, step.train_named)}
    nnx.emit(IN_NNX, rate=step.rate, **given, **fills)


def in_jax(emitter: Emitter, step: TrainNamed, tree: str) -> None:
    """Label the leaves of a tree by their paths: some take steps, the others none."""
    body, given = called(emitter, step)
    emitter.emit(
        IN_JAX, params=tree, tree=tree, body=body, outputs=given, chosen=chosen(step, PATH), rate=step.rate,
        grads=expr("jax.grad(loss)($tree)", tree=tree), apply=expr("optax.apply_updates"),
    )  # fmt: skip


def in_linen(linen: "Linen", step: TrainNamed) -> None:
    """Train a tree of Linen."""
    tree = linen.tree_at(step.train_named)
    if linen.route(tree, step.train_named) or tree.is_whole:
        raise Unsupported("A module of Linen and its parameters are trained by names here, and no part of one.")
    in_jax(linen, step, tree.name)
    tree.written()


def in_haiku(haiku: "Haiku", step: TrainNamed) -> None:
    """Train a tree of Haiku."""
    in_jax(haiku, step, haiku.nets[haiku.symbols.names[step.train_named]].trees[0])


def in_equinox(eqx: "Equinox", step: TrainNamed) -> None:
    """Train the arrays of a module."""
    body, given = called(eqx, step)
    arrays = expr("eqx.filter($model, eqx.is_inexact_array)", model=step.train_named)
    eqx.emit(
        IN_JAX, params=step.train_named, tree=arrays, body=body, outputs=given, chosen=chosen(step, PATH), rate=step.rate,
        grads=expr("eqx.filter_grad(loss)($model)", model=step.train_named), apply=expr("eqx.apply_updates"),
    )  # fmt: skip


FEATURE = Feature(
    verbs=(TrainNamed,),
    tables={
        "reference": Tables(missing={"train_named": "The contract says what a variable is, and not which of its names a list has."}),
        "torch": said(IN_TORCH, "name"),
        "keras": Tables(code={"train_named": in_keras}, also="import numpy as np"),
        "tf2": said(IN_TF2, "variable.name"),
        "tf1": said(IN_GRAPH, "variable.name"),
        "tf1-eager": said(EAGERLY, "variable.name"),
        "nnx": Tables(code={"train_named": in_nnx}),
        "linen": Tables(code={"train_named": in_linen}),
        "haiku": Tables(code={"train_named": in_haiku}),
        "equinox": Tables(code={"train_named": in_equinox}),
    },
)  # fmt: skip
