"""Hooks: what changes a gradient on its way to the variable."""

import ast
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from canireuse.emit import Emitter, Tables, Unsupported, expr, literal
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Number, Place, Step

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.torch import Torch


class Hook(Step):
    """Have the gradient of a variable changed on its way, by a hook on the variable."""

    verb = "hook"
    uses = {"hook": VARIABLES}
    hook: Place
    times: Number | None = Field(None, description="What the gradient is multiplied by each time the hook runs.")
    at_most: Number | None = Field(None, description="What its numbers are cut down to each time the hook runs.")

    @model_validator(mode="after")
    def check_one(self) -> "Hook":
        """Refuse a hook that does nothing, or two things."""
        if (self.times is None) == (self.at_most is None):
            raise ValueError("a hook says either `times` or `at_most`")
        return self


def changed(step: Hook, slope: str) -> ast.expr:
    """Return the code of what a hook makes of a gradient."""
    if step.times is not None:
        return expr("$times * $slope", times=step.times, slope=slope)
    return expr("$slope.clamp(max=$most)", most=step.at_most, slope=slope)


def in_torch(torch: "Torch", step: Hook) -> None:
    """Register a hook on the parameter."""
    torch.fill("$hook.register_hook(lambda grad: $changed)", step, changed=changed(step, "grad"))


def in_reference(reference: Emitter, step: Hook) -> None:
    """Hang a hook on the variable."""
    given = {one: literal(value) for one in ("times", "at_most") if (value := getattr(step, one)) is not None}
    reference.fill("model.hook($hook, $**given)", step, given=given)


def in_keras(keras: "Keras", step: Hook) -> None:
    """Register a hook on PyTorch's parameter; other engines have none."""
    if keras.engine != "torch":
        other = "JAX" if keras.engine == "jax" else "TensorFlow"
        raise Unsupported(
            f"Keras has no hook on a variable, and {other} has none either: change the gradients before `optimizer.apply`."
        )
    keras.fill("$hook.value.register_hook(lambda slope: $changed)", step, changed=changed(step, "slope"))


FEATURE = Feature(
    verbs=(Hook,),
    tables={
        "reference": Tables(code={"hook": in_reference}),
        "torch": Tables(code={"hook": in_torch}),
        "keras": Tables(code={"hook": in_keras}),
        "tf2": Tables(
            missing={
                "hook": "A `tf.Variable` takes no hook: a gradient is changed by `tf.custom_gradient` around the value, or between the tape and the optimizer.",
            }
        ),
        "tensorflow1": Tables(
            missing={
                "hook": "A variable of TensorFlow has no hooks: gradients are values that `compute_gradients` hands out, and users change them before `apply_gradients`.",
            }
        ),
        "jax": Tables(
            missing={
                "hook": "JAX has no hooks on variables: a gradient is a value that `jax.grad` returns, and the user scales it before the update.",
            }
        ),
    },
)
