"""One place: observations that could not come out otherwise, because two names of a spec are one place in a script's words.

Such an observation is left out of the script and listed. A case of which nothing remains that tells of sharing is unsupported.
"""

import ast
import copy
from collections.abc import Collection, Iterator, Mapping, Sequence

from canireuse.emit.fragments import Body
from canireuse.emit.script import Unsupported
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Assign, Block, Expect, Variable

#: kinds of observations that may be of one place: they compare two, or read what was just written to another
COMPARES = frozenset({"same", "distinct", "identical", "value"})
#: kinds of observations that are answered the same whether two places are one or not
OF_ONE = frozenset({"shape", "dtype", "offers"})
#: verbs whose steps leave what an attribute stands for as it is
QUIET = frozenset({
    "get", "variable", "placeholder", "compute", "read", "expect", "initialize", "assign", "layer", "scope", "default_scope", "reenter",
    "current_scope", "name_scope", "reuse_variables",
})  # fmt: skip
#: those among them whose steps stand around others, which are seen one by one
AROUND = frozenset({"scope", "default_scope", "reenter", "name_scope"})
#: verbs whose steps leave what was just written as it is
READING = frozenset({"expect", "read", "compute", "initialize"})
#: verbs whose calls write into what is there, and bind nothing anew
WRITING = frozenset({*READING, "assign"})
ONE_PLACE = "one place: what is compared is one place in the words of {}, and what else is observed is answered alike whether anything is shared or not."


class OnePlace:
    """What is one place in a script, at the step that is written: which names stand for which places, and what was just written to."""

    def __init__(self) -> None:
        #: the labels that are not observed, since what they compare is one place
        self.labels: list[str] = []
        #: name -> the place that it was bound to, for as long as nothing may have bound either anew
        self.places: dict[str, ast.expr] = {}
        #: the places of the spec that were just written to, with nothing since that could part them from others
        self.written: list[str] = []

    def code(self, place: ast.expr) -> str:
        """Return what stands for a place: its code, in which each name is the place that it was bound to."""
        return ast.unparse(self.followed(place))

    def followed(self, place: ast.expr) -> ast.expr:
        """Return an expression in which each name is the place that it was bound to."""
        if not any(isinstance(at, ast.Name) and at.id in self.places for at in ast.walk(place)):
            return place
        followed: ast.expr = Following(self.places).visit(copy.deepcopy(place))
        return followed

    def is_one(self, first: ast.expr, second: ast.expr) -> bool:
        """Return whether two expressions read one place."""
        return self.code(first) == self.code(second)

    def begin(self, step: Step) -> None:
        """Forget everything where a body begins that runs at another time, or more than once."""
        if isinstance(step, Block) and step.verb not in AROUND:
            self.places.clear()
            self.written.clear()

    def happen(self, step: Step, lines: Body) -> None:
        """Learn from a step that was written, and from its lines."""
        if isinstance(step, Assign):
            self.written.append(step.assign)
        elif step.verb not in READING:
            self.written.clear()
        if step.verb not in QUIET:
            self.places.clear()
        for line in [] if step.verb in AROUND else lines:
            bound, place = bound_to(line)
            place = self.followed(place) if place else None
            self.forget(line, called=step.verb not in WRITING)
            if place and root(place) != bound:
                self.places[bound] = place

    def forget(self, line: ast.stmt, *, called: bool) -> None:
        """Forget what a line may bind anew: names, what stands below attributes and entries, and what is below all that stands in a call."""
        if not self.places:
            return
        bound = [at for at in ast.walk(line) if not isinstance(getattr(at, "ctx", ast.Load()), ast.Load)]
        for call in ast.walk(line) if called else ():
            bound += ast.walk(call) if isinstance(call, ast.Call) else []
        places = [at for at in bound if isinstance(at, ast.Name | ast.Attribute | ast.Subscript)]
        anew = {ast.unparse(one) for at in places for one in (at, self.followed(at))}
        self.places = {
            name: place
            for name, place in self.places.items()
            if name not in anew and anew.isdisjoint(map(ast.unparse, owners(place)))
        }


class Following(ast.NodeTransformer):
    """Puts in place of names what they were bound to."""

    def __init__(self, places: Mapping[str, ast.expr]) -> None:
        self.places = places

    def visit_Name(self, at: ast.Name) -> ast.expr:  # as `ast` has it
        """Return what a name stands for."""
        return copy.deepcopy(self.places.get(at.id, at))


def bound_to(line: ast.stmt) -> tuple[str, ast.expr | None]:
    """Return the name that a line binds to a path, and the path; no path if it does something else."""
    match line:
        case ast.Assign(targets=[ast.Name(id=bound)], value=value) if root(value):
            return bound, value
    return "", None


def owners(place: ast.expr) -> list[ast.expr]:
    """Return a path and all that it leads through, up to the name that it begins with; no other expression is a path."""
    found = [place]
    while isinstance(place, ast.Attribute) or (
        isinstance(place, ast.Subscript) and isinstance(place.slice, ast.Constant)
    ):
        found.append(place := place.value)
    return found


def root(place: ast.expr) -> str | None:
    """Return the name that a path begins with, None for what is no path."""
    first = owners(place)[-1]
    return first.id if isinstance(first, ast.Name) else None


def expect_more(title: str, spec: Spec, one_place: Collection[str]) -> None:
    """Raise Unsupported where a script compares a place with itself, and observes nothing else that tells of sharing."""
    if one_place and spec.expectations.keys() <= {*one_place, *telling_nothing(spec.steps, set())}:
        raise Unsupported(ONE_PLACE.format(title))


def telling_nothing(steps: Sequence[Step], held: set[str]) -> Iterator[str]:
    """Yield the labels of what is answered alike whether two places are one or not; `held` are the places whose value was just written.

    That is the shape and dtype of one variable, that a step is accepted, and a value which is read back under the name
    under which it was written, with nothing between.
    """
    for step in steps:
        if step.raises == "nothing" and step.expect:
            yield step.expect
        if isinstance(step, Expect) and (step.kind in OF_ONE or (step.kind == "value" and step.value in held)):
            yield step.expect
        if isinstance(step, Assign) and not isinstance(step.to, str):
            held.clear()
            held.add(step.assign)
        elif isinstance(step, Variable) and step.as_:
            held.add(step.as_)
        elif step.verb not in {*AROUND, *READING, "initialize"} or (
            isinstance(step, Expect) and step.kind in {"same", "distinct"}
        ):
            held.clear()
        if isinstance(step, Block):
            yield from telling_nothing(step.steps, held if step.verb in AROUND else set())
