"""Scopes and gets of Haiku, as they stand in the body of a transformed function, and variables as they are seen outside."""

from canireuse.step import OddFlag, Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    Assign,
    CurrentScope,
    DefaultScope,
    Get,
    Intercept,
    Reenter,
    Repeat,
    Scope,
    Variable,
)
from canireuse_adapters.haiku.bodies import FORCED, HaikuBodies
from canireuse_adapters.haiku.names import TOP, Bound, Opened, finds, shape_of

NEEDS_SHAPE = "`hk.get_parameter` takes the shape at each call, also where it finds the parameter."


class HaikuSections(HaikuBodies):
    """Words scopes, gets and variables."""

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
            self.enter(step, FORCED.format(path or TOP), path or TOP)

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
        self.opened.append(Opened(path))
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
        changes = step.returns.strip() != step.intercept
        self.getters += changes
        if self.section:
            with self.block(f"with {context}:"):
                self.steps(step.steps)
        else:
            self.getter(step)
            self.around.append(context)
            self.steps(step.steps)
            self.around.pop()
        self.getters -= changes

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
        known.got = self.getters > 0
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
        return words if step.init is None else [*words, f"init={self.initializer(step.init)}"]

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
        """Return the words for what a write goes to; what a getter handed out is an array, which takes none."""
        known = self.variables[place]
        return f"{self.place(place)}[...]" if known.got else known.entry

    def assign(self, step: Assign) -> None:
        """Write into the tree of parameters."""
        self.pure_only("write variables")
        if self.section:
            raise Unsupported(
                "Inside a transformed function a parameter is an array that cannot be written; Haiku users write into the tree outside."
            )
        if "traced" in self.frames or "scan" in self.frames:
            raise Unsupported(
                "A function that JAX traces is pure, so Haiku users return the new parameters from it; a write inside is not seen outside."
            )
        self.write(f"{self.entry(step.assign)} = {self.written(step)}")

    def written(self, step: Assign) -> str:
        """Return the words for what is written."""
        return self.new_value(step.to)

    def increment(self, place: str) -> None:
        """Add to the entry."""
        self.write(f"{self.entry(place)} += 1")
