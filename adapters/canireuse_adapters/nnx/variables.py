"""Flax NNX's variables: attributes of modules, and how functions reach them from the root that they are given."""

import re
from typing import Any, Literal

from canireuse.step import OddFlag, Reuse
from canireuse.translation import Unsupported
from canireuse.vocabulary import Assign, CurrentScope, Function, Get, Invoke, Reenter, Scope, Thread, Variable, walk
from canireuse_adapters.nnx.accounts import NO_PATH, NNXAccounts, Record


class NNXVariables(NNXAccounts):
    """Words scopes and variables by modules and attributes, and keeps account of which path holds which variable."""

    state: tuple[str, ...] = ("root", "optimizer")
    compiled = "@nnx.jit"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: words and reuse flag of each open scope
        self.opened: list[tuple[str, Reuse | Literal["inherited"] | None]] = [("root", None)]
        self.bound_scopes: dict[str, str] = {}
        self.made: set[str] = set()
        #: paths at which a variable stands, not a module
        self.leaves: set[str] = set()
        self.collections: dict[str, str] = {}
        #: optimizers and averages, which functions take as arguments beside the root
        self.holders: list[str] = []
        #: paths of variables that were constructed, not registered in a scope
        self.constructed: set[str] = set()
        #: of functions: which read variables from outside, which paths they set, and where their own names are
        self.reads: set[str] = set()
        self.creates: dict[str, set[str]] = {}
        self.local_paths: dict[str, str] = {}
        #: of functions that return an owner: what it is like, and which names it was made under
        self.returns: dict[str, tuple[Record, set[str]]] = {}

    def opening(self, text: str) -> list[str]:
        """Define the types of variables that stand for collections, and make the root module."""
        lines = [line for kind, base in self.collections.items() for line in (f"class {kind}({base}):", "    pass", "")]
        lines += ["rngs = nnx.Rngs(0)"] if "rngs.params()" in text or "rngs=rngs" in text else []
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
        if (path not in self.made or path in self.leaves) and mode in {None, "auto"}:
            self.write(f"{path} = nnx.Module()")
            self.made.add(path)
            self.forget({path})
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

    def current_scope(self, step: CurrentScope) -> None:
        """Note which module a name stands for."""
        self.bound_scopes[step.current_scope] = self.opened[-1][0]

    def get(self, step: Get) -> None:
        """Set an attribute to a new variable, or read the one that is there."""
        if self.making:
            self.create(step, step.as_ or step.get)
            return
        path = f"{self.opened[-1][0]}.{step.get}"
        if not self.looks_up(step):
            self.create(step, path)
        elif step.as_ is None:
            self.write(path)
        else:
            self.write(f"{step.as_} = {path}")
            self.known_as(step.as_, path)

    def looks_up(self, step: Get) -> bool:
        """Return whether a variable is looked up here, not made; refuse the modes that have neither statement."""
        mode = self.opened[-1][1]
        if step.reuse is not None:
            raise Unsupported("NNX gets a variable by reading an attribute, which takes no flag.")
        if mode == "inherited":
            raise Unsupported(
                "NNX has no reuse mode that a module would inherit: reading and setting an attribute are two statements."
            )
        if mode == "auto":
            raise Unsupported("NNX has no get-or-create: whether an attribute is there is for the user to ask.")
        return bool(mode)

    def variable(self, step: Variable) -> None:
        """Make a variable, and an attribute for it: NNX variables have no names of their own."""
        if self.making:
            self.create(step, step.as_ or step.variable)
            return
        path = f"{self.opened[-1][0]}.{step.variable}"
        if path in self.made:
            path = f"{self.opened[-1][0]}.{step.as_ or self.free(step.variable)}"
        self.constructed.add(path)
        self.create(step, path)

    def create(self, step: Get | Variable, path: str) -> None:
        """Write the constructor of a variable."""
        made = self.variable_words(step)
        self.set_anew([path], trained=step.trainable is not False)
        self.write(f"{f'{step.as_} = ' if step.as_ and step.as_ != path else ''}{path} = {made}")
        if step.as_:
            self.known_as(step.as_, path)

    def variable_words(self, step: Get | Variable) -> str:
        """Return the words that make a variable."""
        base = "nnx.Variable" if step.trainable is False else "nnx.Param"
        kind = self.kind_of_collection(step.collection, base) if step.collection else base
        if isinstance(step, Variable) and step.start is not None:
            value = self.expression(step.start)
        elif step.init == "random":
            value = f"jax.random.normal(rngs.params(), {step.shape or []}{f', {step.dtype!r}' if step.dtype else ''})"
        else:
            function, given = self.filling(step.init, step.shape, step.dtype)
            value = f"{function}({given})"
        return f"{kind}({value})"

    def set_anew(self, paths: list[str], *, trained: bool) -> None:
        """Note that attributes are set to new variables."""
        anew = set(paths)
        self.forget(anew)
        self.leaves |= anew
        self.made |= anew
        self.deleted -= anew
        self.fixed -= anew
        self.ties = {place: made for place, made in self.ties.items() if place not in anew}
        if self.frames and not self.making:
            self.creates.setdefault(self.writing[0], set()).update(anew)
        if trained:
            self.trainable += paths
        else:
            self.fixed |= anew

    def forget(self, anew: set[str]) -> None:
        """Note that attributes are set: a name bound to what one held before has no path from the root any more."""
        self.paths = {name: at for name, at in self.paths.items() if at not in anew}
        self.trainable = [at for at in self.trainable if at not in anew]
        self.leaves -= anew

    def known_as(self, name: str, path: str) -> None:
        """Note which variable a name is bound to."""
        if path != name:
            self.paths[name] = path
        self.bound_at[name] = len(self.frames)

    def alias(self, name: str, variable: str) -> None:
        """Note that a function returned a variable that it made."""
        super().alias(name, variable)
        if variable in self.local_paths:
            self.paths[name] = self.local_paths[variable]

    def path_of(self, place: str) -> str:
        """Return the words for a place from the root module on."""
        first = place.partition(".")[0]
        if first in self.rootless:
            raise Unsupported("This module has shapes alone and no values, so no function can compute with it.")
        if first in self.owners:
            if self.owned_at[first] and self.maker is not None:
                raise Unsupported("What a function makes is in no module that a loss inside could be given.")
            return self.spelled(place, self.reached(first))
        if place not in self.paths:
            raise Unsupported(NO_PATH)
        return self.paths[place]

    def reached(self, name: str) -> str:
        """Return the words for an owner in what a function is given."""
        return f"root.{self.owners[name].words}"

    def place(self, place: str) -> str:
        """Return a variable or module; inside a function, by its path from the root that it is given."""
        first = place.partition(".")[0]
        if first in self.owners:
            if self.owned_at[first] == len(self.frames):
                return self.spelled(place, first)
            self.reads.add(self.writing[0])
            return self.path_of(place)
        if self.frames and self.outer(place):
            self.reads.add(self.writing[0])
            return self.path_of(place)
        return place

    def is_variable(self, place: str) -> bool:
        """Return whether a place holds a variable, not a tensor."""
        return place in self.bound_at or place.partition(".")[0] in self.owners

    def value(self, place: str) -> str:
        """Return the array that a variable holds."""
        return f"{self.place(place)}[...]" if self.is_variable(place) else place

    def assign(self, step: Assign) -> None:
        """Write an array into a variable."""
        if self.differentiates_a_tensor:
            self.pure_only("write variables")
        self.write(f"{self.place(step.assign)}[...] = {self.new_value(step.to)}")

    def increment(self, place: str) -> None:
        """Add to the array."""
        self.write(f"{self.place(place)}[...] += 1")

    # -- functions

    def used(self, text: str) -> list[str]:
        """Return the state that occurs in a text: the root, optimizers and averages."""
        return super().used(text) + [name for name in self.holders if re.search(rf"(?<![\w'.]){name}\b(?!')", text)]

    def state_of(self, kind: str, body: str) -> tuple[list[str], list[str]]:
        """Return which state a function takes: an optimizer too, unless it makes its own."""
        used, first = super().state_of(kind, body)
        return [name for name in used if name == "root" or not re.search(rf"^ *{name} = ", body, re.MULTILINE)], first

    def function(self, step: Function) -> None:
        """Define a function whose own root is the module it is given, or one that makes a module and returns it."""
        local = {inner.binding for inner in walk(step.steps) if inner.binds in {"layer", "module", "copy"}}
        if step.returns in local and not self.frames:
            self.make(step)
            return
        self.opened.append(("root", None))
        made, self.made = self.made, set(self.made) if not self.called_in_scopes else set()
        super().function(step)
        self.made |= made
        self.opened.pop()
        self.local_paths |= {name: path for name, path in self.paths.items() if self.bound_at[name] > len(self.frames)}

    def make(self, step: Function) -> None:
        """Define a function that makes an owner; what it binds is its own, and forgotten afterwards."""
        owned, at, bound = dict(self.owners), dict(self.owned_at), dict(self.bound_at)
        ties, trained, fixed, frozen = dict(self.ties), list(self.trainable), set(self.fixed), list(self.frozen)
        self.maker, self.local = len(self.frames) + 1, {name for one in walk(step.steps) if (name := one.binding)}
        super().function(step)
        self.maker, self.local = None, set()
        self.owners, self.owned_at, self.bound_at = owned, at, bound
        self.ties, self.trainable, self.fixed, self.frozen = ties, trained, fixed, frozen

    def bodies(self, step: Function) -> None:
        """Note whether calls give a function the current module to make variables in."""
        if self.maker is None:
            super().bodies(step)

    def result(self, step: Function) -> str:
        """Return the words for what a function returns; note what it is like if it is an owner."""
        if step.returns and "." not in step.returns and step.returns in self.owners:
            self.returns[step.function] = (self.record(step.returns), set(self.local))
            return self.place(step.returns)
        return super().result(step)

    def invoke(self, step: Invoke) -> None:
        """Call a function; one that sets attributes is given the module of the current scope."""
        self.check_call(step.invoke)
        if step.invoke not in self.returns:
            if step.abstract:
                raise Unsupported(
                    "`nnx.eval_shape` gives the shapes of what a function returns, and this one returns no module."
                )
            super().invoke(step)
            return
        given = [*self.given_state(step.invoke), *(self.new_value(value) for value in step.given)]
        called = f"{step.invoke}({', '.join(given)})"
        if step.abstract:
            self.outside_functions()
            called = f"nnx.eval_shape({', '.join([step.invoke, *given])})"
        self.returned_owner(step, called)

    def returned_owner(self, step: Invoke, called: str) -> None:
        """Bind an owner that a function returns."""
        if not step.as_:
            self.write(called)
            return
        self.rootless.discard(step.as_)
        if step.abstract:
            self.rootless.add(step.as_)
        record, names = self.returns[step.invoke]
        if names:
            self.write(f"{self.attached(step.as_)} = {called}")
            self.stand(record, step.as_, kept=names)
        else:  # the function handed on what was there before
            self.write(f"{step.as_} = {called}")
            self.owners[step.as_], self.owned_at[step.as_] = record.owner, len(self.frames)

    def check_call(self, function: str) -> None:
        """Refuse to call a function in a place where it would mean something else; forget what it sets anew."""
        if self.opened[-1][1] is not None and function in self.makes:
            raise Unsupported(
                "NNX has no reuse mode that a called function would inherit: it sets attributes, or it reads them."
            )
        if self.opened[-1][0] != "root" and function in self.makes & self.reads:
            raise Unsupported(
                "This function reads variables outside of the module that it is given, which `nnx.grad` and `nnx.jit` take for constants."
            )
        # what the function sets anew is no longer what names were bound to before
        self.paths = {name: at for name, at in self.paths.items() if at not in self.creates.get(function, ())}

    def given_state(self, function: str) -> list[str]:
        """Give a function the current module for its root if it makes variables there."""
        return [self.opened[-1][0] if function in self.makes else name for name in self.takes.get(function, [])]

    def thread(self, step: Thread) -> None:
        """Call a function in a thread; its state are the same objects there."""
        self.check_call(step.thread)
        if step.thread in self.returns:
            raise Unsupported("What a thread makes and returns is a module that no function of the script was given.")
        super().thread(step)
        if step.as_ and step.thread in self.returned:
            self.alias(step.as_, self.returned[step.thread])

    def threaded(self, function: str) -> str:
        """Return a function and the state it takes."""
        return ", ".join([function, *self.given_state(function)])
