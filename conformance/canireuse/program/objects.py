"""Objects: what exists while a spec runs, compared by `is`; where each stands is its owners' matter."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from canireuse.spec.step import OWNERS, Drawn, Dtype, Number, Step

#: kind of layer -> its variables; with `bias:` there is a bias too
PARTS: Mapping[str, tuple[str, ...]] = {
    "dense": ("kernel",), "embedding": ("kernel",), "norm": ("kernel", "mean", "var"), "cell": ("kernel", "recurrent"),
}  # fmt: skip


class Slot(NamedTuple):
    """Where a framework keeps a part of an owner: under which dotted attribute, and how it is laid out there."""

    attribute: str
    #: laid out as [units, inputs]
    transposed: bool = False
    #: the attribute that gives its value, where that is another
    reads: str | None = None
    #: variable, or buffer
    kind: str = "variable"


class Fate(Enum):
    """What a copy does with the variables of what it copies, and with ties among them."""

    ANEW = "its variables are new, and tied where those of the original are"
    UNTIED = "its variables are new, one for each place"
    KEPT = "its owners are new, and hold the very variables of the original"
    SAME = "it is the original itself"


class Mode(Enum):
    """How `get` finds or makes a variable in a scope."""

    MAKE = "a new variable, whose name must be new"
    LOOK_UP = "reuse is said of this scope: the variable that is there"
    AUTO = "auto is said of this scope: the variable that is there, or a new one"
    INHERITED = "reuse or auto is said of a scope around, and handed down"
    ODD = "the flag is no boolean"


@dataclass(eq=False)
class Opened:
    """A scope as it was opened: its path from the root, how `get` works in it, and what holds for the variables made there."""

    path: tuple[str, ...] = ()
    mode: Mode = Mode.MAKE
    init: Drawn | None = None
    dtype: Dtype | None = None
    penalty: Number | None = None
    #: the name that the spec gives it, and the one that it was entered again by
    name: str | None = None
    by: str | None = None
    #: whether it was there for certain before it was opened
    there: bool = True


@dataclass(eq=False)
class Object:
    """What exists. One object may be a part of several owners, or of one twice: that is a tie."""

    #: variable, buffer, tensor, list, layer, module, function, optimizer, scope, checkpoint, dropped, or unknown
    kind: str
    #: name of the spec -> what stands there
    parts: "dict[str, Object]" = field(default_factory=dict)
    #: part -> where the framework keeps it, if that is not an attribute of the part's name
    slots: dict[str, Slot] = field(default_factory=dict)
    #: the step that made it: a layer's says of which kind it is, a variable's what it started from
    made: Step | None = None
    #: of a variable of a layer, its name there: what it started from is said under that word of the step
    part: str = ""
    trainable: bool = True
    frozen: bool = False
    #: what it was cast to
    dtype: str | None = None
    #: whether it has a shape and a dtype alone, and no memory yet
    abstract: bool = False
    #: whether it was called: layers that make their variables in the first call have some then
    built: bool = False
    #: of a scope, its path from the root, and the opening that it stands for
    path: tuple[str, ...] = ()
    opened: Opened | None = None
    #: of a function, what stands at the place that it returned when it was written; of a checkpoint, what was saved
    returns: "Object | None" = None

    @property
    def is_owner(self) -> bool:
        """Whether it holds variables."""
        return self.kind in OWNERS

    def slot(self, part: str) -> Slot:
        """Return where the framework keeps a part."""
        return self.slots.get(part) or Slot(part)

    def at(self, path: str) -> "Object | None":
        """Return what stands at a path inside; the empty path leads to itself."""
        found: Object | None = self
        for part in filter(None, path.split(".")):
            found = found.parts.get(part) if found else None
        return found

    def walk(self) -> "Iterator[Object]":
        """Yield it and all that is inside; what stands twice comes twice."""
        yield self
        for part in self.parts.values():
            yield from part.walk()

    def extent(self, known: "dict[Object, tuple[int, int]] | None" = None) -> tuple[int, int]:
        """Return how many places it is, itself and those inside, and how deep they lie; `known` has what was counted before."""
        known = {} if known is None else known
        if self not in known:
            inside = [part.extent(known) for part in self.parts.values()]
            known[self] = 1 + sum(places for places, _ in inside), 1 + max((depth for _, depth in inside), default=0)
        return known[self]

    def holds(self, other: "Object") -> bool:
        """Return whether it is another object, or has it inside."""
        known: dict[Object, tuple[int, int]] = {}
        self.extent(known)
        return other in known

    def variables(self) -> "dict[Object, None]":
        """Return the variables that it is or holds, each once, in the order of places."""
        return {one: None for one in self.walk() if one.kind == "variable"}

    def routes(self, wanted: "Object") -> Iterator[tuple[str, ...]]:
        """Yield every way from it to an object inside, in names of the spec."""
        if wanted is self:
            yield ()
        for name, part in self.parts.items():
            yield from ((name, *rest) for rest in part.routes(wanted))

    def layers(self) -> "Iterator[tuple[tuple[str, ...], Object]]":
        """Yield the layers in the order of calling, each with the way to it."""
        if self.kind == "layer":
            yield (), self
            return
        for name, part in self.parts.items():
            yield from (((name, *rest), layer) for rest, layer in part.layers())

    def only_layers(self) -> bool:
        """Return whether it can be called: a layer, or a module that holds layers and such modules alone."""
        return self.kind == "layer" or (
            self.kind == "module" and bool(self.parts) and all(part.only_layers() for part in self.parts.values())
        )

    def spelled(self, route: Sequence[str]) -> tuple[str, ...]:
        """Return the attributes along a way, as the framework calls them."""
        words: list[str] = []
        found: Object | None = self
        for part in route:
            words += (found.slot(part) if found else Slot(part)).attribute.split(".")
            found = found.parts.get(part) if found else None
        return tuple(words)

    def copied(self, fate: Fate = Fate.ANEW, *, shallow: bool = False) -> "Object":
        """Return what a copy of it is; a shallow one is another owner of all that is inside."""
        if shallow:
            return self.again(dict(self.parts))
        if fate is Fate.SAME:
            return self
        if fate is Fate.UNTIED:
            return self.again({name: part.copied(fate) for name, part in self.parts.items()})
        return self.twin({one: one for one in self.variables()} if fate is Fate.KEPT else {})

    def twin(self, known: "dict[Object, Object]") -> "Object":
        """Return the other object for this one, made once for all the places where it stands; `known` has those made before."""
        if self not in known:
            known[self] = made = self.again({})
            made.parts = {name: part.twin(known) for name, part in self.parts.items()}
        return known[self]

    def again(self, parts: "dict[str, Object]") -> "Object":
        """Return another object that is as this one, with parts of its own."""
        made = copy.copy(self)
        made.parts, made.slots = parts, dict(self.slots)
        return made


def unknown() -> Object:
    """Return an object of which nothing is known."""
    return Object("unknown")
