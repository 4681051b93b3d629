"""Files with names that the user chose: a variable is saved under one or more of them, and loaded from one."""

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from canireuse.emit import Emitter, Tables, Unsupported, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Name, Place, Step

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf1 import TF1
    from canireuse_adapters.tf2 import TF2
    from canireuse_adapters.torch import Torch


class SaveAs(Step):
    """Save a variable in a file, under names of the user's own."""

    verb = "save_as"
    binds = "named-file"
    bound_by = "to"
    uses = {"save_as": VARIABLES}
    save_as: Place
    names: Annotated[list[Name], Field(min_length=1, max_length=20)] = Field(
        description="The names it has in the file."
    )
    to: Name = Field(description="A word for the file.")


class LoadAs(Step):
    """Load a variable from one name of a file."""

    verb = "load_as"
    changes = True
    probes = True
    uses = {"load_as": VARIABLES, "given_by": frozenset({"named-file"})}
    load_as: Place
    name: Name = Field(description="The name in the file.")
    given_by: Name = Field(alias="from", description="The word of the file.")


class LookInto(Step):
    """Count what stands in a file: its names of weights, or the arrays that are stored for them."""

    verb = "look_into"
    binds = "tensor"
    uses = {"look_into": frozenset({"named-file", "checkpoint"})}
    look_into: Name = Field(description="The word of a file.")
    for_: Literal["names", "arrays"] = Field(alias="for")
    as_: Name = Field(alias="as", description="Bind how many there are.")


def save(emitter: Emitter, step: SaveAs, code: str, value: ast.expr) -> None:
    """Write what saves a dictionary of the names."""
    emitter.emit(code, to=step.to, values=dict.fromkeys(step.names, value))


# -- JAX: a tree of arrays is what is saved


def save_in_linen(linen: "Linen", step: SaveAs) -> None:
    """Save a tree that has the array at each name."""
    save(linen, step, "$to = serialization.to_bytes({$**values})", linen.value(step.save_as))


def load_in_linen(linen: "Linen", step: LoadAs) -> None:
    """Write the array into the entry of the tree."""
    code = "jnp.asarray(serialization.msgpack_restore($kept)['$name'])"
    linen.write(step.load_as, expr(code, kept=step.given_by, name=step.name))


def save_in_haiku(haiku: "Haiku", step: SaveAs) -> None:
    """Save a tree that has the array at each name."""
    save(haiku, step, "$to = pickle.dumps({$**values})", haiku.target(step.save_as))


def load_in_haiku(haiku: "Haiku", step: LoadAs) -> None:
    """Put the array into the entry of the tree."""
    entry = haiku.target(step.load_as)
    haiku.emit("$entry = pickle.loads($kept)['$name']", entry=entry, kept=step.given_by, name=step.name)


def save_in_nnx(nnx: "NNX", step: SaveAs) -> None:
    """Save a tree that has the array at each name."""
    save(nnx, step, "$to = flax.serialization.msgpack_serialize({$**values})", nnx.value(step.save_as))


def save_in_equinox(eqx: "Equinox", step: SaveAs) -> None:
    """Save a tree that has the array at each name."""
    save(eqx, step, "$to = BytesIO()\neqx.tree_serialise_leaves($to, {$**values})", eqx.place(step.save_as))


def load_in_equinox(eqx: "Equinox", step: LoadAs) -> None:
    """Read the file into a tree of its form, and put one of its arrays in place."""
    made = eqx.symbols.names[step.given_by].made
    assert isinstance(made, SaveAs)
    like = dict.fromkeys(made.names, eqx.place(step.load_as))
    eqx.emit("$kept.seek(0)", kept=step.given_by)
    eqx.put(
        eqx.locate(step.load_as),
        expr("eqx.tree_deserialise_leaves($kept, {$**like})['$name']", kept=step.given_by, like=like, name=step.name),
    )


# -- TensorFlow 1


def save_in_tf1(tf1: "TF1", step: SaveAs) -> None:
    """Hand a Saver the mapping from names to the variable."""
    session = "None" if tf1.eager else "session"
    save(
        tf1,
        step,
        f"$to = tf1.train.Saver({{$**values}}).save({session}, tempfile.mkdtemp() + '/model')",
        tf1.place(step.save_as),
    )


def load_in_tf1(tf1: "TF1", step: LoadAs) -> None:
    """Hand a Saver the mapping from the name to another variable."""
    session = "None" if tf1.eager else "session"
    tf1.fill(f"tf1.train.Saver({{'$name': $load_as}}).restore({session}, $from)", step)


# -- what is in a file

CLOSED = "This file is an object of its own, and has no list of names that a user reads."
#: way of restoring -> how a user lists what such a file of PyTorch has
IN_TORCH = {
    "safetensors-model": "safetensors.torch.load_file($kept)",
    "safetensors-file": "safetensors.torch.load_file($kept)",
    "unpickle": "torch.load($kept, weights_only=False).state_dict()",
}
STORED = "[one for one, _ in tf.train.list_variables($kept) if not one.startswith(('_CHECKPOINT', 'save_counter'))]"


