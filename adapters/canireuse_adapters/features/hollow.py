"""Hollow variables: made without values, of no size yet, and filled later."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Tables
from canireuse.program import Object
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Name, Place, Step, Values

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TF1


class Hollow(Step):
    """Make a variable that has no values yet, and no size: it waits for what a file or a user puts in."""

    verb = "hollow"
    hollow: Name = Field(description="The name given to the constructor, where it takes one.")
    as_: Name = Field(alias="as", description="Bind the variable.")


class PutIn(Step):
    """Put values into a variable that was made without any, of whatever size."""

    verb = "put_in"
    uses = {"put_in": VARIABLES}
    probes = True
    put_in: Place
    to: Values


def in_graph(tf1: "TF1", step: PutIn) -> None:
    """Assign, in a session where there is one."""
    code = "$put_in.assign($to)"
    tf1.fill(code if tf1.eager else f"session.run({code})", step)


def in_nnx(nnx: Emitter, step: PutIn) -> None:
    """Put an array in place of None."""
    nnx.fill("$place.set_value(jnp.array($to))", step, place=nnx.spelled(step.put_in))


VERBS = ("hollow", "put_in")
A_LEAF = (
    "A tree has a leaf where it has an array: what has no values yet is no leaf, and two names of one are two entries."
)
FEATURE = Feature(
    verbs=(Hollow, PutIn),
    makes={"hollow": lambda _, step: Object("variable", made=step)},
    tables={
        "reference": Tables(missing=dict.fromkeys(VERBS, "A variable of the contract has its shape for life.")),
        "torch": Tables(code={"hollow": "$as = nn.Parameter()", "put_in": "$put_in.data = torch.tensor($to)"}),
        "tf2": Tables(
            code={
                "hollow": "$as = tf.Variable([], shape=tf.TensorShape(None), dtype=tf.float32, name='$hollow')",
                "put_in": "$put_in.assign($to)",
            },
        ),
        "tensorflow1": Tables(
            code={
                "hollow": "$as = tf1.Variable([], shape=tf.TensorShape(None), dtype=tf.float32, name='$hollow')",
                "put_in": in_graph,
            },
        ),
        "nnx": Tables(code={"hollow": "$as = nnx.Param(None)", "put_in": in_nnx}),
        "keras": Tables(missing=dict.fromkeys(VERBS, "A `keras.Variable` has its shape for life: a layer that does not know it is left unbuilt.")),
        "jax": Tables(missing=dict.fromkeys(VERBS, A_LEAF)),
    },
)  # fmt: skip
