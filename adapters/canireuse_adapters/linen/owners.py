"""Layers and modules of Flax Linen: definitions that are applied to their part of the tree."""

from typing import Any

from canireuse.step import Array
from canireuse.translation import Unsupported
from canireuse.vocabulary import Call, Freeze, Function, Invoke, Layer, Module, Tie, Wrap
from canireuse_adapters.linen.layers import Owner, follows, initialised, one_by_one, words_of
from canireuse_adapters.linen.state import Entry, Path
from canireuse_adapters.linen.trees import LinenTrees, after

DEFINES = Layer | Module | Tie | Wrap


class LinenOwners(LinenTrees):
    """Words layers, modules and calls.

    A definition holds no values. A layer is initialised where it is defined, and its variables stand in the
    tree under its name; a module's part of the tree is put together from those of its members. What two
    modules share has one entry, and who calls a module gives it that entry.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: functions that define a layer or module, what they return, and the entries that they write once more
        self.makers: set[str] = set()
        self.built: dict[str, Owner] = {}
        self.late: dict[str, list[tuple[Entry, Entry]]] = {}
        #: whether arrays were put on one device and keep to it
        self.committed = False
        #: for each average, what it follows and how slowly
        self.averages: dict[str, tuple[str, float]] = {}

    @property
    def sharing(self) -> str:
        """How variables are shared: by one entry, or by the same array in two."""
        return self.way.get("tie") or self.way.get("module") or "one-entry"

    def freeze(self, step: Freeze) -> None:
        """Note what the optimizer is to leave alone."""
        raise NotImplementedError

    # -- layers

    def layer(self, step: Layer) -> None:
        """Define a layer, and make its variables by `init`, which needs an input of the right shape."""
        made = words_of(step, self.initializer)
        defining = self.defining()
        self.write(f"{step.as_} = {made.kind}({made.arguments})")
        around = () if defining else self.here().path
        if around is None:
            raise Unsupported(
                "Which entry of the tree this layer would have depends on the scope its function was given."
            )
        path = (*self.top(), *around, step.name or step.as_)
        there = any(owner.path == path for owner in self.known)
        found = there and not defining and self.here().mode not in {None, "inherited"}
        if there and not found:
            path = (*path[:-1], step.as_)
        units = step.inputs if step.layer == "norm" else step.units
        owner = Owner(
            step.as_, step.layer, path, made.slots, made=(made.kind, made.arguments), inputs=step.inputs, units=units
        )
        owner.leaves = {part: (collection, (*path, *inside)) for part, (collection, inside) in made.slots.items()}
        if found:
            self.idiom("Under reuse a second definition is applied to the variables that are there.")
        elif not defining:
            drawn = sum("normal()" in one.made[1] for one in self.known)
            self.initialise(path, owner, f"{step.as_}.init(jax.random.key({drawn}), {made.inputs})")
        self.take_in(step.as_, owner)
        if not step.trainable:
            self.freeze(Freeze(freeze=step.as_))

    def initialise(self, path: Path, owner: Owner, made: str) -> None:
        """Put the variables that `init` makes where they stand."""
        collections = list(dict.fromkeys(collection for _, collection, _ in owner.listed(applied=True)))
        if len(collections) > 1:
            self.write(f"{self.free('variables')} = {made}")
            made = self.free("variables")
        for collection in collections:
            words = f"{made}[{collection!r}]"
            if len(path) > 1:
                self.write(f"{self.here().words}.put_variable({collection!r}, {path[-1]!r}, {words})")
            else:
                self.write(f"{self.entry((collection, path))} = {words}")

    def take_in(self, name: str, owner: Owner) -> None:
        """Note a new owner under a name, and where its variables stand."""
        self.owners[name] = owner
        self.known += [one for one in owner.every() if not any(one is other for other in self.known)]
        self.collections |= {entry[1]: entry[0] for _, _, entry in owner.listed(applied=False)}

    # -- calls

    def call(self, step: Call) -> None:
        """Apply a layer or module to the variables it has in the trees, or to others that are given."""
        owner, rest = self.owner(step.call)
        if rest:
            raise Unsupported("An array of Linen's tree is no layer: it cannot be called.")
        definition, on = self.definition(owner), self.expression(step.on)
        variables = self.applied(owner, self.paths_given(owner, step.given))
        if owner.kind == "cell":
            if not on.isidentifier():
                self.write(f"{self.free('inputs')} = {on}")
                on = self.free("inputs")
            carry = f"{definition}.initialize_carry(jax.random.key(0), {on}.shape)"
            self.bind(step.as_, f"{definition}.apply({variables}, {carry}, {on})[1]")
            return
        if not owner.trains:
            self.bind(step.as_, f"{definition}.apply({variables}, {on})")
            return
        norm = owner.kind == "norm"
        if not step.training:
            self.bind(step.as_, f"{definition}.apply({variables}, {on}{', use_running_average=True' if norm else ''})")
            return
        mode, updated = "use_running_average=False" if norm else "training=True", self.free("updated")
        self.write(
            f"{step.as_ or '_'}, {updated} = {definition}.apply({variables}, {on}, {mode}, mutable=['batch_stats'])"
        )
        self.store(owner, "batch_stats", f"{updated}['batch_stats']")

    def paths_given(self, owner: Owner, given: dict[str, Array | str]) -> dict[Path, str]:
        """Return the path in the tree of each place that is given a value, and the value."""
        found: dict[Path, str] = {}
        for place, value in given.items():
            inside, path = owner, list[str]()
            for part in place.split("."):
                if part in inside.members:
                    path.append(inside.fields.get(part, part))
                    inside = inside.members[part]
                else:
                    path += inside.slots[part][1] if part in inside.slots else (part,)
            found[tuple(path)] = self.new_value(value)
        return found

    # -- modules

    def module(self, step: Module) -> None:
        """Define a module of submodules, and move their entries below its own."""
        defining = self.defining()
        owner = Owner("", "module")
        bare: dict[str, Entry] = {}
        for name, place in step.members.items():
            if self.is_owner(place):
                owner.members[name] = self.owner(place)[0]
            else:
                bare[name] = self.entry_at(place)
        if bare and defining:
            raise Unsupported(
                "A Linen module makes its own variables when it is initialised; an array from elsewhere is no part of its definition."
            )
        self.size(owner)
        if not bare and all(member.words for member in owner.members.values()):
            self.idiom("The module's parameters are put together from those that its members had already.")
            owner.made = (self.define(step.module, owner), "")
            owner.words = step.module
            self.write(f"{step.module} = {owner.made[0]}({', '.join(one.words for one in owner.members.values())})")
        self.gather((*self.top(), step.module), owner, bare)
        self.take_in(step.module, owner)

    def size(self, owner: Owner) -> None:
        """Note what a module takes and returns: what its first member takes, and its last returns."""
        members = list(owner.members.values())
        if members:
            owner.inputs, owner.units = members[0].inputs, members[-1].units

    def class_of(self, name: str) -> str:
        """Return the name of a class, which hides nothing that the script imports."""
        kind = self.free(name.title().replace("_", ""))
        return f"{kind}_" if kind == "Scope" else kind

    def define(self, name: str, owner: Owner) -> str:
        """Write the class of a module that calls its members in turn; return its name."""
        kind = self.class_of(name)
        with self.block(f"class {kind}(nn.Module):"):
            for member in owner.members:
                self.write(f"{owner.fields.get(member, member)}: nn.Module")
            self.write()
            with self.block(f"def __call__(self, inputs{', training=False' if owner.trains else ''}):"):
                words = "inputs"
                for member, inside in owner.members.items():
                    mode = ", use_running_average=not training" if inside.kind == "norm" else ", training=training"
                    words = f"self.{member}({words}{mode if inside.trains else ''})"
                self.write(f"return {words}")
        return kind

    def gather(self, path: Path, owner: Owner, bare: dict[str, Entry]) -> None:
        """Put a module's part of the trees together: from entries that no other module has taken in, and arrays."""
        members = {id(member): (name, member) for name, member in reversed(owner.members.items())}
        names = [name for name in owner.members if name in {name for name, _ in members.values()}]
        taken = [(name, owner.members[name]) for name in names if self.is_top(owner.members[name])]
        entries: dict[str, list[str]] = {}
        for name, member in taken:
            assert member.path is not None
            for collection in self.collections_below(member.path):
                entries.setdefault(collection, []).append(f"{name!r}: {self.popped(collection, member.path)}")
        copied = self.sharing == "same-array"
        for name, entry in bare.items():
            owner.slots[name] = (entry[0], (name,))
            owner.leaves[name] = (entry[0], (*path, name)) if copied else entry
            if copied:
                entries.setdefault(entry[0], []).append(f"{name!r}: {self.entry(entry)}")
        if bare:
            self.idiom(
                "An array under two paths is what many write for a tie."
                if copied
                else "A parameter that modules share is one entry of the tree, which the code of each of them names."
            )
        if entries:
            owner.path = path
        if path[0].startswith("<"):
            entries = {}
        for collection, parts in entries.items():
            self.write(f"{self.entry((collection, path))} = {{{', '.join(parts)}}}")
        for name, member in taken:
            assert member.path is not None
            self.moved(member.path, (*path, name))

    def collections_below(self, path: Path) -> list[str]:
        """Return the collections that have entries below a path."""
        return list(dict.fromkeys(c for one, c in self.collections.items() if one[: len(path)] == path))

    def popped(self, collection: str, path: Path) -> str:
        """Return the words that take an entry out of its tree; what is a tree of its own is in none."""
        if self.apart:
            return self.entry((collection, path))
        if path[0].startswith("<"):
            return ""
        return f"{self.entry((collection, path[:-1]))}.pop({path[-1]!r})"

    # -- functions that define

    def defining(self) -> bool:
        """Return whether a function is being written that returns a definition."""
        if not self.frames:
            return False
        if self.writing[-1] not in self.makers:
            self.outside_functions()
        return True

    def top(self) -> Path:
        """Return the path below which a layer stands: a function's are apart until they are initialised."""
        return (f"<{self.writing[-1]}>",) if self.frames else ()

    def bodies(self, step: Function) -> None:
        """Note whether a function defines a layer or module and returns it."""
        super().bodies(step)
        defines = all(isinstance(inner, DEFINES) for inner in step.steps)
        if any(isinstance(inner, Layer) for inner in step.steps) and defines and not step.traced and step.returns:
            self.makers.add(step.function)

    def result(self, step: Function) -> str:
        """Return the words for what a function returns: one that defines something returns the definition."""
        if step.function not in self.makers:
            return super().result(step)
        self.built[step.function] = self.owner(step.returns or "")[0]
        return self.definition(self.built[step.function])

    def invoke(self, step: Invoke) -> None:
        """Call a function; what it defined is initialised, for its shapes alone if it is to have no memory."""
        if step.invoke not in self.makers:
            if step.abstract:
                raise Unsupported(
                    "`jax.eval_shape` runs what returns arrays; a function that writes variables into a scope has none to return."
                )
            super().invoke(step)
            return
        self.instantiate(step.invoke, f"{step.invoke}()", step.as_, abstract=step.abstract)

    def called(self, function: str, call: str, name: str | None) -> None:
        """Write a call; what it returns is initialised if it is a definition."""
        if function in self.makers:
            self.instantiate(function, call, name, abstract=False)
        else:
            super().called(function, call, name)

    def instantiate(self, function: str, call: str, name: str | None, *, abstract: bool) -> None:
        """Bind the definition that a function returns, and put its variables below that name."""
        if name is None or self.frames:
            raise Unsupported(
                "In Linen a function returns a definition, which has variables once its caller has bound and initialised it."
            )
        built = self.built[function]
        self.write(f"{name} = {call}")
        owner = self.replica(built, (name,), name)
        owner.name_members()
        if follows(built):
            self.initialise((name,), owner, initialised(name, built, abstract=abstract))
        else:
            self.idiom("Layers that cannot follow one another are initialised one by one.")
            self.write(f"{self.entry(('params', (name,)))} = {one_by_one(name, built, set(), abstract=abstract)}")
        self.take_in(name, owner)
        kept = self.rows(owner)
        for path, _, entry in owner.listed(applied=True):
            if kept[entry] != path:
                self.write(f"del {self.entry((entry[0], (name, *path)))}")
        for given_up, shared in self.late.get(function, []):
            if built.path is None:
                raise Unsupported(
                    "The tie was made before its module was put together anew, which has no path in the tree."
                )
            old, new = ((one[0], (name, *one[1][len(built.path) :])) for one in (given_up, shared))
            self.write(f"{self.entry(old)} = {self.entry(new)}")

    def moved(self, old: Path, new: Path) -> None:
        """Have what is to be written once more follow an entry that has moved."""
        super().moved(old, new)
        for name, pairs in self.late.items():
            self.late[name] = [
                ((one, after(path, old, new)), (other, after(kept, old, new))) for (one, path), (other, kept) in pairs
            ]

    def replica(self, owner: Owner, path: Path, words: str, *, fresh: bool = True) -> Owner:
        """Return an owner of the same make whose entries stand below another path, tied among themselves as those are.

        `fresh`: what is inside is defined anew too.
        """
        rows = self.rows(owner)
        twins: dict[int, Owner] = {}
        idents: dict[int, object] = {}

        def twin(one: Owner, around: Path) -> Owner:
            if id(one) not in twins:
                made = Owner(
                    one.words, one.kind, around, dict(one.slots), made=one.made, inputs=one.inputs, units=one.units
                )
                made.fields = dict(one.fields)
                made.ident = idents.setdefault(id(one.ident), made.ident) if fresh or one is owner else one.ident
                made.leaves = {part: (entry[0], (*path, *rows[entry])) for part, entry in one.leaves.items()}
                twins[id(one)] = made
                for name, member in one.members.items():
                    made.members[name] = twin(member, (*around, one.fields.get(name, name)))
            return twins[id(one)]

        made = twin(owner, path)
        made.words = words
        return made
