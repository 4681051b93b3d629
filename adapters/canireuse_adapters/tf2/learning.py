"""Learning in TensorFlow 2: tapes, Keras optimizers, and what is frozen."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Code, Fill, Lack, Unsupported, expr, literal, statements
from canireuse.spec.vocabulary import Function, Gradient, Optimizer, Train, Update
from canireuse_adapters.keras_layers import is_table
from canireuse_adapters.tf2.layers import build, inside
from canireuse_adapters.training import training_of

if TYPE_CHECKING:
    from canireuse_adapters.tf2 import TF2

KINDS = {"sgd": "SGD", "momentum": "SGD", "adam": "Adam", "adamw": "AdamW"}
TAPE = "with tf.GradientTape() as tape:\n    $*body\n"
APPLIED = f"{TAPE}$optimizer.apply_gradients(zip(tape.gradient(loss, $owned), $owned))"


# -- gradients


def gradient(tf: "TF2", step: Gradient) -> None:
    """Record on a tape, which watches trainable variables by itself and all else when told."""
    found, wrt = tf.at(step.wrt), tf.place(step.wrt)
    is_watched = found.kind == "tensor" or (found.kind == "variable" and not found.part and not found.trainable)
    loss = recomputed(tf, step, is_watched=is_watched) if step.remat else None
    with tf.apart() as body:
        if is_watched:
            tf.idiom("A tape watches trainable variables only; anything else is watched by a call of its own.")
            tf.emit("tape.watch($wrt)", wrt=wrt)
        if not loss:
            tf.steps(step.steps)
        tf.emit("loss = $loss", loss=loss or tf.expression(step.of))
    code = "tf.convert_to_tensor(tape.gradient(loss, $wrt))" if is_table(tf, found) else "tape.gradient(loss, $wrt)"
    tf.emit(f"{TAPE}$to = {code}", body=body, to=step.gradient, wrt=wrt)


def recomputed(tf: "TF2", step: Gradient, *, is_watched: bool) -> ast.expr:
    """Write what leads up to the scalar as a function that is computed again in the backward pass; return its call."""
    if is_watched and tf.at(step.wrt).kind != "tensor":
        raise Unsupported(
            "`tf.recompute_grad` takes gradients of its arguments and of trainable variables, and of no others."
        )
    taken = [step.wrt] if is_watched else []
    with tf.apart() as body:
        tf.steps(step.steps)
        tf.emit("return $of", of=tf.expression(step.of))
    tf.emit("@tf.recompute_grad\ndef forward($*taken):\n    $*body", taken=taken, body=body)
    return expr("forward($*taken)", taken=taken)


# -- training


def owned(tf: "TF2", over: str | list[str]) -> ast.expr:
    """Return the code for what is trained: all that is trainable in an object, or a list of variables."""
    if isinstance(over, str) and tf.at(over).is_owner:
        build(tf, inside(tf, over))
        return expr("$owner.trainable_variables", owner=tf.place(over))
    return expr("[$*places]", places=[tf.place(place) for place in ([over] if isinstance(over, str) else over)])


def applied(tf: "TF2", step: Train | Update, optimizer: Fill, over: str | list[str]) -> None:
    """Record on a tape what leads up to the loss, and have an optimizer apply the gradients; those of several losses add up."""
    trained, several = owned(tf, over), isinstance(step.minimize, list)
    with tf.apart() as body:
        tf.steps(step.steps)
        losses = [tf.expression(one) for one in ([step.minimize] if isinstance(step.minimize, str) else step.minimize)]
        tf.emit("loss = [$*losses]" if several else "loss = $loss", losses=losses, loss=losses[0])
    tf.turns(step.times, statements(APPLIED, body=body, optimizer=optimizer, owned=trained))


def make_optimizer(tf: "TF2", step: Train) -> None:
    """Make the optimizer; it has variables, so that none is made inside a traced function."""
    tf.emit(f"optimizer = tf.keras.optimizers.{KINDS[step.train]}($rate)", rate=step.rate)


def train(tf: "TF2", step: Train) -> None:
    """Train with an optimizer that lives as long as the step, or as the traced function around it."""
    functions = [one for one in tf.facts.steps if isinstance(one, Function) and one.traced]
    if not any(training_of(function) is step for function in functions):
        make_optimizer(tf, step)
    applied(tf, step, expr("optimizer"), step.wrt)


def optimizer(tf: "TF2", step: Optimizer) -> None:
    """Make an optimizer and have it make its state now, for what is trainable now."""
    options: dict[str, Fill] = {"momentum": 0.9} if step.kind == "momentum" else {}
    if step.decay is not None or step.kind == "adamw":
        options["weight_decay"] = step.decay or 0.0
    if step.clip is not None:
        options["global_clipnorm"] = step.clip
    tf.fill(f"$optimizer = tf.keras.optimizers.{KINDS[step.kind]}($rate, $**options)", step, options=options)
    if step.undecayed:
        code = "$optimizer.exclude_from_weight_decay(var_names=$undecayed)"
        tf.emit(code, optimizer=step.optimizer, undecayed=literal(step.undecayed))
    tf.emit("$optimizer.build($owned)", optimizer=step.optimizer, owned=owned(tf, step.over))


def update(tf: "TF2", step: Update) -> None:
    """Take a step on what is trainable now."""
    made = tf.at(step.update).made
    if not isinstance(made, Optimizer) or made.optimizer != step.update:
        raise Unsupported("An optimizer that a function made is known inside that function alone.")
    applied(tf, step, step.update, made.over)


CODE: Code = {
    "gradient": gradient, "train": train, "optimizer": optimizer, "update": update,
    "freeze": "$freeze.trainable = False", "unfreeze": "$unfreeze.trainable = True",
}  # fmt: skip
LACKS = (
    Lack(
        ("freeze", "unfreeze"), lambda tf, step: not tf.is_keras(found := tf.at(getattr(step, step.verb))) and not tf.is_model(found),
        "A `tf.Variable` is trainable or not from the start, and a `tf.Module` has no switch; only Keras objects are frozen later.",
    ),
)  # fmt: skip
