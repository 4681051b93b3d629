"""Variables by name in Equinox: keys of nested dicts, which are trees like any module."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from adapters.equinox.functions import EquinoxFunctions, shape_of
from adapters.equinox.places import Node, Path
from conformance.spec import Spec
from conformance.step import OddFlag, Reuse
from conformance.translation import Unsupported
from conformance.vocabulary import (
    CurrentScope,
    Expect,
    Function,
    Get,
    Invoke,
    Reenter,
    Repeat,
    Scope,
    Variable,
    walk,
)

BY_NAME = (
    "The fields of an `eqx.Module` are declared in its class and frozen; names that come up as the program runs are keys of a dict, "
    "which is a tree as well."
)
ONE_KEY = "A dict holds one thing under a key: an array, or a dict of more."


class EquinoxScopes(EquinoxFunctions):
    """Words scopes by dicts inside dicts, names by keys; and variables without scopes by arrays bound to a Python name."""

    #: whether variables are kept by name, in a tree of the script's own
    by_name = False
    #: whether a statement may run more than once
    looping = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: for each function, the keys that it sets
        self.creates: dict[str, set[Path]] = {}

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Look at the whole spec for what its first steps are to be prepared for."""
        steps = list(walk(spec.steps))
        listed = [step for step in steps if isinstance(step, Expect) and step.inside is None]
        self.by_name = any(isinstance(step, Get | Scope | Reenter) for step in steps) or any(
            step.kind in {"variables", "trainable", "names", "name"} for step in listed
        )
        self.opened: list[tuple[Path, Reuse | Literal["inherited"] | None]] = [((), None)]
        self.bound_scopes: dict[str, Path] = {}
        for step in steps:
            if isinstance(step, Invoke) and step.given:
                self.argument_ranks.setdefault(step.invoke, [self.rank(value) for value in step.given])
        self.trees["root"] = Node("scope")
        self.bound_at["root"] = 0
        with super().setting(spec):
            yield

    def opening(self, text: str) -> list[str]:
        """Define the script's modules, and make what it draws and names variables with."""
        lines = [*self.classes]
        if "next(keys)" in text:
            lines.append("keys = iter(jax.random.split(jax.random.key(0), 100))")
        return lines + (["root = {}"] if "root" in self.used(text) else [])

    # -- scopes

    def scope(self, step: Scope) -> None:
        """Make a dict inside the current one, unless it is there."""
        around, outer = self.opened[-1]
        path = (*around, step.scope)
        if isinstance(step.reuse, OddFlag):
            raise Unsupported("A dict has no reuse flag: a key is set, or it is looked up.")
        mode = self.scope_mode(step.reuse, outer)
        if mode in {None, "auto"}:
            self.open(around, step.scope)
        self.enter(step, path, mode)

    def open(self, around: Path, name: str) -> None:
        """Make a dict where there is none."""
        known = self.trees["root"].at((*around, name))
        if known and known.kind != "scope":
            raise Unsupported(ONE_KEY)
        perhaps = self.frames or self.looping or (known and not known.made)
        if perhaps:
            self.write(f"{self.words('root', around)}.setdefault({name!r}, {{}})")
        elif not known:
            self.write(f"{self.words('root', around)}[{name!r}] = {{}}")
        self.note_scope((*around, name)).made = not (self.frames or self.looping)

    def note_scope(self, path: Path) -> Node:
        """Note that there is a scope, and those around it."""
        node = self.trees["root"]
        for part in path:
            node = node.parts.setdefault(part, Node("scope", f"[{part!r}]"))
        return node

    def reenter(self, step: Reenter) -> None:
        """Go back to a dict."""
        if isinstance(step.reuse, OddFlag):
            raise Unsupported("A dict has no reuse flag: a key is set, or it is looked up.")
        self.enter(step, self.bound_scopes[step.reenter], self.scope_mode(step.reuse, None))

    def enter(self, step: Scope | Reenter, path: Path, mode: Reuse | Literal["inherited"] | None) -> None:
        """Write the steps inside a scope."""
        if step.as_:
            self.bound_scopes[step.as_] = path
        self.opened.append((path, mode))
        self.steps(step.steps)
        self.opened.pop()

    def current_scope(self, step: CurrentScope) -> None:
        """Note which dict is meant."""
        self.bound_scopes[step.current_scope] = self.opened[-1][0]

    def repeat(self, step: Repeat) -> None:
        """Write a Python loop."""
        self.looping += 1
        super().repeat(step)
        self.looping -= 1

    # -- variables

    def get(self, step: Get) -> None:
        """Set a key, look it up, or do what `setdefault` does."""
        self.idiom(BY_NAME)
        around, mode = self.opened[-1]
        if step.reuse is not None:
            raise Unsupported("A dict takes no reuse flag: a key is set, or it is looked up.")
        if mode == "inherited":
            raise Unsupported(
                "A dict has no reuse mode that the dicts inside it would inherit: to set a key and to look it up are two statements."
            )
        path = (*around, step.get)
        scope, there = self.note_scope(around), self.trees["root"].at(path)
        if not mode:
            self.create(step, path)
            return
        if there is None:
            there = scope.parts[step.get] = self.new_node(step, f"[{step.get!r}]")
            there.made = mode == "auto"
        before = self.refs.get(step.as_ or "")
        if mode == "auto":
            self.pure_only("make variables")
            self.bind(step.as_, f"{self.words('root', around)}.setdefault({step.get!r}, {self.made(step)})")
        else:
            self.bind(step.as_, self.words("root", path))
        if before and not (mode == "auto" or there.made):
            self.refs[step.as_ or ""] = before  # the lookup is going to be refused
        else:
            self.named(step, path)

    def variable(self, step: Variable) -> None:
        """Bind an array to a Python name, or set a key where variables have names."""
        if self.by_name:
            path = (*self.opened[-1][0], step.variable)
            if self.trees["root"].at(path) and step.as_:
                path = (*path[:-1], step.as_)
            self.create(step, path)
            return
        if step.collection:
            raise Unsupported(self.missing["collection"])
        name = step.as_ or self.free(step.variable)
        self.write(f"{name} = {self.made(step)}")
        self.hold(name, self.new_node(step, ""))

    def create(self, step: Get | Variable, path: Path) -> None:
        """Set a key to a new array."""
        self.pure_only("make variables")
        known = self.trees["root"].at(path)
        if known and known.kind == "scope":
            raise Unsupported(ONE_KEY)
        name, around = path[-1], path[:-1]
        accessor = f"[{name!r}]"
        self.detach("root", path)
        if self.writing:
            self.creates.setdefault(self.writing[0], set()).add(path)
        place = f"{self.words('root', around)}{accessor}"
        self.write(f"{f'{step.as_} = ' if step.as_ else ''}{place} = {self.made(step)}")
        self.note_scope(around).parts[name] = self.new_node(step, accessor)
        self.named(step, path)

    def named(self, step: Get | Variable, path: Path) -> None:
        """Note which place a name of the spec is."""
        if step.as_:
            self.refs[step.as_] = ("root", path)
            self.lost.discard(step.as_)

    def new_node(self, step: Get | Variable, accessor: str) -> Node:
        """Return what is known of a new array."""
        whole = step.dtype is not None and not step.dtype.startswith("float")
        return Node(
            "array",
            accessor,
            floating=not whole,
            shape=self.shape_made(step),
            frozen=step.trainable is False,
            made=True,
        )

    def shape_made(self, step: Get | Variable) -> tuple[int, ...] | None:
        """Return the shape of a new array, where the spec says it."""
        if isinstance(step, Variable) and step.start is not None:
            return () if self.rank(step.start) == 0 else None
        if isinstance(step.init, list):
            return shape_of(step.init)
        return tuple(step.shape or ())

    def made(self, step: Get | Variable) -> str:
        """Return the words for a new array."""
        if step.collection:
            raise Unsupported(self.missing["collection"])
        if isinstance(step, Variable) and step.start is not None:
            return self.expression(step.start)
        kind = f", {step.dtype!r}" if step.dtype else ""
        if step.init == "random":
            return f"jax.random.normal(next(keys), {step.shape or []}{kind})"
        floating = step.dtype is None or step.dtype.startswith("float")
        return self.filled(self.numbers(step.init, floating=floating), step.shape, step.dtype)

    def filled(self, init: Any, shape: list[int] | None, dtype: str | None) -> str:
        """Return the words for an array that starts from numbers; one of a dtype of its own, since weak types are another type to Equinox."""
        if isinstance(init, int | float) and dtype is None and not isinstance(init, bool):
            if shape and init in {0, 1}:
                return f"jnp.{'ones' if init else 'zeros'}({shape})"
            dtype = "float32"
        function, given = self.filling(init, shape, dtype)
        return f"{function}({given})"

    # -- functions

    @contextmanager
    def function_scope(self) -> Iterator[None]:
        """Make the root that a function takes the current scope of its body."""
        root, hidden = self.trees["root"], set[str]()
        if self.writing[-1] in self.placed:
            self.trees["root"] = Node("scope")
            hidden = {name for name, (tree, _) in self.refs.items() if tree == "root"}
        self.lost |= hidden
        self.opened.append(((), None))
        yield
        self.opened.pop()
        self.lost -= hidden
        self.trees["root"] = root

    def bodies(self, step: Function) -> None:
        """Note whether a function makes variables by name, and where."""
        inner = list(walk(step.steps))
        makes = any(isinstance(one, Get | Scope) or (self.by_name and isinstance(one, Variable)) for one in inner)
        if makes:
            self.makes.add(step.function)
            if self.called_in_scopes:
                self.placed.add(step.function)

    def root_changes(self, step: Function) -> None:
        """Have a compiled function return the dict that it was given: the one it set keys in is a copy of its own."""
        if step.traced and step.function in self.makes:
            self.written[-1].append("root")

    def check_call(self, step: Invoke) -> None:
        """Refuse a call whose function would inherit a mode."""
        if step.invoke in self.makes and self.opened[-1][1] is not None:
            raise Unsupported(
                "A dict has no reuse mode that a called function would inherit: it sets keys, or it looks them up."
            )
        for path in self.creates.get(step.invoke, ()):
            self.detach("root", (*self.called_at(step.invoke), *path))

    def given_state(self, function: str) -> list[str]:
        """Give a function that makes variables the current scope for its root."""
        given = super().given_state(function)
        taken = self.takes.get(function, [])
        if function in self.placed and "root" in taken:
            self.note_scope(self.opened[-1][0])
            given[taken.index("root")] = self.words("root", self.opened[-1][0])
        return given

    def target(self, name: str, function: str) -> str:
        """Return the words for a tree that a call binds anew: of the root, the scope that was given."""
        words = super().target(name, function)
        return self.words("root", self.called_at(function)) if name == "root" else words

    def called_at(self, function: str) -> Path:
        """Return the scope that a function is given for its root."""
        return self.opened[-1][0] if function in self.placed else ()
