"""Haiku's names as scripts know them: what stands for a parameter, and which path a scope that is opened gets."""

import re
from collections import Counter
from dataclasses import dataclass, field

from canireuse.step import Initial, OddFlag, Step
from canireuse.vocabulary import Block, Compute, DefaultScope, Get, Reenter, Scope, Variable, walk

#: where Haiku keeps what is made outside of any module
TOP = "~"


@dataclass
class Bound:
    """A name for a parameter or a piece of state: its tree, its module's path, its own name, and how it is got and read."""

    tree: str
    module: str
    name: str
    words: str = ""
    #: what reads it: the name of an array inside a function, and outside the function that gets it, applied
    reader: str = ""
    #: the transformed function in which the name stands for an array, 0 for none
    section: int = 0
    #: whether a getter hands out something else for it
    got: bool = False
    #: whether Haiku keeps it with a further axis of one row in front
    row: bool = False

    @property
    def entry(self) -> str:
        """Return the words for its entry in the tree."""
        return f"{self.tree}[{self.module!r}][{self.name!r}]"


@dataclass
class Opened:
    """A scope that is open in the function being written: its path, and the names that modules opened in it have taken."""

    path: str = ""
    finds: bool = False
    taken: Counter[str] = field(default_factory=Counter)

    def inner(self, name: str) -> str:
        """Return the path of a name below."""
        return f"{self.path}/{name}" if self.path else name

    def unique(self, name: str) -> str:
        """Return the path that Haiku gives a module or scope of a name that is opened here: a number is put behind where it is taken."""
        found = re.fullmatch(r"(.*?)_(0|[1-9]\d*)", name)
        base, number = (found[1], int(found[2])) if found else (name, self.taken[name])
        made = name if found else f"{name}_{number}" if number else name
        self.taken[base] = max(self.taken[base], number + 1)
        return self.inner(made)


def finds(step: Step) -> bool:
    """Return whether variables are only looked up inside a scope: it is asked to reuse, or all that it holds is."""
    if not isinstance(step, Scope | DefaultScope | Reenter):
        return False
    if isinstance(step.reuse, OddFlag) or step.reuse is True:
        return True
    inner = [one for one in step.steps if isinstance(one, Get | Variable | Scope | DefaultScope | Reenter)]
    return bool(inner) and step.reuse != "auto" and all(finds(one) for one in inner)


def shape_of(init: Initial | None) -> list[int] | None:
    """Return the shape that an initial value says, None if it says none."""
    if not isinstance(init, list):
        return None
    shape: list[int] = []
    inner: Initial = init
    while isinstance(inner, list):
        shape.append(len(inner))
        inner = inner[0] if inner else 0
    return shape


def at_once(text: str) -> list[str]:
    """Return the lines of a script that run as it does, without the bodies of functions."""
    lines: list[str] = []
    inside: int | None = None
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if inside is not None and (depth > inside or not line):
            continue
        inside = depth if line.lstrip().startswith("def ") else None
        if inside is None:
            lines.append(line.lstrip())
    return lines


def read_by(step: Step) -> set[str]:
    """Return the names that a step reads, and perhaps a few that it only spells."""
    if isinstance(step, Compute):
        texts = [step.compute.partition("=")[2]]
    else:
        own = {*type(step).model_fields} - {type(step).bound_by, "steps", "as_"}
        texts = [str(getattr(step, name)) for name in own]
    return set(re.findall(r"[A-Za-z_]\w*", " ".join(texts)))


def carried_in(steps: list[Step]) -> list[str]:
    """Return the names that steps read before they bind them anew: a function of these steps takes them as arguments."""
    bound: set[str] = set()
    first: list[str] = []
    for step in walk(steps):
        inside = {one.binding for one in walk(step.steps)} if isinstance(step, Block) else set()
        first += sorted(read_by(step) - bound - inside)
        if step.binding and not inside:
            bound.add(step.binding)
    rebound = {step.binding for step in walk(steps)}
    return [name for name in dict.fromkeys(first) if name in rebound]
