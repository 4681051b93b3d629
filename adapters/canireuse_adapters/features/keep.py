"""Callables kept as members: a bound method of a layer, or a closure over one, as an attribute of the module around it."""

from typing import Literal

from pydantic import Field

from canireuse.emit import Emitter, Lack, Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Member, Name, Place, Step, Value


class Keep(Step):
    """Keep what calls a layer of a module as an attribute of the module: it is no member, and owns nothing."""

    verb = "keep"
    changes = True
    uses = {"keep": OWNERS, "layer": OWNERS}
    keep: Name = Field(description="The module.")
    member: Member = Field(description="The attribute.")
    layer: Place = Field(description="A layer of the module.")
    by: Literal["method", "closure"] = Field(
        description="The bound method of the layer, or a function that reads the layer from the module."
    )


class CallKept(Step):
    """Call what a module keeps, as the code of the module would."""

    verb = "call_kept"
    binds = "tensor"
    probes = True
    uses = {"call_kept": OWNERS}
    expressions = ("on",)
    call_kept: Name = Field(description="The module, or a copy of it.")
    member: Member
    on: Value
    as_: Name = Field(alias="as")


def keeps_a_closure(emitter: Emitter, _: Step) -> bool:
    """Return whether a module of the spec keeps a function without a name."""
    return any(isinstance(one, Keep) and one.by == "closure" for one in emitter.facts.steps)


def kept(method: str) -> Tables:
    """Return what a framework says whose modules take any attribute, and whose layers are called by `method`."""

    def keep(emitter: Emitter, step: Keep) -> None:
        code = (
            f"$keep.$member = $layer.{method}"
            if step.by == "method"
            else "$keep.$member = lambda inputs: $layer(inputs)"
        )
        emitter.fill(code, step)

    return Tables(
        code={"keep": keep, "call_kept": "$as = $call_kept.$member($on)"},
        lacks=(
            Lack(
                "copy/pickle",
                keeps_a_closure,
                "Python pickles a function by the module that it is imported from; a `lambda` has no name there.",
            ),
        ),
    )


def missing(reason: str) -> Tables:
    """Return what a framework says whose modules keep no function of their object."""
    return Tables(missing=dict.fromkeys(("keep", "call_kept"), reason))


NO_OBJECT = "{} is applied to a tree of parameters that it is given: a method of a bound module is of that call alone, and nothing keeps it."
FEATURE = Feature(
    verbs=(Keep, CallKept),
    tables={
        "reference": missing("The contract does not cover functions that an object keeps: what they refer to is a matter of the language."),
        "torch": kept("forward"),
        "nnx": kept("__call__"),
        "linen": missing(NO_OBJECT.format("A module of Linen")),
        "haiku": missing(NO_OBJECT.format("A function of Haiku")),
        "equinox": missing("A module of Equinox has the fields that its class declares, and takes no attribute afterwards."),
        "keras": missing("Keras makes a copy by calling the constructor again: what a user hangs on an object afterwards is not in its config."),
        "tf2": missing("Keras makes a copy by calling the constructor again: what a user hangs on an object afterwards is not in its config."),
        "tensorflow1": missing("A graph holds operations: a function of Python that makes some is called while it is built."),
    },
)  # fmt: skip