def counted(emitter: Emitter, step: LookInto, listed: str) -> None:
    """Bind how many a list has."""
    emitter.bind(step.as_, emitter.array(expr(f"float(len({listed}))", kept=step.look_into)))


def look_in_torch(torch: "Torch", step: LookInto) -> None:
    """Load the file: two names may stand for one storage."""
    loaded = IN_TORCH.get(torch.way.get("restore", ""), "torch.load($kept)")
    if loaded.startswith("torch"):
        torch.emit("$kept.seek(0)", kept=step.look_into)
    storage = f"{{one.untyped_storage().data_ptr() for one in {loaded}.values()}}"
    counted(torch, step, loaded if step.for_ == "names" else storage)


def look_in_jax(code: str, ways: frozenset[str]) -> Callable[[Any, Any], None]:
    """Return what counts the leaves of a tree that is read from a file: each is an array under a name of its own."""

    def look(emitter: Emitter, step: LookInto) -> None:
        if ways & {*emitter.way.values()}:
            raise Unsupported(CLOSED)
        counted(emitter, step, code)

    return look


def look_in_haiku(haiku: "Haiku", step: LookInto) -> None:
    """Unpickle: one object that was pickled under two names is one again."""
    leaves = "jax.tree.leaves(pickle.loads($kept))"
    counted(haiku, step, leaves if step.for_ == "names" else f"{{id(one) for one in {leaves}}}")


def look_in_equinox(eqx: "Equinox", step: LookInto) -> None:
    """Count the heads of arrays: the file has nothing else."""
    if step.for_ == "names":
        raise Unsupported("`eqx.tree_serialise_leaves` writes arrays one after the other, and no names.")
    counted(eqx, step, "$kept.getvalue().split(b'NUMPY')[1:]")


def look_in_tf2(tf: "TF2", step: LookInto) -> None:
    """List the variables of a checkpoint."""
    if tf.way.get("restore", "checkpoint") not in {"checkpoint", "checkpoint-matched"}:
        raise Unsupported(CLOSED)
    counted(tf, step, STORED)


def look_in_keras(keras: "Keras", step: LookInto) -> None:
    """List the data sets of the file, or the arrays of the list."""
    way = keras.way.get("restore", "weights")
    if way == "set-weights":
        counted(keras, step, "$kept")
        return
    if way != "weights":
        raise Unsupported(CLOSED)
    keras.emit(
        "names = []\nwith h5py.File($kept) as file:\n"
        "    file.visititems(lambda path, found: names.append(path) if isinstance(found, h5py.Dataset) else None)",
        kept=step.look_into,
    )  # fmt: skip
    counted(keras, step, "names")


def save_in_objects(code: str) -> Callable[[Any, Any], None]:
    """Return what saves variables that are objects."""
    return lambda emitter, step: save(emitter, step, code, emitter.place(step.save_as))


FEATURE = Feature(
    verbs=(SaveAs, LoadAs, LookInto),
    tables={
        "reference": Tables(missing=dict.fromkeys(("save_as", "load_as", "look_into"), "The contract does not cover what stands in a file.")),
        "torch": Tables(
            code={
                "save_as": save_in_objects("$to = BytesIO()\ntorch.save({$**values}, $to)"),
                "load_as": "$from.seek(0)\nwith torch.no_grad():\n    $load_as.copy_(torch.load($from)['$name'])",
                "look_into": look_in_torch,
            }
        ),
        "tf2": Tables(
            code={
                "save_as": save_in_objects("$to = tf.train.Checkpoint(**{$**values}).save(tempfile.mkdtemp() + '/model')"),
                "load_as": "tf.train.Checkpoint($name=$load_as).restore($from)",
                "look_into": look_in_tf2,
            }
        ),
        "tensorflow1": Tables(code={"save_as": save_in_tf1, "load_as": load_in_tf1, "look_into": lambda tf1, step: counted(tf1, step, STORED)}),
        "linen": Tables(code={"save_as": save_in_linen, "load_as": load_in_linen, "look_into": look_in_jax("jax.tree.leaves(serialization.msgpack_restore($kept))", frozenset({"orbax"}))}),
        "haiku": Tables(code={"save_as": save_in_haiku, "load_as": load_in_haiku, "look_into": look_in_haiku}),
        "nnx": Tables(
            code={
                "save_as": save_in_nnx,
                "load_as": "$load_as[...] = jnp.asarray(flax.serialization.msgpack_restore($from)['$name'])",
                "look_into": look_in_jax("jax.tree.leaves(flax.serialization.msgpack_restore($kept))", frozenset({"orbax", "pickle"})),
            }
        ),
        "equinox": Tables(code={"save_as": save_in_equinox, "load_as": load_in_equinox, "look_into": look_in_equinox}),
        "keras": Tables(code={"look_into": look_in_keras}, also="import h5py", missing=dict.fromkeys(("save_as", "load_as"), "Keras saves what a layer or a model holds under paths of its own, and no variable under a name of the user's.")),
    },
)  # fmt: skip
