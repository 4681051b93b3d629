"""Checking that each place of a spec leads somewhere, to what is of the right kind, and that labels are unique."""

import ast
import copy
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from canireuse import expression, things
from canireuse.bounds import (
    DEEPEST_PLACE,
    DEEPEST_STEPS,
    MOST_PLACES,
    MOST_PROBLEMS,
    MOST_RUNS,
    MOST_STANDING,
    MOST_STEPS,
)
from canireuse.problems import Problem, listed, no_more, suggestion
from canireuse.spec import Spec
from canireuse.step import DERIVED, RESERVED, OddFlag, Step, check_identifier
from canireuse.things import Thing
from canireuse.vocabulary import (
    Average,
    Block,
    Call,
    Cast,
    Compute,
    Copy,
    Drop,
    Expect,
    Function,
    Get,
    Gradient,
    Intercept,
    Invoke,
    Layer,
    Materialize,
    Measure,
    Module,
    Move,
    Parallel,
    Quantize,
    Repeat,
    Replace,
    Restore,
    Save,
    Scan,
    Thread,
    Tie,
    Train,
    Update,
    Vectorize,
    Wrap,
    walk,
)
from canireuse.yaml import Loc, Places

#: What may hold variables: what a function returned may be anything.
OWNERS = frozenset({"layer", "module", "copy", "result"})
#: What has a value, and is no owner of what has one.
VARIABLES = frozenset({"variable", "tensor", "result"})
VALUES = OWNERS | VARIABLES
#: What kind of thing a field must lead to; a field that is not here takes any kind but scopes and functions.
KINDS: dict[tuple[str, str], frozenset[str]] = {
    ("reenter", "reenter"): frozenset({"scope"}),
    ("reuse_variables", "reuse_variables"): frozenset({"scope"}),
    ("invoke", "invoke"): frozenset({"function"}),
    ("thread", "thread"): frozenset({"function"}),
    ("update", "update"): frozenset({"optimizer"}),
    ("wrap", "wrap"): frozenset({"layer"}),
    ("tie", "tie"): frozenset({"variable", "result"}),
    ("tie", "to"): frozenset({"variable", "result"}),
    ("expect", "inside"): OWNERS | {"scope"},
    ("expect", "traces"): frozenset({"function"}),
    ("expect", "slots"): frozenset({"optimizer"}),
    ("expect", "alive"): frozenset({"dropped"}),
    ("expect", "elements"): OWNERS,
    ("expect", "parameter_bytes"): OWNERS,
    ("expect", "slot_bytes"): frozenset({"optimizer"}),
    **dict.fromkeys((("assign", "assign"), ("reinitialize", "reinitialize"), ("read", "read"), ("reparametrize", "reparametrize"), ("gradient", "wrt"), ("hook", "hook"), ("shard", "shard"), ("expect", "same"), ("expect", "distinct"), ("expect", "name"), ("expect", "shape"), ("expect", "dtype"), ("expect", "paths")), VARIABLES),
    **dict.fromkeys((("call", "call"), ("copy", "copy_"), ("save", "save"), ("restore", "restore"), ("average", "average"), ("track", "track"), ("cast", "cast"), ("move", "move"), ("materialize", "materialize"), ("parallel", "parallel"), ("quantize", "quantize")), OWNERS),
}  # fmt: skip
#: Blocks whose inside may run again, or be traced: no place for a stopwatch.
AGAIN = (Repeat, Function, Gradient, Train, Update, Scan, Parallel)


Bound = dict[str, Thing]


class Enough(Exception):
    """So many problems were found that the rest is not looked for."""


