"""Shared storage: a variable is given the memory of another one, and stays a variable of its own."""

from typing import TYPE_CHECKING

from canireuse.emit import Tables, Unsupported
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Place, Step

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras


class ShareStorage(Step):
    """Give a variable the memory of another one; what owns it still owns two variables."""

    verb = "share_storage"
    probes = True
    uses = {"share_storage": VARIABLES, "of": VARIABLES}
    share_storage: Place
    of: Place


def in_keras(keras: "Keras", step: ShareStorage) -> None:
    """Assign the data of PyTorch's parameter; other engines have none."""
    if keras.engine != "torch":
        raise Unsupported("A Keras variable takes values, and the memory of another one on PyTorch alone.")
    keras.fill("$share_storage.value.data = $of.value.data", step)


FEATURE = Feature(
    verbs=(ShareStorage,),
    tables={
        "reference": Tables(missing={"share_storage": "The contract does not cover the memory that variables are in."}),
        "torch": Tables(code={"share_storage": "$share_storage.data = $of.data"}),
        "keras": Tables(code={"share_storage": in_keras}),
        "tf2": Tables(missing={"share_storage": "A `tf.Variable` has memory of its own: `assign` copies into it."}),
        "tensorflow1": Tables(missing={"share_storage": "A variable has memory of its own: `assign` copies into it."}),
        "jax": Tables(
            missing={
                "share_storage": "JAX writes no memory in place: two variables that hold one array are two after the next step, see `assign`."
            }
        ),
    },
)
