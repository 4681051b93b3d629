"""Functions around Haiku: those that get variables, those that are compiled, and what runs them."""

from typing import Any

from canireuse.translation import Unsupported, turns
from canireuse.vocabulary import (
    Call,
    Compute,
    Function,
    Get,
    Invoke,
    Parallel,
    Replace,
    Scan,
    Thread,
    Train,
    Update,
    Variable,
    walk,
)
from canireuse_adapters.haiku.makers import HaikuMakers

ABSTRACT = "Haiku makes shapes without memory by `jax.eval_shape` on an `init`; this function is no such."


class HaikuRunning(HaikuMakers):
    """Words functions, threads and several devices."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: functions that are a training step -> what they return anew, and what they take
        self.steppers: dict[str, tuple[list[str], list[str]]] = {}

    def function(self, step: Function) -> None:
        """Define a function; a training step takes and returns what it changes."""
        if not any(isinstance(one, Get | Variable) for one in walk(step.steps)) and self.stepper(step):
            return
        super().function(step)

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
            self.lasting = True
            last = Update(update=optimizer, minimize=last.minimize, times=last.times, steps=last.steps)
        last = last.model_copy(update={"steps": [*before, *last.steps]})
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
            self.steps(before if step.returns else [])
            self.take_steps(last)
            result = [self.expression(step.returns)] if step.returns else []
            changed = [tree, moments, *([self.changed] if self.changed else [])]
            self.write(f"return {', '.join([*changed, *result])}")
        self.steppers[step.function] = (changed, [*self.takes[step.function], moments])
        return True

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
        super().invoke(step)

    def scan(self, step: Scan) -> None:
        """Run a loop that is traced once: a function of what it carries, which only reads the parameters."""
        if any(isinstance(inner, Replace) for inner in walk(step.steps)):
            raise Unsupported(
                "The turn of `jax.lax.fori_loop` is a pure function of what it carries, which is arrays: a function with another layer in it ends with the turn."
            )
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
        take, stepped = self.free("take_step"), self.free("stepped")
        with self.block(f"def {take}({tree}, {names}):"):
            self.write(f"gradients = jax.lax.pmean(jax.grad(loss)({tree}, {names}), 'parts')")
            self.write(f"return jax.tree.map(lambda value, slope: value - {step.rate} * slope, {tree}, gradients)")
        self.write()
        data = ", ".join(f"jnp.array({values})" for values in step.split.values())
        axes = ", ".join(["None", *("0" for _ in step.split)])
        self.write(f"{stepped} = jax.pmap({take}, 'parts', in_axes=({axes}))({tree}, {data})")
        self.write(f"{tree} = jax.tree.map(lambda value: value[0], {stepped})")
