"""Growing: a variable is given values of another shape, as a vocabulary that gets new words does."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Tables, literal
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Place, Step, Values

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


FEATURE = Feature(
    verbs=(Grow,),
    tables={
        "reference": Tables(missing={"grow": "The contract has variables of one shape."}),
        "torch": Tables(code={"grow": "$grow.data = torch.tensor($to)"}),
        "nnx": Tables(code={"grow": "$grow.set_value(jnp.array($to))"}),
        "linen": Tables(code={"grow": in_linen}),
        "haiku": Tables(code={"grow": in_haiku}),
        "equinox": Tables(code={"grow": in_equinox}),
        "tf2": Tables(code={"grow": "$grow.assign($to)"}),
        "tensorflow1": Tables(code={"grow": in_tf1}),
        "keras": Tables(missing={"grow": "A Keras variable has one shape from the start, and no call gives it another."}),
    },
)  # fmt: skip
