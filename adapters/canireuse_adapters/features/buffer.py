"""Buffers: variables that are state and no parameters, such as a running mean."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Fill, Lack, Tables
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step, Values

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class Buffer(Step):
    """Make a variable that is state and no parameter, such as a running mean: it is not trained."""

    verb = "buffer"
    buffer: Name = Field(description="The name given to the constructor, where it takes one.")
    init: Values
    kept: bool = Field(default=True, description="Whether it is a part of what is saved.")
    as_: Name = Field(alias="as", description="Bind the variable.")


def made(_: Symbols, step: Buffer) -> Object:
    """Return a variable that is not trained."""
    return Object("variable", made=step, trainable=False)


def in_torch(torch: "Torch", step: Buffer) -> None:
    """Make a buffer, which a module registers where it is assigned."""
    options: dict[str, Fill] = {} if step.kept else {"persistent": False}
    torch.fill("$as = nn.Buffer(torch.tensor($init), $**options)", step, options=options)


def stand(torch: "Torch", step: Buffer) -> None:
    """Have what is listed among buffers."""
    torch.symbols.happen(step)
    torch.symbols.names[step.as_].kind = "buffer"


def is_left_out(_: Emitter, step: Buffer) -> bool:
    """Return whether a buffer is left out of what is saved."""
    return not step.kept


def kept(code: str) -> Tables:
    """Return what a framework says that saves all variables of a model."""
    reason = "What a model holds is saved as a whole: nothing says of a variable that it is left out."
    return Tables(code={"buffer": code}, lacks=(Lack("buffer", is_left_out, reason),))


NOT_YET = "Not worded yet: state beside the parameters is said here of the layers that have some, and of no variable by itself."
FEATURE = Feature(
    verbs=(Buffer,),
    makes={"buffer": made},
    tables={
        "reference": kept("$as = model.variable('$buffer', init=$init, trainable=False)"),
        "torch": Tables(code={"buffer": in_torch}, effects={"buffer": stand}),
        "keras": kept("$as = keras.Variable($init, trainable=False, name='$buffer')"),
        "tf2": kept("$as = tf.Variable($init, name='$buffer', trainable=False)"),
        "tensorflow1": kept("$as = tf1.Variable($init, name='$buffer', trainable=False)"),
        "nnx": kept("$as = nnx.Variable(jnp.array($init))"),
        "jax": Tables(missing={"buffer": NOT_YET}),
    },
)  # fmt: skip
