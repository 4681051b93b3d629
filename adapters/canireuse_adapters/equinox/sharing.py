"""Modules of Equinox and what is shared among them: by value, which ties nothing, or by `eqx.nn.Shared`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from canireuse.expression import parse, places
from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.translation import INDENT, Unsupported
from canireuse.vocabulary import (
    Average,
    Call,
    Cast,
    Copy,
    Function,
    Invoke,
    Materialize,
    Module,
    Move,
    Replace,
    Thread,
    Tie,
    walk,
)
from canireuse_adapters.equinox.places import Node, Path
from canireuse_adapters.equinox.variables import EquinoxVariables


def mentions(step: Step) -> set[str]:
    """Return every place that a step names."""
    found: set[str] = set()
    for name in (*step.uses, "members"):
        value = getattr(step, name, None)
        values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        found |= {one for one in values if isinstance(one, str)}
    for name in step.expressions:
        value = getattr(step, name, None)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                found |= {place for place, _ in places(parse(text))}
    returns = getattr(step, "returns", None)
    return found | ({place for place, _ in places(parse(returns))} if returns else set())


def called_in(steps: list[Step]) -> frozenset[str]:
    """Return the names of what is called: by itself, inside a module that is called, or as what was made of it."""
    called = {part for step in steps if isinstance(step, Call) for part in step.call.split(".")}
    returned = {step.function: step.returns for step in steps if isinstance(step, Function) and step.returns}
    for step in reversed(steps):
        made = getattr(step, "as_", None)
        if made in called and isinstance(step, Invoke | Thread):
            called |= {returned.get(step.invoke if isinstance(step, Invoke) else step.thread, "")}
        elif made in called and isinstance(step, Copy | Cast | Move | Materialize | Average):
            called |= {getattr(step, step.uses[0])}
        if isinstance(step, Module):
            called |= {place for name, place in step.members.items() if step.module in called or name in called}
    return frozenset(called)


def within(place: str, other: str) -> bool:
    """Return whether a place is another one, or inside it."""
    return place == other or place.startswith(f"{other}.")


class EquinoxSharing(EquinoxVariables):
    """Words modules and ties.

    What is handed to a module is a value there. Where the spec goes on to use the name that it had,
    the script goes on through the module, as users do; where the spec uses both names, they are two
    places in the script too. By `eqx.nn.Shared` what is handed to several is one leaf.
    """

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.called: frozenset[str] = frozenset()
        #: members of modules whose own names the spec goes on to use beside: (module, member)
        self.both_used: set[tuple[str, str]] = set()

    @property
    def sharing(self) -> bool:
        """Return whether what is handed to several is put into `eqx.nn.Shared`."""
        return "shared" in (self.way.get("tie"), self.way.get("module"))

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Look which names of members the spec goes on to use."""
        steps = list(walk(spec.steps))
        self.called = called_in(steps)
        for at, step in enumerate(steps):
            if isinstance(step, Module):
                named = set().union(*map(mentions, steps[at + 1 :]), set())
                for member, place in step.members.items():
                    path = f"{step.module}.{member}"
                    if any(within(one, path) for one in named) and any(within(one, place) for one in named):
                        self.both_used.add((step.module, member))
        with super().setting(spec):
            yield

    # -- modules

    def module(self, step: Module) -> None:
        """Define a module, and make one of what is there."""
        name = step.module
        node, given, moves, ties = self.assembled(step)
        node.type = self.define(name, node)
        self.write(f"{name} = {node.type}({', '.join(given)})")
        self.hold(name, node)
        for place, path in moves.items():
            self.move_names(place, name, path)
        for member, (kept, path) in ties.items():
            tree, moved = self.refs.get(kept, (kept, ()))  # the tie before may have put it into a pair
            self.share(f"{name}.{member}", tree, (*moved, *path))

    def assembled(self, step: Module) -> tuple[Node, list[str], dict[str, Path], dict[str, tuple[str, Path]]]:
        """Return a new module, what it is given, which names move into it, and what is to be tied."""
        node, given = Node("module"), list[str]()
        moves: dict[str, Path] = {}
        ties: dict[str, tuple[str, Path]] = {}
        seen: dict[int, Path] = {}
        pairs = self.whole_pairs(step)
        for member, place in step.members.items():
            tree, path = self.locate(place)
            if tree in pairs:
                if tree not in node.parts:
                    node.parts[tree] = self.trees[tree].again(f".{tree}")
                    given.append(f"{tree}={tree}")
                    moves[tree] = (tree,)
                node.via[member] = (tree, *path)
                continue
            known = self.node(place) or Node("array")
            node.parts[member] = known.again(f".{member}")
            given.append(f"{member}={self.whole(place)}")
            if self.sharing:
                if path and known.origin not in seen and tree in list(step.members.values()):
                    seen[known.origin] = (member,)  # its tree is a member too: the tie is made when that comes
                    continue
                if known.origin in seen or path:
                    ties[member] = (step.module, seen[known.origin]) if known.origin in seen else (tree, path)
                    continue
                self.inner_ties(step.module, member, known, seen, ties)
                moves.setdefault(place, (member,))
            elif (step.module, member) in self.both_used or path:
                self.handed.setdefault(place, []).append(f"{step.module}.{member}")
            else:
                moves.setdefault(place, (member,))
        node.state = next((part.state for part in node.parts.values() if part.state), "")
        return node, given, moves, ties

    def inner_ties(
        self, module: str, member: str, node: Node, seen: dict[int, Path], ties: dict[str, tuple[str, Path]]
    ) -> None:
        """Note which arrays of a member are those of a member before."""
        waiting: list[tuple[Path, Node]] = [((member,), node)]
        while waiting:
            path, one = waiting.pop(0)
            if one.origin in seen:
                ties[".".join(path)] = (module, seen[one.origin])
                continue
            seen[one.origin] = path
            waiting += [((*path, name), part) for name, part in one.parts.items()]

    def whole_pairs(self, step: Module) -> set[str]:
        """Return the tied trees of which every part is a member, each once: the module holds the `Shared` itself."""
        found = [self.locate(place) for place in step.members.values()]
        return {
            tree
            for tree, node in self.trees.items()
            if node.kind == "pair"
            and node.shared
            and self.parts_of_pair(node) == sorted(path for one, path in found if one == tree)
        }

    def parts_of_pair(self, node: Node, path: Path = ()) -> list[Path]:
        """Return the path of each tree that was put into a pair, in nested ones too."""
        found: list[Path] = []
        for name, part in node.parts.items():
            found += self.parts_of_pair(part, (*path, name)) if part.kind == "pair" else [(*path, name)]
        return sorted(found)

    def can_be_called(self, node: Node) -> bool:
        """Return whether a module's members can be called in turn."""
        inner = [self.member(node, name)[1] for name in self.members(node)]
        return bool(inner) and all(one.callable for one in inner)

    def members(self, node: Node) -> list[str]:
        """Return the members of a module as the spec names them."""
        hidden = {path[0] for path in node.via.values()}
        return [name for name in node.parts if name not in hidden] + list(node.via)

    def member(self, node: Node, name: str) -> tuple[str, Node]:
        """Return the words for a member inside its module, and what it is."""
        words, part = "self", node
        for one in node.via.get(name, (name,)):
            words += "()" * (part.shared if part is not node else 0)
            part = part.parts[one]
            words += part.accessor
        return words + "()" * part.shared, part

    def define(self, name: str, node: Node) -> str:
        """Define the class of a module at the top of the script; return its name."""
        body = [f"{part.accessor[1:]}: {self.type_of(part)}" for part in node.parts.values()] or ["pass"]
        node.callable = bool(self.called & {name, *node.parts, *node.via}) and self.can_be_called(node)
        if node.callable:
            body += ["", *self.calling(node)]
        kind = self.free(re.sub(r"_+$", "", name.title().replace("_", "")) or "Model")
        lines = [f"{INDENT}{line}" if line else "" for line in body]
        while (text := [f"class {kind}(eqx.Module):", *lines, ""]) and kind in self.defined:
            if "\n".join(text) in "\n".join(self.classes):
                return kind
            kind += "_"
        self.defined.add(kind)
        self.classes += text
        return kind

    def calling(self, node: Node) -> list[str]:
        """Return the lines of a module's `__call__`: a state goes from norm to norm."""
        inner = [self.member(node, member) for member in self.members(node)]
        if node.state:
            lines = [f"x, state = {words}(x, state)" if part.state else f"x = {words}(x)" for words, part in inner]
            return ["def __call__(self, x, state):", *(f"{INDENT}{line}" for line in [*lines, "return x, state"])]
        words = "x"
        for member, _ in inner:
            words = f"{member}({words})"
        return ["def __call__(self, x):", f"{INDENT}return {words}"]

    def type_of(self, node: Node) -> str:
        """Return the type of a field."""
        return "eqx.nn.Shared" if node.shared else node.type

    def move_names(self, place: str, module: str, path: Path) -> None:
        """Have the names of what was handed to a module stand for the place it has there."""
        tree, _ = self.locate(place) if place in self.refs else (place, ())
        for name, (where, inner) in list(self.refs.items()):
            if where == tree:
                self.refs[name] = (module, path + inner)

    # -- ties

    def tie(self, step: Tie) -> None:
        """Put one array in two places, or have one place only."""
        tree, path = self.locate(step.tie)
        own, other = self.node(step.tie), self.node(step.to)
        if own is None or other is None:
            raise Unsupported("An Equinox tie is between two places of trees; a tensor by itself is in none.")
        if path:
            self.detach(tree, path, step.tie.partition(".")[0])
        if self.sharing:
            self.share(step.tie, *self.locate(step.to))
            return
        turned = own.transposed != other.transposed and not self.fits(own, other)
        words = self.whole(step.to)
        self.put(tree, path, f"{words}.T" if turned else words)
        self.stands(tree, path, other, transposed=own.transposed, turned=turned)

    def fits(self, own: Node, other: Node) -> bool:
        """Return whether an array has the layout of the place that it is put into, as an embedding's table for a head has."""
        known = own.shape is not None and own.shape == other.shape and own.shape != other.shape[::-1]
        if known:
            self.idiom("`eqx.nn.Linear` multiplies by its weight transposed, so an embedding's table fits as it is.")
        return known

    def stands(self, tree: str, path: Path, other: Node, *, transposed: bool, turned: bool = False) -> None:
        """Note that another thing stands at a place."""
        known = self.trees[tree].at(path)
        accessor, frozen = (known.accessor, known.frozen) if known else ("", False)
        new = other.again(accessor)
        if new.kind == "array":
            new.transposed, new.frozen = transposed, frozen
            new.shape = new.shape[::-1] if turned and new.shape is not None else new.shape
        if path:
            self.trees[tree].at(path[:-1]).parts[path[-1]] = new  # type: ignore[union-attr]  # the place was found there
        else:
            self.trees[tree] = new

    def share(self, place: str, tree: str, path: Path) -> None:
        """Put a tree, or a pair of trees, into `eqx.nn.Shared`: one place gives its leaf up for another's."""
        given, inner = self.locate(place)
        if any(self.bound_at.get(one, 0) < len(self.frames) for one in {given, tree}):
            raise Unsupported(
                "`eqx.nn.Shared` gives a tree another structure, which a function cannot do to the trees that were made outside of it."
            )
        if given == tree and self.leaf(given, inner)[0] == self.leaf(tree, path)[0]:
            return
        own, other = self.trees[given].at(inner), self.trees[tree].at(path)
        if own is None or other is None:
            raise Unsupported(
                "What is tied here went into a tree whose name was bound anew, where it cannot be reached."
            )
        flipped = own.transposed != other.transposed and self.fits(own, other)
        turned = own.transposed != other.transposed and not flipped
        if self.differ(own, other, turned=turned):
            self.write(self.shared_words(given, inner, tree, path, turned=turned))
            return
        self.expand(given, inner)
        if given != tree:
            given, inner, path = self.pair(tree, path, given, inner)
        node = self.trees[given]
        tied = node.type if node.kind == "pair" and not node.shared else given
        self.write(f"{given} = {self.shared_words(given, inner, given, path, turned=turned, tied=tied)}")
        node.shared += 1
        node.ties[inner] = (path, flipped)

    def expand(self, tree: str, path: Path) -> None:
        """Put back what a place has given up, so that it can hold something else; what else is tied stays so."""
        node = self.trees.get(tree)
        if node is None or not self.touched(node, path, both=False):
            return
        if not node.ties or any(given[: len(path)] != path for given in node.ties):
            raise Unsupported(
                "`eqx.nn.Shared` has emptied this place; to put something else there, users expand the tree and share the rest anew."
            )
        self.writes(tree)
        self.write(f"{tree} = {tree}{'()' * node.shared}")
        node.shared, node.type = 0, tree if node.kind == "pair" else node.type
        node.ties.clear()

    def differ(self, own: Node, other: Node, *, turned: bool) -> bool:
        """Return whether two things are known to differ in shape, so that `eqx.nn.Shared` refuses them."""
        if own.kind != "array" or other.kind != "array":
            kinds = own.kind != other.kind or own.parts.keys() != other.parts.keys()
            return kinds or any(self.differ(own.parts[name], other.parts[name], turned=False) for name in own.parts)
        if own.shape is None or other.shape is None:
            return False
        return own.shape != (other.shape[::-1] if turned else other.shape)

    def shared_words(
        self, given: str, inner: Path, tree: str, path: Path, *, turned: bool, tied: str | None = None
    ) -> str:
        """Return the words that tie two places of a tree, or of two."""
        if given != tree:
            where, read = f"pair[1]{self.leaf(given, inner)[0]}", self.words(tree, path, "pair[0]")
            argument, tied = "pair", f"({tree}, {given})"
        else:
            argument = "pair" if self.trees[given].kind == "pair" else given
            where, read = f"{argument}{self.leaf(given, inner)[0]}", self.words(given, path, argument)
        get = f"jnp.transpose({read})" if turned else read
        return f"eqx.nn.Shared({tied or given}, where=lambda {argument}: {where}, get=lambda {argument}: {get})"

    def pair(self, kept: str, path: Path, given: str, inner: Path) -> tuple[str, Path, Path]:
        """Put two trees into one, so that `eqx.nn.Shared` can tie them; return its name and the two places in it."""
        name = self.free("pair")
        self.taken.add(name)
        parts = {tree: self.trees[tree].again(f"[{at}]") for at, tree in enumerate((kept, given))}
        node = Node("pair", parts=parts, type=f"({kept}, {given})")
        moved = dict(self.refs)
        self.hold(name, node)
        self.refs.pop(name)
        for one, (tree, inside) in moved.items():
            if tree in {kept, given}:
                self.refs[one] = (name, (tree, *inside))
        return name, (given, *inner), (kept, *path)

    def replace(self, step: Replace) -> None:
        """Put another thing in a member's place."""
        tree, path = self.locate(step.replace)
        other = self.node(step.by)
        self.expand(tree, path)
        self.put(tree, path, self.whole(step.by))
        if other is not None and tree in self.trees:
            self.stands(tree, path, other, transposed=other.transposed)
            self.handed.setdefault(step.by, []).append(step.replace)