@dataclass
class Checker:
    """Walks the steps in order and keeps what is bound; `problems` and `lines` are its answers."""

    path: Path
    places: Places
    #: the steps of the spec, and every name that one of them binds
    spec_steps: list[Step]
    names: frozenset[str]
    problems: list[Problem] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    saved: set[str] = field(default_factory=set)
    measured: set[tuple[str, int | None]] = field(default_factory=set)
    #: the verb around the steps that are checked now whose inside may run again or be traced, empty if there is none
    again: str = ""
    #: whether the steps that are checked now are a function's, which runs later, or never
    later: bool = False
    #: whether the step that is checked now is to be refused because something is not there
    missing: bool = False
    #: steps as they are written, as they run, and how often each runs that is checked now
    count: int = 0
    runs: int = 0
    turns: int = 1
    #: the places of all that was bound
    stand: int = 0

    @cached_property
    def derived(self) -> dict[str, str]:
        """What scripts call things of their own after the names of the spec."""
        return names_derived(self.spec_steps)

    def problem(self, loc: Loc, happened: str, expected: str, advice: str, offset: int = 0) -> None:
        """Note a problem at a place of the file."""
        line, column = self.places.get(loc, (1, 1))
        self.problems.append(Problem(self.path, line, column + offset, happened, expected, advice))
        if len(self.problems) == MOST_PROBLEMS:
            self.problems.append(no_more(self.problems[-1]))
            raise Enough

    def steps(self, steps: list[Step], loc: Loc, bound: Bound) -> None:
        """Check steps that stand at a place; add to `bound` what they bind."""
        if len(loc) > 2 * DEEPEST_STEPS:
            happened, expected = f"these steps lie more than {DEEPEST_STEPS} deep", f"at most {DEEPEST_STEPS}"
            self.problem(loc, happened, expected, "nest less")
            return
        for index, step in enumerate(steps):
            self.step(step, (*loc, index), bound)

    def step(self, step: Step, loc: Loc, bound: Bound) -> None:
        """Check one step and what stands inside it."""
        self.label(step, loc)
        if step.binds == "scope" and step.binding:
            bound[step.binding] = Thing("scope")
        if not isinstance(step, Function):
            self.places_used(step, loc, bound)
        own = own_names(step)
        for name in (step.binding, *(own or ())):
            if name and ("_" in name or name[0].isupper()):  # few are, and only these can be made of others
                self.own_name(name, step, loc)
        inner = bound if own is None else {**bound, **{name: Thing("tensor") for name in own}}
        runs = self.runs
        self.run(step, loc, bound)
        if isinstance(step, Block):
            around = self.again, self.later, self.turns
            self.again = step.verb if isinstance(step, AGAIN) else self.again
            self.later = self.later or isinstance(step, Function)
            self.turns = 1 if isinstance(step, Function) else self.turns * turns(step)
            self.steps(step.steps, (*loc, "steps"), bound if isinstance(step, Intercept) else inner)
            self.again, self.later, self.turns = around
        for text, text_loc in self.expressions(step, loc):
            kinds = VALUES if isinstance(step, Function) else VARIABLES
            self.expression(text, text_loc, inner, kinds)
        self.checkpoint(step, loc)
        if isinstance(step, Measure):
            self.measure(step, loc)
        ran = self.runs - runs
        if isinstance(step, Function):  # it runs where it is called
            self.runs = runs
        if step.raises in {None, "nothing"}:  # what is refused binds nothing, and changes nothing
            self.effect(step, loc, bound, inner, ran)

    def own_name(self, name: str, step: Step, loc: Loc) -> None:
        """Refuse to bind a name that scripts make of another."""
        numbered = re.fullmatch(r"(.+)_\d+", name)
        of = self.derived.get(name) or (numbered and numbered[1] in self.names | RESERVED and numbered[1])
        if of and of != name:
            bound_by = type(step).model_fields.get(step.bound_by)
            at = (*loc, bound_by.alias or step.bound_by) if bound_by and name == step.binding else loc
            happened = f"the name {name!r} is one that scripts make of {of!r} for themselves"
            self.problem(at, happened, "a name of its own", "choose another")

    def run(self, step: Step, loc: Loc, bound: Bound) -> None:
        """Count a step, as it is written and as it runs."""
        self.count += 1
        if self.count == MOST_STEPS + 1:
            happened, expected = f"this is step {self.count} of the spec", f"at most {MOST_STEPS} steps"
            self.problem(loc, happened, expected, "make several specs of it")
        called = bound.get(step.invoke if isinstance(step, Invoke) else step.thread if isinstance(step, Thread) else "")
        before, self.runs = self.runs, self.runs + self.turns * turns(step) * (1 + (called.runs if called else 0))
        if before <= MOST_RUNS < self.runs:
            happened = f"up to here {self.runs} steps run: loops and calls in one another multiply"
            self.problem(loc, happened, f"at most {MOST_RUNS} steps", "make fewer turns")

    def effect(self, step: Step, loc: Loc, bound: Bound, inner: Bound, ran: int) -> None:
        """Note what a step binds, drops or puts in a place."""
        if isinstance(step, Drop):
            bound[step.drop] = Thing("dropped")
        if isinstance(step, Tie | Replace):
            self.put(step, loc, bound)
            self.extents(loc, bound, list(bound))
        if isinstance(step, Function):
            bound[step.function] = Thing("function", {}, len(step.takes), ran, self.returned(step, inner))
        elif step.binding:
            bound[step.binding] = self.made(step, bound)
            self.extents(loc, bound, [step.binding])
            self.in_all(step.binding, loc, bound)

    def extents(self, loc: Loc, bound: Bound, names: list[str]) -> None:
        """Refuse a step after which too much stands in one thing."""
        known: dict[Thing, tuple[int, int]] = {}
        for name in names:
            places, depth = things.extent(bound[name], known)
            if places > MOST_PLACES or depth > DEEPEST_PLACE:
                happened = f"{name!r} has {places} places now, {depth} deep"
                expected = f"at most {MOST_PLACES} places, {DEEPEST_PLACE} deep"
                self.problem(loc, happened, expected, "put less into one module")
                bound[name] = things.unknown()

    def in_all(self, name: str, loc: Loc, bound: Bound) -> None:
        """Count the places of what a step binds; of what is too much nothing is kept."""
        before, self.stand = self.stand, self.stand + things.extent(bound[name], {})[0]
        if self.stand > MOST_STANDING:
            bound[name] = things.unknown()
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

    def made(self, step: Step, bound: Bound) -> Thing:
        """Return what a step binds, a function apart."""
        match step:
            case Layer():
                made = things.layer(step)
            case Wrap():
                made = things.wrapper(step, self.found(step.wrap, bound))
            case Module():
                made = Thing("module", {name: self.found(place, bound) for name, place in step.members.items()})
            case Copy():
                made = things.replica(self.found(step.copy_, bound), shallow=step.shallow)
            case Average() | Quantize() | Cast() | Move() | Materialize():
                made = things.replica(self.found(getattr(step, step.verb), bound))
            case Invoke() | Thread():
                function = bound.get(step.invoke if isinstance(step, Invoke) else step.thread)
                made = copy.deepcopy((function and function.returns) or things.unknown())
            case _:
                made = Thing(step.binds)
        return made

    def returned(self, step: Function, inner: Bound) -> Thing:
        """Return what a call of a function returns."""
        try:
            tree = expression.parse(step.returns or "0")
        except expression.ExpressionError:  # told already
            return things.unknown()
        if not isinstance(tree, ast.Name | ast.Attribute):
            return Thing("tensor")
        thing = self.found(ast.unparse(tree), inner)
        return thing if thing.kind in {"variable", "tensor"} else Thing("result", thing.members)

    def put(self, step: Tie | Replace, loc: Loc, bound: Bound) -> None:
        """Note what a place holds after a step that puts something there."""
        place, by = (step.tie, step.to) if isinstance(step, Tie) else (step.replace, step.by)
        around, dot, name = place.rpartition(".")
        owner, thing = self.found(around, bound), self.found(by, bound)
        if not dot:
            bound[place] = thing
        elif holds(thing, owner):
            happened, expected = f"{around!r} would be inside itself", "something that does not hold it"
            self.problem((*loc, "to" if isinstance(step, Tie) else "by"), happened, expected, "name another")
        elif owner.members is not None:
            before = owner.members.get(name, thing)
            owner.members[name] = things.either(before, thing) if self.later else thing

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

    def places_used(self, step: Step, loc: Loc, bound: Bound) -> None:
        """Check each place that the step's own fields name; one that is to be refused as not found need not be there."""
        self.missing = step.raises == "not_found"
        fields = vars(step)
        for name in (*step.uses, "members") if isinstance(step, Module) else step.uses:
            value = fields[name]
            if value is None:
                continue
            kinds = KINDS.get((step.verb, name), VALUES)
            alias = type(step).model_fields[name].alias or name
            if isinstance(value, str):
                self.place(value, (*loc, alias), bound, kinds)
            elif isinstance(value, list | dict):
                for key, place in value.items() if isinstance(value, dict) else enumerate(value):
                    self.place(place, (*loc, alias, key), bound, kinds)
        flag = fields.get("reuse")
        if isinstance(flag, OddFlag) and flag.tensor is not None:
            self.place(flag.tensor, (*loc, "reuse", "tensor"), bound, frozenset({"tensor"}))
        if isinstance(step, Module):
            self.no_member_of_itself(step, loc)
        if isinstance(step, Call | Save):
            self.paths_inside(step, loc, bound)
        if isinstance(step, Invoke | Thread):
            self.arguments(step, loc, bound)
        self.missing = False

    def no_member_of_itself(self, step: Module, loc: Loc) -> None:
        """Refuse a module over what it is called like."""
        for name, place in step.members.items():
            if place.partition(".")[0] == step.module:
                happened = f"the module {step.module!r} would be a member of itself"
                self.problem((*loc, "members", name), happened, "members of other names", "name the module otherwise")

    def paths_inside(self, step: Call | Save, loc: Loc, bound: Bound) -> None:
        """Check paths that begin in what is called or saved."""
        owner = step.call if isinstance(step, Call) else step.save
        for index, path in enumerate(step.given if isinstance(step, Call) else step.only):
            at = (*loc, "given", path, "key") if isinstance(step, Call) else (*loc, "only", index)
            kinds = VARIABLES if isinstance(step, Call) else VALUES
            self.end(owner, path, self.found(owner, bound), at, kinds, 0)

    def arguments(self, step: Invoke | Thread, loc: Loc, bound: Bound) -> None:
        """Check that a function is called with as many values as it takes."""
        function, given = (step.invoke, len(step.given)) if isinstance(step, Invoke) else (step.thread, 0)
        thing = bound.get(function)
        if thing and thing.kind == "function" and thing.takes != given:
            happened, expected = f"{function!r} is called with {given} values", f"{thing.takes}: so many it takes"
            self.problem((*loc, step.verb), happened, expected, "give a value for each name in `takes`")

    def place(self, place: str, loc: Loc, bound: Bound, kinds: frozenset[str], offset: int = 0) -> None:
        """Check that a place begins with a name that is bound, and leads to one of the kinds."""
        name, dot, rest = place.partition(".")
        if name not in bound:
            known = [word for word, thing in bound.items() if thing.kind in kinds or (dot and thing.kind in OWNERS)]
            self.problem(
                loc,
                f"nothing is bound to {name!r} here",
                f"a name bound before: {listed(known) or 'none is yet'}",
                suggestion(name, known[-100:], "bind it with `as:` in an earlier step"),
                offset,
            )
            return
        self.end(name, rest, bound[name], loc, kinds, offset + len(name) + 1 if rest else offset)

    def end(self, name: str, rest: str, thing: Thing, loc: Loc, kinds: frozenset[str], offset: int) -> None:
        """Check that a path leads from a thing of a name to one of the kinds."""
        start = offset
        for part in filter(None, rest.split(".")):
            if thing.members is None:
                return
            if part not in thing.members and self.missing:
                return
            if part not in thing.members:
                known = list(thing.members)
                expected = f"one of its members: {listed(known)}" if known else f"a {thing.kind}, which has no members"
                happened, advice = f"{name!r} has no member {part!r}", suggestion(part, known, "correct the place")
                self.problem(loc, happened, expected, advice, offset)
                return
            name, thing, start, offset = f"{name}.{part}", thing.members[part], offset, offset + len(part) + 1
        if thing.kind not in kinds:
            happened, expected = f"{name!r} is a {thing.kind}", f"a {' or '.join(sorted(kinds))}"
            inside = [f"{name}.{part}" for part in thing.members or {}]
            advice = f"name something inside it: {listed(inside)}" if inside else "name something of that kind"
            self.problem(loc, happened, expected, advice, start)

    def found(self, place: str, bound: Bound) -> Thing:
        """Return what stands at a place; where nothing does, which is told elsewhere, a thing of which nothing is known."""
        name, *rest = place.split(".")
        thing = bound.get(name, things.unknown())
        for part in rest:
            thing = thing.members.get(part, things.unknown()) if thing.members is not None else things.unknown()
        return thing

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

    def expression(self, text: str, loc: Loc, bound: Bound, kinds: frozenset[str]) -> None:
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
            self.place(place, loc, bound, kinds, indent + column)


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


