"""Places of Equinox: every variable is an array at a place of a tree, and a tree is bound to a Python name.

A slot says where in the tree around it a part is, in the words of JAX's key paths: attributes, and indices of a tuple. What
`eqx.nn.Shared` is put around has a slot for its inside (`""`), which is read by calling it and is the leaf `pytree`; a place
that gave its own leaf up for another's has a slot of the kind `SharedNode`, as the class is called that stands there then,
which `reads` the leaf of the tie with that number: of several ties of a leaf, the last has the highest.
"""

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from canireuse.emit import Fill, Slot, attribute, expr, node
from canireuse.program import Object
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Layer, Variable

Path = tuple[str, ...]
#: kinds of what is a tree, or an array by itself
TREES = frozenset({"variable", "layer", "module", "tuple"})
INSIDE, SHARED_NODE = "()", "SharedNode"
#: running statistics, in the order in which a state has them under the key of a norm
STATISTICS = ("mean", "var")


@dataclass(eq=False)
class Tensor(Object):
    """A tensor of which it may be known how many axes it has: a layer of Equinox takes one example."""

    axes: int | None = None


class Spot(NamedTuple):
    """Where something is: a Python name, the tree that it is bound to, and the way from there in names of the spec."""

    name: str
    tree: Object
    route: Path = ()

    @property
    def found(self) -> Object | None:
        """What stands there."""
        return self.tree.at(".".join(self.route))

    @property
    def owner(self) -> Object | None:
        """What has it as a part."""
        return self.tree.at(".".join(self.route[:-1])) if self.route else None

    @property
    def slot(self) -> Slot:
        """Where its owner keeps it."""
        return self.owner.slot(self.route[-1]) if self.owner else Slot("")

    @property
    def path(self) -> Path:
        """The way in words of the framework."""
        return path(self.tree, self.route)

    @property
    def code(self) -> ast.expr:
        """The code that reads it as it is kept, `eqx.nn.Shared` around it or not."""
        return spelled(self.name, self.path)

    @property
    def leaf(self) -> "Spot":
        """The place that has its leaf: another, where it gave its own up."""
        if self.found is None or not given_up(self.tree, self.route):
            return self
        ways = (self._replace(route=one) for one in self.tree.routes(self.found) if not given_up(self.tree, one))
        return next(ways, self)

    @property
    def transposed(self) -> bool:
        """Whether its leaf is laid out as [units, inputs] of it."""
        return self.leaf.slot.transposed != (self.leaf != self and fits(self, self.leaf))


def around(one: Object | None) -> Path:
    """Return the way to the inside of what `eqx.nn.Shared` is put around, once for each time."""
    return inside(one.slots) if one else ()


def inside(slots: Mapping[str, Slot]) -> Path:
    """Return the same way, as the slots of what is inside have it."""
    return tuple(slots[""].attribute.split(".")) if "" in slots else ()


def path(tree: Object | None, route: Sequence[str]) -> Path:
    """Return a way inside a tree in words of the framework."""
    code: Path = ()
    for part in route:
        code += (*around(tree), *(tree.slot(part) if tree else Slot(part)).attribute.split("."))
        tree = tree.parts.get(part) if tree else None
    return code


def spelled(code: Fill, way: Iterable[str], *, leaf: bool = False) -> ast.expr:
    """Return the code that reads a place, or that names it as a leaf."""
    made = node(code)
    for word in way:
        if word.isdigit():
            made = expr("$x[$index]", x=made, index=int(word))
        elif word == INSIDE and not leaf:
            made = expr("$x()", x=made)
        else:
            made = attribute(made, ["pytree" if word == INSIDE else word])
    return made


def together(code: Sequence[Fill]) -> ast.expr:
    """Return one value, or a tuple of several."""
    return node(code[0]) if len(code) == 1 else expr("($*code,)", code=code)


def given_up(tree: Object, route: Path) -> bool:
    """Return whether a place, or what is around it, gave its leaf up."""
    return any(Spot("", tree, route[: end + 1]).slot.kind == SHARED_NODE for end in range(len(route)))


