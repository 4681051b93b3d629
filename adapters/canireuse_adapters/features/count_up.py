"""Counting up: a variable of whole numbers is counted up by one, and no further than to a limit."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Place, Step

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TensorFlow1


class CountUp(Step):
    """Add one to a variable, in the call that refuses to go beyond a limit."""

    verb = "count_up"
    probes = True
    uses = {"count_up": VARIABLES}
    count_up: Place
    limit: Annotated[int, Field(ge=1, le=10_000)]


def in_tf1(tf1: "TensorFlow1", step: CountUp) -> None:
    """Have the session run it, if there is one."""
    tf1.act("$count_up.count_up_to($limit)", count_up=tf1.place(step.count_up), limit=step.limit)


NO_LIMIT = "Counting is adding one here: no call compares what comes of it with a limit."
FEATURE = Feature(
    verbs=(CountUp,),
    tables={
        "reference": Tables(missing={"count_up": "The contract has writes of values, and no counters."}),
        "tensorflow1": Tables(code={"count_up": in_tf1}),
        "tf2": Tables(code={"count_up": "$count_up.count_up_to($limit)"}),
        **{backend: Tables(missing={"count_up": NO_LIMIT}) for backend in ("torch", "keras", "jax")},
    },
)
