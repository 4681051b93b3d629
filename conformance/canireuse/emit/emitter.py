"""Emitting: the base class of adapters that word a spec by tables of templates, and by a method where a verb needs thought.

Each step is worded, and has its effect on the symbols afterwards: what a step's words say of names and places is what they
stand for before it runs.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import groupby
from typing import Any, ClassVar

from canireuse.emit import turns
from canireuse.emit.fragments import (
    Body,
    Fill,
    Names,
    attribute,
    expr,
    expression_of,
    filled,
    give_way,
    imports_of,
    literal,
    name,
    node,
    statements,
)
from canireuse.emit.one_place import OnePlace, expect_more
from canireuse.emit.script import Script, Unsupported
from canireuse.emit.tables import Code, Effects, Lack, Places, Reads, Setup
from canireuse.emit.translation import Adapter, options_of
from canireuse.program import Facts, Fate, Slot, Symbols
from canireuse.program.places import is_place
from canireuse.spec import expression
from canireuse.spec.model import Spec
from canireuse.spec.step import Array, Step
from canireuse.spec.vocabulary import Block, Compute, Expect, Measure, Repeat, Thread

#: what steps call fields whose names are words of Python
ALIASES = {"as": "as_", "from": "given_by", "copy": "copy_", "is": "is_", "in": "inside"}
#: modules of Python's own whose import lines stand above all others
STANDARD = """\
from collections import namedtuple
from concurrent import futures
from copy import copy
from copy import deepcopy
from io import BytesIO
from io import StringIO
from types import SimpleNamespace
import contextlib
import gc
import json
import math
import os
import pathlib
import pickle
import re
import tempfile
import threading
import weakref
"""


#: kind of observation -> why it cannot be read, where a framework has no words for it
UNREAD = {
    "name": "{} variables carry no name.",
    "variables": "{} keeps no list of variables.",
    "trainable": "{} keeps no list of variables.",
    "frozen": "{} has no list of what is not trained.",
    "names": "{} keeps no list of names.",
    "paths": "{} lists a variable once, and has no call for its other paths.",
    "slots": "{} does not say what its optimizers keep.",
    "elements": "{} does not say how large the parameters of an owner are.",
    "parameter_bytes": "{} does not say how large the parameters of an owner are.",
    "slot_bytes": "{} does not say what its optimizers keep.",
    "checkpoint_bytes": "{} does not say how large a checkpoint is.",
    "penalties": "{} keeps no list of regularization terms.",
    "penalty": "{} keeps no list of regularization terms.",
    "collection": "{} has no collections of variables.",
    "traces": "{} does not count traces.",
    "offers": "The names are those of another package, not of {}.",
}
#: kind of observation -> how it is read where an adapter says nothing else
ALIKE = {
    "value": "$value", "shape": "list($shape.shape)", "dtype": "str($dtype.dtype)", "alive": "$watch() is not None",
}  # fmt: skip


class Holes(Mapping[str, Fill]):
    """Fills the holes of a template from the fields of a step.

    A place is worded, an expression rendered, plain data stays; `$x_value` is the value at the place of the field `x`, `$x_data`
    the same as plain numbers and lists, `$**given` the fields of `keywords` that the step says something in.
    """

    def __init__(self, emitter: "Emitter", step: Step, more: Mapping[str, Fill]) -> None:
        self.emitter, self.step, self.more = emitter, step, more

    def __getitem__(self, key: str) -> Fill:
        if key in self.more:
            return self.more[key]
        if key == "given" and self.step.verb in self.emitter.keywords:
            return self.emitter.given(self.step)
        field = ALIASES.get(key, key)
        of, _, asked = key.rpartition("_")
        if field not in type(self.step).model_fields and asked in {"value", "data"}:
            value = self.emitter.value(getattr(self.step, ALIASES.get(of, of)))
            return value if asked == "value" else self.emitter.data(value)
        value = getattr(self.step, field)
        if field in self.step.uses and value is not None:
            return self.places(value)
        if field in self.step.expressions or field == "returns":
            return self.emitter.expression(value)
        return value

    def places(self, given: str | list[str] | dict[str, str]) -> Fill:
        """Return the code for a place, for each of several, or for each by its name."""
        if isinstance(given, dict):
            return {name: self.emitter.place(place) for name, place in given.items()}
        return self.emitter.place(given) if isinstance(given, str) else [self.emitter.place(place) for place in given]

    def __iter__(self) -> Iterator[str]:
        return iter(self.more)

    def __len__(self) -> int:
        return len(self.more)


class Emitter(Adapter):
    """Translates specs into nodes; text appears once, at the end."""

    family = "python"
    #: import lines of which each stands in a script where something reads what it binds
    also: ClassVar[str] = ""
    #: lines above all others
    head: ClassVar[Mapping[str, str]] = {}
    #: name of the script's own -> the statement that binds it, above all steps, where something reads it
    preamble: ClassVar[Mapping[str, str]] = {}
    #: verb, or `verb/way` -> what stands above or around all steps, which are `$*body`, where a spec says it; or a function that returns it
    setup: ClassVar[Setup] = {}
    #: verb, or `verb/way` -> the template of its statements, or a function that adds them
    code: ClassVar[Code] = {}
    #: kind of observation -> the template of the expression that reads it, or a function that returns it
    reads: ClassVar[Reads] = {}
    #: verb, or `verb/way` -> the idiom that its wording is
    notes: ClassVar[Mapping[str, str]] = {}
    #: verb -> the fields that are said as keyword arguments where they are said
    keywords: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    #: further cases in which a verb cannot be said, each with its reason
    lacks: ClassVar[tuple[Lack, ...]] = ()
    #: kind of layer -> part -> where the framework keeps it
    layers: ClassVar[Mapping[str, Mapping[str, Slot]]] = {}
    #: verb, or `verb/way` -> what becomes of variables and ties
    fates: ClassVar[Mapping[str, Fate]] = {}
    #: kind of object -> the code for a place that begins with one, where they are no attributes
    places: ClassVar[Places] = {}
    #: verb -> what its steps do to the symbols, where that is the framework's own matter
    effects: ClassVar[Effects] = {}
    #: attributes that say where something is being written: in which functions, and which steps
    nesting: ClassVar[tuple[str, ...]] = ()
    #: the package that `offers` asks
    package: ClassVar[str] = ""
    #: what holds all variables, where names and lists are asked of everything there is
    everything: ClassVar[str] = ""
    #: a literal list of numbers, and a value as plain numbers and lists
    array_code: ClassVar[str] = "$x"
    data_code: ClassVar[str] = "$x.tolist()"

    def __init__(
        self, device: str = "cpu", way: Mapping[str, str] | None = None, versions: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(device, way, versions)
        self.body: Body = []
        self.idioms: list[str] = []
        self.one_place = OnePlace()
        self.symbols = Symbols(
            self.layers, {verb: self.entry("fates", verb, Fate.ANEW) for verb in self.verbs("fates")}, self.effect
        )

    @classmethod
    def verbs(cls, table: str) -> set[str]:
        """Return the verbs that a table is about."""
        return {key.partition("/")[0] for key in cls.table(table)}

    def entry(self, table: str, verb: str, otherwise: Any = None) -> Any:
        """Return what a table says of a verb in the way of this script."""
        found = self.table(table)
        return found.get(f"{verb}/{self.way.get(verb)}", found.get(verb, otherwise))

    # -- the whole script

    def translate(self, spec: Spec) -> Script:
        """Return the script for a spec; raise Unsupported with the reason if there is none."""
        spec = spec.model_copy(update={"steps": self.settled(spec.steps)})
        self.facts = Facts(spec)
        self.taken = set(self.facts.bound)
        self.symbols.again = turns.Turns(self)
        self.steps(spec.steps)
        expect_more(self.title, spec, self.one_place.labels)
        text = "\n".join(map(ast.unparse, self.above(self.body))) + "\n"
        return Script(text, tuple(dict.fromkeys(self.idioms)), tuple(self.one_place.labels))

    def above(self, body: Body) -> Body:
        """Return the statements with what they need above them: imports, lines of the head, the preamble, what verbs set up."""
        body = self.set_up(body)
        head = statements(self.head[self.device]) if self.head.get(self.device) else []
        made = [statements(code) for code in self.preamble.values()]
        (head, body, *made), renamed = give_way([head, body, *made], self.facts.bound)
        names = Names([*head, *body])
        for one, lines in reversed([*zip(self.preamble, made, strict=True)]):
            if renamed.get(one, one) in names.read:  # what binds it anew may stand below
                body = [*lines, *body]
                for line in lines:
                    names.see(line)
        whole = [*head, *body]
        return [*imports_of(names, (STANDARD, in_order(self.imports, self.table("also"))), renamed), *whole]

    def set_up(self, body: Body) -> Body:
        """Return the statements with what verbs of the spec set up above or around them; what several do stands there once."""
        said = [self.entry("setup", verb, "") for verb in dict.fromkeys(step.verb for step in self.facts.steps)]
        for code in filter(None, dict.fromkeys(one(self) if callable(one) else one for one in said)):
            body = statements(code, body=body, device=self.device)
        return body

    def own(self, word: str) -> str:
        """Return a name for the script's own use: this one, or one like it if the spec binds it."""
        while word in self.facts.bound:
            word += "_"
        return word

    def fresh(self, word: str) -> str:
        """Return a name for the script's own use that has not been given before."""
        while word in self.taken:
            word += "_"
        self.taken.add(word)
        return word

    # -- writing

    def emit(self, code: str, /, **fills: Fill) -> None:
        """Add the statements of a template."""
        self.body += statements(code, **fills)

    @contextmanager
    def apart(self) -> Iterator[Body]:
        """Collect what is written meanwhile, for the body of a block; at least `pass`."""
        outer, self.body = self.body, []
        inner = self.body
        try:
            yield inner
        finally:
            self.body = outer
        inner += [] if inner else [ast.Pass()]

    def block(self, code: str, steps: Sequence[Step], /, **fills: Fill) -> None:
        """Add a template with a hole `$*body`, filled with the words of steps."""
        with self.apart() as body:
            self.steps(steps)
        self.emit(code, body=body, **fills)

    def bind(self, to: str | None, value: Fill) -> None:
        """Add `to = value`, or the value alone if nothing is bound."""
        self.emit("$to = $value", to=to, value=value)

    def idiom(self, note: str) -> None:
        """Mark the wording as an idiom: a few lines users write, where no one call has the meaning."""
        self.idioms.append(note)

    # -- places and values

    def place(self, place: str) -> ast.expr:
        """Return the code for a place itself: the variable, not its value."""
        return self.spelled(place)

    def spelled(self, place: str, *, reading: bool = False) -> ast.expr:
        """Return the attributes that lead to a place along its own path, as its owners call them."""
        first, *rest = place.split(".")
        found, code = self.symbols.names.get(first), self.top(first)
        if found and found.kind in self.table("places"):
            asked: ast.expr = self.table("places")[found.kind](self, place)
            return asked
        for part in rest:
            code = self.kept(code, found.slot(part) if found else Slot(part), reading=reading)
            found = found.parts.get(part) if found else None
        return code

    def kept(self, owner: ast.expr, slot: Slot, *, reading: bool) -> ast.expr:
        """Return the code for what an owner keeps in a slot: attributes of it."""
        return attribute(owner, ((reading and slot.reads) or slot.attribute).split("."))

    def top(self, first: str) -> ast.expr:
        """Return the code for the name that a place begins with."""
        return name(first)

    def value(self, place: str) -> ast.expr:
        """Return the code for the value at a place, as it stands in arithmetic."""
        return self.spelled(place, reading=True)

    def array(self, values: Fill) -> ast.expr:
        """Return the code for a literal list of numbers."""
        return expr(self.array_code, x=node(values))

    def data(self, value: Fill) -> ast.expr:
        """Return the code that turns a value of the framework into plain numbers and lists."""
        return expr(self.data_code, x=value)

    def expression(self, given: str | Array) -> ast.expr:
        """Return the code for an expression or a literal value."""
        if isinstance(given, str):
            return self.rendered(expression.parse(given))
        return self.array(literal(given)) if isinstance(given, list) else literal(given)

    def rendered(self, at: ast.expr) -> ast.expr:
        """Return an expression of the language as code of the framework."""
        match at:
            case ast.Name() | ast.Attribute():
                return self.value(ast.unparse(at))
            case ast.List():
                return self.array(at)
            case ast.Call(func=ast.Name(id=function), args=arguments):
                if function not in self.functions:
                    raise Unsupported(f"{self.title} has no equivalent of `{function}(...)`.")
                return expr(self.functions[function], **self.fills(function, arguments))
        fields = {key: self.rendered(one) if isinstance(one, ast.expr) else one for key, one in ast.iter_fields(at)}
        made: ast.expr = type(at)(**fields)  # type: ignore[arg-type]  # the fields of that type
        return made

    def fills(self, function: str, arguments: Sequence[ast.expr]) -> dict[str, Fill]:
        """Return what stands in the code of a function of the language for its arguments."""
        if function == "gather_nd":
            rows, columns = zip(*ast.literal_eval(arguments[1]), strict=True)
            at = {"pairs": arguments[1], "rows": literal([*rows]), "columns": literal([*columns])}
            return {"x": self.rendered(arguments[0]), **at}
        filled = [self.rendered(one) for one in arguments]
        return {"x": filled if function == "ones" else filled[0]}

    def given(self, step: Step) -> dict[str, ast.expr]:
        """Return the keyword arguments of a step: the fields of `keywords` that say something."""
        fields = type(step).model_fields
        said = {field: getattr(step, field) for field in self.keywords[step.verb]}
        return {
            field: self.argument(step, field, value)
            for field, value in said.items()
            if value is not None and value != fields[field].default
        }

    def argument(self, step: Step, field: str, value: Any) -> ast.expr:
        """Return the code for one keyword argument of a step."""
        return self.expression(value) if field in step.expressions else literal(value)

    # -- steps

    def steps(self, steps: Sequence[Step]) -> None:
        """Emit every step in turn; measured loops that follow each other take turns, round after round."""
        for measured, group in groupby(steps, key=lambda step: isinstance(step, Measure)):
            if not measured:
                for step in group:
                    self.step(step)
                continue
            with self.apart() as body:
                for step in group:
                    self.step(step)
            self.emit("for _ in rounds():\n    $*body", body=body)

    def step(self, step: Step) -> None:
        """Emit one step, and have its effect; one that may be refused is observed in both outcomes."""
        self.refuse(step)
        self.one_place.begin(step)
        body, written = self.body, len(self.body)
        if step.raises is None:
            with self.symbols.inside(step):
                self.emit_step(step)
        else:
            with self.apart() as tried, self.symbols.inside(step):
                self.emit_step(step)
            self.emit(
                "try:\n    $*body\nexcept Exception as error:\n    observe('$label', error)\nelse:\n    observe('$label', None)",
                body=tried, label=step.expect,
            )  # fmt: skip
        self.one_place.happen(step, body[written:])
        if step.raises in {None, "nothing"}:
            self.effect(step)

    def effect(self, step: Step) -> None:
        """Have the effect of a step that has run: now, and once more at each call and turn."""
        if effect := self.table("effects").get(step.verb):
            effect(self, step)
        else:
            self.symbols.happen(step)

    def refuse(self, step: Step) -> None:
        """Raise Unsupported if the framework has no equivalent of a step."""
        known = self.entry("code", step.verb) is not None or hasattr(self, step.verb)
        missing = self.table("missing")
        if step.verb in missing or not known:
            raise Unsupported(missing.get(step.verb, f"{self.title} has no equivalent of `{step.verb}`."))
        for option in options_of(step):
            if option not in self.options:
                raise Unsupported(missing.get(option, f"{self.title} has no equivalent of `{option}`."))
        for lack in self.lacks_of(step.verb, self.way.get(step.verb)):
            if lack.when(self, step):
                raise Unsupported(lack.reason)

    @classmethod
    @cache
    def lacks_of(cls, verb: str, way: str | None) -> list[Lack]:
        """Return what the framework lacks in some cases of a verb, said in a way."""
        asked = {verb, f"{verb}/{way}"}
        lacks: tuple[Lack, ...] = cls.table("lacks")
        return [one for one in lacks if not asked.isdisjoint((one.verb,) if isinstance(one.verb, str) else one.verb)]

    def emit_step(self, step: Step) -> None:
        """Emit one step, and keep the code of what may run again on other objects."""
        again = self.symbols.again  # there is none while code is compared
        if isinstance(again, turns.Turns) and isinstance(step, Block) and self.symbols.may_run_again(step):
            again.write(step)
        else:
            self.emit_verb(step)

    def handed(self, step: Step) -> None:
        """Have what a function takes stand as its calls hand it over, where that is not as it stands outside."""

    def emit_verb(self, step: Step) -> None:
        """Emit one step by its template, by the function of the table, or by the method of the verb's name."""
        code, note = self.entry("code", step.verb), self.entry("notes", step.verb)
        if note:
            self.idiom(note)
        if isinstance(code, str):
            self.fill(code, step)
        elif code is not None:
            code(self, step)
        else:
            getattr(self, step.verb)(step)

    def fill(self, code: str, step: Step, /, **more: Fill) -> None:
        """Add the statements of a template whose holes are the fields of a step; `$*body` is what stands inside it."""
        if "$*body" in code and isinstance(step, Block):
            with self.apart() as body:
                self.steps(step.steps)
            more["body"] = body
        self.body += filled(code, Holes(self, step, more))

    def initialize(self, step: Step) -> None:
        """Write nothing: a variable has its initial value when it is made."""

    def compute(self, step: Compute) -> None:
        """Bind the value of an expression."""
        self.bind(step.binding, self.expression(step.compute.partition("=")[2]))

    def repeat(self, step: Repeat) -> None:
        """Write a Python loop."""
        self.block("for _ in range($times):\n    $*body", step.steps, times=step.repeat)

    def turns(self, times: int, body: Body) -> None:
        """Add statements once, or in a loop if they are to run more often."""
        self.body += body if times == 1 else statements("for _ in range($times):\n    $*body", times=times, body=body)

    def measure(self, step: Measure) -> None:
        """Write the loop that the host turns and times; its fence may name what the steps made."""
        with self.apart() as body:
            if step.fresh:
                self.start_afresh()
            self.steps(step.steps)
        options: dict[str, Fill] = {"size": step.size} if step.size else {}
        fence = self.fence(body)
        if fence is not None:
            options["fence"] = fence
        self.emit("for _ in measure('$label', $**options):\n    $*body", label=step.measure, options=options, body=body)

    def fence(self, body: Body) -> ast.expr | None:
        """Return a function that waits for what a loop started; None if nothing is to be waited for."""
        code = self.fences.get(self.device)
        return expr(code) if code else None

    def start_afresh(self) -> None:
        """Write what makes an empty place for variables, in which the steps after find themselves."""
        raise self.without("start_afresh(self)")

    def thread(self, step: Thread) -> None:
        """Call a function in a thread, which ends before the next one begins."""
        code = "pool.submit($*threaded).result()"
        with self.apart() as body:
            self.bind(step.as_, expr(code, threaded=self.threaded(step.thread)))
        with self.apart() as turn:
            self.emit("with futures.ThreadPoolExecutor(1) as pool:\n    $*body", body=body)
        self.turns(step.times, turn)

    def threaded(self, function: str) -> list[ast.expr]:
        """Return what a thread is given to call a function: the function, and its arguments if it takes any."""
        return [name(function)]

    def watch(self, dropped: str) -> str:
        """Return what the weak reference to a dropped object is called."""
        return self.own(f"{dropped}_watch")

    # -- observations

    def expect(self, step: Expect) -> None:
        """Write one observation."""
        if refused := self.table("missing").get(step.kind):
            raise Unsupported(refused)
        if step.kind in {"same", "distinct"}:
            self.observe_write(step)
            return
        if step.kind == "identical":
            first, second = map(self.place, step.identical or [])
            if not self.is_one_place(step, first, second):
                self.observe(step, expr("$first is $second", first=first, second=second))
        elif not self.is_read_back(step):
            self.observe(step, self.reading(step))

    def observe(self, step: Expect, reading: Fill) -> None:
        """Add a line that observes."""
        self.emit("observe('$label', $reading)", label=step.expect, reading=reading)

    def is_one_place(self, step: Expect, first: ast.expr, second: ast.expr) -> bool:
        """Return whether what a step compares is one place in these words, and list its label where it is."""
        is_one = self.one_place.is_one(first, second) or self.is_asked_once(step)
        self.one_place.labels += [step.expect] if is_one else []
        return is_one

    def is_asked_once(self, step: Expect) -> bool:
        """Return whether a step compares what two names have from one call of a pure function."""
        return False

    def is_read_back(self, step: Expect) -> bool:
        """Return whether a step reads what was just written through another name for one place, and list its label where it does."""
        place = step.value or ""
        found = self.symbols.at(place) if self.one_place.written and is_place(place) else None
        for other in self.one_place.written if found else ():
            if other != place and self.symbols.at(other) is found:
                with self.apart() as lines:
                    is_one = self.one_place.is_one(self.value(other), self.value(place)) and not lines
                if is_one:
                    self.one_place.labels.append(step.expect)
                    return True
        return False

    def observe_write(self, step: Expect) -> None:
        """Observe whether a write to the second place is read through the first; the write stands though they are one place."""
        first, second = step.same or step.distinct or []
        before = self.seen(first)
        at = len(self.body)
        self.emit("before = $before", before=before)
        self.increment(second)
        after, written = self.seen(first), self.seen(second)
        if self.is_one_place(step, after, written):
            del self.body[at : None if step is self.facts.steps[-1] else at + 1]
        else:
            seen = expr("{'before': before, 'after': $after, 'written': $written}", after=after, written=written)
            self.observe(step, seen)

    def seen(self, place: str) -> ast.expr:
        """Return what is observed of a place before and after a write."""
        return self.data(self.value(place))

    def increment(self, place: str) -> None:
        """Write one to every element of a variable on top of what it holds."""
        raise self.without("increment(self, place)")

    def without(self, hook: str) -> NotImplementedError:
        """Return what to raise for a method that an adapter has to have and has not."""
        meant = (getattr(Emitter, hook.partition("(")[0]).__doc__ or "").strip()
        return NotImplementedError(
            f"{type(self).__name__} has no `{hook}`\n    expected: a method that does this: {meant}\n"
            "    to do: write it; CONTRIBUTING.md, `Add a backend`, says what an adapter needs"
        )

    def reading(self, step: Expect) -> ast.expr:
        """Return the code that reads what a step observes: the template of its kind."""
        if step.offers and self.package:
            return has(self.package, step.offers)
        if step.by_path is not None:
            listing = step.model_copy(update={"by_path": None, "names": []})
            return expr("len(dict.fromkeys($names))", names=self.reading(listing))
        code = self.reads.get(step.kind, ALIKE.get(step.kind))
        if code is None:
            raise Unsupported(UNREAD.get(step.kind, "{} has no equivalent of this.").format(self.title))
        if isinstance(code, str):
            return expression_of(filled(code, Holes(self, step, self.looked_into(step))))
        return code(self, step)

    def looked_into(self, step: Expect) -> dict[str, Fill]:
        """Return what fills the holes of a reading beside the fields of the step.

        `$value` is the value as plain numbers, `$holder` what is looked into or `everything`, `$*within` the same or nothing,
        `$watch` the weak reference to what was dropped.
        """
        within = self.place(step.inside) if step.inside else None
        more: dict[str, Fill] = {"within": [within] if within else []}
        more["holder"] = within or (expr(self.everything) if self.everything else None)
        if step.kind == "value":
            more["value"] = self.data(self.expression(step.value or ""))
        if step.alive:
            more["watch"] = self.watch(step.alive)
        return more


@cache
def in_order(*imports: str) -> str:
    """Return import lines as they stand in a script, each once: first those of whole modules."""
    lines = {*"\n".join(imports).splitlines()}
    return "\n".join(sorted(lines, key=lambda line: (line.startswith("from"), line)))


def has(package: str, wanted: str) -> ast.expr:
    """Return the code that asks a package for a dotted name, part by part."""
    asked: list[ast.expr] = []
    around: ast.expr = ast.Name(package, ast.Load())
    for part in wanted.split("."):
        asked.append(expr("hasattr($around, '$part')", around=around, part=part))
        around = attribute(around, [part])
    return asked[0] if len(asked) == 1 else ast.BoolOp(ast.And(), asked)
