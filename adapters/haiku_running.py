"""Functions around Haiku: those that get variables, those that are compiled, and what runs them."""

from typing import Any

from adapters.haiku_names import Bound, Opened, finds
from adapters.haiku_trees import HaikuTrees
from conformance.translation import Unsupported, turns
from conformance.vocabulary import (
    Assign,
    Call,
    Compute,
    Function,
    Get,
    Invoke,
    Parallel,
    Scan,
    Scope,
    Thread,
    Train,
    Update,
    Variable,
    walk,
)

PURE = "A function that JAX traces is pure, so Haiku users return the new parameters from it; a write inside is not seen outside."


class HaikuRunning(HaikuTrees):
    """Words functions, threads and several devices."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: functions that are transformed by themselves -> whether they keep state, and whether they are initialised
        self.transforms: dict[str, bool] = {}
        self.ready: set[str] = set()
        self.traced: set[str] = set()
        #: functions that are a training step -> what they return anew, and what they take
        self.steppers: dict[str, tuple[list[str], list[str]]] = {}

    def function(self, step: Function) -> None:
        """Define a function: one that makes variables is called inside transformed functions, or transformed itself."""
        steps = list(walk(step.steps))
        gets = any(isinstance(one, Get | Variable) for one in steps)
        if not gets and self.stepper(step):
            return
        if not gets:
            if step.returns in self.variables:
                raise Unsupported(
                    "A Haiku parameter is handed on as an array, its value of that moment; only its name leads to what it holds now."
                )
            super().function(step)
            return
        if any(isinstance(one, Assign) for one in steps) and (step.traced or not self.looks_up(step)):
            raise Unsupported(PURE if step.traced else INSIDE)
        if not self.transformed(step) and self.looks_up(step):
            super().function(step)
            return
        if step.function in self.counted:
            raise Unsupported(
                "`init` runs the body of a Haiku function too, so its lines of Python run more often than it is traced."
            )
        self.maker(step)

    def stepper(self, step: Function) -> bool:
        """Write a training step, which takes and returns the parameters and the optimizer's state; return whether it is one."""
        *before, last = step.steps or [step]
        if (
            self.frames
            or not isinstance(last, Train | Update)
            or not all(isinstance(one, Compute | Call) for one in before)
        ):
            return False
        if isinstance(last, Train):
            tree, trained = self.chosen(last.wrt)
            picker, kind = self.picker(tree, trained), last.train
            optimizer = f"{step.function}_optimizer"
            self.write(f"{optimizer} = {self.optax_words(last)}")
            self.write(f"{optimizer}_moments = {optimizer}.init({self.picked(tree, picker)})")
            self.optimizers[optimizer] = (kind, tree, picker)
            last = Update(update=optimizer, minimize=last.minimize, times=last.times, steps=last.steps)
        optimizer, tree = last.update, self.optimizers[last.update][1]
        if step.function in self.counted:
            self.idiom("JAX has no public count of traces: a line of Python in the body runs once for each trace.")
            self.write(f"traces_of_{step.function} = []")
        if step.traced:
            self.write(self.compiled)
        moments = f"{optimizer}_moments"
        with self.frame("traced" if step.traced else "plain", step.function, [moments, *step.takes]):
            if step.function in self.counted:
                self.write(f"traces_of_{step.function}.append('traced')")
            self.steps(before)
            self.take_steps(last)
            result = [self.expression(step.returns)] if step.returns else []
            changed = [tree, moments, *([self.changed] if self.changed else [])]
            self.write(f"return {', '.join([*changed, *result])}")
        self.steppers[step.function] = (changed, [*self.takes[step.function], moments])
        return True

    def looks_up(self, step: Function) -> bool:
        """Return whether a function only looks variables up."""
        inner = [one for one in step.steps if isinstance(one, Scope | Get | Variable)]
        return bool(inner) and all(finds(one) for one in inner)

    def maker(self, step: Function) -> None:
        """Write a function that gets variables by name, as they stand in a transformed function."""
        for inner in step.steps:
            self.prepare(inner)
        around = self.section, self.opened, self.stateful, self.finding
        self.finding = self.transformed(step) and self.looks_up(step)
        self.sections += 1
        self.section, self.opened, self.stateful = self.sections, [Opened()], False
        at = len(self.lines)
        with self.block(f"def {step.function}({', '.join(step.takes)}):"):
            self.steps(step.steps)
            if step.returns:
                known = self.variables.get(step.returns)
                self.write(f"return {step.returns if known else self.expression(step.returns)}")
        self.write()
        if self.transformed(step):
            self.lines.insert(at, "@hk.transform_with_state" if self.stateful else "@hk.transform")
            self.transforms[step.function] = self.stateful
            if step.traced:
                self.traced.add(step.function)
        self.section, self.opened, self.stateful, self.finding = around
        self.makers[step.function] = step

    def makes_variables(self, step: Any) -> bool:
        """Return whether a step belongs into the body of a function that makes variables."""
        if isinstance(step, Invoke | Thread):
            called = step.invoke if isinstance(step, Invoke) else step.thread
            return called in self.makers and called not in self.transforms and not self.frames
        return super().makes_variables(step)

    def invoke(self, step: Invoke) -> None:
        """Call a function; apply it to the parameters if it is transformed."""
        if step.abstract:
            raise Unsupported(ABSTRACT)
        given = [self.new_value(value) for value in step.given]
        if step.invoke in self.steppers:
            if self.frames:
                raise Unsupported("A training step returns new parameters; inside another function they would be lost.")
            changed, taken = self.steppers[step.invoke]
            results = ", ".join([*changed, *([step.as_] if step.as_ else [])])
            self.write(f"{results} = {step.invoke}({', '.join([*taken, *given])})")
            return
        if step.invoke not in self.makers:
            super().invoke(step)
            return
        if self.section:
            self.bind(step.as_, f"{step.invoke}({', '.join(given)})")
            self.made_by(step.invoke, step.as_)
            return
        arguments = ", ".join(given)
        stateful = self.transforms.get(step.invoke, False)
        if step.invoke not in self.transforms:
            words = self.applied(f"hk.transform({step.invoke})", arguments)
        else:
            if step.invoke not in self.ready and not self.frames and not self.looks_up(self.makers[step.invoke]):
                self.ready.add(step.invoke)
                made = f"{step.invoke}.init({', '.join([self.key(), *given])})"
                self.initialise(made, stateful=stateful)
            words = self.applied(step.invoke, arguments, stateful=stateful)
            if step.invoke in self.traced:
                words = words.replace(f"{step.invoke}.apply(", f"jax.jit({step.invoke}.apply)(", 1)
        self.bind(step.as_, words)
        returned = self.makers[step.invoke].returns
        if step.as_ and returned in self.variables:
            known = self.variables[returned]
            self.variables[step.as_] = Bound(known.tree, known.module, known.name, known.words, words)

    def made_by(self, function: str, name: str | None) -> None:
        """Follow a function that is called inside a transformed one: which names it takes, and what it returns."""
        step = self.makers[function]
        self.unwritten(step.steps)
        known = self.variables.get(step.returns or "")
        if name and known:
            self.variables[name] = Bound(known.tree, known.module, known.name, known.words, name, self.section)
            self.bound_at[name] = len(self.frames)
        elif name:
            self.computed.append(name)
        for inner in walk(step.steps):
            if inner.binding and inner.binding != name:
                self.variables.pop(inner.binding, None)

    def threaded(self, function: str) -> str:
        """Return a function and the trees that it takes."""
        return ", ".join([function, *self.given_state(function)])

    def scan(self, step: Scan) -> None:
        """Run a loop that is traced once: a function of what it carries, which only reads the parameters."""
        self.frames.append("scan")
        super().scan(step)
        self.frames.pop()

    def thread(self, step: Thread) -> None:
        """Call a function in a thread."""
        if step.thread in self.steppers:
            self.import_first("from concurrent import futures")
            changed, taken = self.steppers[step.thread]
            results = ", ".join([*changed, *([step.as_] if step.as_ else [])])
            with turns(self, step.times), self.block("with futures.ThreadPoolExecutor(1) as pool:"):
                self.write(f"{results} = pool.submit({', '.join([step.thread, *taken])}).result()")
            return
        super().thread(step)
        if self.section and step.thread in self.makers:
            self.made_by(step.thread, step.as_)

    def compute(self, step: Compute) -> None:
        """Bind the value of an expression."""
        super().compute(step)
        name = step.binding or ""
        if self.section:
            self.computed.append(name)
        self.variables.pop(name, None)

    def parallel(self, step: Parallel) -> None:
        """Map a step over two devices; each has its part of the data, and gradients are averaged."""
        owner, _ = self.owner(step.parallel)
        tree = owner.trees[0]
        names = ", ".join(step.split)
        self.loss(step.steps, step.minimize, f"{tree}, {names}")
        if self.changed:
            raise Unsupported(
                "Under `jax.pmap` each device has a state of its own; how they are put together, the user says."
            )
        with self.block(f"def take_step({tree}, {names}):"):
            self.write(f"gradients = jax.lax.pmean(jax.grad(loss)({tree}, {names}), 'parts')")
            self.write(f"return jax.tree.map(lambda value, slope: value - {step.rate} * slope, {tree}, gradients)")
        self.write()
        data = ", ".join(f"jnp.array({values})" for values in step.split.values())
        axes = ", ".join(["None", *("0" for _ in step.split)])
        self.write(f"stepped = jax.pmap(take_step, 'parts', in_axes=({axes}))({tree}, {data})")
        self.write(f"{tree} = jax.tree.map(lambda value: value[0], stepped)")


INSIDE = "Inside a transformed function a parameter is an array that cannot be written; Haiku users write into the tree outside."
ABSTRACT = "Haiku makes shapes without memory by `jax.eval_shape` on an `init`; this function is no such."
