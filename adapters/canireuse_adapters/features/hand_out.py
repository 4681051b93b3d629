"""Handing out: a variable is given to what is not the framework, to NumPy or to pickle."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Fill, Tables, expr
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Name, Place, Real, Step

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras


class WriteNumPy(Step):
    """Hand a variable to NumPy, and add to the array that NumPy has of it, in place."""

    verb = "write_numpy"
    probes = True
    uses = {"write_numpy": VARIABLES}
    write_numpy: Place
    plus: Real


class Pickle(Step):
    """Send a variable through pickle, as between processes, and bind what comes out."""

    verb = "pickle"
    binds = "variable"
    uses = {"pickle": VARIABLES}
    pickle: Place
    as_: Name = Field(alias="as", description="Bind the variable that comes out.")


def unpickled(symbols: Symbols, step: Pickle) -> Object:
    """Return another variable of the same values."""
    found = symbols.there_or_unknown(step.pickle)
    return Object("variable", made=found.made, trainable=found.trainable)


def written(code: str) -> Tables:
    """Return what a framework says whose variable, or its value, NumPy takes."""

    def write(emitter: Emitter, step: WriteNumPy) -> None:
        emitter.emit(f"array = {code}\narray += $plus", at=emitter.place(step.write_numpy), plus=step.plus)

    return Tables(code={"write_numpy": write, "pickle": PICKLED}, also="import numpy as np")


def of_value(emitter: Emitter, step: WriteNumPy) -> None:
    """Hand the array over that stands at the place."""
    value: Fill = emitter.value(step.write_numpy)
    emitter.emit("array = np.asarray($value)\narray += $plus", value=value, plus=step.plus)


def in_keras(keras: "Keras", step: WriteNumPy) -> None:
    """Hand the variable over: on PyTorch, its value without a gradient."""
    code = "$at.value.detach().numpy()" if keras.engine == "torch" else "np.asarray($at)"
    keras.emit("array = $array\narray += $plus", array=expr(code, at=keras.place(step.write_numpy)), plus=step.plus)


PICKLED = "$as = pickle.loads(pickle.dumps($pickle))"
AN_ARRAY = "A parameter is an entry of a tree, and an entry that comes out of pickle is in no tree: the whole is pickled, which is a way to `save`."
FEATURE = Feature(
    verbs=(WriteNumPy, Pickle),
    makes={"pickle": unpickled},
    tables={
        "reference": Tables(missing=dict.fromkeys(("write_numpy", "pickle"), "The contract does not cover what leaves the framework.")),
        "torch": written("$at.detach().numpy()"),
        "tf2": written("np.asarray($at)"),
        "tensorflow1": written("np.asarray($at)"),
        "keras": Tables(code={"write_numpy": in_keras, "pickle": PICKLED}, also="import numpy as np"),
        "nnx": written("np.asarray($at)"),
        "jax": Tables(code={"write_numpy": of_value}, missing={"pickle": AN_ARRAY}, also="import numpy as np"),
    },
)  # fmt: skip
