"""Filling in: a file that lacks a name is loaded as if it had what it has under another."""

from typing import TYPE_CHECKING

from canireuse.emit import Tables, text
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Path, Place, Step

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class FillIn(Step):
    """Have a module take what a file has under one name for another name too, where the file lacks that, by a hook before loading."""

    verb = "fill_in"
    uses = {"fill_in": OWNERS}
    fill_in: Place
    path: Path
    of: Path


HOOK = """\
def $fill_in(module, state, prefix, *_):
    if prefix + $of in state:
        state.setdefault(prefix + $path, state[prefix + $of])
$owner.register_load_state_dict_pre_hook($fill_in)
"""


def in_torch(torch: "Torch", step: FillIn) -> None:
    """Register a hook that adds the key."""
    path, of = (text(torch.key(step.fill_in, one)) for one in (step.path, step.of))
    torch.emit(HOOK, owner=torch.place(step.fill_in), fill_in=torch.fresh("fill_in"), path=path, of=of)


FEATURE = Feature(
    verbs=(FillIn,),
    tables={
        "reference": Tables(missing={"fill_in": "The contract does not cover what changes a file on its way."}),
        "torch": Tables(code={"fill_in": in_torch}),
        "keras": Tables(missing={"fill_in": "Keras reads a file by the paths of layers, and has no hook before that."}),
        "tf2": Tables(missing={"fill_in": "A checkpoint of TensorFlow is read by the paths of objects, and there is no hook before that."}),
        "tensorflow1": Tables(missing={"fill_in": "A `Saver` is made with a mapping of the names in the file, and there is no hook before it reads."}),
        "jax": Tables(missing={"fill_in": "What is read from a file is a tree, which the user changes before it is handed on: no hook of a module is asked."}),
    },
)  # fmt: skip
