"""Containers: a module that holds things in a list or a dictionary, its attribute `parts`."""

import ast
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from canireuse.emit import Emitter, Slot, Tables, expr
from canireuse.program import Object, Symbols
from canireuse.spec.bounds import MOST_PLACES
from canireuse.spec.features import Feature
from canireuse.spec.step import VALUES, Member, Name, Place, Step

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf2 import TF2
    from canireuse_adapters.torch import Torch

NOT_YET = "Not worded yet: the members of a module stand here in fields of their own, and in no list or dictionary."


class Container(Step):
    """Make a module that holds variables, layers or modules in one list, or in one dictionary."""

    verb = "container"
    binds = "module"
    bound_by = "container"
    uses = {"members": VALUES}
    container: Name
    inside: Literal["list", "dict"] = Field(alias="in", description="What holds them: places of a list stand in order.")
    members: Annotated[dict[Member, Place], Field(min_length=1, max_length=MOST_PLACES)]


def made(symbols: Symbols, step: Container) -> Object:
    """Return a module of what stands at the members' places."""
    members = {name: symbols.there_or_unknown(place) for name, place in step.members.items()}
    return Object("module", members, made=step)


def numbered(emitter: Emitter, step: Container) -> None:
    """Have a module whose members stand under numbers or keys."""
    emitter.symbols.happen(step)
    found = emitter.symbols.names[step.container]
    for number, part in enumerate(found.parts):
        found.slots[part] = Slot(f"parts.{number}" if step.inside == "list" else f"parts.[{part}]")


def literal(emitter: Emitter, step: Container) -> ast.expr:
    """Return a list or a dictionary of Python's own; one place several times is written once."""
    places = {name: emitter.place(place) for name, place in step.members.items()}
    if step.inside == "dict":
        return expr("{$**places}", places=places)
    if len(places) > 1 and len({*step.members.values()}) == 1:
        return expr("[$place] * $times", place=next(iter(places.values())), times=len(places))
    return expr("[$*places]", places=list(places.values()))


def plain(emitter: Emitter, step: Container, module: str) -> None:
    """Set an attribute of a new module."""
    code = f"$net = {module}()\n$net.parts = $parts"
    emitter.emit(code, net=step.container, parts=literal(emitter, step))


def in_torch(torch: "Torch", step: Container) -> None:
    """Set a list of Python, or one of PyTorch, which registers what is in it."""
    parts, kind = literal(torch, step), "List" if step.inside == "list" else "Dict"
    if torch.way["container"] == "own":
        held = [torch.symbols.at(place) for place in step.members.values()]
        kind = f"nn.{'Module' if all(one and one.is_owner for one in held) else 'Parameter'}{kind}"
        parts = expr(f"{kind}($parts)", parts=parts)
    torch.emit("$net = nn.Module()\n$net.parts = $parts", net=step.container, parts=parts)


def in_nnx(nnx: "NNX", step: Container) -> None:
    """Set a list of Python, or one of NNX, which is a part of the tree."""
    parts = literal(nnx, step)
    if nnx.way["container"] == "own":
        parts = expr(f"nnx.{'List' if step.inside == 'list' else 'Dict'}($parts)", parts=parts)
    nnx.emit("$net = nnx.Module()\n$net.parts = $parts", net=step.container, parts=parts)


def in_tf2(tf: "TF2", step: Container) -> None:
    """Set a list of Python, which a `tf.Module` looks through, and a Keras model tracks."""
    if not any(tf.is_model(tf.at(place)) for place in step.members.values()):
        tf.styles[id(step)] = "plain"
        plain(tf, step, "tf.Module")
        return
    tf.styles[id(step)] = "subclass"
    plain(tf, step, "tf.keras.Model")


def in_keras(keras: "Keras", step: Container) -> None:
    """Set a list of Python, which Keras puts in a list of its own."""
    style = "subclass" if all(keras.at(place).is_owner for place in step.members.values()) else "holder"
    keras.styles[id(step)] = style
    plain(keras, step, "keras.Model" if style == "subclass" else "keras.Layer")


TRACKED: dict[str, Any] = {"container": lambda emitter, step: plain(emitter, step, "tf.Module")}
NUMBERED = {"container": numbered}

FEATURE = Feature(
    verbs=(Container,),
    makes={"container": made},
    tables={
        "reference": Tables(code={"container": "$container = model.module($**members)"}),
        "torch": Tables(
            code={"container": in_torch}, effects=NUMBERED, ways={"container": ("own", "plain")},
            notes={"container/plain": "A list of Python in the place of an `nn.ModuleList`: what users write first."},
        ),
        "nnx": Tables(code={"container": in_nnx}, effects=NUMBERED, ways={"container": ("own", "plain")}),
        "tensorflow1": Tables(code=TRACKED, effects=NUMBERED),
        "tf2": Tables(code={"container": in_tf2}, effects=NUMBERED),
        "keras": Tables(code={"container": in_keras}, effects=NUMBERED),
        "linen": Tables(missing={"container": NOT_YET}),
        "haiku": Tables(
            missing={"container": "A Haiku module keeps no parameters: a list of modules is Python's own, and says nothing of them."}
        ),
        "equinox": Tables(missing={"container": NOT_YET}),
    },
)  # fmt: skip
