"""Taking state out: what a module holds beside its parameters is taken out of it."""

from pydantic import Field

from canireuse.emit import Emitter, Tables, expr
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Step


class TakeState(Step):
    """Take the running statistics out of a layer or module, and count them: it holds parameters alone then."""

    verb = "take_state"
    changes = True
    binds = "tensor"
    uses = {"take_state": OWNERS}
    take_state: Name
    as_: Name = Field(alias="as", description="Bind how many there were.")


def taken(symbols: Symbols, step: TakeState) -> None:
    """Have no statistics stand in the module."""
    for one in list(symbols.there_or_unknown(step.take_state).walk()):
        one.parts = {name: part for name, part in one.parts.items() if part.kind != "buffer"}
    symbols.names[step.as_] = Object("tensor", made=step)


def in_nnx(nnx: Emitter, step: TakeState) -> None:
    """Pop the variables of that kind."""
    leaves = expr("len(jax.tree.leaves(nnx.pop($net, nnx.BatchStat)))", net=nnx.place(step.take_state))
    nnx.bind(step.as_, nnx.array(leaves))


IN_PLACE = (
    "A layer of {} holds its statistics as it holds its weights, and no call takes those of one kind out of a model."
)
A_TREE = "Statistics are a tree of their own beside the parameters from the start: nothing has to be taken out."
FEATURE = Feature(
    verbs=(TakeState,),
    effects={"take_state": taken},
    tables={
        "reference": Tables(missing={"take_state": "The contract does not cover normalization: what a layer keeps besides its weights is a matter of each framework."}),
        "nnx": Tables(code={"take_state": in_nnx}),
        "torch": Tables(missing={"take_state": IN_PLACE.format("PyTorch")}),
        "keras": Tables(missing={"take_state": IN_PLACE.format("Keras")}),
        "tf2": Tables(missing={"take_state": IN_PLACE.format("Keras")}),
        "tensorflow1": Tables(missing={"take_state": IN_PLACE.format("TensorFlow")}),
        "jax": Tables(missing={"take_state": A_TREE}),
    },
)  # fmt: skip
