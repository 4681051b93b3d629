"""Flax NNX: measured loops, variables by the hundred, and what parameters, optimizers and checkpoints take."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import Assign, Call, Function, Get, Optimizer, Train, Update, walk
from canireuse_adapters.nnx.models import Model, models_of
from canireuse_adapters.nnx.training import NNXTraining


class NNXMeasuring(NNXTraining):
    """Words what is timed and counted."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: what each function is given, where layers and modules stand apart
        self.models: dict[str, Model] = {}
        #: functions that write the state they are given
        self.writers: set[str] = set()

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Look where the functions of a spec with timed loops have to reach."""
        models = models_of(spec)
        self.apart, self.models = models is not None, models or {}
        with super().setting(spec):
            yield

    # -- what functions are given

    def function(self, step: Function) -> None:
        """Define a function; where a loop is timed, it is given what it uses and no more."""
        if any(writes(one) for one in walk(step.steps)):
            self.writers.add(step.function)
        if not self.apart:
            super().function(step)
            return
        model = self.models[step.function]
        if model.own:
            self.write(f"{model.name} = nnx.Module()")
            for name, words in model.parts.items():
                self.write(f"{words} = {name}")
        self.root, self.state = model.name, (model.name,)
        super().function(step)
        self.root, self.state = "root", type(self).state

    def reached(self, name: str) -> str:
        """Return where an owner stands in what the function is given."""
        return self.models[self.writing[0]].parts[name] if self.apart else super().reached(name)

    def optimizer(self, step: Optimizer) -> None:
        """Make an optimizer of the root module, or of the layer or module alone."""
        self.root = str(step.over) if self.apart else "root"
        super().optimizer(step)
        self.root = "root"

    def chosen(self, places: list[str], name: str, *, lasting: bool = False) -> tuple[str, str]:
        """Return no filter but the type where the optimizer is given only what it trains."""
        return ("nnx.Param", "") if self.apart else super().chosen(places, name, lasting=lasting)

    def check_paths(self, optimizer: str) -> None:
        """Compare paths in the root module, if there is one."""
        if not self.apart:
            super().check_paths(optimizer)

    # -- loops

    def start_afresh(self) -> None:
        """Make a new root module."""
        if self.frames or len(self.opened) > 1:
            raise Unsupported(
                "A new root module has no other in it: a loop that begins with no variables stands where no scope is open."
            )
        self.write("root = nnx.Module()")
        self.dropped |= set(self.owners)
        self.forget({path for path in self.made if path.startswith("root.")})
        self.made.clear()

    def awaited(self, body: list[str]) -> list[str]:
        """Return what the lines of a loop write: names, and the modules and optimizers that they change; to look up starts no work."""
        known = {"root", *self.holders, *self.owners, *(model.name for model in self.models.values())}
        names: list[str] = []
        for line in body:
            try:
                statements = ast.parse(line).body
            except SyntaxError:  # it opens a block, the lines of which follow
                continue
            for statement in statements:
                names += self.written(statement, known)
        return list(dict.fromkeys(names))

    def written(self, statement: ast.stmt, known: set[str]) -> list[str]:
        """Return the names that a statement binds or whose state it changes."""
        if isinstance(statement, ast.Expr):
            return [name for name in names_in(statement) if name in known]
        if not isinstance(statement, ast.Assign) or looks_up(statement.value):
            return []
        names = [name for target in statement.targets for name in names_in(target)]
        called = statement.value.func if isinstance(statement.value, ast.Call) else None
        changes = isinstance(called, ast.Name) and called.id in self.writers
        return names + [name for name in names_in(statement.value) if changes and name in known]

    # -- variables by the hundred

    def get(self, step: Get) -> None:
        """Set or read one attribute, or one after the other."""
        if step.numbered is None:
            super().get(step)
            return
        if self.making:
            raise Unsupported(
                "A function that makes a module has names of its own, and no name of Python is put together from text."
            )
        around, number = self.opened[-1][0], "number"
        name, turns = f"f'{step.get}_{{{number}}}'", f"for {number} in range({step.numbered})"
        if not self.looks_up(step):
            with self.block(f"{turns}:"):
                self.write(f"setattr({around}, {name}, {self.variable_words(step)})")
            paths = [f"{around}.{step.get}_{turn}" for turn in range(step.numbered)]
            self.set_anew(paths, trained=step.trainable is not False)
            if step.as_ is None:
                return
        self.bind(step.as_, f"[getattr({around}, {name}) {turns}]")

    # -- what things take

    def elements_of(self, owner: str) -> str:
        """Add up the parameters' elements; the state of a module lists a shared variable once."""
        return f"sum(array.size for array in jax.tree.leaves(nnx.state({self.place(owner)}, nnx.Param)))"

    def bytes_of(self, owner: str) -> str:
        """Add up the parameters' bytes."""
        return f"sum(array.nbytes for array in jax.tree.leaves(nnx.state({self.place(owner)}, nnx.Param)))"

    def slot_bytes(self, optimizer: str) -> str:
        """Add up all arrays in the optimizer, the counts of its steps included."""
        return f"sum(array.nbytes for array in jax.tree.leaves(nnx.state({optimizer})))"

    def checkpoint_bytes(self, checkpoint: str) -> str:
        """Return the size of what was serialized, or of all files in Orbax's folder."""
        if self.way["save"] != "orbax":
            return f"len({checkpoint})"
        self.import_first("import pathlib")
        return f"sum(path.stat().st_size for path in pathlib.Path({checkpoint}).rglob('*') if path.is_file())"


def writes(step: Step) -> bool:
    """Return whether a step writes variables or the state of an optimizer."""
    return isinstance(step, Assign | Train | Update) or (isinstance(step, Call) and step.training)


def looks_up(value: ast.expr) -> bool:
    """Return whether an expression reads attributes and does nothing else."""
    while isinstance(value, ast.Attribute):
        value = value.value
    if isinstance(value, ast.ListComp):
        made = value.elt
        return isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id == "getattr"
    return isinstance(value, ast.Name)


def names_in(node: ast.AST) -> list[str]:
    """Return the names that occur in a node."""
    return [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
