"""Measured loops in Keras, variables by the hundred, and what parameters, optimizers and checkpoints take."""

from typing import Any

from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.vocabulary import (
    Call,
    Compute,
    CurrentScope,
    Expect,
    Function,
    Get,
    Gradient,
    Invoke,
    Measure,
    NameScope,
    Read,
    Reenter,
    Repeat,
    Scan,
    Scope,
    Thread,
    Vectorize,
    walk,
)
from canireuse_adapters.keras.devices import KerasDevices
from canireuse_adapters.keras.places import TENSOR, attribute
from canireuse_adapters.keras.running import KerasRunning
from canireuse_adapters.keras.scopes import KerasScopes

#: engine -> device -> what waits until the device is done; JAX waits for arrays instead
FENCES = {
    "tensorflow": {"gpu": "tf.test.experimental.sync_devices"},
    "torch": {"gpu": "torch.cuda.synchronize"},
}
#: steps that leave every variable as it is
READ_ONLY = (Call, Compute, Gradient, NameScope, Read, Repeat, Scan, Vectorize)
#: those, and steps that say themselves what they move
UNMOVED = (*READ_ONLY, CurrentScope, Function, Get, Invoke, Reenter, Scope)
HELD = "As Keras's guide for JAX has it, a loop holds the values of the variables itself and hands them from step to step; what has changed is written back after it."
NAMESPACE = "A layer needs no parent: each turn begins with an empty namespace of Python's own."


