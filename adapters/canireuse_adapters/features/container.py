"""Containers: a module that holds things in a list, a dictionary or a named tuple, its attribute `parts`."""

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from canireuse.emit import Emitter, Lack, Slot, Tables, Unsupported, expr, statements, text
from canireuse.program import Object, Symbols
from canireuse.spec.bounds import MOST_PLACES
from canireuse.spec.features import Feature
from canireuse.spec.step import VALUES, Member, Name, Place, Step
from canireuse_adapters.equinox.modules import both_used
from canireuse_adapters.equinox.places import value_of

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf2 import TF2
    from canireuse_adapters.torch import Torch


class Container(Step):
    """Make a module that holds variables, layers or modules in one list, in one dictionary, or in one named tuple."""

    verb = "container"
    binds = "module"
    bound_by = "container"
    uses = {"members": VALUES}
    container: Name
    inside: Literal["list", "dict", "tuple"] = Field(
        alias="in", description="What holds them: places of a list stand in order, and those of a tuple are named."
    )
    members: Annotated[dict[Member, Place], Field(min_length=1, max_length=MOST_PLACES)]

    def key_of(self, member: str) -> str:
        """Return the number or the name of a member in what holds it."""
        return str([*self.members].index(member)) if self.inside == "list" else member

    def attribute_of(self, member: str) -> str:
        """Return the dotted attribute that a member stands at."""
        return f"parts.[{member}]" if self.inside == "dict" else f"parts.{self.key_of(member)}"


def made(symbols: Symbols, step: Container) -> Object:
    """Return a module of what stands at the members' places."""
    members = {name: symbols.there_or_unknown(place) for name, place in step.members.items()}
    return Object("module", members, made=step)


def numbered(emitter: Emitter, step: Container) -> None:
    """Have a module whose members stand under numbers or keys."""
    emitter.symbols.happen(step)
    found = emitter.symbols.names[step.container]
    found.slots = {part: Slot(step.attribute_of(part)) for part in found.parts}


def literal(emitter: Emitter, step: Container, held: Mapping[str, ast.expr] | None = None) -> ast.expr:
    """Return a list, a dictionary or a named tuple of Python's own; one place several times is written once in a list."""
    places = held or {name: emitter.place(place) for name, place in step.members.items()}
    if step.inside == "dict":
        return expr("{$**places}", places=places)
    if step.inside == "tuple":
        kind = emitter.fresh("Parts")
        emitter.emit("$kind = namedtuple('$kind', [$*names])", kind=kind, names=[text(name) for name in places])
        return expr("$kind($*places)", kind=kind, places=list(places.values()))
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


#: what makes a container a part of the tree
OWN_IN_NNX = {"list": "List", "dict": "Dict", "tuple": "data"}


def in_nnx(nnx: "NNX", step: Container) -> None:
    """Set a list of Python, or one of NNX, which is a part of the tree."""
    parts = literal(nnx, step)
    if nnx.way["container"] == "own":
        parts = expr(f"nnx.{OWN_IN_NNX[step.inside]}($parts)", parts=parts)
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


def in_equinox(eqx: "Equinox", step: Container) -> None:
    """Define a module of one field that holds what is there; what is handed to it is a value there."""
    spots = {part: eqx.locate(place) for part, place in step.members.items()}
    if eqx.sharing or len({id(spot.found) for spot in spots.values()}) < len(spots):
        raise Unsupported("Not worded yet: what stands in a container twice, or is tied by `eqx.nn.Shared`.")
    kind, parts = eqx.fresh(step.container.title()), literal(eqx, step)
    (made,) = statements(f"class $kind(eqx.Module):\n    parts: {step.inside}", kind=kind)
    assert isinstance(made, ast.ClassDef)
    eqx.classes[id(step)] = made
    eqx.emit("$net = $kind($parts)", net=step.container, kind=kind, parts=parts)
    numbered(eqx, step)
    found = eqx.symbols.names[step.container]
    found.parts = {part: value_of(one) if both_used(eqx, step, part) else one for part, one in found.parts.items()}


TRACKED: dict[str, Any] = {"container": lambda emitter, step: plain(emitter, step, "tf.Module")}
NUMBERED = {"container": numbered}

FEATURE = Feature(
    verbs=(Container,),
    makes={"container": made},
    tables={
        "reference": Tables(code={"container": "$container = model.module($**members)"}),
        "torch": Tables(
            code={"container": in_torch}, effects=NUMBERED, ways={"container": ("own", "plain")},
            notes={"container/plain": "A list or tuple of Python in the place of an `nn.ModuleList`: what users write first."},
            lacks=(Lack("container/own", lambda _, step: step.inside == "tuple", "PyTorch has lists and dictionaries of its own, and no tuple."),),
        ),
        "nnx": Tables(code={"container": in_nnx}, effects=NUMBERED, ways={"container": ("own", "plain")}),
        "tensorflow1": Tables(code=TRACKED, effects=NUMBERED),
        "tf2": Tables(code={"container": in_tf2}, effects=NUMBERED),
        "keras": Tables(code={"container": in_keras}, effects=NUMBERED),
        "linen": Tables(code={"container": ""}),
        "haiku": Tables(
            missing={"container": "A Haiku module keeps no parameters: a list of modules is Python's own, and says nothing of them."}
        ),
        "equinox": Tables(code={"container": in_equinox}, effects={"container": lambda *_: None}),
    },
)  # fmt: skip
