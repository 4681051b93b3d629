"""Fitting: a model is compiled with an optimizer and trained on batches, by the framework's own loop where it has one."""

from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from canireuse.emit import Emitter, Fill, Lack, Tables, Unsupported, expr, literal, text
from canireuse.spec.bounds import MOST_TURNS
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Array, Name, Place, Real, Step
from canireuse_adapters.torch import learning

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.reference import Reference
    from canireuse_adapters.tf2 import TF2
    from canireuse_adapters.torch import Torch


class Compile(Step):
    """Give a model an optimizer, and the mean squared error as its loss."""

    verb = "compile"
    binds = "optimizer"
    uses = {"compile": OWNERS, "optimizer": frozenset({"optimizer"})}
    compile: Place
    kind: Literal["sgd", "momentum", "adam"] = "sgd"
    rate: Real = 0.1
    optimizer: Name | None = Field(None, description="That of a model compiled before, in place of one of its own.")
    as_: Name | None = Field(None, alias="as", description="Bind the optimizer.")


class Fit(Step):
    """Train a compiled model on one batch."""

    verb = "fit"
    probes = True
    calls = "fit"
    uses = {"fit": OWNERS}
    fit: Place
    on: Array = Field(description="The inputs.")
    to: Array = Field(description="The targets.")
    times: int = Field(1, ge=1, le=MOST_TURNS, description="How often.")
    batchwise: bool = Field(default=False, description="Hand over batch by batch, in a loop of the user's own.")


KERAS = {"sgd": "SGD", "momentum": "SGD", "adam": "Adam"}
NO_FIT = "No call trains a model here: users write the loop, as `optimizer` and `update` have it."


def compiled(emitter: Emitter, step: Fit) -> Compile:
    """Return the step that compiled the model which is fitted."""
    before = takewhile(lambda one: one is not step, emitter.facts.steps)
    made = [one for one in before if isinstance(one, Compile) and one.compile == step.fit]
    if not made:
        raise Unsupported("A model is fitted after it was compiled, under the same name.")
    return made[-1]


def optimizer_of(emitter: Emitter, step: Compile) -> str:
    """Return what the optimizer of a compiled model is called in a script whose user keeps it."""
    models = {one.compile for one in emitter.facts.steps if isinstance(one, Compile)}
    word = "optimizer" if len(models) == 1 else f"{step.compile.replace('.', '_')}_optimizer"
    return step.optimizer or step.as_ or emitter.own(word)


# -- Keras, also in TensorFlow 2


def in_keras(keras: "Keras", step: Compile) -> None:
    """Compile a model of Keras."""
    compile_model(keras, step, "keras")


def in_tf2(tf: "TF2", step: Compile) -> None:
    """Compile a model of Keras in TensorFlow."""
    compile_model(tf, step, "tf.keras")


def compile_model(emitter: Emitter, step: Compile, package: str) -> None:
    """Hand the optimizer over, which then knows no variable yet."""
    options: dict[str, Fill] = {"momentum": 0.9} if step.kind == "momentum" else {}
    made = expr(f"{package}.optimizers.{KERAS[step.kind]}($rate, $**options)", rate=step.rate, options=options)
    if step.as_:
        emitter.bind(step.as_, made)
    chosen = step.optimizer or step.as_ or made
    emitter.emit("$model.compile(optimizer=$chosen, loss='mse')", model=emitter.place(step.compile), chosen=chosen)


def fit_model(emitter: Emitter, step: Fit) -> None:
    """Train by the framework's loop, or by the call that one turn of a loop of the user's own makes."""
    compiled(emitter, step)
    fills: dict[str, Fill] = {
        "model": emitter.place(step.fit),
        "on": expr("np.array($x)", x=literal(step.on)),
        "to": expr("np.array($x)", x=literal(step.to)),
    }
    if not step.batchwise:
        more: dict[str, Fill] = {"epochs": step.times} if step.times > 1 else {}
        emitter.emit("$model.fit($on, $to, verbose=0, $**more)", more=more, **fills)
        return
    with emitter.apart() as body:
        emitter.emit("$model.train_on_batch($on, $to)", **fills)
    emitter.turns(step.times, body)


