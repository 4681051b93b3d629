"""Preparing: a hook on a layer changes what it is called with."""

import ast

from pydantic import Field, model_validator

from canireuse.emit import Emitter, Fill, Lack, Tables, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Number, Place, Step


class Prepare(Step):
    """Have what a layer or module is called with changed first, by a hook on it."""

    verb = "prepare"
    changes = True
    uses = {"prepare": OWNERS}
    prepare: Place
    times: Number | None = Field(None, description="What the input is multiplied by.")
    plus: Number | None = Field(None, description="What is added to the input.")
    first: bool = Field(default=False, description="Before the hooks that are there, in place of after them.")

    @model_validator(mode="after")
    def check_one(self) -> "Prepare":
        """Refuse a hook that does nothing, or two things."""
        if (self.times is None) == (self.plus is None):
            raise ValueError("a hook on the input says either `times` or `plus`")
        return self


def changed(step: Prepare) -> ast.expr:
    """Return the code of what a hook makes of an input."""
    code = "inputs[0] * $by" if step.plus is None else "inputs[0] + $by"
    return expr(code, by=step.times if step.plus is None else step.plus)


def in_torch(torch: Emitter, step: Prepare) -> None:
    """Register a hook that gives the arguments anew."""
    options: dict[str, Fill] = {"prepend": True} if step.first else {}
    torch.fill(
        "$prepare.register_forward_pre_hook(lambda module, inputs: ($changed,), $**options)",
        step, changed=changed(step), options=options,
    )  # fmt: skip


def is_hooked(torch: Emitter, _: Step) -> bool:
    """Return whether a layer of the spec has a hook on its input."""
    return any(isinstance(one, Prepare) for one in torch.facts.steps)


NO_HOOK = (
    "A layer of {} takes no hook: what it is given is changed where it is called, or in a class of the user's own."
)
FEATURE = Feature(
    verbs=(Prepare,),
    tables={
        "reference": Tables(missing={"prepare": "The contract does not cover what changes a call from outside."}),
        "torch": Tables(
            code={"prepare": in_torch},
            lacks=(Lack(("export/script-file", "export/freeze"), is_hooked, "TorchScript compiles a hook from its source, and reads none of a `lambda`."),),
        ),
        "keras": Tables(missing={"prepare": NO_HOOK.format("Keras")}),
        "tf2": Tables(missing={"prepare": NO_HOOK.format("Keras")}),
        "tensorflow1": Tables(missing={"prepare": NO_HOOK.format("TensorFlow")}),
        "nnx": Tables(missing={"prepare": NO_HOOK.format("NNX")}),
        "equinox": Tables(missing={"prepare": NO_HOOK.format("Equinox")}),
        "jax": Tables(missing={"prepare": "Methods are intercepted in a block of code around a call, and not on a layer: what is outside of the block is called as it is."}),
    },
)  # fmt: skip
