"""Copies and checkpoints in TensorFlow 2, and what Keras makes anew from a configuration."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Code, Effects, Unsupported, expr
from canireuse.program import Object
from canireuse.spec.vocabulary import Copy, Restore, Save
from canireuse_adapters.keras_layers import CLASSES, kind_of
from canireuse_adapters.kinds import OtherKind, in_memory
from canireuse_adapters.tensorflow import asks_what_matched
from canireuse_adapters.tf2.layers import shape

if TYPE_CHECKING:
    from canireuse_adapters.tf2 import TF2

NEEDS_CONFIG = (
    "Keras copies and saves a subclassed model through `get_config`, which one that is handed objects does not have."
)
CHECKPOINT = "$to = $kept.save(tempfile.mkdtemp() + '/model')"
SAVES = {
    "checkpoint": CHECKPOINT,
    "checkpoint-matched": CHECKPOINT,
    "weights": "$to = tempfile.mkdtemp() + '/model.weights.h5'\n$save.save_weights($to)",
    "keras": "$to = tempfile.mkdtemp() + '/model.keras'\n$save.save($to)",
    "saved-model": "$to = tempfile.mkdtemp() + '/model'\ntf.saved_model.save($save, $to)",
}
RESTORES = {
    "checkpoint": "tf.train.Checkpoint($restore).restore($from)",
    "checkpoint-matched": "tf.train.Checkpoint($restore).restore($from).assert_existing_objects_matched()",
    "weights": "$restore.load_weights($from, $**lenient)",
    "keras": "$restore = tf.keras.models.load_model($from)",
    "saved-model": "$restore = tf.saved_model.load($from)",
}


# -- copies


def copy(tf: "TF2", step: Copy) -> None:
    """Copy an object as Python does, or make it anew from its configuration."""
    found = tf.at(step.copy_)
    if tf.way.get("copy") == "clone":
        if step.shallow or tf.style(found) == "subclass" or not tf.is_model(found):
            raise OtherKind("`from_config` and `clone_model` are words of Keras, and make everything inside anew.")
        tf.idiom("`clone_model` and `from_config` make the same layers with values of their own.")
        clone(tf, step.as_, step.copy_)
    elif tf.style(found) == "subclass":
        raise Unsupported(NEEDS_CONFIG)
    else:
        tf.fill("$as = copy($copy)" if step.shallow else "$as = deepcopy($copy)", step)


def clone(tf: "TF2", to: str, source: str, dtype: str | None = None) -> None:
    """Write a Keras object made anew from its configuration."""
    found, fills = tf.at(source), {"to": to, "source": source, "dtype": dtype}
    if found.kind == "layer":
        config = "{**$source.get_config(), 'dtype': '$dtype'}" if dtype else "$source.get_config()"
        tf.emit(f"$to = tf.keras.layers.{CLASSES[kind_of(found)]}.from_config({config})", **fills)
        if not found.built:
            return
        tf.emit("$to.build($shape)", to=to, shape=shape(found))
    elif dtype is None:
        tf.emit("$to = tf.keras.models.clone_model($source)", **fills)
    else:
        nested = any(one.kind == "module" for one in found.parts.values())
        tf.emit(
            "def $anew(layer):\n"
            "    return layer.__class__.from_config({**layer.get_config(), 'dtype': '$dtype'})\n"
            "$to = tf.keras.models.clone_model($source, clone_function=$anew, $**options)",
            **fills, anew=tf.own(f"as_{dtype}"), options={"recursive": True} if nested else {},
        )  # fmt: skip


# -- checkpoints


def save(tf: "TF2", step: Save) -> None:
    """Save in the way that the restore will read."""
    if step.in_memory:
        values = (
            "$save.get_weights()"
            if tf.is_model(tf.at(step.save))
            else "[variable.numpy() for variable in $save.variables]"
        )
        tf.fill(f"$to = {values}", step)
        return
    check_way(tf, step)
    paths = [path.split(".") for path in step.only]
    kept = part(tf, step.save, paths) if paths else expr("tf.train.Checkpoint($save)", save=step.save)
    tf.fill(SAVES[tf.way.get("restore", "checkpoint")], step, kept=kept)


def part(tf: "TF2", owner: str, paths: list[list[str]]) -> ast.expr:
    """Return a checkpoint of some members alone, under the names that they have in the whole; inside it, checkpoints of theirs."""
    if tf.at(owner).kind == "layer" and not tf.has_own_layers:
        raise Unsupported("A checkpoint names a Keras layer's variables by private attributes: a layer is saved whole.")
    kept: dict[str, ast.expr] = {}
    for name in dict.fromkeys(path[0] for path in paths):
        below = [path[1:] for path in paths if path[0] == name]
        kept[name] = part(tf, f"{owner}.{name}", below) if all(below) else tf.place(f"{owner}.{name}")
    return expr("tf.train.Checkpoint($**kept)", kept=kept)


def check_way(tf: "TF2", step: Save) -> None:
    """Raise Unsupported if an object cannot be saved in a way."""
    found, way = tf.at(step.save), tf.way.get("restore", "checkpoint")
    if step.only and not way.startswith("checkpoint"):
        raise OtherKind("Only a `tf.train.Checkpoint` is made of some members alone.")
    if step.only and tf.style(found) == "functional":
        raise Unsupported(
            "A checkpoint names attributes, and the layers of a functional Keras model are none: it is saved whole."
        )
    if way == "saved-model" and tf.is_model(found):
        raise OtherKind(
            "A Keras 3 object is exported to a SavedModel for serving only; it does not come back as an object of Keras."
        )
    if way in {"weights", "keras"} and tf.style(found) not in {"functional", "subclass"}:
        what = "its weights" if way == "weights" else "itself"
        raise OtherKind(f"Only a Keras model saves {what} to a file; a `tf.Module` or a single layer does not.")
    if way == "keras" and tf.style(found) == "subclass":
        raise Unsupported(NEEDS_CONFIG)
    if way == "weights" and not found.built:
        raise Unsupported("Keras saves the weights of a subclassed model only once a call has built it.")


def restore(tf: "TF2", step: Restore) -> None:
    """Restore in place, or load a new object under the name."""
    if in_memory(tf, step):
        code = "for variable, value in zip($restore.variables, $from):\n    variable.assign(value)"
        tf.fill("$restore.set_weights($from)" if tf.is_model(tf.at(step.restore)) else code, step)
        return
    way = tf.way.get("restore", "checkpoint")
    if way == "checkpoint-matched" and (step.partial or not asks_what_matched(tf.facts.steps)):
        raise OtherKind("Nothing is missing here that a checkpoint could be asked for.")
    if way in {"keras", "saved-model"}:
        if step.partial:
            raise OtherKind("A whole object is loaded, of which nothing is missing.")
        tf.idiom("Loading makes a new object; the script binds the module's name to it.")
    partial = ".expect_partial()" if step.partial and way == "checkpoint" else ""
    tf.fill(RESTORES[way] + partial, step, lenient={"skip_mismatch": True} if step.partial else {})


def restored(tf: "TF2", step: Restore) -> None:
    """Have another object where loading makes one: of a SavedModel, one with the attributes of what was saved alone."""
    saved = tf.at(step.given_by).returns
    if tf.way.get("restore") == "saved-model":
        tf.symbols.names[step.restore] = Object("loaded")
    elif tf.way.get("restore") == "keras" and saved:
        tf.symbols.names[step.restore] = saved.copied()


CODE: Code = {"copy": copy, "save": save, "restore": restore}
EFFECTS: Effects = {"restore": restored}