def fitted(emitter: Emitter, step: Fit) -> None:
    """Have a model whose layers have been called."""
    emitter.symbols.happen(step)
    found = emitter.symbols.at(step.fit)
    for one in found.walk() if found else ():
        one.built = True


OF_KERAS = Tables(
    code={"fit": fit_model},
    effects={"fit": fitted},
    also="import numpy as np",
)
NO_MODEL = "A model is compiled and fitted; a layer, and an object that only holds variables, has no `compile`."

# -- others


def in_torch(torch: "Torch", step: Compile) -> None:
    """Make the optimizer, or hand further parameters to one that is there."""
    owned = learning.owned(torch, step.compile)
    if step.optimizer:
        torch.emit("$optimizer.add_param_group({'params': $owned})", optimizer=step.optimizer, owned=owned)
        return
    options: dict[str, Fill] = {"momentum": 0.9} if step.kind == "momentum" else {}
    code = f"$to = torch.optim.{learning.KINDS[step.kind]}($owned, lr=$rate, $**options)"
    torch.emit(code, to=optimizer_of(torch, step), owned=owned, rate=step.rate, options=options)


def fit_in_torch(torch: "Torch", step: Fit) -> None:
    """Write the loop, which is the user's own in PyTorch."""
    to = optimizer_of(torch, compiled(torch, step))
    with torch.apart() as body:
        code = "$to.zero_grad()\nloss = nn.functional.mse_loss($model($on), $target)\nloss.backward()\n$to.step()"
        torch.emit(code, to=to, model=torch.place(step.fit), on=torch.array(step.on), target=torch.array(step.to))
    torch.turns(step.times, body)


def in_reference(reference: "Reference", step: Compile) -> None:
    """Make the optimizer, or have one that is there train further variables."""
    owner = reference.place(step.compile)
    if step.optimizer:
        reference.emit("$optimizer.add($owner)", optimizer=step.optimizer, owner=owner)
        return
    to = optimizer_of(reference, step)
    reference.emit(
        "$to = model.optimizer($kind, $owner, rate=$rate)", to=to, kind=text(step.kind), owner=owner, rate=step.rate
    )


def fit_in_reference(reference: "Reference", step: Fit) -> None:
    """Minimize the mean squared error."""
    reference.emit(
        "def loss():\n    return tape.mean(tape.square($model($on) - $target))\nmodel.update($to, loss, $**times)",
        model=reference.place(step.fit), on=reference.array(step.on), target=reference.array(step.to),
        to=optimizer_of(reference, compiled(reference, step)), times={"times": step.times} if step.times > 1 else {},
    )  # fmt: skip


FEATURE = Feature(
    verbs=(Compile, Fit),
    tables={
        "reference": Tables(code={"compile": in_reference, "fit": fit_in_reference}),
        "torch": Tables(
            code={"compile": in_torch, "fit": fit_in_torch},
            notes={"fit": "PyTorch has no call that trains a model: its users write the loop."},
        ),
        "keras": replace(
            OF_KERAS,
            code={"compile": in_keras, **OF_KERAS.code},
            lacks=(Lack("compile", lambda keras, step: not keras.style(keras.at(step.compile)), NO_MODEL),),
        ),
        "tf2": replace(
            OF_KERAS,
            code={"compile": in_tf2, **OF_KERAS.code},
            lacks=(Lack("compile", lambda tf, step: tf.style(tf.at(step.compile)) in {None, "plain"}, NO_MODEL),),
        ),
        "tensorflow1": Tables(missing=dict.fromkeys(("compile", "fit"), NO_FIT)),
        "jax": Tables(missing=dict.fromkeys(("compile", "fit"), NO_FIT)),
    },
)
