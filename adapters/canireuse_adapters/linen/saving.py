"""Saving and restoring in Flax Linen: a part of the tree goes into bytes or a folder, and another comes back."""

from canireuse.translation import Unsupported
from canireuse.vocabulary import Restore, Save
from canireuse_adapters.linen.layers import Owner
from canireuse_adapters.linen.owners import LinenOwners
from canireuse_adapters.linen.trees import Row

FLATTEN = "flax.traverse_util.flatten_dict"


class LinenSaving(LinenOwners):
    """Words checkpoints by `flax.serialization` or Orbax."""

    def save(self, step: Save) -> None:
        """Write the variables of a module."""
        self.outside_of_functions()
        words = self.saved(self.owner(step.save)[0], [place.split(".") for place in step.only])
        match self.way.get("save"):
            case "orbax":
                self.import_first("import tempfile")
                self.write(f"{step.to} = tempfile.mkdtemp() + '/kept'")
                with self.block("with ocp.StandardCheckpointer() as checkpointer:"):
                    self.write(f"checkpointer.save({step.to}, {words})")
            case _:
                self.write(f"{step.to} = flax.serialization.to_bytes({words})")

    def outside_of_functions(self) -> None:
        """Refuse checkpoints inside functions, whose values may be traced."""
        if self.frames:
            raise Unsupported(
                "What is saved has values, and what a function under `jax.jit` works with has none: users save outside."
            )

    def saved(self, owner: Owner, only: list[list[str]]) -> str:
        """Return the words for what is saved: one tree, or one a collection where there are several."""
        collections = self.collections_of(owner) or ["params"]
        parts = {}
        for collection in collections:
            if not only:
                parts[collection] = self.held(owner, collection)
                continue
            wanted = [tuple(self.inside(owner, place)) for place in only]
            rows: list[Row] = [
                (path, entry)
                for path, _, entry in owner.listed(applied=False)
                if entry[0] == collection and any(path[: len(one)] == one for one in wanted)
            ]
            parts[collection] = self.subtree(None, collection, rows, exact=True)
        if len(parts) == 1:
            return next(iter(parts.values()))
        return f"{{{', '.join(f'{collection!r}: {words}' for collection, words in parts.items())}}}"

    def inside(self, owner: Owner, place: list[str]) -> list[str]:
        """Return the path in the tree of a place inside an owner."""
        path: list[str] = []
        for part in place:
            if part in owner.members:
                path.append(owner.fields.get(part, part))
                owner = owner.members[part]
            else:
                path += owner.slots[part][1] if part in owner.slots else (part,)
        return path

    def restore(self, step: Restore) -> None:
        """Put what was saved where the variables of a module stand."""
        self.outside_of_functions()
        owner = self.owner(step.restore)[0]
        now = self.saved(owner, [])
        words = self.partly(step, now) if step.partial else self.read_back(step, now)
        first, *others = self.collections_of(owner) or ["params"]
        if others:
            fresh = self.free("restored")
            self.write(f"{fresh} = {words}")
            for collection in (first, *others):
                self.store(owner, collection, f"{fresh}[{collection!r}]")
        else:
            self.store(owner, first, words)

    def read_back(self, step: Restore, now: str) -> str:
        """Return the words for a whole checkpoint, in the form of the tree that is there."""
        match self.way.get("save"):
            case "orbax":
                self.committed = True
                return f"ocp.StandardCheckpointer().restore({step.given_by}, {now})"
            case _:
                return f"flax.serialization.from_bytes({now}, {step.given_by})"

    def partly(self, step: Restore, now: str) -> str:
        """Return the words for the tree that is there with what a checkpoint has of it."""
        self.idiom("What a checkpoint lacks is taken from the tree that is there, path by path.")
        match self.way.get("save"):
            case "orbax":
                kept = f"{FLATTEN}(ocp.StandardCheckpointer().restore({step.given_by}), sep='.')"
            case _:
                kept = f"{FLATTEN}(flax.serialization.msgpack_restore({step.given_by}), sep='.')"
        return f"flax.traverse_util.unflatten_dict({{**{FLATTEN}({now}, sep='.'), **{kept}}}, sep='.')"
