"""What a script of Flax Linen keeps: trees of variables, one a collection, and functions that take and return them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from canireuse.spec import Spec
from canireuse.translation import Unsupported, turns
from canireuse.vocabulary import (
    DefaultScope,
    Function,
    Get,
    Intercept,
    Invoke,
    Reenter,
    Scope,
    Thread,
    Variable,
    walk,
)
from canireuse_adapters.jax_text import Jax

#: where an entry stands in the tree of its collection
Path = tuple[str, ...]
#: a collection, and a path in it
Entry = tuple[str, Path]


class LinenState(Jax):
    """Keeps account of the trees, and of what each function takes of them, changes and gives back.

    A function that JAX traces is pure: it takes the trees that it uses as arguments and returns those
    that it changes, and whoever calls it takes them over. A plain function may write into a tree that
    it was given; it returns only what it bound anew, such as the state of an optimizer.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: path of each variable -> its collection
        self.collections: dict[Path, str] = {}
        #: the names of the states that optimizers keep
        self.kept: list[str] = []
        #: for each open function, the state that it changes, and whether it binds it anew
        self.touched: list[dict[str, bool]] = []
        #: for each function, what it changes, what of it it returns, and whether it has a result of its own
        self.changes: dict[str, list[str]] = {}
        self.gives: dict[str, list[str]] = {}
        self.answers: set[str] = set()
        self.uses_scopes = False
        #: whether variables are made by initializers that draw from the root's keys, and the words for the first key
        self.draws = False
        self.key = "jax.random.key(0)"
        #: whether what each layer or module has is a tree of its own, not an entry of one tree of all
        self.apart = False

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Look ahead whether variables are made by name: the scope over them has to see every write."""
        by_name = Get | Variable | Scope | DefaultScope | Reenter | Intercept
        self.uses_scopes = any(isinstance(step, by_name) for step in walk(spec.steps))
        with super().setting(spec):
            yield

    # -- the trees

    def trees(self) -> dict[str, str]:
        """Return the collections that there are, each with the name of its tree in the script; or what has a tree of its own."""
        if self.apart:
            return {path[0]: self.tree_at((collection, path)) for path, collection in self.collections.items()}
        return {"params": "params"} | {name: self.free(name) for name in self.collections.values() if name != "params"}

    def tree_of(self, collection: str) -> str:
        """Return the name of a collection's tree."""
        return "params" if collection == "params" else self.free(collection)

    def tree_at(self, entry: Entry) -> str:
        """Return the name of the tree that an entry is in."""
        collection, path = entry
        return self.free(f"{path[0]}_{collection}") if self.apart else self.tree_of(collection)

    def entry(self, entry: Entry) -> str:
        """Return the words for an entry of a tree."""
        path = entry[1]
        if path and path[0].startswith("<"):
            raise Unsupported(
                "A Linen layer has variables after `init` only, and those that a function defines are initialised by its caller."
            )
        return self.tree_at(entry) + "".join(f"[{part!r}]" for part in path[self.apart :])

    def used(self, text: str) -> list[str]:
        """Return the names of the state that occur in a text, other than quoted."""
        names = [*self.trees().values(), *self.kept, "root"]
        return [name for name in names if re.search(rf"(?<![\w'.]){name}\b(?!')", text)]

    def opening(self, text: str) -> list[str]:
        """Make the trees, and the scope over them if variables are made by name."""
        used = [name for name in self.used(text) if name not in self.kept]
        trees = {collection: name for collection, name in self.trees().items() if name in {*used, "params"}}
        lines = [f"{name} = {{}}" for name in trees.values()] if used and not self.apart else []
        if "root" in used:
            self.idiom(
                "Variables by name are worded by `flax.core.Scope`, on which `nn.Module` and its `self.variable` stand."
            )
            lines.append(self.scope_over(trees, mutable=True))
        return lines

    def scope_over(self, trees: dict[str, str], *, mutable: bool) -> str:
        """Return the line that makes a scope over trees."""
        words = ", ".join(f"{collection!r}: {name}" for collection, name in trees.items())
        rngs = f", rngs={{'params': {self.key}}}" if self.draws and mutable else ""
        return f"root = Scope({{{words}}}{rngs}{', mutable=True' if mutable else ''})"

    # -- functions

    @contextmanager
    def frame(self, kind: str, name: str, takes: list[str]) -> Iterator[None]:
        """Keep account of what a function changes while its body is written."""
        self.touched.append({})
        with super().frame(kind, name, takes):
            yield
        self.touched.pop()

    def state_of(self, kind: str, body: str) -> tuple[list[str], list[str]]:
        """Let a function under a transformation take the trees and make its own scope over them."""
        used = self.used(body)
        first: list[str] = []
        if kind == "plain":
            return used, first
        if kind == "loss":
            # what the loss is given is the caller's own: it writes into a copy, and returns that
            first = [f"{name} = jax.tree.map(lambda leaf: leaf, {name})" for name in self.changed()]
        if "root" in used:
            named = {c: n for c, n in self.trees().items() if c == "params" or n in used or repr(c) in body}
            used = [*dict.fromkeys([*named.values(), *used])]
            used.remove("root")
            first.append(self.scope_over(named, mutable=bool(self.touched[-1])))
        return used, first

    def changed(self) -> list[str]:
        """Return what the open function changes, in the order of the state."""
        order = [*self.trees().values(), *self.kept]
        return sorted(self.touched[-1], key=order.index)

    def note(self, state: str, *, rebound: bool = False) -> None:
        """Note that the open function changes a part of the state, or binds it anew."""
        if not self.frames:
            return
        if state == "params" or state in self.kept:
            self.pure_only("write variables")
        if self.frames[-1] == "step":
            raise Unsupported("A step that runs on several devices returns new parameters, and writes nothing else.")
        self.touched[-1][state] = self.touched[-1].get(state, False) or rebound

    def answer(self, step: Function) -> None:
        """Return the result, and with it the state that a pure function has changed."""
        self.changes[step.function] = self.changed()
        back = [state for state in self.changed() if step.traced or self.touched[-1][state]]
        self.gives[step.function] = back
        if step.returns:
            self.answers.add(step.function)
        values = ([self.result(step)] if step.returns else []) + back
        if values:
            self.write(f"return {', '.join(values)}")

    def take_over(self, collection: str, words: str) -> None:
        """Make a new tree the current one, in the scope over it too."""
        name = self.tree_of(collection)
        if self.frames or not self.uses_scopes:
            if self.frames and self.writing[-1] in self.makes and name == "params":
                raise Unsupported(
                    "In Linen a function that is given a scope and one that trains are two: a step returns new parameters, which the scope is not over."
                )
            if words != name:
                self.write(f"{name} = {words}")
            self.note(name, rebound=True)
            return
        key, value = self.free("name"), self.free("value")
        with self.block(f"for {key}, {value} in {words}.items():"):
            self.write(f"root.put_variable({collection!r}, {key}, {value})")

    def invoke(self, step: Invoke) -> None:
        """Call a function with the state it takes, and take over what it returns of it."""
        given = [*self.given_state(step.invoke), *(self.new_value(value) for value in step.given)]
        self.called(step.invoke, f"{step.invoke}({', '.join(given)})", step.as_)

    def thread(self, step: Thread) -> None:
        """Call a function in a thread, which is given the state as every caller gives it."""
        self.import_first("from concurrent import futures")
        given = ", ".join([step.thread, *self.given_state(step.thread)])
        with (
            turns(self, step.times),
            self.block("with futures.ThreadPoolExecutor(1) as pool:"),
        ):
            self.called(step.thread, f"pool.submit({given}).result()", step.as_)

    def called(self, function: str, call: str, name: str | None) -> None:
        """Write a call, bind its result, and take over the state that it returns."""
        back = self.gives.get(function, [])
        trees = {tree: collection for collection, tree in self.trees().items()}
        for state in self.changes.get(function, []):
            if state not in back:
                self.note(state)
        fresh: dict[str, str] = {}
        for state in back:
            if state in trees and self.uses_scopes and not self.frames:
                fresh[state] = self.free("updated" if state == "params" else f"new_{state}")
            else:
                self.note(state, rebound=True)
        result = [name or "_"] if function in self.answers and back else [name] if name and not back else []
        targets = [*result, *(fresh.get(state, state) for state in back)]
        self.write(f"{', '.join(targets)} = {call}" if targets else call)
        for state, new in fresh.items():
            self.take_over(trees[state], new)
        if name and function in self.returned:
            self.alias(name, self.returned[function])
