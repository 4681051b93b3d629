"""Flax Linen's scopes: how variables are made by name, looked up, and reached from inside pure functions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal

from canireuse.step import OddFlag, Reuse
from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    CurrentScope,
    DefaultScope,
    Function,
    Get,
    Reenter,
    Repeat,
    Scope,
    Variable,
)
from canireuse_adapters.linen.state import LinenState, Path

BY_NAME = Get | Variable | Scope | DefaultScope | Reenter | CurrentScope


@dataclass
class Opened:
    """A scope as the script knows it: its words, its path, its reuse flag, and the function it was opened in."""

    words: str
    path: Path | None
    mode: Reuse | Literal["inherited"] | None = None
    frame: int = 0
    loop: int = 0
    asked: set[str] = field(default_factory=set)
    #: the names of scopes pushed from it, and the prefixes that were numbered in a loop
    pushed: set[str] = field(default_factory=set)
    vague: set[str] = field(default_factory=set)


class LinenScopes(LinenState):
    """Words scopes and variables by `flax.core.Scope`, and keeps account of where in the tree each variable is."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.opened = [Opened("root", ())]
        self.bound_scopes: dict[str, Opened] = {}
        #: name of a variable -> its collection and its path, None if that depends on the caller
        self.variables: dict[str, tuple[str, Path | None]] = {}
        self.loops = 0
        #: functions under `jax.jit`, and those whose later calls find what the first one made
        self.pure: set[str] = set()
        self.templates: dict[str, Opened] = {}

    # -- scopes

    def scope(self, step: Scope) -> None:
        """Push a scope."""
        around = self.here()
        around.pushed.add(step.scope)
        path = None if around.path is None else (*around.path, step.scope)
        mode = self.scope_mode(step.reuse, around.mode)
        self.open(step, f"{around.words}.push({step.scope!r}{self.reusing(step)})", path, mode)

    def default_scope(self, step: DefaultScope) -> None:
        """Push a scope without a name: Linen puts the first number that is free behind the prefix."""
        mode, path = self.scope_mode(step.reuse, self.here().mode), self.numbered(step.default_scope)
        self.open(step, f"{self.here().words}.push(prefix={step.default_scope!r}{self.reusing(step)})", path, mode)

    def numbered(self, prefix: str) -> Path | None:
        """Return the path of a scope that is pushed with a prefix here, None if that depends on the caller."""
        around = self.here()
        name = next(f"{prefix}{at}" for at in count() if f"{prefix}{at}" not in around.pushed)
        around.pushed.add(name)
        around.vague |= {prefix} if self.loops > around.loop else set()
        return (*around.path, name) if around.path is not None and prefix not in around.vague else None

    def current_scope(self, step: CurrentScope) -> None:
        """Bind the scope that is open here."""
        around = self.here()
        self.write(f"{step.current_scope} = {around.words}")
        self.bound_scopes[step.current_scope] = replace(around, words=step.current_scope)

    def reusing(self, step: Scope | DefaultScope) -> str:
        """Return the words for the flag that a scope is opened with."""
        return "" if step.reuse is None else f", reuse={self.flag(step.reuse)}"

    def reenter(self, step: Reenter) -> None:
        """Use a scope object again, rewound if its variables are to be reused."""
        known = self.bound_scopes[step.reenter]
        words = self.reached(known).words
        mode = self.scope_mode(step.reuse, None)
        self.open(step, f"{words}.rewound()" if mode else words, known.path, mode)

    def open(
        self,
        step: Scope | DefaultScope | Reenter,
        words: str,
        path: Path | None,
        mode: Reuse | Literal["inherited"] | None,
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
        if scope.frame > len(self.frames):
            raise Unsupported("A Linen scope belongs to the function that it is given to, and ends with it.")
        if scope.path is None:
            raise Unsupported(
                "A Linen scope belongs to the function that it is given to; another function is given its own."
            )
        return Opened(self.pushed_again(scope.path), scope.path, scope.mode, len(self.frames))

    def pushed_again(self, path: Path | None) -> str:
        """Return the words that reach a scope from the root."""
        return "".join(["root", *(f".push({part!r}, reuse=True)" for part in path or ())])

    def flag(self, reuse: Reuse) -> str:
        """Return the words for a reuse flag; Linen's is a truth value that means look up or create."""
        if isinstance(reuse, OddFlag):
            return (
                repr(reuse.text if reuse.text is not None else reuse.number) if reuse.tensor is None else reuse.tensor
            )
        return repr(bool(reuse))

    # -- functions

    def bodies(self, step: Function) -> None:
        """Note what a function does with scopes, and which kind of function it is."""
        if any(isinstance(inner, BY_NAME) for inner in step.steps):
            self.makes.add(step.function)
        if step.traced:
            self.pure.add(step.function)
        self.templates.pop(step.function, None)
        if step.template and step.function in self.makes:
            path, words = self.numbered(step.function), self.free(f"{step.function}_scope")
            if path is None or self.frames:
                raise Unsupported(
                    "What later calls of a Linen function find is in a scope that is pushed once, outside of functions and loops."
                )
            self.write(f"{words} = {self.here().words}.push(prefix={step.function!r})")
            self.templates[step.function] = Opened(words, path)

    @contextmanager
    def function_scope(self) -> Iterator[None]:
        """Take the scope that a function is given for its root; a template opens one that it finds again."""
        name = self.writing[-1]
        from_caller = self.called_in_scopes and name not in self.pure
        opened = Opened("root", None if from_caller else (), None, len(self.frames))
        if name in self.templates:
            opened = Opened("root", self.templates[name].path, None, len(self.frames))
            if name in self.pure:
                opened.words = self.free("inner")
                self.write(f"{opened.words} = {self.pushed_again(self.templates[name].path)}")
        self.opened.append(opened)
        yield
        self.opened.pop()

    def given_state(self, function: str) -> list[str]:
        """Give a function the current scope for its root."""
        here = self.here()
        if function in (self.pure & self.makes) - self.templates.keys() and here.path != ():
            raise Unsupported(
                "A function under `jax.jit` takes a tree and makes a scope over it; a scope that is open around the call is not seen inside."
            )
        words = here.words
        if function in self.templates:
            words = f"{self.reached(self.templates[function]).words}.rewound()"
        return [words if name == "root" and function in self.makes else name for name in self.takes.get(function, [])]

    # -- variables

    def get(self, step: Get) -> None:
        """Get a variable by name from the current scope."""
        words, mode = self.asked(step)
        if mode and step.shape is not None and self.collection_of(step, step.get, lookup=mode != "auto") == "params":
            self.get_of_shape(step, words, lookup=mode != "auto")
        else:
            self.make(step, step.get, words, lookup=mode not in {None, False, "auto"})

    def asked(self, step: Get) -> tuple[str, Reuse | None]:
        """Return the words for the scope that is asked for a name, and its reuse flag; note that it was asked."""
        around = self.here()
        mode = around.mode
        if step.reuse is not None:
            raise Unsupported(
                "Linen's `reuse` is an argument of `push`, which opens a scope; getting a variable takes none."
            )
        # Linen's `reuse` is an argument of each `push`: a scope inside says nothing of what is around it
        mode = None if mode == "inherited" else mode
        again = mode and (step.get in around.asked or self.loops > around.loop)
        words = around.words + (".rewound()" if again else "")
        around.asked.add(step.get)
        return words, mode

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
            self.making("params")
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
        if not lookup:
            self.making(collection)
        if lookup or (isinstance(step, Get) and step.init is None):
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

    def making(self, collection: str) -> None:
        """Note that a function makes a variable; under a transformation it cannot, which the scope itself refuses."""
        if self.frames and self.frames[-1] in {"plain", "traced"}:
            self.note(self.tree_of(collection))

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
        if step.as_:
            self.bound_at[step.as_] = len(self.frames)
            self.variables[step.as_] = (collection, self.inner_path(name))

    def alias(self, name: str, variable: str) -> None:
        """Note that a function returned a variable of its own."""
        super().alias(name, variable)
        self.variables[name] = self.variables[variable]
