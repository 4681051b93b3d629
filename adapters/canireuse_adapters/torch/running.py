"""Running in PyTorch: functions, compiled or not, loops and batches, and modules as a whole changing dtype or device."""

import ast

from canireuse import expression
from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    Cast,
    Function,
    Get,
    Invoke,
    Materialize,
    Move,
    Repeat,
    Scan,
    Thread,
    Vectorize,
    walk,
)
from canireuse_adapters.compiling import TorchCompiling
from canireuse_adapters.torch.blocks import carried_into
from canireuse_adapters.torch.learning import TorchLearning
from canireuse_adapters.torch.owners import TorchOwners
from canireuse_adapters.torch.places import Thing
from canireuse_adapters.training import training_of

CONVERSIONS = {"to-swap": "swap", "to-overwrite": "overwrite", "to_empty-swap": "swap"}


class TorchRunning(TorchCompiling, TorchLearning, TorchOwners):
    """Words functions, loops, threads, casts and moves."""

    #: functions whose traces the spec asks for
    counted: frozenset[str] = frozenset()
    #: functions that get parameters by name
    getting: frozenset[str] = frozenset()
    #: how many compiled functions stand around what is written
    compiling = 0

    # -- functions

    def function(self, step: Function) -> None:
        """Define a Python function; `torch.compile` traces it where asked."""
        if step.traced:
            self.hoisted = training_of(step)
            if self.hoisted:
                self.make_optimizer(self.hoisted)
            self.torch_compile(step.function, counted=step.function in self.counted)
        if any(isinstance(inner, Get) for inner in walk(step.steps)):
            self.getting |= {step.function}
        there = set(self.there)
        self.guarded += 1
        self.compiling += bool(step.traced)
        with self.block(f"def {step.function}({', '.join(step.takes)}):"):
            self.steps(step.steps)
            if step.returns:
                self.write(f"return {self.returned(step.returns)}")
        self.compiling -= bool(step.traced)
        self.guarded -= 1
        # Nobody knows yet whether the function will be called, so its scopes may be there or not.
        self.perhaps |= self.there - there
        self.there = there
        thing = self.known(step.returns)
        if thing:
            self.things[step.function] = self.as_member(step.returns or "")

    def known(self, returns: str | None) -> Thing | None:
        """Return what is known of the place that a function returns, None for any other expression."""
        thing = self.find(returns) if returns and is_place(returns) else None
        return None if thing and thing.kind == "packed" else thing

    def returned(self, returns: str) -> str:
        """Return the words for what a function returns: the thing itself, or the value of an expression."""
        return self.place(returns) if self.known(returns) else self.expression(returns)

    def invoke(self, step: Invoke) -> None:
        """Call a function; on the meta device, tensors have shape and dtype and no memory."""
        self.check_mode(step.invoke)
        self.note_result(step.as_, step.invoke)
        call = f"{step.invoke}({', '.join(self.expression(given) for given in step.given)})"
        if not step.abstract:
            self.bind(step.as_, call)
            return
        with self.block("with torch.device('meta'):"):
            self.bind(step.as_, call)

    def check_mode(self, function: str) -> None:
        """Refuse to call a function that gets parameters where the scope around says reuse."""
        if function in self.getting and self.open[-1].mode != "make":
            raise Unsupported(
                "PyTorch modules pass no reuse mode on to the functions called: each lookup is written as one."
            )

    def note_result(self, name: str | None, function: str) -> None:
        """Note that a name stands for what a function returned."""
        if name and function in self.things:
            self.things[name] = self.things[function]

    def thread(self, step: Thread) -> None:
        """Call a function in threads."""
        self.check_mode(step.thread)
        self.note_result(step.as_, step.thread)
        super().thread(step)

    def trace_count(self, function: str) -> str:
        """Count the graphs that were compiled."""
        return f"len(graphs_of_{function})"

    # -- loops and batches

    def repeat(self, step: Repeat) -> None:
        """Write a loop; what stands in it may run again."""
        self.guarded += 1
        super().repeat(step)
        self.guarded -= 1

    def scan(self, step: Scan) -> None:
        """Loop with `torch.while_loop`, which lives in compiled functions; the turns are counted by a tensor."""
        if carried := [name for name in carried_into(step.steps) if name != step.scan]:
            raise Unsupported(
                f"The body of `torch.while_loop` takes all that it changes as arguments, {carried[0]!r} too."
            )
        if self.compiling:
            self.looped(step, f"_, {step.scan} =", "")
        else:
            self.idiom("`torch.while_loop` is made for compiled functions: the loop stands in one.")
            loop = self.free(f"{step.scan}_loop")
            self.write("@torch.compile(backend='eager')")
            with self.block(f"def {loop}({step.scan}):"):
                self.looped(step, "return", "[1]")
            self.write(f"{step.scan} = {loop}({step.scan})")
        self.note_tensor(step.scan)

    def looped(self, step: Scan, before: str, after: str) -> None:
        """Write the loop itself, its body as a function where it takes several steps."""
        turn, body = self.free("turn"), self.free(f"{step.scan}_turn")
        if step.steps:
            with self.block(f"def {body}({turn}, {step.scan}):"):
                self.steps(step.steps)
                self.write(f"return {turn} + 1, {self.expression(step.to)}")
        else:
            body = f"lambda {turn}, {step.scan}: ({turn} + 1, {self.expression(step.to)})"
        ends = f"lambda {turn}, {step.scan}: {turn} < {step.times}"
        self.write(f"{before} torch.while_loop({ends}, {body}, (torch.tensor(0), {step.scan})){after}")

    def vectorize(self, step: Vectorize) -> None:
        """Map with `torch.vmap`."""
        outer = self.things.pop(step.each, None)
        mapped = f"lambda {step.each}: {self.expression(step.returns)}"
        if outer:
            self.things[step.each] = outer
        self.write(f"{step.vectorize} = torch.vmap({mapped})({self.expression(step.over)})")
        self.note_tensor(step.vectorize)

    # -- a module as a whole

    def cast(self, step: Cast) -> None:
        """Convert a module in place; flags say whether parameters are written, swapped or replaced."""
        self.convert(self.way.get("cast", "to"))
        self.write(f"{step.as_} = {step.cast}.to(torch.{step.to})")
        self.note_same(step.as_, step.cast)
        thing = self.find(step.cast)
        for one in thing.walk() if thing else ():
            one.dtype = step.to

    def convert(self, way: str) -> None:
        """Write the flag that says how modules convert their parameters, where it is not the default."""
        if way in CONVERSIONS:
            self.write(f"torch.__future__.set_{CONVERSIONS[way]}_module_params_on_conversion(True)")

    def note_same(self, name: str, source: str) -> None:
        """Note that a name stands for what another name stands for."""
        thing = self.find(source)
        if thing:
            self.things[name] = thing

    def materialize(self, step: Materialize) -> None:
        """Give a module on the meta device memory, or load a state that has some in place of its parameters."""
        way, device = self.way.get("materialize", "to_empty"), "cuda" if self.device == "gpu" else "cpu"
        self.note_same(step.as_, step.materialize)
        if way != "load-assign":
            self.convert(way)
            self.write(f"{step.as_} = {step.materialize}.to_empty(device={device!r})")
            return
        self.idiom("A state dict of the module's own keys stands for a checkpoint, which is loaded with `assign=True`.")
        key, value = self.free("key"), self.free("tensor")
        state = f"{step.materialize}.state_dict().items()"
        empty = f"{{{key}: torch.empty_like({value}, device={device!r}) for {key}, {value} in {state}}}"
        self.write(f"{step.materialize}.load_state_dict({empty}, assign=True)")
        if step.as_ != step.materialize:
            self.write(f"{step.as_} = {step.materialize}")

    def move(self, step: Move) -> None:
        """Move a module to a GPU by its number."""
        if self.device == "cpu":
            raise Unsupported(
                "PyTorch takes all CPUs for one device, and the `meta` device holds no values: modules move between GPUs."
            )
        if step.device:
            raise Unsupported("A run on the GPU counts on one, and PyTorch makes no virtual ones of it.")
        self.write(f"{step.as_} = {step.move}.to('cuda:{step.device}')")
        self.note_same(step.as_, step.move)


def is_place(text: str) -> bool:
    """Return whether an expression is a place and nothing more."""
    return isinstance(expression.parse(text), ast.Name | ast.Attribute)
