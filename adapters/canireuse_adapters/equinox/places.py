"""Places of Equinox: a variable is an array at a place of a tree, and a tree is bound to a Python name."""

import ast
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from canireuse import expression
from canireuse.step import Array
from canireuse.translation import Unsupported
from canireuse.vocabulary import Assign
from canireuse_adapters.jax_text import Jax

Path = tuple[str, ...]
NUMBERS = count()
LAYERS = {"dense": "eqx.nn.Linear", "embedding": "eqx.nn.Embedding", "norm": "eqx.nn.BatchNorm"}
LOST = "What a function makes is its own: another part of the program has what the function returns."


@dataclass
class Node:
    """What stands at a place: an array, a layer, a module, or a tuple of trees that `eqx.nn.Shared` ties."""

    kind: str
    #: how it is reached from the node around it
    accessor: str = ""
    parts: "dict[str, Node]" = field(default_factory=dict)
    #: members that are reached through a field of another name
    via: dict[str, Path] = field(default_factory=dict)
    #: whether an array is kept as [units, inputs]
    transposed: bool = False
    floating: bool = True
    #: the shape of an array as it is kept, where it is known
    shape: tuple[int, ...] | None = None
    frozen: bool = False
    #: how many times `eqx.nn.Shared` is put around it
    shared: int = 0
    #: the places inside that gave up their arrays -> the places that hold them, and whether one is the other's transpose
    ties: dict[Path, tuple[Path, bool]] = field(default_factory=dict)
    #: what was one variable when it was made has one number, wherever it is handed to
    origin: int = field(default_factory=lambda: next(NUMBERS))
    callable: bool = False
    #: the name of the `eqx.nn.State` that a norm, or what holds it, is called with
    state: str = ""
    #: whether an array has a shape and dtype alone
    abstract: bool = False
    #: the class of a module that the script defines
    type: str = "jax.Array"

    def at(self, path: Path) -> "Node | None":
        """Return the node below this one, None if nothing is known there."""
        node: Node | None = self
        for part in path:
            node = node.parts.get(part) if node else None
        return node

    def paths(self) -> Iterator[Path]:
        """Yield the path of each array inside that is there, each once."""
        if self.kind == "array":
            yield ()
        for name, part in self.parts.items():
            for path in part.paths():
                whole = (name, *path)
                if not any(whole[: len(given)] == given for given in self.ties):
                    yield whole

    def again(self, accessor: str = "", *, renewed: bool = False) -> "Node":
        """Return a node of the same make under another accessor; a renewed one is of new variables."""
        node = copy.deepcopy(self)
        node.accessor = accessor
        if renewed:
            node.renew()
        return node

    def restate(self, state: str) -> None:
        """Note that the running statistics inside are in another state."""
        self.state = state if self.state else ""
        for part in self.parts.values():
            part.restate(state)

    def renew(self) -> None:
        """Count what is inside as new variables."""
        self.origin = next(NUMBERS)
        for part in self.parts.values():
            part.renew()