def nodes_shared(tree: Object) -> list[Path]:
    """Return the ways to all places in a tree that gave their leaf up."""
    found = [(part,) for part in tree.parts if tree.slot(part).kind == SHARED_NODE]
    return found + [(name, *rest) for name, part in tree.parts.items() for rest in nodes_shared(part)]


def has_shared(one: Object) -> bool:
    """Return whether `eqx.nn.Shared` is put around something, or around a pair that it holds."""
    return any(INSIDE in slot.attribute.split(".") for slot in one.slots.values())


def buffers(tree: Object | None) -> dict[Object, Object]:
    """Return the running statistics that a tree has keys of."""
    return {one: one for one in tree.walk() if one.kind == "buffer"} if tree else {}


def value_of(one: Object, known: dict[Object, Object] | None = None) -> Object:
    """Return what holds the value of another: its variables are new, and tied where `eqx.nn.Shared` went along.

    A value that is handed on has the very statistics, since it has their keys; a copy has a state of its own.
    """
    known = buffers(one) if known is None else known
    if has_shared(one) or one.kind == "buffer":
        made = one.twin(known)
        untie(made)
        return made
    made = one.again({name: value_of(part, known) for name, part in one.parts.items()})
    made.slots = {
        name: slot._replace(kind="variable") if slot.kind == SHARED_NODE else slot for name, slot in one.slots.items()
    }
    return made


def untie(tree: Object) -> None:
    """Have a value, of which every place gave its leaf up, keep the leaf where it was before the last tie, to what is outside."""
    for one in tree.variables():
        while (ways := [*tree.routes(one)]) and all(given_up(tree, way) for way in ways):
            spots = [Spot("", tree, way[: end + 1]) for way in ways for end in range(len(way))]
            last = max(
                (spot for spot in spots if spot.slot.kind == SHARED_NODE), key=lambda spot: int(spot.slot.reads or 0)
            )
            if last.owner:
                last.owner.slots[last.route[-1]] = last.slot._replace(kind="variable", reads=None)


# -- what is known of arrays


def is_floating(variable: Object) -> bool:
    """Return whether an array is of floats."""
    made = variable.made
    dtype = variable.dtype or (made.dtype if isinstance(made, Variable) else None)
    return dtype in {None, "float16", "float32", "float64"}


def shape_at(spot: Spot) -> tuple[int, ...] | None:
    """Return the shape of the array at a place, as it is kept there; None if it is not known."""
    if spot.owner and isinstance(spot.owner.made, Layer):
        return shape_made(spot.owner.made, spot.route[-1])
    return shape_made(spot.found.made, spot.found.part) if spot.found else None


def shape_made(made: Step | None, part: str) -> tuple[int, ...] | None:
    """Return the shape of an array that a step made, as it is kept."""
    match made:
        case Layer(layer="dense") if part == "kernel":
            return (made.units, made.inputs)
        case Layer():
            return (made.inputs, made.units) if made.layer == "embedding" else (made.units,)
        case Variable(start=None):
            return shape_of(made.init) if isinstance(made.init, list) else tuple(made.shape or ())
    return None


def shape_of(values: Fill) -> tuple[int, ...]:
    """Return the shape of nested lists."""
    return (len(values), *(shape_of(values[0]) if values else ())) if isinstance(values, list) else ()


def fits(own: Spot, other: Spot) -> bool:
    """Return whether an array has the layout of a place that keeps the other one, as an embedding's table for a head has."""
    shape = shape_at(own)
    turned = own.slot.transposed != other.slot.transposed
    return turned and shape is not None and shape == shape_at(other) and shape != shape[::-1]


def numbers(values: Fill, *, floating: bool = True) -> Fill:
    """Return numbers as floats where the variable is one, since integers would make an integer array."""
    if isinstance(values, list):
        return [numbers(value, floating=floating) for value in values]
    return float(values) if floating and isinstance(values, int) and not isinstance(values, bool) else values
