"""Rebuilding: a stack is put together again from the list of its children."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Slot, Tables
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step
from canireuse_adapters.tf2.layers import has_variables

if TYPE_CHECKING:
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf2 import TF2


class Rebuild(Step):
    """Put a stack together again from the list that the framework has of its children."""

    verb = "rebuild"
    uses = {"rebuild": frozenset({"module"})}
    binds = "module"
    rebuild: Name
    as_: Name = Field(alias="as", description="Bind the new stack; its members have the names of the first one's.")


def made(symbols: Symbols, step: Rebuild) -> Object:
    """Return another module of the same members."""
    return Object("module", dict(symbols.there_or_unknown(step.rebuild).parts), made=step)


def listed(symbols: Symbols, step: Rebuild, prefix: str = "layers.") -> None:
    """Have a stack whose members stand in a list."""
    symbols.happen(step)
    found = symbols.names[step.as_]
    places = [*dict.fromkeys(found.parts.values())]
    found.slots = {part: Slot(f"{prefix}{places.index(one)}") for part, one in found.parts.items()}


LISTED = {"rebuild": lambda emitter, step: listed(emitter.symbols, step)}


def in_tf2(tf: "TF2", step: Rebuild) -> None:
    """Make a sequential model of the layers that a model lists."""
    tf.styles[id(step)] = "functional"
    tf.fill("$as = tf.keras.Sequential($rebuild.layers)", step)


def built_in_tf2(tf: "TF2", step: Rebuild) -> None:
    """Have a model of layers that were called before."""
    listed(tf.symbols, step)
    has_variables(tf.at(step.as_))


def in_nnx(nnx: "NNX", step: Rebuild) -> None:
    """Make a sequence of the children, each of which comes with its name."""
    nnx.fill("$as = nnx.Sequential(*(child for _, child in nnx.iter_children($rebuild)))", step)


NO_LIST = "{} has no list of a module's children, of which a stack could be put together again: its class says what is called."

FEATURE = Feature(
    verbs=(Rebuild,),
    makes={"rebuild": made},
    tables={
        "reference": Tables(code={"rebuild": "$as = model.module(**$rebuild._held)"}),
        "torch": Tables(
            code={"rebuild": "$as = nn.Sequential(*$rebuild.children())"},
            effects={"rebuild": lambda torch, step: listed(torch.symbols, step, "")},
        ),
        "keras": Tables(code={"rebuild": "$as = keras.Sequential($rebuild.layers)"}, effects=LISTED),
        "tf2": Tables(code={"rebuild": in_tf2}, effects={"rebuild": built_in_tf2}),
        "nnx": Tables(code={"rebuild": in_nnx}, effects=LISTED),
        "tensorflow1": Tables(
            missing={
                "rebuild": "`tf.Module` lists the modules at all depths by the names of attributes, and no order in which they are called."
            }
        ),
        "linen": Tables(missing={"rebuild": NO_LIST.format("Linen")}),
        "haiku": Tables(missing={"rebuild": NO_LIST.format("Haiku")}),
        "equinox": Tables(missing={"rebuild": NO_LIST.format("Equinox")}),
    },
)
