"""Haiku's names: scopes and parameters inside transformed functions, and which path each of them gets."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.jax import Jax
from conformance import expression
from conformance.spec import Spec
from conformance.step import Initial, OddFlag, Step
from conformance.translation import Unsupported
from conformance.vocabulary import (
    Assign,
    Compute,
    CurrentScope,
    DefaultScope,
    Function,
    Get,
    Initialize,
    Intercept,
    Invoke,
    NameScope,
    Reenter,
    Repeat,
    Scope,
    Thread,
    Variable,
    walk,
)

#: where Haiku keeps what is made outside of any module
TOP = "~"
FORCED = "hk.name_scope(hk.force_name({!r}))"
NEEDS_SHAPE = "`hk.get_parameter` takes the shape at each call, also where it finds the parameter."


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
    #: whether a creator says what variables start from
    started: bool = False
    taken: Counter[str] = field(default_factory=Counter)

    def inner(self, name: str) -> str:
        """Return the path of a name below."""
        return f"{self.path}/{name}" if self.path and self.path != TOP else name

    def unique(self, name: str) -> str:
        """Return the path that Haiku gives a module or scope of a name that is opened here: a number is put behind where it is taken."""
        found = re.fullmatch(r"(.*?)_(0|[1-9]\d*)", name)
        base, number = (found[1], int(found[2])) if found else (name, self.taken[name])
        made = name if found else f"{name}_{number}" if number else name
        self.taken[base] = max(self.taken[base], number + 1)
        return self.inner(made)


class HaikuSections(Jax):
    """Words scopes and gets as the body of transformed functions.

    Steps that stand together and make variables are one function, whose `init` makes them; outside, their
    names stand for entries of the tree of parameters, read by applying that function to it. A get under
    `reuse: true` is a function of its own, which is only ever applied.
    """

    state = ("params", "state")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.variables: dict[str, Bound] = {}
        #: scope with defaults, by its id -> the creator that gives them
        self.creators: dict[int, str] = {}
        #: variables that no name was bound to
        self.unnamed: list[Bound] = []
        self.bound_scopes: dict[str, str] = {}
        self.opened = [Opened()]
        #: the number of the transformed function being written, 0 for none, and how many there are
        self.section = 0
        self.sections = 0
        #: names bound in the function being written to what is computed there
        self.computed: list[str] = []
        #: names that were read there before they were bound
        self.carried: list[str] = []
        #: all names that the spec reads
        self.read_names: set[str] = set()
        #: the getters and creators around what is written, as contexts
        self.around: list[str] = []
        #: functions that make variables: they are called inside transformed functions
        self.makers: dict[str, Function] = {}
        self.has = {"params": False, "state": False}
        #: whether the function being written keeps state
        self.stateful = False
        #: whether the function being written is only ever applied
        self.finding = False
        self.keys = 0
        #: transformed function -> the words that initialised it
        self.init_words: dict[str, str] = {}
        self.loops = 0

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Look up which names are read at all: no other is returned from a function."""
        for step in walk(spec.steps):
            own = {*type(step).model_fields} - {type(step).bound_by, "steps", "as_", "verb"}
            texts = [str(getattr(step, name)) for name in own]
            self.read_names |= set(
                re.findall(
                    r"[A-Za-z_]\w*",
                    " ".join(texts if not isinstance(step, Compute) else [step.compute.partition("=")[2]]),
                )
            )
        with super().setting(spec):
            yield

    # -- which steps are the body of one function

    def steps(self, steps: list[Step]) -> None:
        """Write steps; those that make variables and stand together become one transformed function."""
        if self.section:
            super().steps(steps)
            return
        run: list[Step] = []
        for step in steps:
            if isinstance(step, Initialize) and step.raises is None:
                continue
            if isinstance(step, Function) and not self.transformed(step) and any(map(self.makes_variables, step.steps)):
                self.step(step)
            elif self.makes_variables(step) or (run and isinstance(step, Compute)):
                run.append(step)
            else:
                self.flush(run)
                self.step(step)
        self.flush(run)

    def transformed(self, step: Function) -> bool:
        """Return whether a function is transformed by itself, in place of being called inside one that is."""
        return step.traced or step.template

    def makes_variables(self, step: Step) -> bool:
        """Return whether a step belongs into the body of a function that makes variables."""
        if self.frames or self.opened[-1].finds:
            return False
        if isinstance(step, Get | Variable):
            return True
        if isinstance(step, Invoke | Thread):
            return (step.invoke if isinstance(step, Invoke) else step.thread) in self.makers
        if isinstance(step, Scope | DefaultScope | Reenter | Intercept | NameScope | Repeat):
            if isinstance(step, Scope | DefaultScope | Reenter) and finds(step):
                return False
            inner = [one for one in step.steps if not isinstance(one, Initialize)]
            return all(isinstance(one, Compute) or self.makes_variables(one) for one in inner) and any(
                not isinstance(one, Compute) for one in inner
            )
        return isinstance(step, CurrentScope)

    def flush(self, run: list[Step]) -> None:
        """Write the steps that were put together as one transformed function, and what was computed after them outside."""
        after: list[Step] = []
        while run and isinstance(run[-1], Compute):
            after.insert(0, run.pop())
        if run:
            self.make(list(run))
        run.clear()
        for step in after:
            self.step(step)

    # -- a transformed function

    def make(self, steps: list[Step]) -> None:
        """Write a transformed function of steps, and have its `init` make the variables."""
        self.outside_of_losses()
        self.sections += 1
        name = self.function_name("build")
        for step in steps:
            self.prepare(step)
        start, around = len(self.lines), self.opened
        self.section, self.opened, self.stateful = self.sections, [*around[:-1], self.fresh(around[-1])], False
        self.computed, self.carried = [], []
        self.depth += 1
        with self.entered(around[-1]):
            super().steps(steps)
        bound = [one for one, known in self.variables.items() if known.section == self.section]
        shown = [one for one in [*bound, *dict.fromkeys(self.computed)] if one in self.read_names]
        given = ", ".join(name for name in dict.fromkeys(self.carried) if name in self.computed)
        if shown:
            self.write(f"return {{{', '.join(f'{one!r}: {one}' for one in shown)}}}")
        self.depth -= 1
        body = self.lines[start:]
        del self.lines[start:]
        stateful = self.stateful
        self.write("@hk.transform_with_state" if stateful else "@hk.transform")
        self.write(f"def {name}({given}):")
        self.lines += body
        self.section, self.opened = 0, around
        self.write()
        made = f"{name}.init({', '.join([self.key(), *([given] if given else [])])})"
        self.init_words[name] = made
        self.initialise(made, stateful=stateful)
        applied = self.applied(name, given, stateful=stateful)
        for one in bound:
            self.variables[one].section = 0
            self.variables[one].reader = f"{applied}[{one!r}]"
        for one in dict.fromkeys(self.computed):
            if one in shown:
                self.write(f"{one} = {applied}[{one!r}]")

    @contextmanager
    def entered(self, outer: Opened) -> Iterator[None]:
        """Open the scope that is open outside again inside the function."""
        contexts = ([FORCED.format(outer.path)] if outer.path else []) + self.around
        if not contexts:
            yield
            return
        with self.block(f"with {', '.join(contexts)}:"):
            yield

    def fresh(self, outer: Opened) -> Opened:
        """Return a scope as a new function sees it: no names are taken yet."""
        return Opened(outer.path)

    def function_name(self, name: str, *, own: bool = False) -> str:
        """Return a name for a function that no other one has; its own name is free for what stands for it."""
        name = name if own else self.free(name)
        plain, number = name, 1
        while any(re.match(rf"\s*def {name}\(", line) for line in self.lines):
            number += 1
            name = self.free(f"{plain}_{number}")
        return name

    def key(self) -> str:
        """Return a key of its own for the random numbers of an `init`."""
        self.keys += 1
        return f"jax.random.key({self.keys - 1})"

    def applied(self, function: str, arguments: str = "", *, stateful: bool = False) -> str:
        """Return the words that apply a transformed function to the variables."""
        rest = f", {arguments}" if arguments else ""
        return (
            f"{function}.apply(params, state, None{rest})[0]" if stateful else f"{function}.apply(params, None{rest})"
        )

    def initialise(self, made: str, *, stateful: bool = False) -> None:
        """Take over what an `init` made; what was there already stays as it is."""
        trees = ["params", "state"] if stateful else ["params"]
        alone = not self.loops and not self.frames and not any(self.has[tree] for tree in trees)
        if alone:
            self.write(f"{', '.join(trees)} = {made}")
        elif stateful:
            self.write(f"params, state = map(hk.data_structures.merge, {made}, (params, state))")
        else:
            self.write(f"params = hk.data_structures.merge({made}, params)")
        if not alone:
            self.idiom("What a second transformed function makes is merged below what there is already.")
        self.has |= dict.fromkeys(trees, True)

    def opening(self, text: str) -> list[str]:
        """Make empty trees of variables where the script asks for one before any is made."""
        lines = []
        for tree in ("params", "state"):
            uses = [line for line in at_once(text) if re.search(rf"(?<![\w'.]){tree}\b(?!')", line)]
            if uses and not re.match(rf"(params, )?{tree}(, state)? = (?!.*[(, ]{tree}\b)", uses[0]):
                lines.append(f"{tree} = {{}}")
        return lines

    def outside_of_losses(self) -> None:
        """Refuse to make variables in a function that is under a transformation."""
        if self.frames:
            raise Unsupported(
                "In Haiku variables are made by `init`, once and outside; a function that is applied, differentiated or "
                "compiled only finds them."
            )

    def prepare(self, step: Step) -> None:
        """Write what stands before a function: the getters and creators that its body uses."""
        for inner in walk([step]):
            if isinstance(inner, Intercept):
                self.getter(inner)

            elif isinstance(inner, Scope | DefaultScope | Reenter) and not finds(inner):
                self.creator(inner)

    def creator(self, step: Scope | DefaultScope | Reenter) -> None:
        """Write a creator that says what the variables made in a scope start from, or of which dtype they are."""
        if step.init is None and step.dtype is None:
            return
        name = self.function_name("create")
        self.creators[id(step)] = name
        with self.block(f"def {name}(next_creator, shape, dtype, init, context):"):
            init = "init" if step.init is None else self.initializer(step.init)
            self.write(f"return next_creator(shape, {repr(step.dtype) if step.dtype else 'dtype'}, {init})")
        self.write()

    def getter(self, step: Intercept) -> None:
        """Write a getter."""
        with self.block(f"def {self.getter_name(step)}(next_getter, {step.intercept}, context):"):
            self.variables.pop(step.intercept, None)
            self.write(f"return next_getter({self.expression(step.returns)})")
        self.write()

    def getter_name(self, step: Intercept) -> str:
        """Return the name of a getter."""
        return self.free(f"get_{step.intercept}")

    # -- steps inside

    def step(self, step: Step) -> None:
        """Write one step; a function is run again to read what it gets, so it observes only while it is initialised."""
        if not self.section or step.raises is None:
            super().step(step)
            return
        with self.block("try:"):
            self.say(step)
        with self.block("except Exception as error:"), self.block("if hk.running_init():"):
            self.write(f"observe({step.expect!r}, error)")
        with self.block("else:"), self.block("if hk.running_init():"):
            self.write(f"observe({step.expect!r}, None)")

    def scope(self, step: Scope) -> None:
        """Open a scope: Haiku makes its name unique, unless it is forced, which is how one is entered again."""
        self.flagged(step)
        here = self.opened[-1]
        if self.only_finds(step):
            self.find(step, here.inner(step.scope))
        elif step.reuse == "auto":
            path = here.inner(step.scope)
            self.enter(step, FORCED.format(path), path)
        else:
            self.enter(step, f"hk.name_scope({step.scope!r})", here.unique(step.scope))

    def default_scope(self, step: DefaultScope) -> None:
        """Open a scope: each of Haiku's has a name that is made unique."""
        self.flagged(step)
        if self.only_finds(step):
            raise Unsupported("A Haiku scope whose name is made unique is a new one: there is nothing to find in it.")
        self.enter(step, f"hk.name_scope({step.default_scope!r})", self.opened[-1].unique(step.default_scope))

    def reenter(self, step: Reenter) -> None:
        """Open a scope by its path from wherever this is."""
        self.flagged(step)
        path = self.bound_scopes[step.reenter]
        if self.only_finds(step):
            self.find(step, path)
        else:
            self.enter(step, FORCED.format(path or TOP), path)

    def only_finds(self, step: Scope | DefaultScope | Reenter) -> bool:
        """Return whether what is inside a scope is only looked up: so it is in a function that is applied."""
        return self.opened[-1].finds or finds(step) or bool(self.frames and not self.section)

    def flagged(self, step: Scope | DefaultScope | Reenter) -> None:
        """Refuse a reuse flag of an odd kind."""
        if isinstance(step.reuse, OddFlag):
            raise Unsupported(
                "`hk.name_scope` takes no reuse flag: whether names are made or found is `init` or `apply`."
            )

    def enter(self, step: Scope | DefaultScope | Reenter, words: str, path: str) -> None:
        """Write a scope and what is inside."""
        if step.as_:
            self.bound_scopes[step.as_] = path
        contexts = [words, *self.defaults(step)]
        self.opened.append(Opened(path, started=self.opened[-1].started or step.init is not None))
        if self.section:
            with self.block(f"with {', '.join(contexts)}:"):
                self.steps(step.steps)
        else:
            self.steps(step.steps)
        self.opened.pop()

    def defaults(self, step: Scope | DefaultScope | Reenter) -> list[str]:
        """Return the contexts that give what is made inside a start value or a dtype."""
        return [f"hk.custom_creator({self.creators[id(step)]})"] if id(step) in self.creators else []

    def find(self, step: Scope | Reenter, path: str) -> None:
        """Write what is inside a scope in which names are only looked up."""
        if step.as_:
            self.bound_scopes[step.as_] = path
        if self.section and self.finding:
            self.enter(step, FORCED.format(path), path)
            return
        if self.section:
            raise Unsupported(
                "In Haiku `init` makes variables and `apply` finds them, each for a whole function; no scope inside one switches."
            )
        self.opened.append(Opened(path, finds=True))
        self.steps(step.steps)
        self.opened.pop()

    def current_scope(self, step: CurrentScope) -> None:
        """Remember the path of the scope that is open."""
        self.bound_scopes[step.current_scope] = self.opened[-1].path

    def intercept(self, step: Intercept) -> None:
        """Have a getter around what is got inside."""
        context = f"hk.custom_getter({self.getter_name(step)})"
        if self.section:
            with self.block(f"with {context}:"):
                self.steps(step.steps)
            return
        self.getter(step)
        self.around.append(context)
        self.steps(step.steps)
        self.around.pop()

    def repeat(self, step: Repeat) -> None:
        """Write a Python loop; what later turns open gets names of its own."""
        self.loops += 1
        with self.block(f"for _ in range({step.repeat}):"):
            self.steps(step.steps)
        if self.section:
            for _ in range(step.repeat - 1):
                self.unwritten(step.steps)
        self.loops -= 1

    def unwritten(self, steps: list[Step]) -> None:
        """Follow steps without writing them: which names they take."""
        lines, self.lines = self.lines, []
        self.steps(steps)
        self.lines = lines

    # -- variables

    def get(self, step: Get) -> None:
        """Get a parameter."""
        if step.reuse is not None:
            raise Unsupported(
                "`hk.get_parameter` takes no reuse flag: `init` makes what is missing, and `apply` refuses it."
            )
        self.hand_out(step, step.get)

    def variable(self, step: Variable) -> None:
        """Get a parameter: Haiku makes none in another way."""
        self.hand_out(step, step.variable)

    def hand_out(self, step: Get | Variable, name: str) -> None:
        """Write how a function gets a parameter, or a piece of state, which is not trained."""
        if step.collection is not None:
            raise Unsupported("Haiku has no collections but two: the parameters, and the state, which is not trained.")
        known = Bound("params", self.opened[-1].path or TOP, name, section=self.section)
        made = self.made_as(known)
        if made == "state" or (step.trainable is False and made is None):
            known.tree, self.stateful = "state", True
        getter = "hk.get_state" if known.tree == "state" else "hk.get_parameter"
        known.words = f"{getter}({', '.join([repr(name), *self.asked(step)])})"
        if self.section:
            self.bind(step.as_, known.words)
            known.reader = step.as_ or ""
        else:
            self.look_up(step, known)
        if step.as_ in self.variables and made is None and not self.section and step.raises not in {None, "nothing"}:
            return  # a name that nothing is bound to anew keeps what it stands for
        if self.section:
            self.unnamed.append(known)
        if step.as_:
            self.variables[step.as_] = known
            self.bound_at[step.as_] = len(self.frames)

    def made_as(self, asked: Bound) -> str | None:
        """Return the tree that what is asked for was made in, None if it was not."""
        known = (
            one
            for one in [*self.variables.values(), *self.unnamed]
            if (one.module, one.name) == (asked.module, asked.name)
        )
        return next((one.tree for one in known), None)

    def asked(self, step: Get | Variable) -> list[str]:
        """Return the shape, the dtype and the initializer that a parameter is asked for with."""
        if isinstance(step, Variable) and step.start is not None:
            value = self.expression(step.start)
            return [f"jnp.shape({value})", f"init=lambda *_: {value}"]
        shape = step.shape if step.shape is not None else shape_of(step.init)
        if shape is None:
            raise Unsupported(NEEDS_SHAPE)
        words = [str(shape), *([repr(step.dtype)] if step.dtype else [])]
        if step.init is None and (self.opened[-1].finds or self.opened[-1].started):
            return words
        return [*words, f"init={self.initializer(0.0 if step.init is None else step.init)}"]

    def initializer(self, init: Initial) -> str:
        """Return an initializer of Haiku."""
        if init == "random":
            return "hk.initializers.RandomNormal()"
        return f"hk.initializers.Constant({self.array(repr(init)) if isinstance(init, list) else init})"

    def look_up(self, step: Get | Variable, known: Bound) -> None:
        """Write a transformed function that finds one parameter."""
        function = self.function_name(f"find_{step.as_ or known.name}")
        stateful = known.tree == "state"
        self.write("@hk.transform_with_state" if stateful else "@hk.transform")
        contexts = [*([] if known.module == TOP else [f"hk.name_scope({known.module!r})"]), *self.around]
        with self.block(f"def {function}():"):
            if contexts:
                with self.block(f"with {', '.join(contexts)}:"):
                    self.write(f"return {known.words}")
            else:
                self.write(f"return {known.words}")
        self.write()
        known.reader = self.applied(function, stateful=stateful)
        if self.frames:
            self.bind(step.as_, known.reader)
            known.reader = step.as_ or ""
        elif step.raises is not None or not step.as_:
            self.write(known.reader)

    # -- places

    def place(self, place: str) -> str:
        """Return the words for a variable: an array in a function, and outside what reads it."""
        known = self.variables.get(place)
        return place if known is None else known.reader or known.entry

    def entry(self, place: str) -> str:
        """Return the words for what a write goes to."""
        return self.variables[place].entry

    def assign(self, step: Assign) -> None:
        """Write into the tree of parameters."""
        self.pure_only("write variables")
        if self.section:
            raise Unsupported(
                "Inside a transformed function a parameter is an array that cannot be written; Haiku users write into the tree outside."
            )
        if "traced" in self.frames:
            raise Unsupported(
                "A function under `jax.jit` is pure, so Haiku users return the new parameters from it; a write inside is not seen outside."
            )
        self.write(f"{self.entry(step.assign)} = {self.written(step)}")

    def written(self, step: Assign) -> str:
        """Return the words for what is written."""
        return self.new_value(step.to)

    def increment(self, place: str) -> None:
        """Add to the entry."""
        self.write(f"{self.entry(place)} += 1")


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
    shape, inner = [], init
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