def holds(thing: Thing, other: Thing) -> bool:
    """Return whether a thing is another, or has it inside."""
    known: dict[Thing, tuple[int, int]] = {}
    things.extent(thing, known)
    return other in known


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


def names_bound(steps: list[Step]) -> frozenset[str]:
    """Return every name that steps bind anywhere."""
    return frozenset(name for step in walk(steps) for name in (step.binding, *(own_names(step) or ())) if name)


def words_saved(steps: list[Step]) -> frozenset[str]:
    """Return the words of all checkpoints, which are names in some scripts."""
    return frozenset(step.to for step in walk(steps) if isinstance(step, Save))


def names_derived(steps: list[Step]) -> dict[str, str]:
    """Return what scripts call things of their own after the names of a spec, each with the name that it is made of."""
    words = {
        pattern.format(name): name for name in sorted(names_bound(steps) | words_saved(steps)) for pattern in DERIVED
    }
    for step in walk(steps):
        collection = vars(step).get("collection")
        owner = step.binding if isinstance(step, Module | Wrap | Layer) else None
        words |= {name.title().replace("_", ""): name for name in (owner, collection) if name}
    return words


def check_references(path: Path, spec: Spec, places: Places) -> tuple[dict[str, int], list[Problem]]:
    """Return the line of each label, and a problem for each reference that does not hold."""
    checker = Checker(path, places, spec.steps, names_bound(spec.steps))
    with suppress(Enough):
        checker.steps(spec.steps, ("steps",), {})
    return checker.lines, checker.problems
