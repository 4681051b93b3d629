"""What happens to whole trees in Equinox: copies, files, dtypes, devices, and trees without memory."""

from collections.abc import Callable

from canireuse.translation import Unsupported
from canireuse.vocabulary import Cast, Copy, Materialize, Move, Restore, Save, Shard
from canireuse_adapters.equinox.norms import EquinoxNorms


class EquinoxStates(EquinoxNorms):
    """Words what makes another tree of a tree: its arrays are mapped over."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        #: checkpoint -> the places that were saved alone
        self.saved: dict[str, list[str]] = {}
        #: trees that were put on devices
        self.spread: set[str] = set()

    def derive(self, name: str, source: str, make: Callable[[str], str], *, dtype: str | None = None) -> None:
        """Bind a name to a tree that was made of another."""
        node = self.node(source)
        if node is None:
            raise Unsupported("This name stands for no tree.")
        if self.locate(source)[0] in self.spread:
            self.spread.add(name)
        made = node.again(renewed=True)
        self.write(f"{name} = {make(self.whole(source))}")
        if made.state:
            state = self.free(f"{name}_state")
            self.write(f"{state} = {make(made.state)}")
            made.restate(state)
            self.extras[state] = len(self.frames)
        if dtype:
            for path in made.paths():
                inner = made.at(path)
                if inner is not None:
                    inner.floating = dtype.startswith("float")
        self.writes_name(name)
        self.hold(name, made)

    def writes_name(self, name: str) -> None:
        """Note that a name bound outside is bound anew."""
        if name in self.trees:
            self.writes(name)

    def copy(self, step: Copy) -> None:
        """Copy a tree, which takes nothing but another tree: arrays never change."""
        if step.shallow:
            self.import_first("from copy import copy")
            words = "copy({})"
        elif self.way.get("copy") == "tree-map":
            words = "jax.tree.map(lambda leaf: leaf, {})"
        else:
            self.import_first("from copy import deepcopy")
            words = "deepcopy({})"
        self.derive(step.as_, step.copy_, words.format)

    def save(self, step: Save) -> None:
        """Write the leaves of a tree, one after another."""
        self.outside_traces()
        self.import_first("from io import BytesIO")
        self.write(f"{step.to} = BytesIO()")
        self.saved[step.to] = step.only
        tree = self.whole(step.save)
        if step.only:
            self.idiom("Leaves are written one after another without names; what is saved alone is a tuple of them.")
            tree = self.tuple_of([self.place(self.inner_place(step.save, one)) for one in step.only])
        elif (node := self.node(step.save)) and node.state:
            tree = f"({tree}, {node.state})"
        self.write(f"eqx.tree_serialise_leaves({step.to}, {tree})")

    def outside_traces(self) -> None:
        """Refuse files in what is compiled."""
        if self.frames and self.frames[-1] != "plain":
            raise Unsupported(
                "A function that is compiled or differentiated writes and reads no files: its arrays have no values while it is traced."
            )

    def inner_place(self, owner: str, place: str) -> str:
        """Return a place inside a module as a place of the spec."""
        return place if place.partition(".")[0] == owner else f"{owner}.{place}"

    def tuple_of(self, words: list[str]) -> str:
        """Return the words for a tuple."""
        return f"({', '.join(words)}{',' if len(words) == 1 else ''})"

    def restore(self, step: Restore) -> None:
        """Read the leaves of a tree, in the order in which they were written."""
        self.outside_traces()
        only = self.saved.get(step.given_by, [])
        self.write(f"{step.given_by}.seek(0)")
        tree, path = self.locate(step.restore)
        if step.partial and only:
            inner = [self.locate(self.inner_place(step.restore, one)) for one in only]
            where = self.tuple_of([f"{tree}{self.leaf(*one)[0]}" for one in inner])
            like = self.tuple_of([self.words(*one) for one in inner])
            self.writes(tree)
            read = f"eqx.tree_deserialise_leaves({step.given_by}, {like})"
            self.write(f"{tree} = eqx.tree_at(lambda {tree}: {where}, {tree}, {read})")
            return
        if step.partial:
            raise Unsupported(
                "`eqx.tree_serialise_leaves` writes leaves one after another without names, so a checkpoint that lacks some cannot be read around them."
            )
        if path and tree in self.trees and self.touched(self.trees[tree], path):
            raise Unsupported(
                "A part of a tree that `eqx.nn.Shared` ties to another part is restored with the whole tree."
            )
        if (node := self.node(step.restore)) and node.state:
            if path:
                raise Unsupported("A part of a model that holds norms is restored with the model, whose state it has.")
            for name in (tree, node.state):
                self.writes(name)
            both = f"{tree}, {node.state}"
            self.write(f"{both} = eqx.tree_deserialise_leaves({step.given_by}, ({both}))")
            return
        self.put(tree, path, f"eqx.tree_deserialise_leaves({step.given_by}, {self.whole(step.restore)})")

    # -- dtypes, devices, memory

    def cast(self, step: Cast) -> None:
        """Map the cast over the arrays of a tree."""
        cast = f"lambda leaf: leaf.astype({step.to!r}) if eqx.is_array(leaf) else leaf"
        if self.node_kind(step.cast) == "array":
            self.derive(step.as_, step.cast, lambda array: f"{array}.astype({step.to!r})", dtype=step.to)
            return
        self.derive(step.as_, step.cast, lambda tree: f"jax.tree.map({cast}, {tree})", dtype=step.to)

    def node_kind(self, place: str) -> str:
        """Return what kind of thing stands at a place."""
        node = self.node(place)
        return node.kind if node else "tensor"

    def move(self, step: Move) -> None:
        """Put the arrays of a tree on a device."""
        device = self.device_words(step.device)
        self.derive(step.as_, step.move, lambda tree: self.laid(step.move, tree, device))
        self.spread.add(step.as_)

    def laid(self, place: str, words: str, where: str) -> str:
        """Return the words for a tree on other devices; `eqx.filter_shard` takes no array that was put on some before."""
        if self.locate(place)[0] not in self.spread:
            return f"eqx.filter_shard({words}, {where})"
        return f"jax.tree.map(lambda leaf: jax.device_put(leaf, {where}) if eqx.is_array(leaf) else leaf, {words})"

    def materialize(self, step: Materialize) -> None:
        """Put arrays where a tree has shapes and dtypes alone."""
        is_shape = "isinstance(leaf, jax.ShapeDtypeStruct)"
        made = f"lambda leaf: jnp.zeros(leaf.shape, leaf.dtype) if {is_shape} else leaf"
        self.derive(step.as_, step.materialize, lambda tree: f"jax.tree.map({made}, {tree})")
        self.trees[step.as_].abstract = False

    def shard(self, step: Shard) -> None:
        """Put an array in its place that is cut over two devices."""
        tree, path = self.locate(step.shard)
        _, node, flipped = self.leaf(tree, path)
        own = self.node(step.shard)
        place = self.place(step.shard)
        turned = own is not None and node is not None and (node.transposed != flipped) != own.transposed
        transposed = node is not None and node.transposed != flipped
        sharding = f"jax.NamedSharding({self.mesh()}, jax.P({'None, ' if transposed else ''}'parts'))"
        self.spread.add(tree)
        self.put(tree, path, f"eqx.filter_shard({place}{'.T' if turned else ''}, {sharding})")
