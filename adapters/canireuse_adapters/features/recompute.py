"""Recomputation: a call of which nothing is kept, and which the backward pass does again."""

import ast
from collections.abc import Callable

from pydantic import Field

from canireuse.emit import Emitter, Tables, Unsupported, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Place, Step, Value
from canireuse.spec.vocabulary import Call


class Recompute(Step):
    """Call a layer or a sequence of them, keep nothing of it, and call it again in the backward pass."""

    verb = "recompute"
    binds = "tensor"
    uses = {"recompute": OWNERS}
    expressions = ("on",)
    recompute: Place
    on: Value = Field(description="The input: an expression, or its values.")
    as_: Name = Field(alias="as")


def wrapped(code: str) -> Callable[[Emitter, Recompute], None]:
    """Return what words the step: the adapter's own call, of which the callee goes through a function of the framework."""

    def emit(emitter: Emitter, step: Recompute) -> None:
        with emitter.apart() as body:
            emitter.steps([Call.model_validate({"call": step.recompute, "on": step.on, "as": step.as_})])
        last = body[-1]
        if not isinstance(last, ast.Assign) or not isinstance(last.value, ast.Call):
            raise Unsupported("What is computed again is a call of a layer; this is none.")
        last.value = expr(code, callee=last.value.func, given=last.value.args)
        emitter.body += body

    return emit


FEATURE = Feature(
    verbs=(Recompute,),
    tables={
        "reference": Tables(code={"recompute": wrapped("$callee($*given)")}),
        "torch": Tables(
            code={
                "recompute": wrapped("torch.utils.checkpoint.checkpoint($callee, $*given, use_reentrant=True)"),
                "recompute/not-reentrant": wrapped(
                    "torch.utils.checkpoint.checkpoint($callee, $*given, use_reentrant=False)"
                ),
            },
            ways={"recompute": ("reentrant", "not-reentrant")},
        ),
        "tf2": Tables(code={"recompute": wrapped("tf.recompute_grad($callee)($*given)")}),
        "tensorflow1": Tables(code={"recompute": wrapped("tf.recompute_grad($callee)($*given)")}),
        "keras": Tables(code={"recompute": wrapped("keras.remat($callee)($*given)")}),
        "linen": Tables(code={"recompute": wrapped("jax.checkpoint(lambda *inputs: $callee(*inputs))($*given)")}),
        "nnx": Tables(code={"recompute": wrapped("nnx.remat(lambda layer, inputs: layer(inputs))($callee, $*given)")}),
        "haiku": Tables(code={"recompute": wrapped("jax.checkpoint($callee)($*given)")}),
        "equinox": Tables(code={"recompute": wrapped("eqx.filter_checkpoint($callee)($*given)")}),
    },
)
