"""Memory of a module's own: what it holds itself gets memory, and what its parts hold stays as it is."""

from typing import TYPE_CHECKING

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Place, Step

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class EmptyOwn(Step):
    """Give the variables that a module holds itself new memory, whose values are not said, and leave those of its parts."""

    verb = "empty_own"
    uses = {"empty_own": OWNERS}
    empty_own: Place


def in_torch(torch: "Torch", step: EmptyOwn) -> None:
    """Take empty memory on the same device, for the module alone."""
    where = "cuda" if torch.device == "gpu" else "cpu"
    torch.fill(f"$empty_own.to_empty(device='{where}', recurse=False)", step)


ALL = "What gives a model memory gives it to all that is inside: no call leaves its parts out."
FEATURE = Feature(
    verbs=(EmptyOwn,),
    tables={
        "reference": Tables(missing={"empty_own": "The contract has variables that have a value, or none yet."}),
        "torch": Tables(code={"empty_own": in_torch}),
        **{backend: Tables(missing={"empty_own": ALL}) for backend in ("keras", "tf2", "tensorflow1", "jax")},
    },
)
