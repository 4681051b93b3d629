"""Functions that get variables by name: they are called inside transformed functions, or are transformed themselves."""

from dataclasses import dataclass
from typing import Any

from canireuse.step import Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import Assign, Compute, Function, Get, Invoke, Repeat, Scope, Thread, Variable, walk
from canireuse_adapters.haiku.names import Bound, Opened, finds
from canireuse_adapters.haiku.trees import HaikuTrees

PURE = "A function that JAX traces is pure, so Haiku users return the new parameters from it; a write inside is not seen outside."
INSIDE = "Inside a transformed function a parameter is an array that cannot be written; Haiku users write into the tree outside."
COUNTED = "`init` runs the body of a Haiku function too, so its lines of Python run more often than it is traced."


@dataclass
class Maker:
    """A function that gets variables: its name in the script, and what calls need to know."""

    word: str
    step: Function
    #: whether it is transformed by itself, keeps state, and was initialised
    transformed: bool = False
    stateful: bool = False
    ready: bool = False
    #: the variable that it returns
    gives: Bound | None = None
    #: of a template: the path of its module, and the transformed function in which that was made
    path: str = ""
    section: int = 0

    @property
    def module(self) -> str:
        """Return the name of the module object that a template is."""
        return f"{self.word}_module"


class HaikuMakers(HaikuTrees):
    """Words functions that get variables; a template is such a function made a module."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.makers: dict[str, Maker] = {}
        #: the functions that are written already, by the ids of their steps
        self.written_makers: dict[int, Maker] = {}

    def transformed(self, step: Function) -> bool:
        """Return whether a function is transformed by itself, in place of being called inside one that is."""
        return bool(step.traced)

    def function(self, step: Function) -> None:
        """Define a function: one that gets variables is written as it stands inside a transformed one."""
        if id(step) in self.written_makers:
            self.makers[step.function] = self.written_makers[id(step)]
            return
        steps = list(walk(step.steps))
        if not any(isinstance(one, Get | Variable) for one in steps):
            if step.returns in self.variables:
                raise Unsupported(
                    "A Haiku parameter is handed on as an array, its value of that moment; only its name leads to what it holds now."
                )
            super().function(step)
            return
        if any(isinstance(one, Assign) for one in steps) and (step.traced or not self.looks_up(step)):
            raise Unsupported(PURE if step.traced else INSIDE)
        if not step.traced and not step.template and self.looks_up(step):
            super().function(step)
            return
        if step.function in self.counted:
            raise Unsupported(COUNTED)
        self.maker(step)

    def looks_up(self, step: Function) -> bool:
        """Return whether a function only looks variables up."""
        inner = [one for one in step.steps if isinstance(one, Scope | Get | Variable)]
        return bool(inner) and all(finds(one) for one in inner)

    def maker(self, step: Function) -> None:
        """Write a function that gets variables by name, as they stand in a transformed function."""
        for inner in step.steps:
            self.prepare(inner)
        known = Maker(self.function_name(step.function, own=True), step, transformed=self.transformed(step))
        around = self.section, self.opened, self.stateful, self.finding, dict(self.variables), self.computed
        self.finding = known.transformed and self.looks_up(step)
        self.sections += 1
        self.section, self.opened, self.stateful, self.computed = self.sections, [Opened()], False, []
        at = len(self.lines)
        with self.block(f"def {known.word}({', '.join(step.takes)}):"):
            for name in step.takes:
                self.variables.pop(name, None)
            self.steps(step.steps)
            known.gives = self.variables.get(step.returns or "")
            if step.returns:
                self.write(f"return {step.returns if known.gives else self.expression(step.returns)}")
        self.write()
        known.stateful = self.stateful
        if known.transformed:
            self.lines.insert(at, "@hk.transform_with_state" if self.stateful else "@hk.transform")
        self.section, self.opened, self.stateful, self.finding, self.variables, self.computed = around
        self.makers[step.function] = self.written_makers[id(step)] = known

    # -- calls

    def makes_variables(self, step: Step) -> bool:
        """Return whether a step belongs into the body of a function that makes variables."""
        if isinstance(step, Invoke | Thread):
            known = self.makers.get(step.invoke if isinstance(step, Invoke) else step.thread)
            return known is not None and not known.transformed and not self.frames and not self.opened[-1].finds
        return super().makes_variables(step)

    def invoke(self, step: Invoke) -> None:
        """Call a function; apply it to the parameters if it is transformed."""
        known = self.makers.get(step.invoke)
        if known is None:
            super().invoke(step)
            return
        given = [self.new_value(value) for value in step.given]
        if self.section:
            if known.transformed:
                raise Unsupported(
                    "A function that is compiled by itself is applied outside of others, to the whole tree."
                )
            self.bind(step.as_, f"{self.called(known)}({', '.join(given)})")
            self.made_by(known, step.as_)
            return
        if known.transformed and not known.ready and not self.frames and not self.looks_up(known.step):
            known.ready = True
            self.initialise(f"{known.word}.init({', '.join([self.key(), *given])})", stateful=known.stateful)
        words = self.applied(self.pure(known), ", ".join(given), stateful=known.stateful)
        if known.transformed:
            words = words.replace(f"{known.word}.apply(", f"jax.jit({known.word}.apply)(", 1)
        self.bind(step.as_, words)
        if step.as_ and known.gives:
            self.variables[step.as_] = Bound(known.gives.tree, known.gives.module, known.gives.name, reader=words)

    def pure(self, known: Maker) -> str:
        """Return the words for a function transformed: as it is, or on the spot."""
        if known.transformed:
            return known.word
        if not known.step.template:
            return f"hk.transform({known.word})"
        made = f"hk.to_module({known.word})(hk.force_name({known.path or known.step.function!r}))"
        return f"hk.transform(lambda *inputs: {made}(*inputs))"

    def called(self, known: Maker) -> str:
        """Return the words for what is called inside a transformed function: a template's module is made there first."""
        if not known.step.template:
            return known.word
        if known.section != self.section:
            name = repr(known.step.function)
            if known.path:
                name = f"hk.force_name({known.path!r})"
            else:
                known.path = self.opened[-1].unique(known.step.function)
            self.write(f"{known.module} = hk.to_module({known.word})({name})")
            known.section = self.section
        return known.module

    def repeat(self, step: Repeat) -> None:
        """Write a Python loop; the modules that templates are stand before it."""
        for inner in walk(step.steps) if self.section else ():
            if isinstance(inner, Invoke) and inner.invoke in self.makers:
                self.called(self.makers[inner.invoke])
        super().repeat(step)

    def made_by(self, known: Maker, name: str | None) -> None:
        """Follow a function that is called inside a transformed one: which names it takes, and what it returns."""
        before, computed = dict(self.variables), list(self.computed)
        if known.step.template:
            self.opened.append(Opened(known.path))
        self.unwritten(known.step.steps)
        if known.step.template:
            self.opened.pop()
        gives = self.variables.get(known.step.returns or "") if known.gives else None
        self.variables, self.computed = before, computed
        if name and gives:
            self.variables[name] = Bound(gives.tree, gives.module, gives.name, gives.words, name, self.section)
            self.bound_at[name] = len(self.frames)
        elif name:
            self.variables.pop(name, None)
            self.computed.append(name)

    def threaded(self, function: str) -> str:
        """Return a function and the trees that it takes."""
        if function in self.makers and self.section:
            return self.called(self.makers[function])
        return ", ".join([function, *self.given_state(function)])

    def thread(self, step: Thread) -> None:
        """Call a function in a thread."""
        if step.thread in self.makers and self.section:
            self.called(self.makers[step.thread])
        super().thread(step)
        if step.thread in self.makers and self.section:
            self.made_by(self.makers[step.thread], step.as_)

    def compute(self, step: Compute) -> None:
        """Bind the value of an expression."""
        super().compute(step)
        name = step.binding or ""
        if self.section:
            self.computed.append(name)
        self.variables.pop(name, None)
