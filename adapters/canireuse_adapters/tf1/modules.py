"""Modules of TensorFlow 1: `tf.Module`, whose attributes are places; and which of their variables are trained."""

from typing import TYPE_CHECKING, Any

from canireuse.emit import Lack, Unsupported, attribute, name
from canireuse.spec.vocabulary import Module

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TensorFlow1

#: properties of a `tf.Module`, which are no names for members
TAKEN = frozenset({
    "name", "name_scope", "non_trainable_variables", "submodules", "trainable_variables", "variables", "with_name_scope",
})  # fmt: skip
NOTES = {
    "freeze": "`trainable` is fixed when a variable is made; users take it out of the collection that is trained.",
    "unfreeze": "`trainable` is fixed when a variable is made; users put it back into the collection that is trained.",
}


LACKS = (
    Lack("tie", lambda _, step: "." not in step.tie,
         "A variable itself is no place; the attribute of a `tf.Module` is."),
    Lack("replace", lambda _, step: "." not in step.replace,
         "A name of the script is no place: a member of a module is replaced."),
)  # fmt: skip
IN_GRAPH_LACKS = (
    Lack("copy", lambda _, step: not step.shallow,
         "A variable of a graph cannot be copied: `copy.deepcopy` refuses it. TF1 users build the network again in another scope and assign the values."),
)  # fmt: skip


def module(tf1: "TensorFlow1", step: Module) -> None:
    """Put members together in a `tf.Module`."""
    tf1.emit("$module = tf.Module(name='$module')", module=step.module)
    for member, place in step.members.items():
        if member in TAKEN:
            raise Unsupported(f"A `tf.Module` has a property `{member}`; a member needs another name.")
        tf1.emit("$place = $value", place=attribute(name(step.module), [member]), value=tf1.place(place))


CODE: dict[str, Any] = {
    "module": module,
    "tie": "$tie = $to",
    "replace": "$replace = $by",
    "copy": lambda tf1, step: tf1.fill(f"$as = {'copy' if step.shallow else 'deepcopy'}($copy)", step),
}
IN_GRAPH: dict[str, Any] = {
    "freeze": "tf1.get_collection_ref(tf1.GraphKeys.TRAINABLE_VARIABLES)[:] = [variable for variable in tf1.trainable_variables() if variable not in $held]",
    "unfreeze": "tf1.get_collection_ref(tf1.GraphKeys.TRAINABLE_VARIABLES).extend([variable for variable in $held if variable not in tf1.trainable_variables()])",
}  # fmt: skip
