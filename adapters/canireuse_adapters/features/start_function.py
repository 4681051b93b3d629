"""Start functions: a variable that is got by name starts from what a function of the user's own gives."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from canireuse.emit import Tables, literal
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step, Values

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TensorFlow1


class GetFrom(Step):
    """Get a variable by name in the current scope, which starts from values, or from what a function gives, if it is made."""

    verb = "get_from"
    get_from: Name = Field(description="The variable's name in the current scope.")
    values: Values = Field(description="What it starts from, whole.")
    by: Literal["values", "function", "object", "function-of-parts"] = Field(
        description="No function, the values themselves; a function without arguments, an object that is called like one, or a function that is told which of two parts, cut along the second axis, it is to give."
    )
    as_: Name = Field(alias="as", description="Bind the variable; of one in parts, what they make together.")


def made(_: Symbols, step: GetFrom) -> Object:
    """Return a variable; of one in parts, the tensor that they make together."""
    return Object("tensor" if step.by == "function-of-parts" else "variable", made=step)


IN_TF1 = {
    "values": "$as = tf1.get_variable('$get_from', initializer=$values)",
    "function": """\
def $start():
    return tf.constant($values)
$as = tf1.get_variable('$get_from', initializer=$start)
""",
    "object": """\
class Start:
    def __call__(self):
        return tf.constant($values)
$as = tf1.get_variable('$get_from', initializer=Start())
""",
    "function-of-parts": """\
def $start(shape, dtype=None, partition_info=None):
    first = partition_info.single_offset(shape)
    return tf.constant($values)[:, first:first + shape[1]]
$as = tf1.get_variable('$get_from', shape=$shape, initializer=$start, partitioner=tf1.fixed_size_partitioner(2, axis=1)).as_tensor()
""",
}


def in_tf1(tf1: "TensorFlow1", step: GetFrom) -> None:
    """Write the function, and hand it over, or the values."""
    shape = literal([len(step.values), len(step.values[0])] if step.by == "function-of-parts" else [])
    tf1.fill(IN_TF1[step.by], step, start=tf1.fresh("start"), shape=shape)


NO_NAMES = (
    "A variable is started from a value, and got by no name: a function that gives the value is called by the script."
)
FEATURE = Feature(
    verbs=(GetFrom,),
    makes={"get_from": made},
    tables={
        "reference": Tables(missing={"get_from": "The contract starts variables from values."}),
        "tensorflow1": Tables(code={"get_from": in_tf1}),
        "tf2": Tables(missing={"get_from": NO_NAMES}),
        "keras": Tables(missing={"get_from": "A function starts a variable of Keras where a layer makes it, and layers are asked for by none by name."}),
        "torch": Tables(missing={"get_from": NO_NAMES}),
        "jax": Tables(missing={"get_from": "An initializer is a function of a key and a shape here, in every layer: see the specs of layers."}),
    },
)  # fmt: skip
