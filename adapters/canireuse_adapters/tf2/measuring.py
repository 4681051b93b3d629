"""What is observed in TensorFlow 2, counted and measured."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Lack, Reads, Unsupported, expr, node
from canireuse.spec.vocabulary import Expect, Layer, Module, Variable
from canireuse_adapters.keras_layers import kind_of
from canireuse_adapters.tf2.layers import build, inside

if TYPE_CHECKING:
    from canireuse_adapters.tf2 import TF2

#: kinds of Keras layers that keep the state of random numbers beside their weights
KEEPS_SEEDS = {"cell", "rnn", "bidirectional"}
#: way of a checkpoint -> the code for its size: the files of one prefix, one file, or a folder of files
PREFIX = "sum(tf.io.gfile.stat(part).length for part in tf.io.gfile.glob($kept + '.*'))"
SIZES = {
    "checkpoint": PREFIX,
    "checkpoint-matched": PREFIX,
    "weights": "tf.io.gfile.stat($kept).length",
    "keras": "tf.io.gfile.stat($kept).length",
    "saved-model": (
        "sum(tf.io.gfile.stat(f'{folder}/{part}').length "
        "for folder, _, parts in tf.io.gfile.walk($kept) for part in parts)"
    ),
}


def listing(tf: "TF2", inside: str | None, *, trainable: bool = False) -> ast.expr:
    """Return the variables that an object holds, or the root module; those of a Keras cell are its weights, and seeds beside."""
    has_seeds = any(kind_of(one) in KEEPS_SEEDS for _, one in tf.at(inside).layers())
    code = f"$holder.{'trainable_' if trainable else ''}{'weights' if has_seeds else 'variables'}"
    return expr(code, holder=tf.place(inside) if inside else expr("root"))


def name_of(tf: "TF2", step: Expect) -> ast.expr:
    """Return the path of a Keras variable, or the name of a `tf.Variable` without its output number."""
    code = "$place.path" if tf.is_keras(tf.at(step.name)) else "$place.name.split(':')[0]"
    return expr(code, place=tf.place(step.name or ""))


def dtype_of(tf: "TF2", step: Expect) -> ast.expr:
    """Return the name of the dtype."""
    code = "$place.dtype" if tf.is_keras(tf.at(step.dtype)) else "$place.dtype.name"
    return expr(code, place=tf.place(step.dtype or ""))


def names(tf: "TF2", step: Expect) -> ast.expr:
    """Return the names of the variables below the root module or inside something."""
    code = "variable.path" if tf.is_model(tf.at(step.inside)) else "variable.name.split(':')[0]"
    return expr(f"sorted({code} for variable in $listing)", listing=listing(tf, step.inside))


def slots(tf: "TF2", step: Expect) -> ast.expr:
    """Count the variables that hold a momentum."""
    tf.idiom("An optimizer lists its state; the name of each slot ends with what it is.")
    return expr("sum(variable.path.endswith('_momentum') for variable in $slots.variables)", slots=step.slots)


def elements(tf: "TF2", step: Expect) -> ast.expr:
    """Ask a Keras object that is built; add up what any other lists, a shared variable once."""
    found = tf.at(step.elements)
    if tf.is_model(found) and (found.built or tf.style(found) != "subclass"):
        return expr("$place.count_params()", place=tf.place(step.elements or ""))
    return expr("sum(variable.numpy().size for variable in $listing)", listing=listing(tf, step.elements))


def penalties(tf: "TF2", step: Expect) -> ast.expr:
    """Return the losses that Keras collects."""
    if not tf.is_model(tf.at(step.inside)):
        raise Unsupported(
            "Terms of regularizers are listed by the Keras layer or model whose they are, and by nothing else."
        )
    build(tf, inside(tf, step.inside or ""))
    code = "len($holder.losses)" if step.kind == "penalties" else "tf.reduce_sum($holder.losses).numpy().tolist()"
    return expr(code, holder=tf.place(step.inside or ""))


def lists_what_is_loose(tf: "TF2", step: Expect) -> bool:
    """Return whether all variables are asked for, and not all hang on the root."""
    lists_all = step.kind in {"variables", "trainable", "names"} and step.inside is None
    return lists_all and any(isinstance(one, Layer | Module | Variable) for one in tf.facts.steps)


READS: Reads = {
    "value": "$value",
    "name": name_of,
    "shape": "list($shape.shape)",
    "dtype": dtype_of,
    "variables": lambda tf, step: expr("len($x)", x=listing(tf, step.inside)),
    "trainable": lambda tf, step: expr("len($x)", x=listing(tf, step.inside, trainable=True)),
    "frozen": "len($holder.non_trainable_variables)",
    "names": names,
    "slots": slots,
    "elements": elements,
    "parameter_bytes": lambda tf, step: expr(
        "sum(variable.numpy().nbytes for variable in $listing)", listing=listing(tf, step.parameter_bytes)
    ),
    "slot_bytes": "sum(variable.numpy().nbytes for variable in $slot_bytes.variables)",
    "checkpoint_bytes": lambda tf, step: expr(
        SIZES[tf.way.get("restore", "checkpoint")], kept=node(step.checkpoint_bytes)
    ),
    "penalties": penalties,
    "penalty": penalties,
    "traces": "$traces.experimental_get_tracing_count()",
    "alive": "$watch() is not None",
}
LACKS = (
    Lack("expect", lambda tf, step: tf.at(step.name).kind == "tensor", "An eager tensor has no name."),
    Lack(
        "expect", lists_what_is_loose,
        "TensorFlow 2 keeps no list of all variables: only the objects that hold them can be asked.",
    ),
)  # fmt: skip
