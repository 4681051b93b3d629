"""Transformed functions: which steps of a spec are the body of one, and what its `init` makes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from canireuse.spec import Spec
from canireuse.step import Initial, Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    Compute,
    CurrentScope,
    DefaultScope,
    Function,
    Get,
    Initialize,
    Intercept,
    NameScope,
    Reenter,
    Repeat,
    Scope,
    Variable,
    walk,
)
from canireuse_adapters.haiku.names import Bound, Opened, at_once, carried_in, finds, read_by
from canireuse_adapters.jax_text import Jax

FORCED = "hk.name_scope(hk.force_name({!r}))"


class HaikuBodies(Jax):
    """Words scopes and gets as the body of transformed functions.

    Steps that stand together and make variables are one function, whose `init` makes them; outside, their
    names stand for entries of the tree of parameters, read by applying that function to it. A get under
    `reuse: true` is a function of its own, which is only ever applied.
    """

    state: tuple[str, ...] = ("params", "state")

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
        #: all names that the spec reads
        self.read_names: set[str] = set()
        #: how many getters are around what is written
        self.getters = 0
        #: the getters and creators around what is written, as contexts
        self.around: list[str] = []
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
            self.read_names |= read_by(step)
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
                if any(isinstance(inner, Reenter) for inner in walk(step.steps)):
                    self.flush(run)
                self.step(step)
                run.append(step)  # from here on its name stands for this function
            elif isinstance(step, CurrentScope) and not run:
                self.step(step)
            elif self.makes_variables(step) or (
                isinstance(step, Compute) and not all(isinstance(one, Function) for one in run)
            ):
                run.append(step)
            else:
                self.flush(run)
                self.step(step)
        self.flush(run)

    def transformed(self, step: Function) -> bool:
        """Return whether a function is transformed by itself, in place of being called inside one that is."""
        return bool(step.traced) or step.template

    def makes_variables(self, step: Step) -> bool:
        """Return whether a step belongs into the body of a function that makes variables."""
        if self.frames or self.opened[-1].finds:
            return False
        if isinstance(step, Get | Variable):
            return True
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
        if all(isinstance(step, Function) for step in run):
            for step in run:
                self.step(step)
        else:
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
        self.computed = []
        self.depth += 1
        with self.entered(around[-1]):
            super().steps(steps)
        bound = [one for one, known in self.variables.items() if known.section == self.section]
        shown = [one for one in [*bound, *dict.fromkeys(self.computed)] if one in self.read_names]
        given = ", ".join(one for one in carried_in(steps) if one in self.computed)
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

    def initializer(self, init: Initial) -> str:
        """Return an initializer of Haiku."""
        if init == "random":
            return "hk.initializers.RandomNormal()"
        return f"hk.initializers.Constant({self.array(repr(init)) if isinstance(init, list) else init})"
