"""Functions, loops and devices in Keras; what is traced is worded for the engine."""

from typing import Any

from canireuse.step import Array, Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    Assign,
    Expect,
    Function,
    Get,
    Invoke,
    Repeat,
    Scan,
    Thread,
    Variable,
    Vectorize,
    walk,
)
from canireuse_adapters.compiling import TorchCompiling
from canireuse_adapters.keras.learning import KerasLearning
from canireuse_adapters.keras.owners import KerasOwners, copied
from canireuse_adapters.keras.places import TENSOR, Thing, mentions
from canireuse_adapters.training import training_of


class KerasRunning(TorchCompiling, KerasLearning, KerasOwners):
    """What Keras, or the engine below, says about loops and functions."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: functions that get variables, with the scope they stand in
        self.getters: dict[str, str] = {}
        #: function -> what it returns, and whether it made that itself
        self.returned: dict[str, tuple[Thing, bool]] = {}
        self.open: list[tuple[str, Any]]

    def repeat(self, step: Repeat) -> None:
        """Write a Python loop."""
        self.build_for(step, calls_build=self.engine != "jax")
        super().repeat(step)

    def function(self, step: Function) -> None:
        """Define a function; the engine traces or compiles it if asked."""
        self.build_for(step, calls_build=False)
        if any(isinstance(one, Get) for one in walk(step.steps)):
            self.getters[step.function] = self.open[-1][0]
        if any(isinstance(one, Invoke) and one.abstract and one.invoke == step.function for one in self.spec):
            if any(isinstance(one, Get | Variable) for one in walk(step.steps)):
                raise Unsupported("Keras gives a variable its memory at once; layers alone wait until they are built.")
            self.abstract = True
        if step.traced:
            self.before_traced(step)
        if step.traced and self.engine == "jax":
            self.jitted(step)
        else:
            if step.traced:
                self.decorate(step)
            with self.block(f"def {step.function}({', '.join(step.takes)}):"):
                self.body(step)
        self.hoisted = None
        self.abstract = False

    def body(self, step: Function) -> None:
        """Write what a function does and returns."""
        before = set(map(id, self.things.values()))
        self.steps(step.steps)
        thing = self.thing(step.returns) if step.returns and step.returns.replace(".", "").isidentifier() else None
        if thing is not None:
            self.returned[step.function] = (thing, id(thing) not in before)
        if step.returns:
            self.write(f"return {self.expression(step.returns)}")

    def before_traced(self, step: Function) -> None:
        """Make the optimizer of a training step outside, since it has variables."""
        train = training_of(step)
        if train:
            self.write(f"optimizer = {self.optimizer_call(train.train, train.rate)}")
            if self.engine != "torch":
                self.write(f"optimizer.build({self.owned(train.wrt)})")
            self.hoisted = train

    def decorate(self, step: Function) -> None:
        """Write the decorator that traces."""
        if self.engine == "tensorflow":
            self.write("@tf.function")
        else:
            counted = any(isinstance(one, Expect) and one.traces == step.function for one in self.spec)
            self.torch_compile(step.function, counted=counted)

    def jitted(self, step: Function) -> None:
        """Write a function of values that JAX compiles, and one around it that reads and writes the variables."""
        self.idiom(
            "JAX compiles a function of values; another around it reads the variables and writes what they become."
        )
        state = self.state_of(step)
        values, scope, result = map(self.free, ("values", "scope", "result"))
        self.write("@jax.jit")
        with self.block(f"def {step.function}_of({', '.join([values, *step.takes])}):"):
            with self.stateless_block(f"zip({state}, {values})", state, scope):
                self.steps(step.steps)
                returned = f"keras.ops.convert_to_tensor({self.expression(step.returns)})" if step.returns else "None"
                self.write(f"{result} = {returned}")
            self.write(f"return {result}, [{scope}.get_current_value(variable) for variable in {state}]")
        with self.block(f"def {step.function}({', '.join(step.takes)}):"):
            held = f"[variable.value for variable in {state}]"
            self.write(f"{result}, {values} = {step.function}_of({', '.join([held, *step.takes])})")
            self.assign_each(state, values)
            self.write(f"return {result}")

    def state_of(self, step: Function) -> str:
        """Write the list of all variables that a function uses, and return its name."""
        state = f"state_of_{step.function}"
        used = [
            f"*{self.place(name)}.variables" if thing.is_keras_layer else self.place(name)
            for name, thing in self.variables_in(step).items()
        ]
        if self.hoisted:
            used.append("*optimizer.variables")
        if any(isinstance(one, Get) for one in walk(step.steps)):
            used.append("*root.variables")
        self.write(f"{state} = [{', '.join(used)}]")
        return state

    def variables_in(self, step: Step) -> dict[str, Thing]:
        """Return the variables, layers and optimizers that a step uses, by the names they are bound to outside."""
        text = repr(step)
        found: dict[str, Thing] = {}
        for name, thing in self.things.items():
            used = mentions(text, name)
            if used and (thing.is_keras_layer or thing.kind == "variable") and thing not in found.values():
                found[name] = thing
        for name in self.optimizers:
            if mentions(text, name):
                found[name] = Thing("module")
        return found

    def invoke(self, step: Invoke) -> None:
        """Call a function."""
        if self.getters.get(step.invoke, self.open[-1][0]) != self.open[-1][0]:
            raise Unsupported(
                "A layer is no ambient scope: a function finds its variables on the object it was written for, wherever it is called."
            )
        self.bind(step.as_, f"{step.invoke}({', '.join(map(self.handed, step.given))})")
        if step.as_:
            self.note_result(step.as_, step.invoke)
            self.things[step.as_].hold(abstract=step.abstract)

    def handed(self, given: str | Array) -> str:
        """Return an argument of a call; JAX compiles functions of arrays, and takes no variable of Keras for one."""
        thing = self.things.get(given) if isinstance(given, str) else None
        array = self.engine == "jax" and thing is not None and thing.kind == "variable"
        return f"{self.expression(given)}{'.value' if array else ''}"

    def note_result(self, name: str, function: str) -> None:
        """Note what a function gave back: what it made itself is made anew each time."""
        if function in self.returned:
            thing, own = self.returned[function]
            self.things[name] = copied(thing) if own else thing
        else:
            self.things[name] = Thing(TENSOR)

    def thread(self, step: Thread) -> None:
        """Call a function in a thread."""
        super().thread(step)
        if step.as_:
            self.note_result(step.as_, step.thread)

    def scan(self, step: Scan) -> None:
        """Loop with `keras.ops.fori_loop`, whose body makes the next value from the last."""
        if self.engine == "jax" and any(isinstance(one, Assign) for one in walk(step.steps)):
            raise Unsupported(
                "A loop of JAX hands on what its body returns: a variable that is assigned inside leaves nothing behind."
            )
        self.build_for(step, calls_build=True)
        body = self.free("turn")
        with self.block(f"def {body}(index, {step.scan}):"):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.to)}")
        self.write(f"{step.scan} = keras.ops.fori_loop(0, {step.times}, {body}, {step.scan})")
        self.things[step.scan] = Thing(TENSOR)

    def vectorize(self, step: Vectorize) -> None:
        """Map with `keras.ops.vectorized_map`."""
        each = self.expression(step.returns)
        self.write(
            f"{step.vectorize} = keras.ops.vectorized_map(lambda {step.each}: {each}, {self.expression(step.over)})"
        )
        self.things[step.vectorize] = Thing(TENSOR)

    def trace_count(self, function: str) -> str:
        """Ask the engine how often it traced."""
        return {
            "tensorflow": f"{function}.experimental_get_tracing_count()",
            "jax": f"{function}_of._cache_size()",
            "torch": f"len(graphs_of_{function})",
        }[self.engine]
