"""Where the variables of Linen's layers and modules stand: entries of trees, whole subtrees, and what moves them."""

from typing import Any

from canireuse.step import Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import Assign, Call, Compute, Drop, Gradient, Invoke, Scan, Thread, Vectorize
from canireuse_adapters.linen.layers import Owner
from canireuse_adapters.linen.scopes import LinenScopes
from canireuse_adapters.linen.state import Entry, Path

RESULTS = Call | Compute | Gradient | Invoke | Scan | Thread | Vectorize
#: what stands at a path inside an owner: an entry, or words for a value
Row = tuple[Path, Entry | str]


class LinenTrees(LinenScopes):
    """Words places: references into a scope, entries of a tree, and the part of a tree that an owner computes with."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.owners: dict[str, Owner] = {}
        #: every owner there is or was, bound or not
        self.known: list[Owner] = []
        #: the paths of what was frozen
        self.froze: list[Path] = []

    def say(self, step: Step) -> None:
        """Write a step, and forget what its name stood for if it is bound to a value now."""
        name = step.binding or ""
        variable, owner = self.variables.get(name), self.owners.get(name)
        super().say(step)
        if isinstance(step, RESULTS) and not self.frames:
            if variable is not None and self.variables[name] is variable:
                del self.variables[name]
            if owner is not None and self.owners[name] is owner:
                del self.owners[name]

    # -- places

    def owner(self, place: str) -> tuple[Owner, list[str]]:
        """Return the layer or module that a place begins with, and what is left of the place."""
        first, *rest = place.split(".")
        owner = self.owners[first]
        while rest and rest[0] not in owner.leaves:
            inner = owner.members.get(rest[0])
            if inner is not None:
                rest.pop(0)
            elif owner.kind == "wrapper":
                inner = next(iter(owner.members.values()))
            else:
                break
            owner = inner
        return owner, rest

    def is_owner(self, place: str) -> bool:
        """Return whether a place is a layer or module, not a variable."""
        return place.partition(".")[0] in self.owners and not self.owner(place)[1]

    def entry_at(self, place: str) -> Entry:
        """Return the entry that a place of one variable leads to."""
        if place.partition(".")[0] in self.owners:
            owner, rest = self.owner(place)
            if len(rest) == 1 and rest[0] in owner.leaves:
                return owner.leaves[rest[0]]
            if len(rest) == 1 and owner.path is not None:
                return "params", (*owner.path, rest[0])
            raise Unsupported(f"A Linen layer or module is no array: `{place}` has entries in the tree, and is none.")
        if place not in self.variables:
            raise Unsupported(
                f"`{place}` is no entry of a tree here: Linen knows a variable once it is made, outside of what trains it."
            )
        collection, path = self.variables[place]
        if path is None:
            raise Unsupported("Which entry of the tree this variable is depends on the scope its function was given.")
        return collection, path

    def entries_at(self, place: str) -> list[Entry]:
        """Return the entries of the variables at a place: one, or all that a layer or module owns, each once."""
        if self.is_owner(place):
            return list(self.rows(self.owner(place)[0]))
        return [self.entry_at(place)]

    def place(self, place: str) -> str:
        """Return a reference, a layer, or an entry of the tree."""
        if place.partition(".")[0] in self.owners:
            return self.definition(self.owner(place)[0]) if self.is_owner(place) else self.entry(self.entry_at(place))
        return place

    def definition(self, owner: Owner) -> str:
        """Return the words for a definition."""
        if not owner.words:
            raise Unsupported("What holds bare parameters in Linen is a part of the tree; there is no module of it.")
        return owner.words

    def value(self, place: str) -> str:
        """Return the value behind a reference; of one bound in another function, the entry in the tree."""
        if place not in self.variables:
            return self.place(place)
        if self.bound_at[place] == len(self.frames):
            return f"{place}.value"
        return self.entry(self.entry_at(place))

    def target(self, place: str) -> str:
        """Return the words for what a write goes to; an array itself is written in place, if at all."""
        if place in self.variables:
            return self.value(place)
        return self.place(place) if place.partition(".")[0] in self.owners else f"{place}[...]"

    def assign(self, step: Assign) -> None:
        """Write through a reference, or replace an entry of the tree."""
        self.pure_only("write variables")
        self.write(f"{self.target(step.assign)} = {self.new_value(step.to)}")
        if step.assign in self.variables or step.assign.partition(".")[0] in self.owners:
            self.note(self.tree_of(self.entry_at(step.assign)[0]))

    def increment(self, place: str) -> None:
        """Add to the value."""
        self.write(f"{self.target(place)} = {self.target(place)} + 1")

    def drop(self, step: Drop) -> None:
        """Watch the array that a reference leads to: the reference itself is made anew by each lookup."""
        if step.drop not in self.variables:
            if not self.owners[step.drop].words:
                raise Unsupported(
                    "What holds variables alone is an entry of Linen's tree: no Python object stands for it."
                )
            super().drop(step)
            self.named_by_holder(step.drop)
            return
        for module in ("gc", "weakref"):
            self.import_first(f"import {module}")
        self.write(f"{step.drop}_watch = weakref.ref({self.value(step.drop)})")
        self.write(f"del {step.drop}")
        self.write("gc.collect()")

    def named_by_holder(self, name: str) -> None:
        """Reach a definition whose name is gone through a module that holds it."""
        gone = self.owners[name]
        for holder in self.known:
            for field, member in holder.members.items():
                if member is gone and holder.words and holder.words != name:
                    gone.words = f"{holder.words}.{holder.fields.get(field, field)}"

    # -- subtrees

    def held(self, owner: Owner, collection: str = "params") -> str:
        """Return the words for an owner's part of a tree, each entry once."""
        rows: list[Row] = [(path, entry) for entry, path in self.rows(owner).items() if entry[0] == collection]
        return self.subtree(owner.path, collection, rows, exact=True)

    def rows(self, owner: Owner) -> dict[Entry, Path]:
        """Return an owner's entries, each with its path inside: the one it stands at, or else the first that leads to it."""
        rows: dict[Entry, Path] = {}
        for path, _, entry in owner.listed(applied=False):
            if entry not in rows or (owner.path is not None and entry[1] == (*owner.path, *path)):
                rows[entry] = path
        return rows

    def collections_of(self, owner: Owner) -> list[str]:
        """Return the collections that an owner has entries in, the parameters first."""
        return sorted({collection for collection, _ in self.rows(owner)}, key=lambda name: (name != "params", name))

    def applied(self, owner: Owner, given: dict[Path, str]) -> str:
        """Return the words for the variables that an owner is applied to."""
        rows = owner.listed(applied=True)
        slots = {path: collection for path, collection, _ in owner.listed(applied=False)} | {
            path: collection for path, collection, _ in rows
        }
        parts = []
        for collection in sorted({"params", *(one for _, one, _ in rows)}, key=lambda name: (name != "params", name)):
            values: list[Row] = [(path, given.get(path, entry)) for path, one, entry in rows if one == collection]
            taken = {path for path, _ in values}
            values += [
                (path, words)
                for path, words in given.items()
                if path not in taken and slots.get(path, "params") == collection
            ]
            parts.append(f"{collection!r}: {self.subtree(owner.path, collection, values, exact=False)}")
        return f"{{{', '.join(parts)}}}"

    def subtree(self, path: Path | None, collection: str, rows: list[Row], *, exact: bool) -> str:
        """Return the words for a tree of these rows: the entry that is such a tree, or a dictionary of several.

        `exact`: an entry that holds more than these will not do.
        """
        if path is not None and self.stands(path, collection, rows, exact=exact):
            return self.entry((collection, path))
        heads = list(dict.fromkeys(inside[0] for inside, _ in rows))
        parts = []
        for head in heads:
            group: list[Row] = [(inside[1:], what) for inside, what in rows if inside[0] == head]
            inside, what = group[0]
            if not inside:
                words = what if isinstance(what, str) else self.entry(what)
            else:
                base = what[1][: -len(inside)] if isinstance(what, tuple) else None
                words = self.subtree(base or None, collection, group, exact=exact)
            parts.append(f"{head!r}: {words}")
        return f"{{{', '.join(parts)}}}"

    def stands(self, path: Path, collection: str, rows: list[Row], *, exact: bool) -> bool:
        """Return whether the entry at a path is a tree of these rows."""
        if any(entry != (collection, (*path, *inside)) for inside, entry in rows) or not rows:
            return False
        inside = [one for one, found in self.collections.items() if one[: len(path)] == path and found == collection]
        return not exact or len(inside) == len(rows)

    def store(self, owner: Owner, collection: str, words: str) -> None:
        """Write a tree back to where an owner's entries of a collection stand."""
        kept = self.held(owner, collection)
        if not kept.startswith("{"):
            self.write(f"{kept} = {words}")
        else:
            if not words.endswith("]"):
                fresh = self.free("fresh")
                self.write(f"{fresh} = {words}")
                words = fresh
            for entry, path in self.rows(owner).items():
                if entry[0] == collection:
                    self.write(f"{self.entry(entry)} = {words}{''.join(f'[{part!r}]' for part in path)}")
        self.note(self.tree_of(collection))

    # -- what moves

    def is_top(self, owner: Owner) -> bool:
        """Return whether an owner has an entry that no module has taken in."""
        return owner.path is not None and len(owner.path) == 1 + len(self.top()) and owner.path[:-1] == self.top()

    def top(self) -> Path:
        """Return the path below which what is made here stands."""
        return ()

    def moved(self, old: Path, new: Path) -> None:
        """Note that an entry has moved, with all that is below."""
        self.collections = {after(path, old, new): collection for path, collection in self.collections.items()}
        self.variables = {
            name: (collection, None if path is None else after(path, old, new))
            for name, (collection, path) in self.variables.items()
        }
        for owner in self.known:
            owner.path = None if owner.path is None else after(owner.path, old, new)
            owner.leaves = {part: (entry[0], after(entry[1], old, new)) for part, entry in owner.leaves.items()}
        self.froze = [after(path, old, new) for path in self.froze]


def after(path: Path, old: Path, new: Path) -> Path:
    """Return where a path leads after what stood at one has moved to another."""
    return (*new, *path[len(old) :]) if path[: len(old)] == old else path
