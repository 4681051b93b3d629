"""Shared state: a module is handed the variables of another one, by the state that the framework has of it."""

from canireuse.emit import Tables
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Place, Step


class ShareState(Step):
    """Have a module hold the very variables of another one of its form, by the state that is asked of that."""

    verb = "share_state"
    changes = True
    probes = True
    uses = {"share_state": OWNERS, "of": OWNERS}
    share_state: Place
    of: Place


def shared(symbols: Symbols, step: ShareState) -> None:
    """Have one variable stand at a place of both."""
    share(symbols.there_or_unknown(step.share_state), symbols.there_or_unknown(step.of))


def share(to: Object, of: Object) -> None:
    """Have the variables of one object stand in another."""
    for name, part in of.parts.items():
        if part.is_owner and name in to.parts:
            share(to.parts[name], part)
        else:
            to.parts[name] = part


#: way -> how the state is asked for; that arguments are told by their position is deprecated
IN_TORCH = {
    "share_state/keywords": "$share_state.load_state_dict($of.state_dict(keep_vars=True), assign=True)",
    "share_state/positional": "$share_state.load_state_dict($of.state_dict({}, '', True), assign=True)",
}
FEATURE = Feature(
    verbs=(ShareState,),
    effects={"share_state": shared},
    tables={
        "reference": Tables(missing={"share_state": "The contract has states that are values: variables are shared by `tie`."}),
        "torch": Tables(code=IN_TORCH | {"share_state": IN_TORCH["share_state/keywords"]}, ways={"share_state": ("keywords", "positional")}),
        "keras": Tables(missing={"share_state": "What Keras hands out of a model to be set in another, `get_weights`, is arrays: variables are shared by holding the layer."}),
        "tf2": Tables(missing={"share_state": "What Keras hands out of a model to be set in another, `get_weights`, is arrays: variables are shared by holding the layer."}),
        "tensorflow1": Tables(missing={"share_state": "A variable is shared by its name in the graph: no object has a state that could be handed to another."}),
        "nnx": Tables(missing={"share_state": "`nnx.update` writes the values of a state into the variables that are there: a module holds those of another if they are assigned."}),
        "jax": Tables(missing={"share_state": "Parameters are a tree of arrays, which never change: one that is handed to two models is two trees after the first step."}),
    },
)  # fmt: skip