class KerasMeasuring(KerasScopes, KerasDevices, KerasRunning):
    """Words what is timed and counted."""

    fences = {
        "cpu": "on JAX: jax.block_until_ready; on TensorFlow and PyTorch a call returns when it is done",
        "gpu": "on TensorFlow: tf.test.experimental.sync_devices; on JAX: jax.block_until_ready; on PyTorch: torch.cuda.synchronize",
    }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: the measured loop that is being written
        self.measured: Measure | None = None
        #: calls that are all there is in a measured loop, by the identity of their step -> what they call; JAX alone
        self.hot: dict[int, Function] = {}
        #: values of variables that a measured loop makes or moves, which JAX is waited for with
        self.moved: list[str] = []

    def look(self, spec: Spec) -> None:
        """Find the measured loops whose body is one call of a compiled function."""
        super().look(spec)
        loops = [step for step in self.spec if isinstance(step, Measure)]
        self.timed = bool(loops)
        if self.engine != "jax":
            return
        compiled = {step.function: step for step in self.spec if isinstance(step, Function) and step.traced}
        for loop in loops:
            called = loop.steps[0] if len(loop.steps) == 1 else None
            function = compiled.get(called.invoke) if isinstance(called, Invoke) and not called.abstract else None
            if function is not None and not any(isinstance(one, Get) for one in walk(function.steps)):
                self.hot[id(called)] = function

    def traces_usually(self) -> bool:
        """Return whether the engine compiles: a loop in PyTorch runs eagerly, in Keras as well, unless somebody compiles it."""
        return self.engine != "torch"

    # -- the loop

    def measure(self, step: Measure) -> None:
        """Write the loop; where it holds the values of variables, read them before and write them back after."""
        outside, self.measured, self.moved = self.measured, step, []
        function = self.hot.get(id(step.steps[0])) if step.steps else None
        if function is None:
            super().measure(step)
        else:
            self.idiom(HELD)
            values, state = self.free("values"), f"state_of_{function.function}"
            self.write(f"{values} = [variable.value for variable in {state}]")
            super().measure(step)
            if changes_variables(function):
                self.write_back(values, state)
        self.measured = outside

    def write_back(self, values: str, state: str) -> None:
        """Write the loop that assigns values to their variables."""
        self.assign_each(state, values)

    def fence(self, body: list[str]) -> str:
        """Wait for the device, or on JAX for what the loop made: arrays, and values of variables."""
        if self.engine != "jax":
            return FENCES[self.engine].get(self.device, "")
        assert self.measured
        function = self.hot.get(id(self.measured.steps[0])) if self.measured.steps else None
        if function is not None:
            awaited = self.made_of(function, self.measured.steps[0].binding or self.free("result"))
        else:
            awaited = [name for name in bound_in(self.measured.steps) if self.is_array(name)]
            awaited = list(dict.fromkeys([*awaited, *self.moved]))
        words = awaited[0] if len(awaited) == 1 else f"({', '.join(awaited)})"
        return f"lambda: jax.block_until_ready({words})" if awaited else ""

    def is_array(self, name: str) -> bool:
        """Return whether a name is bound to an array."""
        thing = self.things.get(name)
        return name in self.tensors or (thing is not None and thing.kind == TENSOR)

    def say(self, step: Step) -> None:
        """Write one step; note of what moves variables in a measured loop which ones it mentions."""
        super().say(step)
        if self.measured and step is not self.measured and not isinstance(step, UNMOVED):
            held = [
                f"*{self.place(name)}.variables" if thing.is_keras_layer else self.place(name)
                for name, thing in self.variables_in(step).items()
            ]
            self.moved += [f"[variable.value for variable in [{', '.join(held)}]]"] if held else []

    def start_afresh(self) -> None:
        """Make a new root, and in it the layers of the scopes; a root without variables needs to be no layer."""
        assert self.measured
        if self.plain_root(self.measured):
            self.idiom(NAMESPACE)
            self.import_first("from types import SimpleNamespace")
            self.write("root = SimpleNamespace()")
        else:
            self.write("root = keras.Layer(name='root')")
        bound = {name: path for name, (path, _) in self.bound_scopes.items()}
        self.sublayers(self.measured.steps, "root", set(), bound)

    def plain_root(self, step: Measure) -> bool:
        """Return whether a new root holds scopes alone, and nobody asks later what is in it."""
        later = self.spec[next(place for place, one in enumerate(self.spec) if one is step) :]
        asked = any(isinstance(one, Expect) and one.inside is None and one.kind in self.whole for one in later)
        return not asked and all(isinstance(one, Scope) for one in step.steps)

    whole = frozenset({"variables", "trainable", "names", "penalties", "penalty"})

    # -- functions that run in it

    def jitted(self, step: Function) -> None:
        """Write a function of values that JAX compiles; where the clock runs it returns no value that is what it was."""
        if not self.timed:
            super().jitted(step)
            return
        state, changes = self.state_of(step), changes_variables(step)
        values, scope, result = map(self.free, ("values", "scope", "result"))
        self.write("@jax.jit")
        with self.block(f"def {step.function}_of({', '.join([values, *step.takes])}):"):
            with self.stateless_block(f"zip({state}, {values})", state, scope if changes else ""):
                self.steps(step.steps)
                returned = f"keras.ops.convert_to_tensor({self.expression(step.returns)})" if step.returns else ""
                if returned:
                    self.write(f"{result} = {returned}" if changes else f"return {returned}")
            if changes:
                became = f"[{scope}.get_current_value(variable) for variable in {state}]"
                self.write(f"return {result}, {became}" if returned else f"return {became}")
        if self.called_elsewhere(step):
            self.stateful(step, state)

    def called_elsewhere(self, step: Function) -> bool:
        """Return whether a function is called outside of the loops that hold the values."""
        threads = any(isinstance(one, Thread) and one.thread == step.function for one in self.spec)
        calls = (one for one in self.spec if isinstance(one, Invoke) and one.invoke == step.function)
        return threads or any(id(one) not in self.hot for one in calls)

    def stateful(self, step: Function, state: str) -> None:
        """Write the function that reads the variables, calls the compiled one, and writes what they become."""
        with self.block(f"def {step.function}({', '.join(step.takes)}):"):
            made = self.made_of(step, self.free("result"))
            held = f"[variable.value for variable in {state}]"
            call = f"{step.function}_of({', '.join([held, *step.takes])})"
            if not changes_variables(step):
                self.write(f"return {call}")
                return
            self.write(f"{', '.join(made)} = {call}")
            self.write_back(self.free("values"), state)
            if step.returns:
                self.write(f"return {self.free('result')}")

    def made_of(self, function: Function, result: str) -> list[str]:
        """Return the names that a function of values is bound to: its result, and the values that variables become."""
        made = [result] if function.returns else []
        return [*made, self.free("values")] if changes_variables(function) else made

    def invoke(self, step: Invoke) -> None:
        """Call a function; a loop that holds the values hands them on."""
        function = self.hot.get(id(step))
        if function is None:
            super().invoke(step)
            if self.measured and f"state_of_{step.invoke} = " in "\n".join(self.lines):
                self.moved.append(f"[variable.value for variable in state_of_{step.invoke}]")
            return
        made = self.made_of(function, step.as_ or self.free("result"))
        given = [self.free("values"), *map(self.handed, step.given)]
        self.bind(", ".join(made), f"{step.invoke}_of({', '.join(given)})")
        if step.as_:
            self.note_result(step.as_, step.invoke)

    # -- variables by the hundred

    def get(self, step: Get) -> None:
        """Add or look up one weight, or one after the other."""
        made, scope = not self.looks_up(step), self.open[-1][0]
        if self.measured and made:
            last = step.get if step.numbered is None else f"{step.get}_{step.numbered - 1}"
            self.moved = [f"{scope}.{attribute(last)}.value"]  # JAX does what it is told in order
        if step.numbered is None:
            super().get(step)
            return
        name = f"f'{step.get}_{{number}}'"
        if made:
            with self.block(f"for number in range({step.numbered}):"):
                self.write(f"setattr({scope}, {name}, {self.weight(step, scope)})")
        if step.as_ or not made:
            self.bind(step.as_, f"[getattr({scope}, {name}) for number in range({step.numbered})]")

    # -- what things take

    def elements_of(self, owner: str) -> str:
        """Add up the weights' elements; a shared weight is listed once."""
        self.import_first("import math")
        return f"sum(math.prod(variable.shape) for variable in {self.listing(owner, only_trainable=False)})"

    def bytes_of(self, owner: str) -> str:
        """Add up the weights' bytes."""
        return self.bytes_in(self.listing(owner, only_trainable=False))

    def bytes_in(self, variables: str) -> str:
        """Return the words for the bytes of all variables in a list."""
        array = "variable.numpy()" if self.engine == "tensorflow" else "variable.value"
        return f"sum({array}.nbytes for variable in {variables})"

    def slot_bytes(self, optimizer: str) -> str:
        """Add up the optimizer's variables, its iteration and its rate included."""
        return self.bytes_in(f"{optimizer}.variables")

    def checkpoint_bytes(self, checkpoint: str) -> str:
        """Return the size of the file, or of the arrays and the config that stand for one."""
        match self.way.get("restore", "weights"):
            case "set-weights":
                return f"sum(array.nbytes for array in {checkpoint})"
            case "config":
                self.import_first("import json")
                return f"len(json.dumps({checkpoint}[0])) + sum(array.nbytes for array in {checkpoint}[1])"
        return f"os.path.getsize({checkpoint})"


def changes_variables(function: Function) -> bool:
    """Return whether a function may change a variable: it does more than call and differentiate."""
    return any(
        not isinstance(one, READ_ONLY) or (isinstance(one, Call) and one.training) for one in walk(function.steps)
    )


def bound_in(steps: list[Step]) -> list[str]:
    """Return the names that steps bind where they stand, not in a function that is written for some of them."""
    names = []
    for step in steps:
        names += [step.binding] if step.binding else []
        names += bound_in(step.steps) if isinstance(step, Repeat | Scope | Reenter | NameScope) else []
    return names
