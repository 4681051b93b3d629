"""Checking that what a spec uses is bound before, is of the right kind, and that labels are unique."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from canireuse import expression
from canireuse.problems import Problem, suggestion
from canireuse.spec import Spec
from canireuse.step import Step, check_identifier
from canireuse.vocabulary import (
    Block,
    Compute,
    Drop,
    Expect,
    Function,
    Gradient,
    Intercept,
    Measure,
    Module,
    Parallel,
    Repeat,
    Restore,
    Save,
    Scan,
    Train,
    Update,
    Vectorize,
    walk,
)
from canireuse.yaml import Loc, Places

#: What may hold variables: what a function returned may be anything.
OWNERS = frozenset({"layer", "module", "copy", "result"})
#: What kind of thing a field must hold; a field that is not here takes any kind but scopes and functions.
KINDS: dict[tuple[str, str], frozenset[str]] = {
    ("reenter", "reenter"): frozenset({"scope"}),
    ("reuse_variables", "reuse_variables"): frozenset({"scope"}),
    ("invoke", "invoke"): frozenset({"function"}),
    ("thread", "thread"): frozenset({"function"}),
    ("update", "update"): frozenset({"optimizer"}),
    ("wrap", "wrap"): frozenset({"layer"}),
    ("expect", "inside"): OWNERS | {"scope"},
    ("expect", "traces"): frozenset({"function"}),
    ("expect", "slots"): frozenset({"optimizer"}),
    ("expect", "alive"): frozenset({"dropped"}),
    ("expect", "elements"): OWNERS,
    ("expect", "parameter_bytes"): OWNERS,
    ("expect", "slot_bytes"): frozenset({"optimizer"}),
    **dict.fromkeys((("call", "call"), ("copy", "copy_"), ("save", "save"), ("restore", "restore"), ("average", "average"), ("track", "track"), ("cast", "cast"), ("move", "move"), ("materialize", "materialize"), ("parallel", "parallel"), ("quantize", "quantize")), OWNERS),
}  # fmt: skip
VALUES = OWNERS | {"variable", "tensor"}
#: Blocks whose inside may run again, or be traced: no place for a stopwatch.
AGAIN = (Repeat, Function, Gradient, Train, Update, Scan, Parallel)


@dataclass
class Checker:
    """Walks the steps in order and keeps what is bound; `problems` and `lines` are its answers."""

    path: Path
    places: Places
    problems: list[Problem] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    saved: set[str] = field(default_factory=set)
    measured: set[tuple[str, int | None]] = field(default_factory=set)
    #: the verb around the steps that are checked now whose inside may run again or be traced, empty if there is none
    again: str = ""

    def problem(self, loc: Loc, happened: str, expected: str, advice: str, offset: int = 0) -> None:
        """Note a problem at a place of the file."""
        line, column = self.places.get(loc, (1, 1))
        self.problems.append(Problem(self.path, line, column + offset, happened, expected, advice))

    def steps(self, steps: list[Step], loc: Loc, bound: dict[str, str]) -> None:
        """Check steps that stand at a place; add to `bound` what they bind."""
        for index, step in enumerate(steps):
            self.step(step, (*loc, index), bound)

    def step(self, step: Step, loc: Loc, bound: dict[str, str]) -> None:
        """Check one step and what stands inside it."""
        self.label(step, loc)
        if step.binds == "scope" and step.binding:
            bound[step.binding] = step.binds
        if not isinstance(step, Function):
            self.places_used(step, loc, bound)
        own = own_names(step)
        inner = bound if own is None else {**bound, **dict.fromkeys(own, "tensor")}
        if isinstance(step, Block):
            outer, self.again = self.again, step.verb if isinstance(step, AGAIN) else self.again
            self.steps(step.steps, (*loc, "steps"), bound if isinstance(step, Intercept) else inner)
            self.again = outer
        for text, text_loc in self.expressions(step, loc):
            self.expression(text, text_loc, inner)
        if isinstance(step, Save):
            self.saved.add(step.to)
        kept = step.given_by if isinstance(step, Restore) else getattr(step, "checkpoint_bytes", None)
        if kept is not None and kept not in self.saved:
            self.problem(
                (*loc, "from" if isinstance(step, Restore) else "checkpoint_bytes"),
                f"nothing was saved under {kept!r}",
                "the word of an earlier `save`",
                "save first, or correct the word",
            )
        if isinstance(step, Measure):
            self.measure(step, loc)
        if isinstance(step, Drop):
            bound[step.drop] = "dropped"
        if step.binding and step.raises in {None, "nothing"}:  # what is refused binds nothing
            bound[step.binding] = step.binds

    def label(self, step: Step, loc: Loc) -> None:
        """Note the line of a step's label; it stands once in a spec."""
        if step.expect is None:
            return
        if step.expect in self.lines:
            self.problem(
                (*loc, "expect"),
                f"the label {step.expect!r} stands here a second time",
                "each label once in a spec",
                "choose another label",
            )
        if isinstance(step, Expect) and step.against is not None and step.against not in self.lines:
            happened, expected = f"{step.against!r} is not expected before this", "the label of an earlier cost"
            self.problem((*loc, "against"), happened, expected, "expect that first, or correct the label")
        self.lines.setdefault(step.expect, self.places.get((*loc, "expect"), (1, 1))[0])

    def measure(self, step: Measure, loc: Loc) -> None:
        """Note what is measured: once at each size, against what came before, and with nothing observed meanwhile."""
        if (step.measure, step.size) in self.measured:
            happened, expected = f"{step.measure!r} is measured here a second time", "each label once at each size"
            self.problem((*loc, "measure"), happened, expected, "choose another label, or another `size`")
        if step.against is not None and (step.against, step.size) not in self.measured:
            happened = f"{step.against!r} is not measured before this" + (f" at size {step.size}" if step.size else "")
            self.problem((*loc, "against"), happened, "an earlier label, at the same size", "measure that first")
        if self.again:
            happened, expected = f"`measure` stands in `{self.again}`", "a place that is come to once, and not traced"
            self.problem((*loc, "measure"), happened, expected, f"put the `{self.again}` into the measured steps")
        if any(isinstance(inner, Measure) or inner.expect is not None for inner in walk(step.steps)):
            happened, expected = (
                "something is observed or measured while the clock runs",
                "steps that do the work alone",
            )
            self.problem((*loc, "steps"), happened, expected, "observe before or after it")
        self.measured.add((step.measure, step.size))

    def places_used(self, step: Step, loc: Loc, bound: dict[str, str]) -> None:
        """Check each place that the step's own fields name."""
        fields = {name: getattr(step, name) for name in step.uses} | (
            {"members": step.members} if isinstance(step, Module) else {}
        )
        for name, value in fields.items():
            kinds = KINDS.get((step.verb, name), VALUES)
            alias = type(step).model_fields[name].alias or name
            if isinstance(value, str):
                self.place(value, (*loc, alias), bound, kinds)
            elif isinstance(value, list | dict):
                for key, place in value.items() if isinstance(value, dict) else enumerate(value):
                    self.place(place, (*loc, alias, key), bound, kinds)

    def place(self, place: str, loc: Loc, bound: dict[str, str], kinds: frozenset[str], offset: int = 0) -> None:
        """Check that a place begins with a name that is bound to one of the kinds."""
        name = place.partition(".")[0]
        if name not in bound:
            known = [word for word, kind in bound.items() if kind in kinds]
            self.problem(
                loc,
                f"nothing is bound to {name!r} here",
                f"a name bound before: {', '.join(known) or 'none is yet'}",
                suggestion(name, known, "bind it with `as:` in an earlier step"),
                offset,
            )
        elif bound[name] not in kinds:
            self.problem(
                loc,
                f"{name!r} is a {bound[name]}",
                f"a {' or '.join(sorted(kinds))}",
                "name something of that kind",
                offset,
            )

    def expressions(self, step: Step, loc: Loc) -> Iterator[tuple[str, Loc]]:
        """Yield the expressions of a step with their places."""
        if isinstance(step, Compute):
            name, equals, text = step.compute.partition("=")
            try:
                check_identifier(name.strip())
            except ValueError as error:
                self.problem((*loc, "compute"), str(error), "`name = expression`", "begin with the name that is bound")
            if equals:
                yield " " * (len(name) + 1) + text, (*loc, "compute")
            else:
                self.problem(
                    (*loc, "compute"),
                    f"{step.compute!r} binds nothing",
                    "`name = expression`",
                    "put a name and `=` in front",
                )
        for name in (*step.expressions, "returns", "given"):
            value = getattr(step, name, None)
            parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            if isinstance(value, str):
                yield value, (*loc, name)
            for at, part in parts:
                if isinstance(part, str):
                    yield part, (*loc, name, at)

    def expression(self, text: str, loc: Loc, bound: dict[str, str]) -> None:
        """Check that an expression is in the language and reads only what is bound."""
        indent = len(text) - len(text.lstrip())
        try:
            tree = expression.parse(text)
        except expression.ExpressionError as error:
            self.problem(
                loc,
                str(error),
                "an expression of the language",
                "see `docs/vocabulary.md`, expressions",
                indent + error.column,
            )
            return
        for place, column in expression.places(tree):
            self.place(place, loc, bound, VALUES, indent + column)


def own_names(step: Step) -> list[str] | None:
    """Return the names that only the step's inside sees; None if what is bound inside is bound outside too."""
    match step:
        case Function():
            return step.takes
        case Parallel():
            return list(step.split)
        case Vectorize():
            return [step.each]
        case Intercept():
            return [step.intercept]
        case Gradient() | Train() | Update() | Scan() | Measure():
            return []
    return None


def check_references(path: Path, spec: Spec, places: Places) -> tuple[dict[str, int], list[Problem]]:
    """Return the line of each label, and a problem for each reference that does not hold."""
    checker = Checker(path, places)
    checker.steps(spec.steps, ("steps",), {})
    return checker.lines, checker.problems
