"""Growing: a variable is given values of another shape, as a vocabulary that gets new words does, and may then be closed."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Lack, Tables, literal
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Place, Shape, Step, Values

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.tf1 import TensorFlow1


class Grow(Step):
    """Give a variable values of another shape, in the variable itself: one that was made with `open_shape`, where that is asked for."""

    verb = "grow"
    probes = True
    uses = {"grow": VARIABLES}
    grow: Place
    to: Values = Field(description="The new values, whole.")


class CloseShape(Step):
    """Say the shape of a variable that was made with `open_shape`: from here on it has that one."""

    verb = "close_shape"
    uses = {"close_shape": VARIABLES}
    close_shape: Place
    shape: Shape


def in_linen(linen: "Linen", step: Grow) -> None:
    """Write the other array into the entry of the tree."""
    linen.write(step.grow, linen.new_value(step.to))


def in_haiku(haiku: "Haiku", step: Grow) -> None:
    """Put the other array into the entry of the tree."""
    haiku.emit("$entry = $to", entry=haiku.target(step.grow), to=haiku.new_value(step.to))


def in_equinox(eqx: "Equinox", step: Grow) -> None:
    """Put the other array in the place."""
    spot = eqx.locate(step.grow)
    eqx.put(spot, eqx.turned(eqx.new_value(step.to), spot.transposed))


def in_tf1(tf1: "TensorFlow1", step: Grow) -> None:
    """Have the session run the write, if there is one."""
    tf1.act("$grow.assign($to)", grow=tf1.place(step.grow), to=literal(step.to))


PAST_THE_END = (
    "After a parameter grew, the fused step reads gradients and moments past their end: what it writes into the new rows, "
    "NaN or what there was, is another value from run to run, and no error is raised (2.13)."
)
CLOSED = "$close_shape.set_shape($shape)"
NO_SHAPE = "{} takes an array of any shape whenever it is written: no call closes it."
FEATURE = Feature(
    verbs=(Grow, CloseShape),
    tables={
        "reference": Tables(missing=dict.fromkeys(("grow", "close_shape"), "The contract has variables of one shape.")),
        "torch": Tables(
            code={"grow": "$grow.data = torch.tensor($to)"},
            lacks=(Lack("grow", lambda torch, _: torch.way.get("optimizer") == "fused", PAST_THE_END),),
            missing={"close_shape": NO_SHAPE.format("The `data` of a parameter")},
        ),
        "nnx": Tables(code={"grow": "$grow.set_value(jnp.array($to))"}),
        "linen": Tables(code={"grow": in_linen}),
        "haiku": Tables(code={"grow": in_haiku}),
        "equinox": Tables(code={"grow": in_equinox}),
        "jax": Tables(missing={"close_shape": NO_SHAPE.format("A place in a tree")}),
        "tf2": Tables(code={"grow": "$grow.assign($to)", "close_shape": CLOSED}),
        "tensorflow1": Tables(code={"grow": in_tf1, "close_shape": CLOSED}),
        "keras": Tables(missing=dict.fromkeys(("grow", "close_shape"), "A Keras variable has one shape from the start, and no call gives it another.")),
    },
)  # fmt: skip
