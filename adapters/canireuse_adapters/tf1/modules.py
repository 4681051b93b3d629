"""Modules of TensorFlow 1: `tf.Module`, whose attributes are places; and which of their variables are trained."""

from typing import TYPE_CHECKING, Any

from canireuse.emit import Lack, attribute, name
from canireuse.script import Unsupported
from canireuse.vocabulary import Average, Module

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TensorFlow1

#: properties of a `tf.Module`, which are no names for members
TAKEN = frozenset({
    "name", "name_scope", "non_trainable_variables", "submodules", "trainable_variables", "variables", "with_name_scope",
})  # fmt: skip
AVERAGE = "$as = tf1.train.ExponentialMovingAverage($decay)\n"
NOTES = {
    "average": "An average is no module in TF1: it keeps a shadow variable for each variable, and is asked by that.",
    "freeze": "`trainable` is fixed when a variable is made; users take it out of the collection that is trained.",
    "unfreeze": "`trainable` is fixed when a variable is made; users put it back into the collection that is trained.",
}


def no_place(tf1: "TensorFlow1", place: str) -> bool:
    """Return whether nothing can be put at a place: a name of the script, or a shadow that an average keeps."""
    return "." not in place or isinstance(tf1.made(place.partition(".")[0]), Average)


LACKS = (
    Lack("tie", lambda tf1, step: no_place(tf1, step.tie),
         "A variable itself is no place; the attribute of a `tf.Module` is."),
    Lack("replace", lambda tf1, step: no_place(tf1, step.replace),
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


WORDS: dict[str, Any] = {
    "module": module,
    "tie": "$tie = $to",
    "replace": "$replace = $by",
    "copy": lambda tf1, step: tf1.fill(f"$as = {'copy' if step.shallow else 'deepcopy'}($copy)", step),
}
IN_GRAPH: dict[str, Any] = {
    "materialize": lambda tf1, step: tf1.fill(
        "session.run(tf1.variables_initializer($held))" + ("\n$as = $materialize" if step.as_ != step.materialize else ""), step
    ),
    "freeze": "tf1.get_collection_ref(tf1.GraphKeys.TRAINABLE_VARIABLES)[:] = [variable for variable in tf1.trainable_variables() if variable not in $held]",
    "unfreeze": "tf1.get_collection_ref(tf1.GraphKeys.TRAINABLE_VARIABLES).extend([variable for variable in $held if variable not in tf1.trainable_variables()])",
    "average": lambda tf1, step: tf1.fill(
        AVERAGE + "$update = $as.apply($held)\nsession.run([$as.average(variable).initializer for variable in $held])",
        step, update=tf1.own(f"{step.as_}_update"),
    ),
    "track": lambda tf1, step: tf1.emit("session.run($update)", update=tf1.own(f"{step.track}_update")),
}  # fmt: skip
EAGER: dict[str, Any] = {
    "average": AVERAGE + "$as.apply($held)",
    "track": lambda tf1, step: tf1.fill(
        "$x.apply($held)", step, x=step.track, held=tf1.listing(tf1.made(step.track).average)
    ),
}
