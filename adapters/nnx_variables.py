"""Flax NNX's variables: attributes of modules, and how functions reach them from the root that they are given."""

from dataclasses import dataclass, field
from typing import Any, Literal

from adapters.jax import Jax
from conformance.step import OddFlag, Reuse
from conformance.translation import Unsupported
from conformance.vocabulary import Assign, Function, Get, Invoke, Reenter, Scope, Variable


@dataclass
class Owner:
    """A layer or module: its words, the names of its own variables, and its members."""

    words: str
    leaves: dict[str, str] = field(default_factory=dict)
    members: "dict[str, Owner]" = field(default_factory=dict)

    def inner(self) -> list[str]:
        """Return every place inside it that holds a variable, as specs name places."""
        return [*self.leaves, *(f"{name}.{place}" for name, member in self.members.items() for place in member.inner())]

    def renamed(self, words: str) -> "Owner":
        """Return an owner of the same make under other words."""
        return Owner(
            words, dict(self.leaves), {name: member.renamed(f"{words}.{name}") for name, member in self.members.items()}
        )


class NNXVariables(Jax):
    """Words scopes and variables by modules and attributes, and keeps account of which path holds which variable."""

    state = ("root", "optimizer")
    compiled = "@nnx.jit"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: words and reuse flag of each open scope
        self.opened: list[tuple[str, Reuse | Literal["inherited"] | None]] = [("root", None)]
        self.bound_scopes: dict[str, str] = {}
        self.made: set[str] = set()
        #: name of a variable -> its path from the root
        self.paths: dict[str, str] = {}
        #: path or place of a variable -> the one it was made as
        self.ties: dict[str, str] = {}
        self.trainable: list[str] = []
        self.fixed: set[str] = set()
        self.owners: dict[str, Owner] = {}
        self.collections: dict[str, str] = {}
        self.ties_variables = False
        #: training steps whose optimizer has been made -> what `nnx.grad` is told to differentiate by
        self.optimized: dict[int, str] = {}
        #: of functions: which read variables from outside, which paths they set, and where their own names are
        self.reads: set[str] = set()
        self.creates: dict[str, set[str]] = {}
        self.local_paths: dict[str, str] = {}

    def opening(self, text: str) -> list[str]:
        """Define the types of variables that stand for collections, and make the root module."""
        lines = [line for kind, base in self.collections.items() for line in (f"class {kind}({base}):", "    pass", "")]
        lines += ["rngs = nnx.Rngs(0)"] if "rngs.params()" in text else []
        return lines + (["root = nnx.Module()"] if "root" in self.used(text) else [])

    def kind_of_collection(self, collection: str, base: str = "nnx.Param") -> str:
        """Return the type of variable that stands for a collection."""
        kind = "".join(part.title() for part in collection.split("_"))
        self.collections.setdefault(kind, base)
        return kind

    # -- scopes and variables

    def scope(self, step: Scope) -> None:
        """Make a submodule, or go back to the one made before."""
        around, outer = self.opened[-1]
        path = f"{around}.{step.scope}"
        if isinstance(step.reuse, OddFlag):
            raise Unsupported("NNX has no reuse flag: a module is made, or it is read from an attribute.")
        mode = self.scope_mode(step.reuse, outer)
        if path not in self.made and mode in {None, "auto"}:
            self.write(f"{path} = nnx.Module()")
            self.made.add(path)
        self.enter(step, path, mode)

    def reenter(self, step: Reenter) -> None:
        """Go back to a submodule."""
        self.enter(step, self.bound_scopes[step.reenter], self.scope_mode(step.reuse, None))

    def enter(self, step: Scope | Reenter, path: str, mode: Reuse | Literal["inherited"] | None) -> None:
        """Write the steps inside a submodule."""
        self.idiom(
            "A scope is an `nnx.Module`, a name in it an attribute: to set it makes or replaces, to read it looks up."
        )
        if step.as_:
            self.bound_scopes[step.as_] = path
        self.opened.append((path, mode))
        self.steps(step.steps)
        self.opened.pop()

    def get(self, step: Get) -> None:
        """Set an attribute to a new variable, or read the one that is there."""
        around, mode = self.opened[-1]
        path = f"{around}.{step.get}"
        if step.reuse is not None:
            raise Unsupported("NNX gets a variable by reading an attribute, which takes no flag.")
        if mode == "inherited":
            raise Unsupported(
                "NNX has no reuse mode that a module would inherit: reading and setting an attribute are two statements."
            )
        if mode == "auto":
            raise Unsupported("NNX has no get-or-create: whether an attribute is there is for the user to ask.")
        if not mode:
            self.create(step, path)
        elif step.as_ is None:
            self.write(path)
        else:
            self.write(f"{step.as_} = {path}")
            self.known_as(step.as_, path)

    def variable(self, step: Variable) -> None:
        """Make a variable, and an attribute for it: NNX variables have no names of their own."""
        path = f"{self.opened[-1][0]}.{step.variable}"
        if path in self.made:
            path = f"{self.opened[-1][0]}.{step.as_ or self.free(step.variable)}"
        self.create(step, path)

    def create(self, step: Get | Variable, path: str) -> None:
        """Write the constructor of a variable."""
        base = "nnx.Variable" if step.trainable is False else "nnx.Param"
        kind = self.kind_of_collection(step.collection, base) if step.collection else base
        if isinstance(step, Variable) and step.start is not None:
            value = self.expression(step.start)
        elif step.init == "random":
            value = f"jax.random.normal(rngs.params(), {step.shape or []}{f', {step.dtype!r}' if step.dtype else ''})"
        else:
            function, given = self.filling(step.init, step.shape, step.dtype)
            value = f"{function}({given})"
        # a name bound to what the attribute held before has no path from the root any more
        self.paths = {name: at for name, at in self.paths.items() if at != path}
        self.trainable = [at for at in self.trainable if at != path]
        self.made.add(path)
        self.fixed.discard(path)
        if self.frames:
            self.creates.setdefault(self.writing[0], set()).add(path)
        self.write(f"{f'{step.as_} = ' if step.as_ else ''}{path} = {kind}({value})")
        if step.trainable is False:
            self.fixed.add(path)
        else:
            self.trainable.append(path)
        if step.as_:
            self.known_as(step.as_, path)

    def known_as(self, name: str, path: str) -> None:
        """Note which variable a name is bound to."""
        self.paths[name] = path
        self.bound_at[name] = len(self.frames)

    def alias(self, name: str, variable: str) -> None:
        """Note that a function returned a variable that it made."""
        super().alias(name, variable)
        if variable in self.local_paths:
            self.paths[name] = self.local_paths[variable]

    def owner(self, place: str) -> tuple[Owner, list[str]]:
        """Return the layer or module that a place begins with or ends in, and what is left of the place."""
        first, *rest = place.split(".")
        owner = self.owners[first]
        while rest and rest[0] in owner.members:
            owner = owner.members[rest.pop(0)]
        return owner, rest

    def path_of(self, place: str) -> str:
        """Return the words for a place from the root module on."""
        first, *rest = place.split(".")
        if first in self.owners:
            owner, left = self.owner(place)
            inner = rest[: len(rest) - len(left)]
            return ".".join(["root", first, *inner, *(owner.leaves.get(part, part) for part in left)])
        if place not in self.paths:
            raise Unsupported(
                "Nothing in the root module holds this variable any more, so a function that takes the module does not reach it."
            )
        return self.paths[place]

    def place(self, place: str) -> str:
        """Return a variable or module; inside a function, by its path from the root that it is given."""
        first = place.partition(".")[0]
        if self.frames and (first in self.owners or self.outer(place)):
            self.reads.add(self.writing[0])
            return self.path_of(place)
        return self.path_of(place).removeprefix("root.") if first in self.owners else place

    def is_variable(self, place: str) -> bool:
        """Return whether a place holds a variable, not a tensor."""
        return place in self.bound_at or place.partition(".")[0] in self.owners

    def value(self, place: str) -> str:
        """Return the array that a variable holds."""
        return f"{self.place(place)}[...]" if self.is_variable(place) else place

    def assign(self, step: Assign) -> None:
        """Write an array into a variable."""
        self.pure_only("write variables")
        self.write(f"{self.place(step.assign)}[...] = {self.new_value(step.to)}")

    def increment(self, place: str) -> None:
        """Add to the array."""
        self.write(f"{self.place(place)}[...] += 1")

    # -- functions

    def invoke(self, step: Invoke) -> None:
        """Call a function; one that sets attributes is given the module of the current scope."""
        if self.opened[-1][1] is not None and step.invoke in self.makes:
            raise Unsupported(
                "NNX has no reuse mode that a called function would inherit: it sets attributes, or it reads them."
            )
        if self.opened[-1][0] != "root" and step.invoke in self.makes & self.reads:
            raise Unsupported(
                "This function reads variables outside of the module that it is given, which `nnx.grad` and `nnx.jit` take for constants."
            )
        # what the function sets anew is no longer what names were bound to before
        self.paths = {name: at for name, at in self.paths.items() if at not in self.creates.get(step.invoke, ())}
        super().invoke(step)

    def given_state(self, function: str) -> list[str]:
        """Give a function the current module for its root if it makes variables there."""
        return [self.opened[-1][0] if function in self.makes else name for name in self.takes.get(function, [])]

    def function(self, step: Function) -> None:
        """Define a function whose own root is the module it is given."""
        self.opened.append(("root", None))
        made, self.made = self.made, set(self.made) if not self.called_in_scopes else set()
        super().function(step)
        self.made |= made
        self.opened.pop()
        self.local_paths |= {name: path for name, path in self.paths.items() if self.bound_at[name] > len(self.frames)}
