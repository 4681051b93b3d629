"""Functions and loops in TensorFlow 2: `tf.function`, `tf.while_loop`, `tf.vectorized_map`, and what a call leaves behind."""

from dataclasses import dataclass
from typing import Any

from canireuse import expression
from canireuse.step import Reuse
from canireuse.translation import Unsupported
from canireuse.vocabulary import Compute, Function, Get, Invoke, Repeat, Scan, Thread, Variable, Vectorize, walk
from canireuse_adapters.tf2.devices import DeviceWords
from canireuse_adapters.tf2.things import Net, Unit, units_of
from canireuse_adapters.training import training_of


@dataclass
class Result:
    """What a function returns and leaves behind: a tensor, or a thing that is perhaps made anew in each call."""

    thing: Any = None
    local: bool = False
    tensor: bool = False
    #: layers and modules from outside that a call builds
    builds: "tuple[Unit | Net, ...]" = ()


class RunningWords(DeviceWords):
    """What TensorFlow 2 says about functions and loops."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: path of the open scope and its reuse mode (`inherited` from an outer scope), innermost last
        self.open: list[tuple[str, Reuse | str | None]] = [("root", None)]
        #: functions that get variables, with the scope they stand in
        self.getters: dict[str, str] = {}
        self.results: dict[str, Result] = {}

    # -- functions

    def function(self, step: Function) -> None:
        """Define a function; TensorFlow traces it if asked."""
        self.build_for(step)
        inside = list(walk(step.steps))
        if any(isinstance(one, Get) for one in inside):
            self.getters[step.function] = self.open[-1][0]
        outer = self.lazy
        self.lazy = any(isinstance(one, Invoke) and one.abstract and one.invoke == step.function for one in self.spec)
        if self.lazy and any(isinstance(one, Get | Variable) for one in inside):
            raise Unsupported(
                "A `tf.Variable` has its memory from the start; only a Keras layer stands without, until it is built."
            )
        if step.traced:
            train = training_of(step)
            if train:
                self.train_with(train)
                self.hoisted = train
            self.write("@tf.function")
        self.body(step)
        self.lazy = outer

    def body(self, step: Function) -> None:
        """Write the function itself, and note what a call of it will do: nobody has called it yet."""
        made, tensors = dict(self.made), set(self.tensors)
        waiting = [unit for unit in self.everything() if not has_variables(unit)]
        self.tensors |= set(step.takes)
        with self.block(f"def {step.function}({', '.join(step.takes)}):"):
            self.steps(step.steps)
            if step.returns:
                self.write(f"return {self.expression(step.returns)}")
        result = self.returned(step)
        result.builds = tuple(one for one in waiting if has_variables(one))
        for one in result.builds:
            mark(one, done=False)
        self.results[step.function] = result
        scopes = {place: thing for place, thing in self.made.items() if place.startswith("root.")}
        self.made, self.tensors = made | scopes, tensors

    def everything(self) -> list[Unit | Net]:
        """Return every layer and module that is known, with what they wrap and hold."""
        found: list[Unit | Net] = []
        waiting = list(self.made.values())
        while waiting:
            thing = waiting.pop()
            if isinstance(thing, Unit | Net) and thing not in found:
                found.append(thing)
                waiting += thing.members.values() if isinstance(thing, Net) else [thing.inner, thing.backward]
        return found

    def returned(self, step: Function) -> Result:
        """Return what is known of what a function returns."""
        if not step.returns:
            return Result()
        places = expression.places(expression.parse(step.returns))
        if [place for place, _ in places] != [step.returns] or step.returns in self.tensors:
            return Result(tensor=True)
        bound = {one.binding for one in walk(step.steps)}
        return Result(self.thing(step.returns), local=step.returns.partition(".")[0] in bound)

    def invoke(self, step: Invoke) -> None:
        """Call a function."""
        self.check_scope(step.invoke)
        self.bind(step.as_, f"{step.invoke}({', '.join(self.expression(given) for given in step.given)})")
        self.leave(step.invoke, step.as_)
        if step.abstract:
            self.idiom("Keras gives a layer no empty memory: one that was not built yet has no variables.")
            units = list(units_of(self.made.get(step.as_ or "")))
            if not units or any(unit.own for unit in units):
                raise Unsupported(
                    "A `tf.Variable` has its memory from the start; only a Keras layer stands without, until it is built."
                )
            for unit in units:
                unit.abstract = not unit.built

    def check_scope(self, function: str) -> None:
        """Raise Unsupported if a function that gets variables is called in another scope than its own."""
        if self.getters.get(function, self.open[-1][0]) != self.open[-1][0]:
            raise Unsupported(
                "A module is no ambient scope: a function finds its variables on the object it was written for, wherever it is called."
            )

    def leave(self, function: str, name: str | None) -> None:
        """Note what a call has built, and what it returned."""
        result = self.results.get(function, Result())
        for one in result.builds:
            mark(one, done=True)
        if name:
            self.made[name] = self.twin(result.thing, name) if result.local else result.thing
            self.tensors -= {name}
            self.tensors |= {name} if result.tensor else set()

    def thread(self, step: Thread) -> None:
        """Call a function in a thread."""
        self.check_scope(step.thread)
        super().thread(step)
        self.leave(step.thread, step.as_)

    # -- loops

    def compute(self, step: Compute) -> None:
        """Bind the value of an expression."""
        super().compute(step)
        self.tensors.add(step.binding or "")

    def repeat(self, step: Repeat) -> None:
        """Write a Python loop."""
        self.build_for(step)
        super().repeat(step)

    def scan(self, step: Scan) -> None:
        """Carry a tensor through a loop of TensorFlow's own, which counts its turns."""
        self.build_for(step)
        turn = self.free("turn")
        with self.block(f"def {turn}({step.scan}):"):
            self.steps(step.steps)
            self.write(f"return [{self.expression(step.to)}]")
        words = f"tf.while_loop(lambda {step.scan}: True, {turn}, [{step.scan}], maximum_iterations={step.times})"
        self.write(f"({step.scan},) = {words}")
        self.tensors.add(step.scan)

    def vectorize(self, step: Vectorize) -> None:
        """Map over the first axis with TensorFlow's own batching."""
        over = self.expression(step.over)
        tensors = set(self.tensors)
        self.tensors.add(step.each)
        words = f"tf.vectorized_map(lambda {step.each}: {self.expression(step.returns)}, {over})"
        self.write(f"{step.vectorize} = {words}")
        self.tensors = tensors | {step.vectorize}


def has_variables(one: Unit | Net) -> bool:
    """Return whether a layer was built, or a module called."""
    return one.built if isinstance(one, Unit) else one.called


def mark(one: Unit | Net, *, done: bool) -> None:
    """Note whether a layer was built, or a module called."""
    if isinstance(one, Net):
        one.called = done
    else:
        one.built = done
