"""Checking that each place of a spec leads somewhere, to what is of the right kind, and that labels are unique."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from canireuse.program import Object, Symbols, names_bound
from canireuse.program.objects import unknown
from canireuse.spec import expression
from canireuse.spec.bounds import (
    DEEPEST_PLACE,
    DEEPEST_STEPS,
    MOST_PLACES,
    MOST_PROBLEMS,
    MOST_RUNS,
    MOST_STANDING,
    MOST_STEPS,
)
from canireuse.spec.model import Spec
from canireuse.spec.problems import Problem, listed, no_more, suggestion
from canireuse.spec.step import VALUES, VARIABLES, OddFlag, Step, check_identifier
from canireuse.spec.vocabulary import (
    Block,
    Call,
    Compute,
    Expect,
    Function,
    Get,
    Intercept,
    Invoke,
    Measure,
    Module,
    Repeat,
    Replace,
    Restore,
    Save,
    Scan,
    Thread,
    Tie,
    Train,
    Update,
    walk,
)
from canireuse.spec.yaml import Loc, Places


class Enough(Exception):
    """So many problems were found that the rest is not looked for."""


@dataclass
class Checker:
    """Walks the steps in order, and follows with the symbols what they bind and change; `problems` and `lines` are its answers."""

    path: Path
    places: Places
    #: every name that a step of the spec binds
    names: frozenset[str]
    symbols: Symbols = field(default_factory=Symbols)
    problems: list[Problem] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    saved: set[str] = field(default_factory=set)
    measured: set[tuple[str, int | None]] = field(default_factory=set)
    #: the verb around the steps that are checked now whose inside may run again or be traced, empty if there is none
    again: str = ""
    #: whether the step that is checked now is to be refused because something is not there
    missing: bool = False
    #: steps as they are written, as they run, and how often each runs that is checked now
    count: int = 0
    runs: int = 0
    turns: int = 1
    #: a function as it is written -> how many steps a call of it runs
    costs: dict[int, int] = field(default_factory=dict)
    #: the places of all that was bound
    stand: int = 0

    def problem(self, loc: Loc, happened: str, expected: str, advice: str, offset: int = 0) -> None:
        """Note a problem at a place of the file."""
        line, column = self.places.get(loc, (1, 1))
        self.problems.append(Problem(self.path, line, column + offset, happened, expected, advice))
        if len(self.problems) == MOST_PROBLEMS:
            self.problems.append(no_more(self.problems[-1]))
            raise Enough

    def steps(self, steps: list[Step], loc: Loc) -> None:
        """Check steps that stand at a place, and have their effects."""
        if len(loc) > 2 * DEEPEST_STEPS:
            happened, expected = f"these steps lie more than {DEEPEST_STEPS} deep", f"at most {DEEPEST_STEPS}"
            self.problem(loc, happened, expected, "nest less")
            return
        for index, step in enumerate(steps):
            self.step(step, (*loc, index))

    def step(self, step: Step, loc: Loc) -> None:
        """Check one step and what stands inside it."""
        self.label(step, loc)
        if not isinstance(step, Function):
            self.places_used(step, loc)
        runs, problems = self.runs, len(self.problems)
        self.run(step, loc)
        if isinstance(step, Intercept):  # its own name is known where it is handed out alone
            self.block(step, loc)
        with self.symbols.inside(step):
            if isinstance(step, Block) and not isinstance(step, Intercept):
                self.block(step, loc)
            for text, text_loc in self.expressions(step, loc):
                self.expression(text, text_loc, VALUES if isinstance(step, Function) else VARIABLES)
        self.checkpoint(step, loc)
        if isinstance(step, Measure):
            self.measure(step, loc)
        if isinstance(step, Function):  # it runs where it is called
            self.costs[id(step)], self.runs = self.runs - runs, runs
        if isinstance(step, Block) and len(self.problems) > problems:  # what is wrong inside is told, and runs no more
            self.symbols.names |= {step.binding: Object(step.binds)} if step.binding and step.binds != "scope" else {}
        elif step.raises in {None, "nothing"}:  # what is refused binds nothing, and changes nothing
            self.effect(step, loc)

    def block(self, step: Block, loc: Loc) -> None:
        """Check the steps inside a step."""
        around = self.again, self.turns
        again = step.transforms or isinstance(step, Repeat | Function)
        self.again = step.verb if again else self.again
        self.turns = 1 if isinstance(step, Function) else self.turns * turns(step)
        self.steps(step.steps, (*loc, "steps"))
        self.again, self.turns = around

    def run(self, step: Step, loc: Loc) -> None:
        """Count a step, as it is written and as it runs."""
        self.count += 1
        if self.count == MOST_STEPS + 1:
            happened, expected = f"this is step {self.count} of the spec", f"at most {MOST_STEPS} steps"
            self.problem(loc, happened, expected, "make several specs of it")
        called = self.symbols.names.get(function_of(step))
        cost = self.costs.get(id(called.made), 0) if called else 0
        before, self.runs = self.runs, self.runs + self.turns * turns(step) * (1 + cost)
        if before <= MOST_RUNS < self.runs:
            happened = f"up to here {self.runs} steps run: loops and calls in one another multiply"
            self.problem(loc, happened, f"at most {MOST_RUNS} steps", "make fewer turns")

    def effect(self, step: Step, loc: Loc) -> None:
        """Have the effect of a step, and refuse what grows too large by it."""
        symbols, grown = self.symbols, self.symbols.grown
        if isinstance(step, Tie | Replace):
            self.not_in_itself(step, loc)
        symbols.effect(step)
        if symbols.ran > MOST_RUNS:  # what stands where is not known from here on
            happened, expected = (
                "loops, calls and functions up to here change too much",
                f"at most {MOST_RUNS} steps and places",
            )
            self.problem(loc, happened, expected, "make fewer turns, or several specs of it")
            raise Enough
        if symbols.grown > grown:
            self.extents(loc, list(symbols.names))
        if step.binding in symbols.names:
            self.extents(loc, [step.binding])
            self.in_all(step.binding, loc)

    def not_in_itself(self, step: Tie | Replace, loc: Loc) -> None:
        """Refuse to put an owner into what it has inside."""
        place, by = (step.tie, step.to) if isinstance(step, Tie) else (step.replace, step.by)
        owner, _ = self.symbols.above(place)
        if owner and self.found(by).holds(owner):
            happened, expected = (
                f"{place.rpartition('.')[0]!r} would be inside itself",
                "something that does not hold it",
            )
            self.problem((*loc, "to" if isinstance(step, Tie) else "by"), happened, expected, "name another")

    def extents(self, loc: Loc, names: list[str]) -> None:
        """Refuse a step after which too much stands in one owner; of what is too much nothing is kept."""
        known: dict[Object, tuple[int, int]] = {}
        for name in names:
            places, depth = self.symbols.names[name].extent(known)
            if places > MOST_PLACES or depth > DEEPEST_PLACE:
                happened = f"{name!r} has {places} places now, {depth} deep"
                expected = f"at most {MOST_PLACES} places, {DEEPEST_PLACE} deep"
                self.problem(loc, happened, expected, "put less into one module")
                self.symbols.names[name] = unknown()
        self.symbols.ran += len(known) if len(names) > 1 else 0

    def in_all(self, name: str, loc: Loc) -> None:
        """Count the places of what a step binds; of what is too much nothing is kept."""
        before, self.stand = self.stand, self.stand + self.symbols.names[name].extent()[0]
        if self.stand > MOST_STANDING:
            self.symbols.names[name] = unknown()
        if before <= MOST_STANDING < self.stand:
            happened, expected = f"up to here {self.stand} places are made", f"at most {MOST_STANDING} places in all"
            self.problem(loc, happened, expected, "copy less, or make several specs of it")

    def checkpoint(self, step: Step, loc: Loc) -> None:
        """Note the word of a checkpoint, which names nothing else; check that what is asked for was saved."""
        if isinstance(step, Save):
            self.saved.add(step.to)
            if step.to in self.names:
                happened = f"{step.to!r} is a name that the spec binds"
                self.problem((*loc, "to"), happened, "a word that names the checkpoint alone", "choose another word")
        kept = (
            step.given_by if isinstance(step, Restore) else step.checkpoint_bytes if isinstance(step, Expect) else None
        )
        if kept is not None and kept not in self.saved:
            self.problem(
                (*loc, "from" if isinstance(step, Restore) else "checkpoint_bytes"),
                f"nothing was saved under {kept!r}",
                "the word of an earlier `save`",
                suggestion(kept, self.saved, "save first, or correct the word"),
            )

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

    def places_used(self, step: Step, loc: Loc) -> None:
        """Check each place that the step's own fields name; one that is to be refused as not found need not be there."""
        self.missing = step.raises == "not_found"
        fields = vars(step)
        for name, kinds in step.uses.items():
            value = fields[name]
            if value is None:
                continue
            alias = type(step).model_fields[name].alias or name
            if isinstance(value, str):
                self.place(value, (*loc, alias), kinds)
            elif isinstance(value, list | dict):
                for key, place in value.items() if isinstance(value, dict) else enumerate(value):
                    self.place(place, (*loc, alias, key), kinds)
        flag = fields.get("reuse")
        if isinstance(flag, OddFlag) and flag.tensor is not None:
            self.place(flag.tensor, (*loc, "reuse", "tensor"), frozenset({"tensor"}))
        if isinstance(step, Module):
            self.no_member_of_itself(step, loc)
        if isinstance(step, Call | Save):
            self.paths_inside(step, loc)
        if isinstance(step, Invoke | Thread):
            self.arguments(step, loc)
        self.missing = False

    def no_member_of_itself(self, step: Module, loc: Loc) -> None:
        """Refuse a module over what it is called like."""
        for name, place in step.members.items():
            if place.partition(".")[0] == step.module:
                happened = f"the module {step.module!r} would be a member of itself"
                self.problem((*loc, "members", name), happened, "members of other names", "name the module otherwise")

    def paths_inside(self, step: Call | Save, loc: Loc) -> None:
        """Check paths that begin in what is called or saved."""
        owner = step.call if isinstance(step, Call) else step.save
        for index, path in enumerate(step.given if isinstance(step, Call) else step.only):
            at = (*loc, "given", path, "key") if isinstance(step, Call) else (*loc, "only", index)
            kinds = VARIABLES if isinstance(step, Call) else VALUES
            self.end(owner, path, self.found(owner), at, kinds, 0)

    def arguments(self, step: Invoke | Thread, loc: Loc) -> None:
        """Check that a function is called with as many values as it takes."""
        found, given = self.found(function_of(step)).made, len(step.given) if isinstance(step, Invoke) else 0
        if isinstance(found, Function) and len(found.takes) != given:
            happened, expected = (
                f"{found.function!r} is called with {given} values",
                f"{len(found.takes)}: so many it takes",
            )
            self.problem((*loc, step.verb), happened, expected, "give a value for each name in `takes`")

    def place(self, place: str, loc: Loc, kinds: frozenset[str], offset: int = 0) -> None:
        """Check that a place begins with a name that is bound, and leads to one of the kinds."""
        name, dot, rest = place.partition(".")
        names = self.symbols.names
        if name not in names:
            known = [word for word, one in names.items() if kind_of(one) in kinds or (dot and one.is_owner)]
            self.problem(
                loc,
                f"nothing is bound to {name!r} here",
                f"a name bound before: {listed(known) or 'none is yet'}",
                suggestion(name, known[-100:], "bind it with `as:` in an earlier step"),
                offset,
            )
            return
        self.end(name, rest, names[name], loc, kinds, offset + len(name) + 1 if rest else offset)

    def end(self, name: str, rest: str, found: Object, loc: Loc, kinds: frozenset[str], offset: int) -> None:
        """Check that a path leads from an object of a name to one of the kinds."""
        start = offset
        for part in filter(None, rest.split(".")):
            if found.kind == "unknown" or (part not in found.parts and self.missing):
                return
            if part not in found.parts:
                known = list(found.parts)
                expected = (
                    f"one of its members: {listed(known)}" if known else f"a {kind_of(found)}, which has no members"
                )
                happened, advice = f"{name!r} has no member {part!r}", suggestion(part, known, "correct the place")
                self.problem(loc, happened, expected, advice, offset)
                return
            name, found, start, offset = f"{name}.{part}", found.parts[part], offset, offset + len(part) + 1
        if kind_of(found) not in kinds and not (found.kind == "unknown" and kinds & VALUES):
            happened, expected = f"{name!r} is a {kind_of(found)}", f"a {' or '.join(sorted(kinds))}"
            inside = [f"{name}.{part}" for part in found.parts]
            advice = f"name something inside it: {listed(inside)}" if inside else "name something of that kind"
            self.problem(loc, happened, expected, advice, start)

    def found(self, place: str) -> Object:
        """Return what stands at a place; where nothing does, which is told elsewhere, an object of which nothing is known."""
        return self.symbols.at(place) or unknown()

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
            value = vars(step).get(name)
            parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            if isinstance(value, str):
                yield value, (*loc, name)
            for at, part in parts:
                if isinstance(part, str):
                    yield part, (*loc, name, at)

    def expression(self, text: str, loc: Loc, kinds: frozenset[str]) -> None:
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
            self.place(place, loc, kinds, indent + column)


def turns(step: Step) -> int:
    """Return how often the inside of a step runs, or the step itself."""
    match step:
        case Repeat():
            return step.repeat
        case Train() | Update() | Scan() | Thread():
            return step.times
        case Get():
            return step.numbered or 1
    return 1


def function_of(step: Step) -> str:
    """Return the name of the function that a step calls, empty if it calls none."""
    return step.invoke if isinstance(step, Invoke) else step.thread if isinstance(step, Thread) else ""


def kind_of(found: Object) -> str:
    """Return what a spec calls an object: what a framework keeps otherwise is a variable too."""
    return "variable" if found.kind in {"buffer", "list"} else found.kind


def check_references(path: Path, spec: Spec, places: Places) -> tuple[dict[str, int], list[Problem]]:
    """Return the line of each label, and a problem for each reference that does not hold."""
    checker = Checker(path, places, names_bound(spec.steps))
    with suppress(Enough):
        checker.steps(spec.steps, ("steps",))
    return checker.lines, checker.problems