class EquinoxPlaces(Jax):
    """Keeps account of which name of a spec is which place, and words how a place is read and written.

    An array never changes and neither does an `eqx.Module`, so to write is to make a tree with another
    array in that place, by `eqx.tree_at`, and to bind the tree's name to it. Two places that were
    given one array are two places: only what `eqx.nn.Shared` ties has one leaf.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: Python names that hold trees, and what is at them
        self.trees: dict[str, Node] = {}
        #: name of a spec -> the tree it is in, and where
        self.refs: dict[str, tuple[str, Path]] = {}
        #: what was handed to modules by value: place -> the members it became
        self.handed: dict[str, list[str]] = {}
        #: names that a function bound for itself, or that were dropped
        self.lost: set[str] = set()
        #: other names that functions take and return: the states of optimizers
        self.extras: dict[str, int] = {}
        #: for each open function, the names bound outside that it binds anew
        self.written: list[list[str]] = [[]]
        #: the trees that the open loss is a function of
        self.differentiated: list[str] = []
        #: number of axes of tensors, where it is known
        self.ranks: dict[str, int] = {}
        #: the classes of modules that the script defines: their lines, and their names
        self.classes: list[str] = []
        self.defined: set[str] = set()

    # -- where things are

    def hold(self, name: str, node: Node) -> None:
        """Note that a Python name is bound to a tree."""
        self.trees[name] = node
        self.refs[name] = (name, ())
        self.bound_at[name] = len(self.frames)
        self.handed.pop(name, None)
        self.lost.discard(name)

    def detach(self, tree: str, path: Path, besides: str) -> None:
        """Let the names of a place stand for what they are bound to, since something else comes into the place."""
        for name, (where, inner) in self.refs.items():
            if where == tree and inner[: len(path)] == path and name not in {tree, besides}:
                self.refs[name] = (name, ())

    def forget(self, names: Iterable[str]) -> None:
        """Note that names stand for nothing any more."""
        for name in names:
            self.trees.pop(name, None)
            self.refs.pop(name, None)
            self.lost.add(name)

    def locate(self, place: str) -> tuple[str, Path]:
        """Return the tree that a place is in, and its path there."""
        first, *rest = place.split(".")
        if first in self.lost:
            raise Unsupported(LOST)
        tree, path = self.refs.get(first, (first, ()))
        if self.differentiated and tree not in self.differentiated:
            for member in self.handed.get(first, ()):
                other = self.locate(member)
                if other[0] in self.differentiated:
                    tree, path = other
                    break
        node = self.trees.get(tree)
        for part in path:
            node = node.parts.get(part) if node else None
        for part in rest:
            step = node.via.get(part, (part,)) if node else (part,)
            path += step
            node = node.at(step) if node else None
        return tree, path

    def node(self, place: str) -> Node | None:
        """Return what is known of a place."""
        tree, path = self.locate(place)
        return self.trees[tree].at(path) if tree in self.trees else None

    def words(self, tree: str, path: Path, start: str | None = None) -> str:
        """Return the words that read a place, through what `eqx.nn.Shared` puts back."""
        words, node = start if start is not None else tree, self.trees.get(tree)
        for part in path:
            words += "()" * (node.shared if node else 0)
            node = node.parts.get(part) if node else None
            words += node.accessor if node else f".{part}"
        return words

    def leaf(self, tree: str, path: Path) -> tuple[str, Node | None, bool]:
        """Return how the array at a place is reached as a leaf, what it is, and whether its layout is the other one."""
        return self.leaf_of(self.trees.get(tree), path)

    def leaf_of(self, node: Node | None, path: Path) -> tuple[str, Node | None, bool]:
        """Return how a place inside something is reached as a leaf of it."""
        path, flipped = self.kept(node, path)
        words = ""
        for part in path:
            words += ".pytree" * (node.shared if node else 0)
            node = node.parts.get(part) if node else None
            words += node.accessor if node else f".{part}"
        return words, node, flipped

    def kept(self, node: Node | None, path: Path) -> tuple[Path, bool]:
        """Return which place inside holds the array of a place that may have given its own up."""
        flipped = False
        while found := self.given_up(node, path):
            path, turned = found
            flipped ^= turned
        return path, flipped

    def given_up(self, node: Node | None, path: Path) -> tuple[Path, bool] | None:
        """Return the place that a place gave its own array up for, if it did."""
        for depth in range(len(path)):
            if node is None:
                return None
            for given, (kept, turned) in node.ties.items():
                if path[depth : depth + len(given)] == given:
                    return (*path[:depth], *kept, *path[depth + len(given) :]), turned
            node = node.parts.get(path[depth])
        return None

    def touched(self, node: Node | None, path: Path, *, both: bool = True) -> bool:
        """Return whether something at a place has its leaf elsewhere, or with `both` is the leaf of another place."""
        for depth in range(len(path) + 1):
            if node is None:
                return False
            rest = path[depth:]
            ends = [end for given, (kept, _) in node.ties.items() for end in ((given, kept) if both else (given,))]
            if any(rest[: len(end)] == end or end[: len(rest)] == rest for end in ends) and rest:
                return True
            node = node.parts.get(path[depth]) if rest else None
        return False

    def arrays(self, place: str) -> list[tuple[str, str, Node]]:
        """Return tree, accessor as a leaf, and node of each array at a place or inside it."""
        tree, path = self.locate(place)
        node = self.trees[tree].at(path) if tree in self.trees else None
        if node is None:
            return []
        inner = self.inside(node)
        found = [(tree, *self.leaf(tree, path + one)[:2]) for one in inner]
        return list({(tree, words): (tree, words, node) for tree, words, node in found if node}.values())

    def inside(self, node: Node) -> list[Path]:
        """Return the path of every array inside, those too that have given theirs up."""
        if node.kind == "array":
            return [()]
        return [(name, *path) for name, part in node.parts.items() for path in self.inside(part)]

    # -- words

    def place(self, place: str) -> str:
        """Return the words for what stands at a place; of a tied tree, what it is with everything in its place."""
        tree, path = self.locate(place)
        node = self.trees[tree].at(path) if tree in self.trees else None
        return self.words(tree, path) + "()" * (node.shared if node else 0)

    def whole(self, place: str) -> str:
        """Return the words for a tree as it is kept, `eqx.nn.Shared` around it or not."""
        return self.words(*self.locate(place))

    def value(self, place: str) -> str:
        """Return an array laid out as [inputs, units]."""
        node = self.node(place)
        return self.place(place) + (".T" if node and node.transposed else "")

    def is_variable(self, place: str) -> bool:
        """Return whether a place holds a variable, not a tensor."""
        return self.locate(place)[0] in self.trees

    # -- writing

    def assign(self, step: Assign) -> None:
        """Put another array in a place."""
        tree, path = self.locate(step.assign)
        _, node, flipped = self.leaf(tree, path)
        turned = node is not None and node.transposed != flipped
        self.put(tree, path, self.written_value(step.to, step.assign, node, turned=turned))

    def written_value(self, to: str | Array, place: str, node: Node | None, *, turned: bool) -> str:
        """Return the words for a value that is written into a place."""
        number = to if isinstance(to, int | float) else self.constant(to)
        floating = node is None or node.floating
        if number is not None and not isinstance(to, list):
            number = float(number) if floating else number
            return f"jnp.full_like({self.place(place)}, {number!r})"
        words = self.expression(to) if isinstance(to, str) else f"jnp.array({self.numbers(to, floating=floating)})"
        return f"{self.closed(words)}.T" if turned else words

    def constant(self, text: str | Array) -> int | float | None:
        """Return the number that an expression is, if it is one."""
        if isinstance(text, str):
            tree = expression.parse(text)
            if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float):
                return tree.value
        return None

    def numbers(self, values: Any, *, floating: bool) -> Any:
        """Return numbers as floats where the variable is one, since integers would make an integer array."""
        if isinstance(values, list):
            return [self.numbers(value, floating=floating) for value in values]
        return float(values) if floating and isinstance(values, int) and not isinstance(values, bool) else values

    def closed(self, words: str) -> str:
        """Return words that a method may be called on."""
        bare = isinstance(ast.parse(words, mode="eval").body, ast.BinOp | ast.UnaryOp)
        return f"({words})" if bare else words

    def put(self, tree: str, path: Path, value: str) -> None:
        """Bind a tree's name to a tree with something else in one place."""
        self.writes(tree)
        if not path:
            self.write(f"{tree} = {value}")
        else:
            self.write(f"{tree} = eqx.tree_at(lambda {tree}: {tree}{self.leaf(tree, path)[0]}, {tree}, {value})")

    def writes(self, name: str) -> None:
        """Note that the open function binds a name anew."""
        self.pure_only("write variables")
        if "loop" in self.frames:
            raise Unsupported(
                "The body of `jax.lax.fori_loop` is a pure function of what is carried: a variable that it changes would have to be carried too."
            )
        if self.frames and self.bound_at.get(name, self.extras.get(name, 0)) < len(self.frames):
            for names in self.written[-1:]:
                if name not in names:
                    names.append(name)

    def increment(self, place: str) -> None:
        """Write one more."""
        tree, path = self.locate(place)
        _, node, flipped = self.leaf(tree, path)
        own = self.node(place)
        turned = node is not None and own is not None and (node.transposed != flipped) != own.transposed
        self.put(tree, path, f"{f'{self.place(place)}.T' if turned else self.place(place)} + 1")
