"""Flax NNX: saving, casting, moving and averaging, on the state of a module or on the module as a pytree."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from canireuse.spec import Spec
from canireuse.translation import Unsupported
from canireuse.vocabulary import Average, Cast, Materialize, Move, Restore, Save, Shard, Track, Wrap, walk
from canireuse_adapters.nnx.accounts import Record
from canireuse_adapters.nnx.owners import NNXOwners

#: A filter that leaves random keys and counts out, which an RNN holds beside its variables.
NO_KEYS = "nnx.Not(nnx.RngState)"


class NNXStates(NNXOwners):
    """Words what goes through `nnx.state`, and by which ways ties survive it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: whether modules hold random keys
        self.keyed = False
        #: whether a module was moved to a device of its own
        self.moved = False
        #: checkpoint -> what was saved in it
        self.saved: dict[str, Record] = {}
        #: average -> the module it follows
        self.followed: dict[str, str] = {}
        self.decays: dict[str, float] = {}

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Note what the steps are about, and import what they need."""
        steps = list(walk(spec.steps))
        self.steps_of(spec)
        self.keyed = any(isinstance(step, Wrap) for step in steps)
        if self.way.get("save") == "orbax":
            self.lines.insert(len(self.lines) - 1, "import orbax.checkpoint as ocp")
        with super().setting(spec):
            yield

    def steps_of(self, spec: Spec) -> None:
        """Note which steps are ahead."""

    def state_of_owner(self, words: str, *filters: str) -> str:
        """Return the words for the state of a module, without random keys."""
        chosen = list(filters) or ([NO_KEYS] if self.keyed else [])
        return f"nnx.state({', '.join([words, *chosen])})"

    # -- checkpoints

    def save(self, step: Save) -> None:
        """Serialize the state of a module, or pickle the module."""
        self.check_values()
        words = self.place(step.save)
        self.saved[step.to] = self.record(step.save)
        if self.way["save"] == "pickle":
            self.check_pickle(step, self.record(step.save).owner.kinds())
            self.import_first("import pickle")
            self.write(f"{step.to} = pickle.dumps({words})")
            return
        state = self.state_of_owner(words, *self.only(step))
        if self.way["save"] == "orbax":
            self.import_first("import tempfile")
            self.write(f"{step.to} = tempfile.mkdtemp() + '/checkpoint'")
            self.write("checkpointer = ocp.StandardCheckpointer()")
            self.write(f"checkpointer.save({step.to}, {state})")
            self.write("checkpointer.wait_until_finished()")
        else:
            self.write(f"{step.to} = flax.serialization.msgpack_serialize(nnx.to_pure_dict({state}))")

    def check_values(self) -> None:
        """Refuse what needs values where there are none."""
        if "traced" in self.frames or "loss" in self.frames:
            raise Unsupported("A function that is traced has no values that could be saved: it saves nothing itself.")

    def check_pickle(self, step: Save, kinds: set[str]) -> None:
        """Refuse what cannot be pickled, or not in part."""
        if step.only:
            raise Unsupported("A pickle holds the whole module; a part of it is saved through its state.")
        if "cell" in kinds:
            raise Unsupported("An `nnx.SimpleCell` cannot be pickled: it holds a function that JAX has wrapped.")

    def only(self, step: Save) -> list[str]:
        """Return the filter for the paths that are saved."""
        if not step.only:
            return []
        paths = [self.spelled(f"{step.save}.{place}", "").strip(".").split(".") for place in step.only]
        owners = [self.is_owner(f"{step.save}.{place}") for place in step.only]
        conditions = [
            f"path[:{len(path)}] == {tuple(path)}" if inner else f"path == {tuple(path)}"
            for path, inner in zip(paths, owners, strict=True)
        ]
        return [f"lambda path, _: {' or '.join(conditions)}"]

    def restore(self, step: Restore) -> None:
        """Restore the state of a module, or unpickle the module."""
        self.check_values()
        way = self.way["save"]
        if way == "pickle":
            self.write(f"{step.restore} = root.{step.restore} = pickle.loads({step.given_by})")
            self.stand(self.saved[step.given_by], step.restore)
        elif way == "orbax":
            if step.partial:
                raise Unsupported(
                    "Orbax refuses a checkpoint that lacks variables of the tree it restores into: take one of what was saved."
                )
            words = self.place(step.restore)
            self.write(f"nnx.update({words}, checkpointer.restore({step.given_by}, {self.state_of_owner(words)}))")
        else:
            self.idiom(
                "What is read back are read-only NumPy arrays; they are made JAX arrays, so that variables can be written again."
            )
            values = f"jax.tree.map(jnp.asarray, flax.serialization.msgpack_restore({step.given_by}))"
            self.write(f"nnx.update({self.place(step.restore)}, {values})")

    # -- dtypes, devices, memory

    def cast(self, step: Cast) -> None:
        """Give every array another dtype."""
        self.recast(
            step.cast, step.as_, self.way["cast"], f"jax.tree.map(lambda array: array.astype({step.to!r}), {{}})"
        )

    def move(self, step: Move) -> None:
        """Put every array on another device."""
        self.moved = True
        self.recast(step.move, step.as_, self.way["move"], f"jax.device_put({{}}, {self.device_words(step.device)})")

    def materialize(self, step: Materialize) -> None:
        """Put an array in the place of every shape."""
        if step.materialize not in self.rootless:
            raise Unsupported("This module has its memory already: `nnx.eval_shape` makes one that has none.")
        made = "jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), {})"
        self.recast(step.materialize, step.as_, self.way["materialize"], made)

    def recast(self, name: str, new: str, way: str, made: str) -> None:
        """Put other arrays into a module in place, into one merged from its state, or map over it as a pytree."""
        self.outside_functions()
        words = self.place(name)
        record = self.record(name)
        if way == "update":
            self.write(f"nnx.update({words}, {made.format(self.state_of_owner(words))})")
            self.renamed(record, name, new)
            return
        self.rootless.discard(new)
        if way == "split-merge":
            graph, rest = self.free("graphdef"), ", keys" if self.keyed else ""
            self.write(f"{graph}, state{rest} = nnx.split({words}{f', {NO_KEYS}, ...' if self.keyed else ''})")
            self.write(f"{self.attached(new)} = nnx.merge({graph}, {made.format('state')}{rest})")
        else:
            if self.keyed and "astype" in made:
                raise Unsupported(
                    "An `nnx.RNN` holds a random key, which no dtype can be given to: its state is cast in part."
                )
            self.write(f"{self.attached(new)} = {made.format(words)}")
        self.stand(record, new, tied=way == "split-merge")

    def renamed(self, record: Record, name: str, new: str) -> None:
        """Bind a further name to an owner that was changed in place; one that had no memory enters the root."""
        if name in self.rootless:
            self.rootless.discard(name)
            self.write(f"{new} = root.{new} = {name}" if new != name else f"root.{new} = {name}")
            self.stand(record, new)
            self.owners[name], self.owned_at[name] = self.owners[new], self.owned_at[new]
            return
        if new != name:
            self.check_name(new)
            self.write(f"{new} = {self.place(name)}")
            self.owners[new], self.owned_at[new] = self.owners[name], len(self.frames)

    def shard(self, step: Shard) -> None:
        """Lay a variable's array out over a mesh of two devices."""
        self.outside_functions()
        place = self.place(step.shard)
        self.write(f"{place}[...] = {self.cut(f'{place}[...]')}")

    # -- averages

    def average(self, step: Average) -> None:
        """Make an average by `nnx.EMA`, or a clone that Optax moves."""
        self.outside_functions()
        words, record = self.place(step.average), self.record(step.average)
        self.followed[step.as_] = step.average
        self.decays[step.as_] = step.decay
        if self.way["average"] == "ema":
            average = self.free(f"ema_of_{step.as_}")
            only = f", only={NO_KEYS}" if self.keyed else ""
            self.write(f"{average} = nnx.EMA({words}, decay={step.decay}{only})")
            self.write(f"{self.attached(step.as_)} = {average}.apply_to({words})")
            self.holders.append(average)
        else:
            self.write(f"{self.attached(step.as_)} = nnx.clone({words})")
        self.stand(record, step.as_)

    def track(self, step: Track) -> None:
        """Move the average."""
        words = self.place(self.followed[step.track])
        if self.way["average"] == "ema":
            self.write(f"{self.free(f'ema_of_{step.track}')}.update({words})")
            return
        average = self.place(step.track)
        states = f"{self.state_of_owner(words)}, {self.state_of_owner(average)}"
        part = round(1 - self.decays[step.track], 10)
        self.write(f"nnx.update({average}, optax.incremental_update({states}, step_size={part}))")
