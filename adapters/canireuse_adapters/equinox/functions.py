"""Equinox's functions: they take the trees they use and return the trees they change, since neither trees nor arrays are written in place."""

import ast
import re
from typing import Any

from canireuse import expression
from canireuse.step import Array
from canireuse.translation import Unsupported, turns
from canireuse.vocabulary import Compute, Drop, Function, Invoke, Scan, Thread, Vectorize
from canireuse_adapters.equinox.places import EquinoxPlaces, Node


class EquinoxFunctions(EquinoxPlaces):
    """Words functions, loops and threads."""

    compiled = "@eqx.filter_jit"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: for each function: which names it returns beside its value, whether it has one, and what it was written for
        self.gives: dict[str, list[str]] = {}
        self.answers: set[str] = set()
        self.levels: dict[str, dict[str, int]] = {}
        #: for each function that returns a variable or tree, what is known of it
        self.results: dict[str, Node] = {}
        #: arguments of functions -> their number of axes
        self.argument_ranks: dict[str, list[int | None]] = {}
        #: names of tensors -> how many functions were open where they were first bound
        self.tensors: dict[str, int] = {}

    # -- functions

    def used(self, text: str) -> list[str]:
        """Return the names bound outside that occur in a text, other than quoted."""
        held = {**{name: self.bound_at[name] for name in self.trees}, **self.extras}
        found = [
            name
            for name, depth in held.items()
            if depth <= len(self.frames) and re.search(rf"(?<![\w'.]){name}\b(?!')", text)
        ]
        return found + [name for name in self.rebound(text) if name not in held]

    def rebound(self, text: str) -> list[str]:
        """Return the tensors from outside that a body reads and then binds its own value to: they are arguments."""
        outside = [name for name, depth in self.tensors.items() if depth <= len(self.frames)]
        return [name for name in outside if reads_and_binds(name, text)]

    def function(self, step: Function) -> None:
        """Define a function."""
        self.written.append([])
        trees, names, handed = dict(self.trees), dict(self.refs), dict(self.handed)
        tensors = dict(self.tensors)
        for name in step.takes:  # an argument hides what has its name outside
            for known in (self.trees, self.refs, self.tensors):
                known.pop(name, None)
        ranks = self.argument_ranks.get(step.function, [])
        self.ranks |= {name: rank for name, rank in zip(step.takes, ranks, strict=False) if rank is not None}
        super().function(step)
        self.gives[step.function] = self.written.pop()
        if step.returns:
            self.answers.add(step.function)
        self.levels[step.function] = {
            name: self.trees[name].shared for name in self.takes[step.function] if name in trees
        }
        # what the body bound is its own, and what it moved is where it was until the function is called
        self.lost |= self.refs.keys() - names.keys()
        self.tensors = {**self.tensors, **tensors}
        self.trees, self.refs, self.handed = trees, names, handed

    def answer(self, step: Function) -> None:
        """Return the value, and each tree that was changed."""
        parts = [self.result(step)] if step.returns else []
        parts += self.written[-1]
        if parts:
            self.write(f"return {', '.join(parts)}")

    def result(self, step: Function) -> str:
        """Return the words for what a function returns: a tree is returned as it is kept."""
        place = step.returns or ""
        is_place = isinstance(expression.parse(place), ast.Name | ast.Attribute)
        node = self.node(place) if is_place and self.is_variable(place) else None
        if node is None:
            return self.expression(place)
        if node.state and self.extras.get(node.state) == len(self.frames):
            raise Unsupported(
                "A function that makes a model with norms returns its `eqx.nn.State` beside it, and hands on both."
            )
        self.results[step.function] = node
        return self.whole(place)

    def invoke(self, step: Invoke) -> None:
        """Call a function, and bind what it gives back."""
        given = [*self.given_state(step.invoke), *(self.new_value(value) for value in step.given)]
        if step.abstract:
            self.abstract(step, given)
        else:
            self.bind_results(step.invoke, step.as_, f"{step.invoke}({', '.join(given)})")
        if step.as_ and step.invoke in self.results:
            self.alias(step.as_, step.invoke)
            if step.abstract:
                self.trees[step.as_].abstract = True

    def abstract(self, step: Invoke, given: list[str]) -> None:
        """Have a function return shapes and dtypes alone."""
        if self.gives[step.invoke]:
            raise Unsupported(
                "`eqx.filter_eval_shape` computes nothing, so a function that changes a tree has no effect under it."
            )
        self.bind(step.as_, f"eqx.filter_eval_shape({', '.join([step.invoke, *given])})")

    def bind_results(self, function: str, name: str | None, words: str) -> None:
        """Bind the value of a call, and anew the trees that the function has changed."""
        changed = self.gives.get(function, [])
        if not changed:
            self.bind(name, words)
            return
        targets = [self.target(one, function) for one in changed]
        if function in self.answers:
            targets.insert(0, name or "_")
        self.write(f"{', '.join(targets)} = {words}")

    def target(self, name: str, function: str) -> str:
        """Return the words for a tree that a call binds anew."""
        moved = name in self.trees and self.refs.get(name, (name, ())) != (name, ())
        if name in self.trees and (moved or self.trees[name].shared != self.levels[function].get(name, 0)):
            raise Unsupported(
                "The function returns the tree that it was written for, which is part of another tree by now; Equinox users write it for the new one."
            )
        self.writes(name)
        return name

    def given_state(self, function: str) -> list[str]:
        """Return the trees that a function is called with, as it was written for them."""
        return [
            self.as_taken(name, self.levels.get(function, {}).get(name, 0)) for name in self.takes.get(function, [])
        ]

    def as_taken(self, name: str, level: int) -> str:
        """Return the words for a tree as a function knows it."""
        if name not in self.trees:
            return name
        tree, path = self.refs.get(name, (name, ()))
        node = self.trees[tree].at(path)
        return self.words(tree, path) + "()" * max(0, (node.shared if node else 0) - level)

    def alias(self, name: str, function: str) -> None:
        """Note that a name is bound to what a function returned: another place, with the arrays of the first."""
        self.hold(name, self.results[function].again())

    def bind(self, name: str | None, value: str) -> None:
        """Bind a name, which is a tensor's unless more is said of it."""
        if name:
            self.bind_tensor(name)
        super().bind(name, value)

    def bind_tensor(self, name: str) -> None:
        """Note that a name stands for no place."""
        if name not in self.trees:
            self.tensors.setdefault(name, len(self.frames))

    # -- threads and loops

    def thread(self, step: Thread) -> None:
        """Call a function in a thread, with the trees it takes, and bind what it gives back."""
        self.import_first("from concurrent import futures")
        given = ", ".join([step.thread, *self.given_state(step.thread)])
        with turns(self, step.times), self.block("with futures.ThreadPoolExecutor(1) as pool:"):
            self.bind_results(step.thread, step.as_, f"pool.submit({given}).result()")
        if step.as_ and step.thread in self.results:
            self.alias(step.as_, step.thread)

    def scan(self, step: Scan) -> None:
        """Run a loop that is traced once; its body changes nothing but what is carried."""
        self.frames.append("loop")
        self.written.append([])
        try:
            super().scan(step)
        finally:
            self.frames.pop()
            self.written.pop()

    def vectorize(self, step: Vectorize) -> None:
        """Map an expression over the first axis."""
        self.ranks.pop(step.each, None)
        super().vectorize(step)
        over = self.rank(step.over)
        if over is not None:
            self.ranks[step.vectorize] = over

    def compute(self, step: Compute) -> None:
        """Bind the value of an expression."""
        name, _, text = step.compute.partition("=")
        rank = self.rank(text.strip())
        super().compute(step)
        self.bind_tensor(name.strip())
        self.note_rank(name.strip(), rank)

    def drop(self, step: Drop) -> None:
        """Delete the name of a tree."""
        if step.drop not in self.trees or self.bound_at[step.drop] != len(self.frames):
            raise Unsupported(
                "What this name stands for is a place in a tree, which still holds it: there is no name to drop."
            )
        super().drop(step)
        self.forget([step.drop])

    # -- axes

    def note_rank(self, name: str | None, rank: int | None) -> None:
        """Note the number of axes of a tensor."""
        if name:
            self.ranks.pop(name, None)
            if rank is not None:
                self.ranks[name] = rank

    def rank(self, value: str | Array) -> int | None:
        """Return the number of axes of an expression, None if it is not known."""
        if not isinstance(value, str):
            return len(shape_of(value))
        return self.rank_of(expression.parse(value))

    def rank_of(self, tree: ast.expr) -> int | None:  # noqa: PLR0911  # one case a kind of node
        """Return the number of axes of a part of an expression."""
        match tree:
            case ast.Constant():
                return 0
            case ast.List():
                return len(shape_of(ast.literal_eval(tree)))
            case ast.Name(id=name) if name in self.ranks:
                return self.ranks[name]
            case ast.Call(func=ast.Name(id="sum" | "mean")):
                return 0
            case ast.Call(func=ast.Name(id="ones"), args=sizes):
                return len(sizes)
            case ast.Call(args=[argument]) | ast.UnaryOp(operand=argument):
                return self.rank_of(argument)
            case ast.Subscript(value=inner):
                rank = self.rank_of(inner)
                return None if rank is None else rank - 1
            case ast.BinOp(left=left, op=operator, right=right):
                ranks = [self.rank_of(left), self.rank_of(right)]
                if isinstance(operator, ast.MatMult):
                    return ranks[0]
                return max(known) if (known := [rank for rank in ranks if rank is not None]) else None
        return None


def reads_and_binds(name: str, text: str) -> bool:
    """Return whether a body of a function reads a name before it binds it."""
    word, read = re.compile(rf"(?<![\w'.]){name}\b(?!')"), False
    for line in text.splitlines():
        target, _, value = line.partition(" = ")
        if line.lstrip().startswith(("def ", "@")) or not word.search(line):
            continue
        binds = bool(value) and re.fullmatch(r"[\w, ]+", target) is not None and word.search(target) is not None
        read = read or not binds or word.search(value) is not None
        if binds:
            return read
    return False


def shape_of(values: Any) -> tuple[int, ...]:
    """Return the shape of nested lists."""
    return (len(values), *(shape_of(values[0]) if values else ())) if isinstance(values, list) else ()
