"""Trees in Flax Linen: the variables of an outermost module, which the script holds, reads, and replaces when it writes."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from canireuse.emit import Body, expr, literal, name
from canireuse.program import Object
from canireuse_adapters.linen.layers import Entry
from canireuse_adapters.linen.modules import Plan, Route, Shape


@dataclass(eq=False)
class Tree:
    """A tree: what the script calls the module and its variables, and where each stands as the module was defined."""

    #: the name of the module
    module: str
    #: the name of the variables: all of them, or the parameters where there are no others
    name: str
    #: its collections, parameters first
    collections: list[str]
    #: who makes what in it; of a tree of variables by name, nothing
    plan: Plan
    #: what stood where when the module was defined
    shape: Shape = field(default_factory=frozenset)
    #: the variables, each with its entry
    entries: dict[Object, Entry] = field(default_factory=dict)
    #: the owners, each with its path
    paths: dict[Object, Route] = field(default_factory=dict)
    #: what the module is called where it is bound to what the tree holds
    bound: str = "bound"
    #: where the module was bound to what the tree holds now
    bound_in: Body | None = None

    #: the code that made the module last
    made: ast.Call | None = None
    #: in a loss, to which the module is lent with what the tree holds: whether it is asked for
    lent: bool | None = None
    #: passes that have bound what the tree holds now
    passes: "list[Any]" = field(default_factory=list)

    def written(self) -> None:
        """Note that the tree is another: what was bound to it is old."""
        self.bound_in = None
        for one in self.passes:
            one.fresh_in = None
        self.passes.clear()

    @property
    def is_whole(self) -> bool:
        """Whether the name stands for all collections."""
        return self.collections != ["params"]

    def all(self) -> ast.expr:
        """Return the code for all collections."""
        return name(self.name) if self.is_whole else expr("{'params': $params}", params=self.name)

    def collection(self, collection: str) -> ast.expr:
        """Return the code for one collection."""
        return expr("$all['$key']", all=self.name, key=collection) if self.is_whole else name(self.name)

    def entry(self, entry: Entry) -> ast.expr:
        """Return the code for an entry, or for what is below one."""
        return keyed(self.collection(entry[0]), entry[1])

    def keys(self, entry: Entry) -> Route:
        """Return the keys that lead from the name to an entry."""
        return (entry[0], *entry[1]) if self.is_whole else entry[1]

    def every(self) -> list[Route]:
        """Return the keys of all entries."""
        return [self.keys(entry) for entry in self.entries.values()]

    def part(self, of: Object) -> list[Entry]:
        """Return the fewest entries below which all variables of an owner stand, and no others."""
        wanted = {one: None for one in of.walk() if one in self.entries}
        around = self.paths.get(of, ())
        below = [one for one, (_, path) in self.entries.items() if path[: len(around)] == around]
        if set(below) == set(wanted) and wanted:
            return [(collection, around) for collection in dict.fromkeys(self.entries[one][0] for one in below)]
        return fewest([self.entries[one] for one in wanted], list(self.entries.values()))


def keyed(around: ast.expr, keys: Iterable[str]) -> ast.expr:
    """Return the code that looks keys up, one after the other."""
    for key in keys:
        around = ast.Subscript(around, ast.Constant(key), ast.Load())
    return around


def fewest(wanted: list[Entry], known: list[Entry]) -> list[Entry]:
    """Return the fewest entries below which stand all that are wanted, and no other known ones."""
    found: dict[Entry, None] = {}
    for collection, path in wanted:
        for depth in range(len(path) + 1):
            below = [one for one in known if one[0] == collection and one[1][:depth] == path[:depth]]
            if all(one in wanted for one in below):
                found[collection, path[:depth]] = None
                break
    return list(found)


def replaced(around: ast.expr, keys: Route, value: ast.expr, known: Iterable[Route]) -> ast.expr:
    """Return a dictionary that is another one with one entry replaced; written out where that is all there is."""
    if not keys:
        return value
    first, *rest = keys
    others = {one[0] for one in known if one} - {first}
    inner = replaced(keyed(around, [first]), tuple(rest), value, [one[1:] for one in known if one[:1] == (first,)])
    made = ast.Dict([ast.Constant(first)], [inner])
    if others and isinstance(around, ast.Dict) and first not in {getattr(key, "value", None) for key in around.keys}:
        made.keys[:0], made.values[:0] = around.keys, around.values
    elif others:
        made.keys.insert(0, None)
        made.values.insert(0, around)
    return made


def nested(entries: dict[Route, ast.expr]) -> ast.expr:
    """Return entries as a dictionary of dictionaries."""
    if () in entries:
        return entries[()]
    first = dict.fromkeys(route[0] for route in entries)
    return literal(
        {key: nested({route[1:]: value for route, value in entries.items() if route[0] == key}) for key in first}
    )
