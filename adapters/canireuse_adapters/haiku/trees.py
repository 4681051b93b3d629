"""What Haiku users do with the tree of parameters as a whole: copy it, save it, cast it, move it, average it."""

from dataclasses import replace
from typing import Any

from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    Average,
    Call,
    Cast,
    Copy,
    Move,
    Read,
    Reinitialize,
    Reparametrize,
    Replace,
    Restore,
    Save,
    Shard,
    Tie,
    Track,
)
from canireuse_adapters.haiku.layers import Owner
from canireuse_adapters.haiku.learning import HaikuLearning
from canireuse_adapters.haiku.names import Bound
from canireuse_adapters.training import TIED_IN_CODE

ONE_TREE = "A Haiku function is applied to one tree of parameters; this one is in another."


class HaikuTrees(HaikuLearning):
    """Words copies, checkpoints, casts and moves: each is a new tree that the same functions are applied to."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: word of a checkpoint -> whether it is one layer's entry, in place of a tree
        self.saved: dict[str, bool] = {}
        #: word of a checkpoint -> the variables in it, by the members of what was saved
        self.sources: dict[str, dict[str, Bound]] = {}

    def call(self, step: Call) -> None:
        """Apply a layer or module to the parameters."""
        owner, rest = self.owner(step.call)
        if rest or owner.held():
            raise Unsupported("A Haiku module that gets parameters itself says in its own code what a call computes.")
        if not owner.function:
            self.single(owner, [])
        params, state = owner.trees
        taken = state
        for path, value in step.given.items():
            misspelt = owner.leaves and "." not in path and path not in owner.leaves
            known = (
                replace(next(iter(owner.leaves.values())), name=path) if misspelt else self.spot(f"{step.call}.{path}")
            )
            words = self.new_value(value) + ("[None]" if known.row else "")
            given = f"{{{known.module!r}: {{{known.name!r}: {words}}}}}"
            if known.tree == owner.trees[0]:
                params = f"hk.data_structures.merge({params}, {given})"
            else:
                taken = f"hk.data_structures.merge({taken}, {given})"
        on = self.expression(step.on)
        if not owner.keeps:
            self.bind(step.as_, f"{owner.function}({params}, None, {on})")
            return
        words = f"{owner.function}({params}, {taken}, None, {on}{f', {step.training}' if owner.stateful else ''})"
        if not (step.training and owner.stateful):
            self.bind(step.as_, f"{words}[0]")
            return
        if "loss" in self.frames:
            self.changed = state
        elif self.frames:
            raise Unsupported("Under `jax.jit` the new state is a result of its own, which the user takes out.")
        self.write(f"{step.as_ or '_'}, {state} = {words}")

    # -- copies

    def part(self, owner: Owner, tree: str) -> str:
        """Return the words for the part of a tree that an owner's variables are in."""
        spots = [one for one in owner.spots() if one.tree == tree]
        if {one.entry for one in self.all_of(tree)} == {one.entry for one in spots}:
            return tree
        modules = list(dict.fromkeys(one.module for one in spots))
        if {one.entry for one in self.all_of(tree) if one.module in modules} == {one.entry for one in spots}:
            return f"hk.data_structures.filter(lambda module, name, value: module in {modules}, {tree})"
        paths = [f"{one.module}/{one.name}" for one in spots]
        return f"hk.data_structures.filter(lambda module, name, value: f'{{module}}/{{name}}' in {paths}, {tree})"

    def replica(self, owner: Owner, trees: tuple[str, str], seen: dict[int, Owner | Bound]) -> Owner:
        """Return an owner of the same functions, whose variables are in other trees."""
        if id(owner) in seen:
            found = seen[id(owner)]
            assert isinstance(found, Owner)
            return found
        moved = dict(zip(owner.trees, trees, strict=True))

        def twin(known: Bound) -> Bound:
            made = seen.setdefault(id(known), replace(known, tree=moved[known.tree], reader=""))
            assert isinstance(made, Bound)
            return made

        made = replace(owner, trees=trees, leaves={part: twin(one) for part, one in owner.leaves.items()})
        made.members = {
            name: twin(one) if isinstance(one, Bound) else self.replica(one, trees, seen)
            for name, one in owner.members.items()
        }
        made.holder = owner.holder.replace(f"({owner.trees[0]},", f"({trees[0]},").replace(
            f" {owner.trees[1]},", f" {trees[1]},"
        )
        seen[id(owner)] = made
        return made

    def new_trees(self, name: str, source: str, words: str) -> None:
        """Bind a tree made of another, and an owner whose variables are there; `words` say how, with a place for the tree."""
        owner, rest = self.owner(source)
        if rest:
            raise Unsupported("A parameter of Haiku is an array; it is no module that could be taken by itself.")
        if self.frames or self.section or self.loops:
            raise Unsupported(
                "A copy of Haiku's tree inside a function is a value of its own, which the user has to return."
            )
        if name == source:
            self.rebind(owner, words)
            return
        stateful = any(one.tree == owner.trees[1] for one in owner.spots())
        trees = (name, f"{name}_state" if stateful else "state")
        self.write(f"{name} = {words.format(self.part(owner, owner.trees[0]))}")
        if stateful:
            self.write(f"{trees[1]} = {words.format(self.part(owner, owner.trees[1]))}")
        self.state = tuple(dict.fromkeys([*self.state, *trees]))
        if not owner.function and not owner.held():
            self.single(owner, [])
        self.owners[name] = self.replica(owner, trees, {})
        frozen = {one.entry for one in owner.spots()} & set(self.frozen)
        moved = dict(
            zip([one.entry for one in owner.spots()], [one.entry for one in self.owners[name].spots()], strict=True)
        )
        self.frozen += [moved[entry] for entry in frozen]

    def rebind(self, owner: Owner, words: str) -> None:
        """Put what was made of a tree, or of a part of it, in its place."""
        for tree in self.trees_of(owner):
            part = self.part(owner, tree)
            made = words.format(part)
            self.write(f"{tree} = {made if part == tree else f'hk.data_structures.merge({tree}, {made})'}")

    def copy(self, step: Copy) -> None:
        """Copy the tree of parameters; the functions hold no values."""
        self.idiom(
            "Haiku's functions hold no values, so what is copied is the tree of parameters that they are applied to."
        )
        self.new_trees(step.as_, step.copy_, "dict({})" if step.shallow else "jax.tree.map(jnp.copy, {})")

    def cast(self, step: Cast) -> None:
        """Cast every array of the tree."""
        self.new_trees(step.as_, step.cast, f"jax.tree.map(lambda value: value.astype({step.to!r}), {{}})")

    def move(self, step: Move) -> None:
        """Put the tree on another device."""
        self.new_trees(step.as_, step.move, f"jax.device_put({{}}, {self.device_words(step.device)})")

    def shard(self, step: Shard) -> None:
        """Lay an entry of the tree out over two devices."""
        entry = self.entry(step.shard)
        self.write(f"{entry} = {self.cut(entry)}")

    def average(self, step: Average) -> None:
        """Copy the tree, to move the copy later."""
        self.new_trees(step.as_, step.average, "jax.tree.map(jnp.copy, {})")
        self.averages[step.as_] = (step.average, step.decay)

    def track(self, step: Track) -> None:
        """Move the average by Optax."""
        source, decay = self.averages[step.track]
        owner = self.owners[source]
        self.write(
            f"{step.track} = optax.incremental_update({self.part(owner, owner.trees[0])}, {step.track}, {round(1 - decay, 10)})"
        )

    # -- checkpoints

    def save(self, step: Save) -> None:
        """Pickle a layer's entry, or the part of the tree that a module's variables are in."""
        self.import_first("import pickle")
        owner, _ = self.owner(step.save)
        self.saved[step.to] = simple(owner) and not step.only
        self.sources[step.to] = owner.paths()
        if self.saved[step.to]:
            self.write(f"{step.to} = pickle.dumps({owner.trees[0]}[{owner.path!r}])")
            return
        if step.only:
            spots = [
                one for place in step.only for one in self.spots(place if self.owned(place) else f"{step.save}.{place}")
            ]
            places = [f"{place.removeprefix(f'{step.save}.')}." for place in step.only]
            self.sources[step.to] = {
                path: one for path, one in owner.paths().items() if f"{path}.".startswith(tuple(places))
            }
            owner = Owner("", "module", members={str(at): one for at, one in enumerate(spots)}, trees=owner.trees)
        self.write(f"{step.to} = pickle.dumps({tupled([self.part(owner, tree) for tree in self.trees_of(owner)])})")

    def restore(self, step: Restore) -> None:
        """Put what was saved in place of the modules' entries, or merge it over what is there."""
        self.import_first("import pickle")
        owner, _ = self.owner(step.restore)
        trees = self.trees_of(owner)
        loaded = f"pickle.loads({step.given_by})"
        merged = self.way.get("restore") == "merge"
        source = self.sources[step.given_by]
        same = {(one.module, one.name) for one in source.values()} == {(one.module, one.name) for one in owner.spots()}
        if step.partial and not merged and not same:
            raise Unsupported(
                "Entries that are replaced lack what the checkpoint lacks; Haiku users merge it over what is there."
            )
        if self.saved.get(step.given_by) and simple(owner):
            self.write(f"{owner.trees[0]}[{owner.path!r}] {'|=' if merged else '='} {loaded}")
            return
        if self.saved.get(step.given_by) or (simple(owner) and not step.partial):
            raise Unsupported("Haiku saves parameters by name: a layer's entry by itself is not the tree of a module.")
        if not same and not (merged and step.partial):
            self.rename(owner, source, loaded, partial=step.partial)
            return
        inside = {one.entry for one in owner.spots()}
        beside = [one for tree in trees for one in self.all_of(tree) if one.entry not in inside]
        whole = not beside
        apart = not {one.module for one in beside} & {one.module for one in owner.spots()}
        merged = merged or not apart
        names = [loaded]
        if len(trees) > 1:
            names = [self.free(f"saved_{tree}") for tree in trees]
            self.write(f"{', '.join(names)} = {loaded}")
        for tree, name in zip(trees, names, strict=True):
            if merged:
                self.write(f"{tree} = hk.data_structures.merge({tree}, {name})")
            else:
                self.write(f"{tree} {'=' if whole else '|='} {name}")

    def rename(self, owner: Owner, source: dict[str, Bound], loaded: str, *, partial: bool) -> None:
        """Write one entry after the other: what has other names in the checkpoint is renamed by hand."""
        if len({one.tree for one in source.values()}) > 1:
            raise Unsupported("Haiku saves parameters and state by name; under other names each is taken over by hand.")
        self.idiom("Haiku knows parameters by name alone: those of other names are taken over one by one.")
        saved = self.free("saved")
        self.write(f"{saved} = {loaded}")
        for path, spot in owner.paths().items():
            known = source.get(path, None if partial else spot)
            if known is not None:
                self.write(f"{spot.entry} = {saved}[{known.module!r}][{known.name!r}]")

    def trees_of(self, owner: Owner) -> list[str]:
        """Return the trees that an owner's variables are in."""
        return [tree for tree in owner.trees if any(one.tree == tree for one in owner.spots())]

    def reinitialize(self, step: Reinitialize) -> None:
        """Run `init` again and take one entry of what it makes."""
        known = self.spot(step.reinitialize)
        made = self.init_words.get(known.reader.partition(".apply(")[0])
        if not made or known.tree != "params":
            raise Unsupported("Haiku keeps no initializer beside a parameter: `init` makes a whole tree anew.")
        self.idiom("`init` runs once more, and one entry is taken from what it makes.")
        self.write(f"{known.entry} = {made}{known.entry.removeprefix(known.tree)}")

    # -- ties

    def tie(self, step: Tie) -> None:
        """Write the function anew, so that it gets the other parameter."""
        if self.compiled in self.lines and not self.frames:
            raise Unsupported(TIED_IN_CODE)
        self.idiom(
            "What is shared is said in the function: it is written anew, and finds the other's parameter by name."
        )
        owner, rest = self.owner(step.tie)
        if not rest:
            self.swap(step.tie, self.held_at(step.to))
            return
        other = self.spot(step.to)
        if other.tree not in owner.trees:
            raise Unsupported(ONE_TREE)
        if rest[0] in owner.members:
            owner.members[rest[0]] = other
            self.redo(owner)
            return
        giver = next((one for one in self.everyone() if any(leaf is other for leaf in one.leaves.values())), None)
        if giver is None or giver.kind != owner.kind or len(owner.leaves) > 1 or giver.leaves.get(rest[0]) is not other:
            self.hand_over(owner, rest[0], other)
        else:
            self.give_up(owner, rest[0])
            owner.path, owner.leaves = giver.path, {rest[0]: other}
        self.redo(owner)

    def hand_over(self, owner: Owner, part: str, other: Bound) -> None:
        """Write a creator and a getter that hand another parameter to a layer in place of its own."""
        own = owner.handed[part][0] if part in owner.handed else owner.leaves[part]
        path = f"{own.module}/{own.name}"
        creator, getter = self.function_name("leave_out"), self.function_name("hand_over")
        self.idiom(
            "A creator that stores nothing and a getter that hands out another parameter, as `hk.DO_NOT_STORE` says."
        )
        with self.block(f"def {creator}(next_creator, shape, dtype, init, context):"):
            self.write(f"return hk.DO_NOT_STORE if context.full_name == {path!r} else next_creator(shape, dtype, init)")
        self.write()
        with self.block(f"def {getter}(next_getter, value, context):"):
            found = f"hk.get_params()[{other.module!r}][{other.name!r}]"
            self.write(f"return next_getter({found} if context.full_name == {path!r} else value)")
        self.write()
        self.give_up(owner, part)
        owner.leaves[part] = other
        owner.handed[part] = own, (f"hk.custom_creator({creator})", f"hk.custom_getter({getter})")
        owner.around = (*owner.around, *owner.handed[part][1])

    def give_up(self, owner: Owner, part: str) -> None:
        """Delete a layer's own parameter, or drop the getter that hands out another in place of it."""
        if part in owner.handed:
            _, contexts = owner.handed.pop(part)
            owner.around = tuple(one for one in owner.around if one not in contexts)
            return
        own = owner.leaves[part]
        if any(own.entry == leaf.entry for one in self.everyone() for leaf in one.leaves.values() if one is not owner):
            return
        alone = len(owner.leaves) == 1 and own.module == owner.path
        self.write(f"del {own.tree}[{own.module!r}]" if alone else f"del {own.entry}")

    def everyone(self) -> list[Owner]:
        """Return every layer and module that there is."""
        return list({id(one): one for owner in self.owners.values() for one in owner.within()}.values())

    def reparametrize(self, step: Reparametrize) -> None:
        """Have a getter around the layer's calls hand out a multiple of its parameter."""
        owner, rest = self.owner(step.reparametrize)
        known = self.spot(step.reparametrize)
        if rest[0] not in owner.leaves:
            raise Unsupported("A getter stands around the calls of a layer; this is a parameter by itself.")
        getter = self.function_name("scaled")
        with self.block(f"def {getter}(next_getter, value, context):"):
            found = f"context.full_name == {f'{known.module}/{known.name}'!r}"
            self.write(f"return next_getter({step.times} * value if {found} else value)")
        self.write()
        owner.around = (*owner.around, f"hk.custom_getter({getter})")
        self.redo(owner)

    def replace(self, step: Replace) -> None:
        """Write the module's function anew with another member."""
        if self.frames:
            raise Unsupported(
                "What a Haiku module is made of stands in its code: a function puts no other member into it."
            )
        self.idiom("A member is replaced by writing the function anew.")
        self.swap(step.replace, self.held_at(step.by))

    def swap(self, place: str, new: Owner | Bound) -> None:
        """Put another member in a place."""
        top, _, name = place.rpartition(".")
        owner = self.owner(top)[0] if top else None
        if owner is None or name not in owner.members:
            raise Unsupported("In Haiku a layer by itself is a function; another one is used by calling it.")
        trees = new.trees[0] if isinstance(new, Owner) else new.tree
        if isinstance(new, Owner) and any(one is owner for one in new.within()):
            raise Unsupported("A Haiku module is a function of its members; one that called itself would not end.")
        if trees not in owner.trees:
            raise Unsupported(ONE_TREE)
        owner.members[name] = new
        self.redo(owner)

    def redo(self, changed: Owner) -> None:
        """Write anew every function that what changed takes part in."""
        for owner in dict.fromkeys(self.owners):
            found = self.owners[owner]
            if any(one is changed for one in found.within()):
                if found.held():
                    self.hold(found)
                else:
                    self.single(found, [])

    # -- the rest

    def read(self, step: Read) -> None:
        """Read a variable."""
        self.write(self.data(self.value(step.read)))


def tupled(words: list[str]) -> str:
    """Return the words for one value, or for a tuple of several."""
    return words[0] if len(words) == 1 else f"({', '.join(words)})"


def simple(owner: Owner) -> bool:
    """Return whether all variables of an owner are one entry of the tree: a layer without others inside."""
    return bool(owner.make) and all(leaf.module == owner.path for leaf in owner.leaves.values())
