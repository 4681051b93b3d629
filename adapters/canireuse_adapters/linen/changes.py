"""What is done to Linen's layers and modules afterwards: ties, other members, wrappers, copies."""

from canireuse.translation import Unsupported
from canireuse.vocabulary import Average, Cast, Copy, Materialize, Move, Reparametrize, Replace, Tie, Track, Wrap
from canireuse_adapters.linen.layers import Owner
from canireuse_adapters.linen.owners import LinenOwners
from canireuse_adapters.training import TIED_IN_CODE

COPY_OF_TREE = "A Linen module holds no values, so what is copied is its entry in the tree of parameters."


class LinenChanges(LinenOwners):
    """Words what changes where variables stand, and what makes new trees of old ones."""

    # -- ties and members

    def tie(self, step: Tie) -> None:
        """Share an entry, or write the same array under two paths."""
        if self.is_owner(step.tie):
            parent, _, name = step.tie.rpartition(".")
            if not parent or not self.is_owner(step.to):
                raise Unsupported("A Linen definition is tied where it is a member of a module, to another definition.")
            if self.sharing == "same-array":
                self.same_subtree(self.owner(step.tie)[0], self.owner(step.to)[0])
            else:
                self.swap(self.owner(parent)[0], name, self.owner(step.to)[0])
            return
        owner, (part,) = self.owner(step.tie)
        old, kept = owner.leaves[part], self.entry_at(step.to)
        if self.sharing == "same-array":
            self.idiom("An array under two paths is what many write for a tie.")
            if self.frames:
                self.late.setdefault(self.writing[-1], []).append((old, kept))
            else:
                self.write(f"{self.entry(old)} = {self.entry(kept)}")
            return
        if self.compiled in self.lines and not self.frames:
            raise Unsupported(TIED_IN_CODE)
        self.idiom("The entry of one layer is given to both at each `apply`: the tie is in the code that calls them.")
        owner.leaves[part] = kept
        used = {entry for one in self.known for entry in one.leaves.values()}
        named = {(collection, path) for collection, path in self.variables.values()}
        if old not in used and old not in named:
            del self.collections[old[1]]
            if not old[1][0].startswith("<"):
                self.write(f"del {self.entry(old)}")

    def same_subtree(self, owner: Owner, shared: Owner) -> None:
        """Write the subtree of one layer under the path of another as well."""
        if self.frames or owner.path is None:
            raise Unsupported("There is no subtree to write twice before `init` has made one.")
        self.idiom("A subtree under two paths is what many write for a tie.")
        for collection in self.collections_of(owner):
            self.write(f"{self.entry((collection, owner.path))} = {self.held(shared, collection)}")

    def replace(self, step: Replace) -> None:
        """Make the module anew with another member, whose entry moves below that of the module."""
        if self.is_owner(step.replace) != self.is_owner(step.by):
            raise Unsupported("A Linen module's member is a definition or an array; one cannot stand for the other.")
        parent, _, name = step.replace.rpartition(".")
        owner = self.owner(parent)[0]
        if self.is_owner(step.replace):
            self.swap(owner, name, self.owner(step.by)[0])
        elif self.sharing == "same-array":
            self.write(f"{self.entry(self.entry_at(step.replace))} = {self.entry(self.entry_at(step.by))}")
        else:
            self.idiom("A parameter that modules share is one entry of the tree, which the code of each of them names.")
            owner.leaves[name] = self.entry_at(step.by)

    def swap(self, parent: Owner, name: str, new: Owner) -> None:
        """Put another member into a module."""
        old = parent.members[name]
        if old is new:
            return
        trained = parent.trains
        parent.members[name] = new
        self.size(parent)
        self.redefine(parent, {parent.fields.get(name, name): new}, anew=parent.trains and not trained)
        if self.frames:
            return
        still = next((other for other, member in parent.members.items() if member is old), None)
        if parent.path is not None and old.path == (*parent.path, name):
            self.move_out(parent, name, old, still)
        if parent.path is not None and self.is_top(new):
            assert new.path is not None
            for collection in self.collections_below(new.path):
                self.write(f"{self.entry((collection, (*parent.path, name)))} = {self.popped(collection, new.path)}")
            self.moved(new.path, (*parent.path, name))

    def move_out(self, parent: Owner, name: str, old: Owner, still: str | None) -> None:
        """Keep the entry of a member that is no longer under its name: below another name of it, or at the top."""
        assert parent.path is not None
        assert old.path is not None
        bound = next((word for word, one in self.owners.items() if one is old), None)
        for collection in self.collections_below(old.path):
            place = self.entry((collection, parent.path))
            if still is not None:
                self.write(f"{place}[{still!r}] = {place}.pop({name!r})")
            elif bound is not None:
                self.write(f"{self.entry((collection, (bound,)))} = {place}.pop({name!r})")
            else:
                self.write(f"del {place}[{name!r}]")
        if still is not None or bound is not None:
            self.moved(old.path, (*parent.path, still) if still is not None else (bound or "",))
        else:
            self.collections = {one: c for one, c in self.collections.items() if one[: len(old.path)] != old.path}

    def redefine(self, owner: Owner, members: dict[str, Owner], *, anew: bool = False) -> None:
        """Make a definition anew with other members, and whatever holds it."""
        if not owner.words:
            return
        if any(one is not owner and one.words == owner.words for one in self.known) or not owner.words.isidentifier():
            before, owner.words = owner.words, self.free(f"{owner.words.replace('.', '_')}_anew")
        else:
            before = owner.words
        if anew:
            owner.made = (self.define(f"{owner.words}_anew", owner), "")
            self.write(f"{owner.words} = {owner.made[0]}({', '.join(one.words for one in owner.members.values())})")
        else:
            given = ", ".join(f"{name}={member.words}" for name, member in members.items())
            self.write(f"{owner.words} = {before}.clone({given})")
        owner.ident = object()
        self.redefine_holders(owner)

    def redefine_holders(self, owner: Owner) -> None:
        """Make whatever holds a definition anew."""
        for holder in self.known:
            changed = {holder.fields.get(name, name): one for name, one in holder.members.items() if one is owner}
            if changed:
                self.redefine(holder, changed)

    def wrap(self, step: Wrap) -> None:
        """Pass a layer to one that calls it."""
        self.defining()
        inner = self.owner(step.wrap)[0]
        if inner.trains:
            raise Unsupported(
                "Running statistics are no state that Linen's loops carry by themselves; the user names the collection in `nn.scan`."
            )
        match step.inside:
            case "rnn":
                self.write(f"{step.as_} = nn.RNN({inner.words})")
                owner = Owner(step.as_, "wrapper", members={"cell": inner})
            case "time_distributed":
                kind = self.time_distributed(step.as_)
                self.write(f"{step.as_} = {kind}({inner.words})")
                owner = Owner(step.as_, "wrapper", members={"layer": inner})
            case _:
                owner = self.bidirectional(step, inner)
        owner.inputs, owner.units = inner.inputs, inner.units
        self.take_in(step.as_, owner)

    def time_distributed(self, name: str) -> str:
        """Write the class that maps a layer over the time axis, and return its name."""
        self.idiom("`nn.vmap` maps a layer over the time axis, with one set of parameters.")
        kind = self.class_of(name)
        with self.block(f"class {kind}(nn.Module):"):
            self.write("layer: nn.Module")
            self.write()
            with self.block("def __call__(self, inputs):"):
                options = "in_axes=1, out_axes=1, variable_axes={'params': None}, split_rngs={'params': False}"
                self.write(f"each = nn.vmap(lambda layer, step: layer(step), {options})")
                self.write("return each(self.layer, inputs)")
        return kind

    def bidirectional(self, step: Wrap, inner: Owner) -> Owner:
        """Pass an RNN for the way forward; the way back needs one of its own."""
        if self.frames:
            raise Unsupported(
                "The two directions of `nn.Bidirectional` are two definitions, which are initialised by the caller."
            )
        forward = Owner(f"nn.RNN({inner.words})", "wrapper", members={"cell": inner}) if inner.kind == "cell" else inner
        cell = forward.members.get("cell")
        if cell is None:
            raise Unsupported("`nn.Bidirectional` runs two `nn.RNN`; another layer has no order to run in.")
        self.write(f"{step.as_} = nn.Bidirectional({forward.words}, nn.RNN({cell.words}.clone()))")
        path = (step.as_, "backward_rnn")
        made = f"{cell.words}.init(jax.random.key(0), jnp.zeros([1, {cell.units}]), jnp.zeros([1, {cell.inputs}]))['params']"
        self.write(f"{self.entry(('params', (step.as_,)))} = {{'backward_rnn': {{'cell': {made}}}}}")
        backward = Owner("", "wrapper", path, members={"cell": self.replica(cell, (*path, "cell"), cell.words)})
        fields = {"forward": "forward_rnn", "backward": "backward_rnn"}
        return Owner(
            step.as_, "wrapper", (step.as_,), members={"forward": forward, "backward": backward}, fields=fields
        )

    def reparametrize(self, step: Reparametrize) -> None:
        """Define a layer anew under `nn.map_variables`: it computes with a function of what stands in the tree."""
        owner, rest = self.owner(step.reparametrize)
        if not rest or not owner.made[1] or self.frames:
            raise Unsupported(
                "`nn.map_variables` changes what a class of layers computes with: it is said where the layer is defined."
            )
        self.idiom(
            "`nn.map_variables` hands the layer a function of its parameters; in the tree they stay what they are."
        )
        collection, path = owner.slots[rest[0]]
        if len(path) > 1 or collection != "params":
            raise Unsupported("`nn.map_variables` over a part of a cell would have to be said inside the cell's class.")
        name = self.free("scaled")
        with self.block(f"def {name}(variables):"):
            inside = "variables['params']"
            self.write(f"return {{'params': {{**{inside}, {path[0]!r}: {step.times} * {inside}[{path[0]!r}]}}}}")
        owner.made = (f"nn.map_variables({owner.made[0]}, 'params', {name})", owner.made[1])
        self.write(f"{owner.words} = {owner.made[0]}({owner.made[1]})")
        owner.ident = object()
        self.redefine_holders(owner)

    # -- copies

    def copy(self, step: Copy) -> None:
        """Copy the entry in the tree; a Linen module itself holds no values."""
        self.idiom(COPY_OF_TREE)
        if step.shallow:
            self.import_first("from copy import copy")
            self.derive(step.copy_, step.as_, "copy({})")
        elif self.way.get("copy") == "deepcopy":
            self.import_first("from copy import deepcopy")
            self.derive(step.copy_, step.as_, "deepcopy({})", definition="deepcopy({})", fresh=True)
        else:
            self.derive(step.copy_, step.as_, "jax.tree.map(jnp.copy, {})")

    def derive(self, name: str, as_: str, words: str, *, definition: str = "{}.clone()", fresh: bool = False) -> None:
        """Make a new entry from that of an owner, and a definition beside it."""
        if self.frames:
            self.outside_functions()
        owner = self.owner(name)[0]
        if owner.words:
            self.write(f"{as_} = {definition.format(owner.words)}")
        for collection in self.collections_of(owner):
            self.write(f"{self.entry((collection, (as_,)))} = {words.format(self.held(owner, collection))}")
        self.take_in(as_, self.replica(owner, (as_,), as_ if owner.words else "", fresh=fresh))

    def cast(self, step: Cast) -> None:
        """Cast every leaf of the entry into a new one."""
        self.derive(step.cast, step.as_, f"jax.tree.map(lambda leaf: leaf.astype({step.to!r}), {{}})")

    def move(self, step: Move) -> None:
        """Put the entry on another device, which makes a new one."""
        self.derive(step.move, step.as_, f"jax.device_put({{}}, {self.device_words(step.device)})")

    def materialize(self, step: Materialize) -> None:
        """Give every leaf its memory, where it stands."""
        self.idiom("What has shapes alone gets memory by mapping over the tree; `init` would make all values.")
        owner = self.owner(step.materialize)[0]
        for collection in self.collections_of(owner):
            made = f"jax.tree.map(lambda leaf: jnp.empty(leaf.shape, leaf.dtype), {self.held(owner, collection)})"
            self.store(owner, collection, made)
        if step.as_ != step.materialize:
            if owner.words:
                self.write(f"{step.as_} = {owner.words}")
            self.owners[step.as_] = owner

    # -- averages

    def average(self, step: Average) -> None:
        """Begin an average with what the module holds."""
        self.idiom("The average is a second tree, which `optax.incremental_update` moves.")
        self.averages[step.as_] = (step.average, step.decay)
        self.derive(step.average, step.as_, "jax.tree.map(jnp.copy, {})")

    def track(self, step: Track) -> None:
        """Move the average by Optax."""
        name, decay = self.averages[step.track]
        owner, average = self.owner(name)[0], self.owners[step.track]
        for collection in self.collections_of(average):
            kept, now = self.held(average, collection), self.held(owner, collection)
            words = f"optax.incremental_update({now}, {kept}, step_size={round(1 - decay, 10)})"
            self.store(average, collection, words)
