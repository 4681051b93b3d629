"""Writing: a program as it grows, with all that exists in it, so that each further step is a valid one.

What stands where, the symbols of the engine know. Beside them it is noted what they do not say: which name `get` finds, how an
open scope looks up, what was saved, what an optimizer was given.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from canireuse.program import Object, Symbols
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Get, Layer, Variable, verbs

T = TypeVar("T")
Said = dict[str, Any]
Contract = str

#: numbers that binary fractions hold exactly, and that stay small when they are multiplied; no two are 1 apart, by which `same` writes
NUMBERS = (0.5, 1.25, -0.25, 0.125, -1.0, 1.75, 0.875)
#: the shape of a variable that starts from another
PAIR = (2,)
#: how many places a module has at most
MOST_INSIDE = 12


@dataclass
class Opened:
    """A scope that is open: the step, what stands inside, and how `get` works there."""

    step: Said
    model: Step
    reuse: bool | str
    init: float | None
    stack: ExitStack = field(default_factory=ExitStack)


@dataclass
class Kept:
    """A checkpoint: the paths that were saved, of which kinds of layers and shapes, and which of them were one variable."""

    paths: tuple[tuple[str, str, tuple[int, ...], int], ...]


class Writing:
    """A program that is being written; `choices` are numbers of which each decides what comes next."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.symbols = Symbols()
        self.steps: list[Said] = []
        self.open: list[Opened] = []
        self.choices: Iterator[int] = iter(())
        self.counts: Counter[str] = Counter()
        #: full path of a variable -> the shape and dtype with which `get` made it
        self.by_name: dict[tuple[str, ...], tuple[tuple[int, ...], str]] = {}
        #: a scope's name in the spec -> how `get` works in it, and what variables made there start from
        self.scopes: dict[str, tuple[bool | str, float | None]] = {}
        #: a tensor that may be read: no variable was written to since
        self.tensors: dict[str, tuple[int, ...]] = {}
        self.saved: dict[str, Kept] = {}
        #: optimizer -> what it was given, and the variables that were there then
        self.optimizers: dict[str, tuple[str | list[str], list[Object]]] = {}
        #: function -> whether it takes an input, and the shape of what it returns
        self.functions: dict[str, tuple[bool, tuple[int, ...] | None]] = {}
        self.initialized = False
        #: how many steps there are, those inside others too
        self.count = 0

    # -- choosing

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options; the first where nothing is left to decide."""
        return options[next(self.choices, 0) % len(options)]

    def chance(self, percent: int) -> bool:
        """Return whether something happens that does so in so many of a hundred programs."""
        return next(self.choices, 0) % 100 >= 100 - percent

    def number(self) -> float:
        """Return a number."""
        return self.pick(NUMBERS)

    def values(self, shape: Sequence[int]) -> Any:
        """Return numbers of a shape."""
        return [self.values(shape[1:]) for _ in range(shape[0])] if shape else self.number()

    def fresh(self, word: str) -> str:
        """Return a name that nothing has."""
        self.counts[word] += 1
        return f"{word}_{self.counts[word]}"

    def label(self) -> str:
        """Return a label that no expectation has."""
        return self.fresh("seen").replace("_", "-")

    # -- steps

    def add(self, **step: Any) -> None:
        """Add a step where the program is being written, and have its effect."""
        said = spelled(step)
        (self.open[-1].step["steps"] if self.open else self.steps).append(said)
        self.count += sum(1 for _ in each_in([said]))
        self.symbols.run([model(said)])

    def enter(self, **step: Any) -> None:
        """Open a scope; what is added stands inside until `leave`."""
        said = spelled(step) | {"steps": []}
        (self.open[-1].step["steps"] if self.open else self.steps).append(said)
        self.count += 1
        inner, init = self.scopes[said["reenter"]] if "reenter" in said else self.around
        opened = Opened(said, model(said), said.get("reuse") or inner, said.get("init", init))
        opened.stack.enter_context(self.symbols.inside(opened.model))
        self.open.append(opened)
        if "as" in said:
            self.scopes[said["as"]] = opened.reuse, opened.init

    def leave(self) -> None:
        """Close the scope that was opened last."""
        opened = self.open.pop()
        opened.stack.close()
        self.symbols.effect(opened.model)

    @property
    def around(self) -> tuple[bool | str, float | None]:
        """How `get` works where the program is being written, and what variables made there start from."""
        return (self.open[-1].reuse, self.open[-1].init) if self.open else (False, None)

    def wrote(self) -> None:
        """Forget the tensors, unless a graph computes them anew from what variables hold."""
        if self.contract == "sharing":
            self.tensors.clear()

    # -- what exists

    def places(self) -> dict[str, Object]:
        """Return every place at which a variable of floats stands."""
        return {place: one for place, one in self.all_places().items() if dtype_of(one) == "float32"}

    def all_places(self) -> dict[str, Object]:
        """Return every place at which a variable stands."""
        return {place: one for name, top in self.symbols.names.items() for place, one in inside(name, top)}

    def named(self) -> dict[str, Object]:
        """Return every variable with a name of its own; those of layers may still have to be made."""
        return {place: one for place, one in self.all_places().items() if "." not in place}

    def owners(self, *, top: bool = False) -> dict[str, Object]:
        """Return every place at which a layer or a module stands that holds floats alone; only those with names of their own at the `top`."""
        found = {
            place: one
            for name, all_of in self.symbols.names.items()
            for place, one in inside(name, all_of, owners=True)
            if one.variables() and all(dtype_of(each) == "float32" for each in one.variables())
        }
        return {place: one for place, one in found.items() if not top or "." not in place}

    def callables(self) -> dict[str, Object]:
        """Return the owners that can be called on numbers: an embedding stands first in them, if anywhere."""
        return {place: one for place, one in self.owners().items() if can_be_called(one)}

    def signature(self, owner: Object) -> Kept:
        """Return what a checkpoint of an owner is like."""
        numbers: dict[Object, int] = {}
        found = [(place, one) for place, one in inside("", owner) if one.kind == "variable"]
        kinds = {place: kind_of_layer(owner.at(place.rpartition(".")[0])) for place, _ in found}
        return Kept(
            tuple((place, kinds[place], shape_of(one), numbers.setdefault(one, len(numbers))) for place, one in found)
        )


def spelled(step: Said) -> Said:
    """Return a step as a spec has it: without what is not given, its verb apart."""
    verb = next(iter(step))
    return {key.rstrip("_"): value for key, value in step.items() if value is not None or key == verb}


def each_in(steps: Sequence[Said]) -> Iterator[Said]:
    """Yield every step, the ones inside others after these themselves."""
    for step in steps:
        yield step
        yield from each_in(step.get("steps") or ())


def model(said: Said) -> Step:
    """Return a step as the engine has it."""
    return verbs()[next(iter(said))].model_validate(said)


def inside(name: str, top: Object, *, owners: bool = False) -> Iterator[tuple[str, Object]]:
    """Yield every place at which a variable (or an owner) stands that begins with a name."""
    if top.is_owner if owners else top.kind == "variable":
        yield name, top
    for part, one in top.parts.items() if top.is_owner else ():
        yield from inside(f"{name}.{part}" if name else part, one, owners=owners)


def kind_of_layer(owner: Object | None) -> str:
    """Return of which kind a layer is, whose variables frameworks may lay out otherwise than another's; empty for a module."""
    return owner.made.layer if owner and isinstance(owner.made, Layer) else ""


def shape_of(variable: Object) -> tuple[int, ...]:
    """Return the shape with which a variable was made."""
    made = variable.made
    if isinstance(made, Layer):
        return (made.units,) if variable.part == "bias" else (made.inputs, made.units)
    assert isinstance(made, Get | Variable)
    if isinstance(made, Variable) and made.start is not None:
        return PAIR
    return tuple(made.shape) if made.shape is not None else shape_of_values(made.init)


def shape_of_values(values: Any) -> tuple[int, ...]:
    """Return the shape of a list of numbers."""
    return (len(values), *shape_of_values(values[0])) if isinstance(values, list) else ()


def dtype_of(variable: Object) -> str:
    """Return the dtype with which a variable was made."""
    return getattr(variable.made, "dtype", None) or "float32"


def can_be_called(owner: Object) -> bool:
    """Return whether an owner can be called: layers alone, of which no embedding comes after another."""
    kinds = [one.made.layer for _, one in owner.layers() if isinstance(one.made, Layer)]
    return owner.only_layers() and "embedding" not in kinds[1:]


def trains(variable: Object) -> bool:
    """Return whether training changes a variable."""
    return variable.trainable and not variable.frozen
