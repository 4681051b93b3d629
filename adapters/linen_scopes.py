"""Flax Linen's scopes: how variables are made by name, looked up, and reached from inside pure functions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from adapters.jax import Jax
from conformance.step import OddFlag, Reuse
from conformance.translation import Unsupported
from conformance.vocabulary import Assign, Get, Reenter, Repeat, Scope, Variable

Path = tuple[str, ...]


@dataclass
class Opened:
    """A scope as the script knows it: its words, its path, its reuse flag, and the function it was opened in."""

    words: str
    path: Path | None
    mode: Reuse | Literal["inherited"] | None = None
    frame: int = 0
    loop: int = 0
    asked: set[str] = field(default_factory=set)


@dataclass
class Owner:
    """A layer or module: the words for its definition, and where its variables are in the tree."""

    words: str
    path: Path
    leaves: dict[str, str] = field(default_factory=dict)
    members: "dict[str, Owner]" = field(default_factory=dict)

    def paths(self) -> list[Path]:
        """Return the path of every variable in it, each once."""
        inner = [path for member in self.members.values() for path in member.paths()]
        return list(dict.fromkeys([*((*self.path, leaf) for leaf in self.leaves.values()), *inner]))


class LinenScopes(Jax):
    """Words scopes and variables by `flax.core.Scope`, and keeps account of where in the tree each variable is."""

    state = ("params", "root")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.opened = [Opened("root", ())]
        self.bound_scopes: dict[str, Opened] = {}
        #: name of a variable -> its collection and its path, None if that depends on the caller
        self.variables: dict[str, tuple[str, Path | None]] = {}
        self.collections: dict[Path, str] = {}
        self.owners: dict[str, Owner] = {}
        self.uses_scopes = False
        #: whether variables are made by initializers that draw from the root's keys
        self.draws = False
        self.loops = 0
        #: functions that are a training step
        self.steppers: set[str] = set()

    def opening(self, text: str) -> list[str]:
        """Make the tree of parameters, and the scope over it if variables are made by name."""
        lines = []
        used = self.used(text)
        if used:
            lines.append("params = {}")
        if "root" in used:
            self.idiom(
                "Variables by name are worded by `flax.core.Scope`, on which `nn.Module` and its `self.variable` stand."
            )
            rngs = "rngs={'params': jax.random.key(0)}, " if self.draws else ""
            lines.append(f"root = Scope({{'params': params}}, {rngs}mutable=True)")
        return lines

    # -- scopes

    def scope(self, step: Scope) -> None:
        """Push a scope."""
        around = self.here()
        path = None if around.path is None else (*around.path, step.scope)
        mode = self.scope_mode(step.reuse, around.mode)
        flag = "" if step.reuse is None else f", reuse={self.flag(step.reuse)}"
        self.open(step, f"{around.words}.push({step.scope!r}{flag})", path, mode)

    def reenter(self, step: Reenter) -> None:
        """Use a scope object again, rewound if its variables are to be reused."""
        known = self.bound_scopes[step.reenter]
        words = self.reached(known).words
        mode = self.scope_mode(step.reuse, None)
        self.open(step, f"{words}.rewound()" if mode else words, known.path, mode)

    def open(
        self, step: Scope | Reenter, words: str, path: Path | None, mode: Reuse | Literal["inherited"] | None
    ) -> None:
        """Bind a scope and write what is inside."""
        name = step.as_ or self.free("_".join(path or ("inner",)))
        self.write(f"{name} = {words}")
        scope = Opened(name, path, mode, len(self.frames), self.loops)
        self.bound_scopes[name] = scope
        self.opened.append(scope)
        self.steps(step.steps)
        self.opened.pop()

    def here(self) -> Opened:
        """Return the current scope, reached from the state of the function being written."""
        return self.reached(self.opened[-1])

    def reached(self, scope: Opened) -> Opened:
        """Return a scope as it is reached here: one opened outside a function is pushed again from its root."""
        if scope.frame == len(self.frames) or scope.words == "root":
            return scope
        if scope.path is None:
            raise Unsupported(
                "A Linen scope belongs to the function that it is given to; another function is given its own."
            )
        words = "".join(["root", *(f".push({part!r}, reuse=True)" for part in scope.path)])
        return Opened(words, scope.path, scope.mode, len(self.frames))

    def flag(self, reuse: Reuse) -> str:
        """Return the words for a reuse flag; Linen's is a truth value that means look up or create."""
        if isinstance(reuse, OddFlag):
            return (
                repr(reuse.text if reuse.text is not None else reuse.number) if reuse.tensor is None else reuse.tensor
            )
        return repr(bool(reuse))

    @contextmanager
    def function_scope(self) -> Iterator[None]:
        """Take the scope that a function is given for its root."""
        self.opened.append(Opened("root", None if self.called_in_scopes else (), None, len(self.frames)))
        yield
        self.opened.pop()

    def given_state(self, function: str) -> list[str]:
        """Give a function the current scope for its root."""
        return [
            self.here().words if name == "root" and function in self.makes else name
            for name in self.takes.get(function, [])
        ]

    def state_of(self, kind: str, body: str) -> tuple[list[str], list[str]]:
        """Let a function under a transformation take the parameters and make its own scope over them."""
        used = self.used(body)
        if kind == "plain" or "root" not in used:
            return used, []
        return ["params"], ["root = Scope({'params': params})"]

    # -- variables

    def get(self, step: Get) -> None:
        """Get a variable by name from the current scope."""
        around = self.here()
        mode = around.mode
        if step.reuse is not None:
            raise Unsupported(
                "Linen's `reuse` is an argument of `push`, which opens a scope; getting a variable takes none."
            )
        if mode == "inherited":
            raise Unsupported(
                "Linen's `reuse` is an argument of each `push`; a scope does not inherit it from the scope around it."
            )
        again = mode and (step.get in around.asked or self.loops > around.loop)
        words = around.words + (".rewound()" if again else "")
        around.asked.add(step.get)
        if mode and step.shape is not None and self.collection_of(step, step.get, lookup=mode != "auto") == "params":
            self.get_of_shape(step, words, lookup=mode != "auto")
        else:
            self.make(step, step.get, words, lookup=mode not in {None, False, "auto"})

    def get_of_shape(self, step: Get, words: str, *, lookup: bool) -> None:
        """Get a parameter that is to have a shape: `param` compares it, and returns an array; `variable` returns the reference."""
        dtype = f", {step.dtype!r}" if step.dtype else ""
        initializer = "nn.initializers.zeros" if step.init is None else self.initializer(step.init)
        param = f"param({step.get!r}, {initializer}, {step.shape}{dtype})"
        variable = f"variable('params', {step.get!r})"
        # a scope object hands out a name once, so the second call goes to a rewound one
        rewound = words if words.endswith(".rewound()") else f"{words}.rewound()"
        if lookup:
            self.idiom(
                "`variable` without an initializer finds a name or refuses it; only `param` compares the shape, and it would make what is missing."
            )
            self.bind(step.as_, f"{words}.{variable}")
            self.write(f"{rewound}.{param}")
        else:
            self.draws = True
            self.write(f"{words}.{param}")
            if step.as_:
                self.idiom(
                    "`param` makes or finds a parameter and compares its shape; it returns an array, so `variable` is asked for a reference."
                )
                self.bind(step.as_, f"{rewound}.{variable}")
        self.known_as(step, step.get, "params")

    def repeat(self, step: Repeat) -> None:
        """Write a Python loop; a scope from outside of it is asked for the same names again."""
        self.loops += 1
        super().repeat(step)
        self.loops -= 1

    def variable(self, step: Variable) -> None:
        """Make a variable; Linen knows none without a name in a scope."""
        self.make(step, step.variable, self.here().words, lookup=False)

    def make(self, step: Get | Variable, name: str, words: str, *, lookup: bool) -> None:
        """Bind a reference to a variable of the current scope."""
        collection = self.collection_of(step, name, lookup=lookup)
        if lookup:
            call = f"{words}.variable({collection!r}, {name!r})"
        elif isinstance(step, Variable) and step.start is not None:
            call = f"{words}.variable({collection!r}, {name!r}, lambda: {self.expression(step.start)})"
        elif step.init == "random":
            self.draws = True
            kind = f", {step.dtype!r}" if step.dtype else ""
            call = f"{words}.variable({collection!r}, {name!r}, jax.random.normal, {words}.make_rng('params'), {step.shape or []}{kind})"
        else:
            call = f"{words}.variable({collection!r}, {name!r}, {', '.join(self.filling(step.init, step.shape, step.dtype))})"
        self.bind(step.as_, call)
        self.known_as(step, name, collection)

    def inner_path(self, name: str) -> Path | None:
        """Return the path of a name in the current scope, None if that depends on the caller."""
        around = self.here().path
        return None if around is None else (*around, name)

    def collection_of(self, step: Get | Variable, name: str, *, lookup: bool) -> str:
        """Return the collection that a variable is in, or is to be made in."""
        path = self.inner_path(name)
        collection = step.collection or ("constants" if step.trainable is False else "params")
        if path in self.collections:
            collection = self.collections[path]
        elif path is not None and not lookup:
            self.collections[path] = collection
        return collection

    def known_as(self, step: Get | Variable, name: str, collection: str) -> None:
        """Note which variable a step binds a name to."""
        self.uses_scopes = True
        if step.as_:
            self.bound_at[step.as_] = len(self.frames)
            self.variables[step.as_] = (collection, self.inner_path(name))

    def alias(self, name: str, variable: str) -> None:
        """Note that a function returned a variable of its own."""
        super().alias(name, variable)
        self.variables[name] = self.variables[variable]

    def tree(self, path: Path) -> str:
        """Return the words for an entry of the tree of parameters."""
        return "params" + "".join(f"[{part!r}]" for part in path)

    def owner(self, place: str) -> tuple[Owner, list[str]]:
        """Return the layer or module that a place begins with, and what is left of the place."""
        first, *rest = place.split(".")
        owner = self.owners[first]
        while rest and rest[0] in owner.members:
            owner = owner.members[rest.pop(0)]
        return owner, rest

    def path_of(self, place: str) -> Path:
        """Return the path of a variable among the parameters."""
        if place.partition(".")[0] in self.owners:
            owner, rest = self.owner(place)
            return (*owner.path, *(owner.leaves.get(part, part) for part in rest))
        path = self.variables[place][1]
        if path is None:
            raise Unsupported("Which entry of the tree this variable is depends on the scope its function was given.")
        return path

    def place(self, place: str) -> str:
        """Return a reference, a layer, or an entry of the tree."""
        first = place.partition(".")[0]
        if first in self.owners:
            owner, rest = self.owner(place)
            return self.tree(self.path_of(place)) if rest else owner.words
        return place

    def value(self, place: str) -> str:
        """Return the value behind a reference; of one bound outside a function, the entry that it was given."""
        if place not in self.variables:
            return self.place(place)
        if not self.outer(place):
            return f"{place}.value"
        if self.variables[place][0] == "params":
            return self.tree(self.path_of(place))
        if "traced" in self.frames:
            raise Unsupported(
                "`jax.jit` takes what it captures for a constant; a collection other than the parameters is an argument of its own."
            )
        return f"{place}.value"

    def assign(self, step: Assign) -> None:
        """Write through a reference, or replace an entry of the tree."""
        self.pure_only("write variables")
        if "traced" in self.frames:
            raise Unsupported(
                "A function under `jax.jit` is pure, so Linen users return the new state from it; a write inside, as the spec asks for, is not seen outside."
            )
        self.write(f"{self.target(step.assign)} = {self.new_value(step.to)}")

    def target(self, place: str) -> str:
        """Return the words for what a write goes to; an array itself is written in place, if at all."""
        if place in self.variables:
            return f"{place}.value"
        return self.place(place) if place.partition(".")[0] in self.owners else f"{place}[...]"

    def increment(self, place: str) -> None:
        """Add to the value."""
        self.write(f"{self.target(place)} = {self.target(place)} + 1")
