"""Removing: a member is taken out of a module."""

from typing import TYPE_CHECKING

from pydantic import model_validator

from canireuse.emit import Lack, Tables, Unsupported, expr
from canireuse.program import Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import VALUES, Place, Step
from canireuse_adapters.equinox.modules import expand
from canireuse_adapters.equinox.places import nodes_shared

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.tf2 import TF2


class Remove(Step):
    """Take a member out of a module; what it held stays where else it is held."""

    verb = "remove"
    changes = True
    probes = True
    uses = {"remove": VALUES}
    remove: Place

    @model_validator(mode="after")
    def check_member(self) -> "Remove":
        """Refuse a name that is no member of anything."""
        if "." not in self.remove:
            raise ValueError("what is removed is a member, `module.member`: a name is dropped with `drop`")
        return self


def removed(symbols: Symbols, step: Remove) -> None:
    """Have nothing stand where the member stood."""
    owner, part = symbols.above(step.remove)
    if owner:
        owner.parts.pop(part, None)


def in_equinox(eqx: "Equinox", step: Remove) -> None:
    """Put None in the place of a field."""
    spot = eqx.locate(step.remove)
    expand(eqx, spot)
    if nodes_shared(spot.tree) and spot.found and len(list(spot.tree.routes(spot.found))) > 1:
        raise Unsupported(HOLDS)
    eqx.put(spot, expr("None"))


def is_functional(keras: "Keras | TF2", step: Remove) -> bool:
    """Return whether the module is a functional model of Keras."""
    return keras.style(keras.at(step.remove.rpartition(".")[0])) == "functional"


HOLDS = "`eqx.nn.Shared` keeps the leaf of a tie in this place: users call it for the whole tree, take the name out, and share the rest anew."
NO_PLACE = "A functional Keras model is the calls that it was made from: no attribute of it stands for a layer that could be taken out."
DEL, NONE = "del $remove", "$remove = None"
BOTH = {"remove": DEL, "remove/none": NONE}
WAYS = {"remove": ("del", "none")}
FEATURE = Feature(
    verbs=(Remove,),
    effects={"remove": removed},
    tables={
        "python": Tables(code=BOTH, ways=WAYS),
        "reference": Tables(code={"remove": DEL}),
        **dict.fromkeys(("keras", "tf2"), Tables(code=BOTH, ways=WAYS, lacks=(Lack("remove", is_functional, NO_PLACE),))),
        "equinox": Tables(code={"remove": in_equinox}),
        "linen": Tables(missing={"remove": "A module of Linen has the members that its `setup` makes: another class is written, and takes what it needs of the tree."}),
        "haiku": Tables(missing={"remove": "A Haiku module keeps no parameters: its function is written anew without the member, and the entry stays in the tree until somebody deletes it."}),
    },
)  # fmt: skip
