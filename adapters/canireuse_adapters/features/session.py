"""Sessions of TensorFlow 1: where the variables of a graph have their values."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Tables, statements
from canireuse.spec.features import Feature
from canireuse.spec.step import Block, Name
from canireuse_adapters.tf1.scopes import kept

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TF1


class Session(Block):
    """Run in another session over the same graph; values are not carried over."""

    verb = "session"
    session: Name = Field(description="A word for the session; it names nothing in the script.")


def in_graph(tf1: "TF1", step: Session) -> None:
    """Open another session over the same graph."""
    with tf1.apart() as body:
        tf1.steps(step.steps)
    kept(tf1, step, statements(f"with {tf1.new_session} as session:\n    $*body", body=body))


def without(framework: str, holder: str) -> Tables:
    """Return what a framework without sessions says."""
    return Tables(missing={"session": f"{framework} has no sessions: {holder} holds its value itself."})


FEATURE = Feature(
    verbs=(Session,),
    tables={
        "reference": Tables(code={"session": "with model.session():\n    $*body"}),
        "tf1": Tables(code={"session": in_graph}),
        "tf1-eager": Tables(code={"session": "with tf1.Session() as session:\n    $*body"}),
        "tf2": without("TensorFlow 2", "a variable"),
        "keras": without("Keras", "a variable"),
        "torch": without("PyTorch", "a parameter"),
        "jax": without("JAX", "an array"),
    },
)
