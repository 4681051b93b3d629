"""Taps on gradients: what catches those that come out of a layer in a backward pass."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Block, Name, Place
from canireuse_adapters.features.tap import summed

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class TapGradient(Block):
    """Catch the gradients with respect to the inputs of a layer or module in the backward passes inside."""

    verb = "tap_gradient"
    binds = "tensor"
    probes = True
    uses = {"tap_gradient": OWNERS}
    tap_gradient: Place
    as_: Name = Field(alias="as", description="Bind the sum of what was caught: 0 if nothing was.")


#: way -> how a hook is registered; one on all modules has to ask which it is called for
HOOKED = {
    "module": "handle = $layer.register_full_backward_hook(lambda module, inputs, outputs: $caught.append(inputs[0]))\n",
    "every-module": (
        "def $catch(module, inputs, outputs):\n    if module is $layer:\n        $caught.append(inputs[0])\n"
        "handle = nn.modules.module.register_module_full_backward_hook($catch)\n"
    ),
}


def in_torch(torch: "Torch", step: TapGradient) -> None:
    """Register a hook, and remove it."""
    caught, hooked = torch.fresh("caught"), HOOKED[torch.way.get("tap_gradient", "module")]
    torch.fill(
        f"$caught = []\n{hooked}$*body\nhandle.remove()", step,
        layer=torch.place(step.tap_gradient), caught=caught, catch=torch.fresh("catch"),
    )  # fmt: skip
    summed(torch, step, caught)


FEATURE = Feature(
    verbs=(TapGradient,),
    tables={
        "reference": Tables(missing={"tap_gradient": "The contract does not cover what looks into a backward pass from outside."}),
        "torch": Tables(code={"tap_gradient": in_torch}, ways={"tap_gradient": tuple(HOOKED)}),
        "keras": Tables(missing={"tap_gradient": "A layer of Keras takes no hook: the gradient of an inner value is asked of the engine, in code that has that value."}),
        "tf2": Tables(missing={"tap_gradient": "A layer takes no hook: `tf.GradientTape.gradient` is asked for the gradient of an inner value, in code that has it."}),
        "tensorflow1": Tables(missing={"tap_gradient": "A layer takes no hook: `tf.gradients` is asked for the gradient of an inner tensor."}),
        "jax": Tables(missing={"tap_gradient": "JAX has no backward hooks: a zero is added to the inner value where the layer is written (`perturb` in Flax), and the gradient of that is asked for."}),
    },
)  # fmt: skip
