"""Hooks: what changes a gradient on its way to the variable."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Tables, Unsupported
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Number, Place, Step

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras


class Hook(Step):
    """Have the gradient of a variable multiplied on its way, by a hook on the variable."""

    verb = "hook"
    uses = {"hook": VARIABLES}
    hook: Place
    times: Number = Field(description="What the gradient is multiplied by each time the hook runs.")


def in_keras(keras: "Keras", step: Hook) -> None:
    """Register a hook on PyTorch's parameter; other engines have none."""
    if keras.engine != "torch":
        other = "JAX" if keras.engine == "jax" else "TensorFlow"
        raise Unsupported(
            f"Keras has no hook on a variable, and {other} has none either: change the gradients before `optimizer.apply`."
        )
    keras.fill("$hook.value.register_hook(lambda slope: $times * slope)", step)


FEATURE = Feature(
    verbs=(Hook,),
    tables={
        "reference": Tables(code={"hook": "model.hook($hook, $times)"}),
        "torch": Tables(code={"hook": "$hook.register_hook(lambda grad: $times * grad)"}),
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
