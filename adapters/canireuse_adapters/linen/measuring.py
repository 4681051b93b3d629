"""Measured loops in Flax Linen, parameters by the hundred, and what parameters, optimizers and checkpoints take."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import Expect, Function, Get, Layer, Measure, Module, Optimizer, Scope, walk
from canireuse_adapters.linen.running import LinenRunning
from canireuse_adapters.linen.saving import LinenSaving
from canireuse_adapters.linen.scopes import Opened

#: what can be said of layers and modules that have a tree each
OF_ONE_TREE = frozenset({
    "call", "compute", "expect", "function", "gradient", "initialize", "invoke", "layer", "measure", "module", "optimizer",
    "repeat", "update",
})  # fmt: skip
#: observations of paths, which begin at the root of one tree of all
OF_PATHS = frozenset({"name", "names", "paths"})


class LinenMeasuring(LinenRunning, LinenSaving):
    """Words what is timed and counted.

    A function under `jax.jit` flattens all that it is given and makes anew all that it returns. So where
    the clock runs, each model has parameters of its own, and a function takes those that it uses.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: whether a loop is written that is timed and only gets variables by name
        self.getting = False

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Look ahead whether layers can have a tree each, and whether loops begin with no variables."""
        self.apart = each_has_a_tree(spec)
        with super().setting(spec):
            if any(isinstance(step, Measure) and step.fresh for step in walk(spec.steps)):
                self.key = self.free("key")
            yield

    def opening(self, text: str) -> list[str]:
        """Make the key once where scopes are made again and again."""
        lines = super().opening(text)
        drawn = self.key.isidentifier() and f"'params': {self.key}}}" in "\n".join([text, *lines])
        return [f"{self.key} = jax.random.key(0)", *lines] if drawn else lines

    # -- loops that are timed

    def measure(self, step: Measure) -> None:
        """Write the loop; each turn asks for the same names again."""
        around, self.getting = self.getting, all(isinstance(inner, Get | Scope) for inner in walk(step.steps))
        self.loops += 1
        super().measure(step)
        self.loops -= 1
        self.getting = around
        self.opened[0].loop = min(self.opened[0].loop, self.loops)

    def start_afresh(self) -> None:
        """Make an empty tree, and a scope over it."""
        if len(self.opened) > 1:
            raise Unsupported("A Linen scope belongs to its tree: none is open where a new tree is begun.")
        self.draws = True
        self.write("params = {}")
        self.write(self.scope_over({"params": "params"}, mutable=True))
        self.opened = [Opened("root", (), loop=self.loops)]

    def awaited(self, body: list[str]) -> list[str]:
        """Return the names of arrays and trees: a scope holds nothing that is not in its tree."""
        scopes = {"root", *self.bound_scopes}
        return [name for name in super().awaited(body) if name not in scopes]

    # -- variables by name

    def get(self, step: Get) -> None:
        """Get a variable, or one after the other; where that is timed, by the one call that modules make."""
        if step.numbered is None:
            if self.getting and self.is_param(step):
                self.bind_value(step, self.got(step, repr(step.get)))
            else:
                super().get(step)
            return
        number = "number"
        call, numbers = self.got(step, f"f'{step.get}_{{{number}}}'"), f"for {number} in range({step.numbered})"
        if step.as_:
            self.bind_value(step, f"[{call} {numbers}]")
            return
        with self.block(f"{numbers}:"):
            self.write(call)

    def is_param(self, step: Get) -> bool:
        """Return whether a variable is a parameter of a known shape."""
        return step.shape is not None and step.trainable is not False and step.collection is None

    def got(self, step: Get, name: str) -> str:
        """Return the words that make or find a variable, whose name is given in words."""
        words, mode = self.asked(step)
        lookup = mode not in {None, False, "auto"}
        if not lookup:
            self.making("params")
        if self.is_param(step) and not (lookup and step.raises):
            self.idiom("`param` makes or finds a parameter and compares its shape, as `self.param` of a module does.")
            self.draws = True
            initializer = "nn.initializers.zeros" if step.init is None else self.initializer(step.init)
            return f"{words}.param({name}, {initializer}, {step.shape}{f', {step.dtype!r}' if step.dtype else ''})"
        collection = step.collection or ("constants" if step.trainable is False else "params")
        filling = "" if lookup or step.init is None else ", ".join(self.filling(step.init, step.shape, step.dtype))
        return f"{words}.variable({collection!r}, {name}{', ' + filling if filling else ''})"

    def bind_value(self, step: Get, words: str) -> None:
        """Bind what is no reference to one variable."""
        self.bind(step.as_, words)
        if step.as_:
            self.variables.pop(step.as_, None)
            self.bound_at.pop(step.as_, None)

    # -- what things take

    def elements_of(self, owner: str) -> str:
        """Add up the elements of the leaves; a shared entry is one leaf."""
        return f"sum(leaf.size for leaf in jax.tree.leaves({self.held(self.owner(owner)[0])}))"

    def bytes_of(self, owner: str) -> str:
        """Add up the bytes of the leaves."""
        return f"sum(leaf.nbytes for leaf in jax.tree.leaves({self.held(self.owner(owner)[0])}))"

    def slot_bytes(self, optimizer: str) -> str:
        """Add up the bytes of an optimizer's state, the count of its steps included."""
        return f"sum(leaf.nbytes for leaf in jax.tree.leaves({self.optimizers[optimizer].state}))"

    def checkpoint_bytes(self, checkpoint: str) -> str:
        """Return the size of the bytes, or of the files in the folder."""
        if self.way.get("save") != "orbax":
            return f"len({checkpoint})"
        self.import_first("import pathlib")
        return f"sum(file.stat().st_size for file in pathlib.Path({checkpoint}).rglob('*') if file.is_file())"


def each_has_a_tree(spec: Spec) -> bool:
    """Return whether a spec times something, and each of its layers and modules can have a tree of its own."""
    steps = list(walk(spec.steps))
    loops = [step for step in steps if isinstance(step, Measure)]
    inside = [inner for step in steps if isinstance(step, Function | Measure) for inner in walk(step.steps)]
    members = [place for step in steps if isinstance(step, Module) for place in step.members.values()]
    return (
        bool(loops)
        and all(fits_one_tree(step) for step in steps)
        and not any(isinstance(inner, Layer | Module | Optimizer) for inner in inside)
        and all(place.isidentifier() for place in members)
        and len(members) == len(set(members))
    )


def fits_one_tree(step: Step) -> bool:
    """Return whether what a step says holds for parameters that are a tree of their own."""
    match step:
        case Layer():
            return step.layer != "norm" and step.trainable
        case Optimizer():
            return isinstance(step.over, str) and step.over.isidentifier()
        case Expect():
            return step.kind not in OF_PATHS
    return step.verb in OF_ONE_TREE
