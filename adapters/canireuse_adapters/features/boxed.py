"""Boxes: variables that a transformation of arrays, below the library of modules, writes in place."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from canireuse.emit import Tables, attribute, expr, statements
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Block, Name, Path, Place, Real, Step

if TYPE_CHECKING:
    from canireuse_adapters.nnx import NNX


class MadeAs(Block):
    """Have the variables that are made inside be of a kind that transformations of arrays know, or of the usual one."""

    verb = "made_as"
    made_as: Literal["boxed", "reference", "usual"] = Field(
        description="boxed: a box whose content a compiled function replaces; reference: memory that it writes; usual: neither."
    )


class WriteCompiled(Step):
    """Have a function add to a variable of the model that it is given, compiled by a transformation of arrays; it hands no model back."""

    verb = "write_compiled"
    probes = True
    binds = "tensor"
    uses = {"write_compiled": OWNERS}
    write_compiled: Place
    path: Path = Field(description="The variable, inside the model.")
    plus: Real
    reads: Path | None = Field(None, description="The variable inside the model whose value is given back.")
    as_: Name | None = Field(None, alias="as", description="Bind that value.")

    @model_validator(mode="after")
    def check_both(self) -> "WriteCompiled":
        """Refuse a value that is given back to nobody, and a name for none."""
        if (self.reads is None) != (self.as_ is None):
            raise ValueError("`reads` and `as` go together: what is given back, and the name that it gets")
        return self


KINDS = {
    "boxed": "nnx.var_defaults(hijax=True)",
    "reference": "nnx.var_defaults(ref=True)",
    "usual": "nnx.var_defaults(hijax=False, ref=False)",
}
#: way -> how the function comes by the model
WRITE = {
    "given": "@jax.jit\ndef $write(model):\n    $path[...] = $path[...] + $plus\n    $*gives\n$*called",
    "captured": "@jax.jit\ndef $write():\n    $path[...] = $path[...] + $plus\n    $*gives\n$*called",
}


def made_as(nnx: "NNX", step: MadeAs) -> None:
    """Make variables under other defaults."""
    nnx.fill("with $kind:\n    $*body", step, kind=expr(KINDS[step.made_as]))


def write_compiled(nnx: "NNX", step: WriteCompiled) -> None:
    """Define the function, and call it."""
    way, outside = nnx.way["write_compiled"], nnx.place(step.write_compiled)
    model, write = expr("model") if way == "given" else outside, nnx.fresh("write")
    call = expr("$write($*given)", write=write, given=[outside] if way == "given" else [])
    read = attribute(model, step.reads.split(".")) if step.reads else None
    nnx.emit(
        WRITE[way], write=write, path=attribute(model, step.path.split(".")), plus=step.plus,
        gives=statements("return $read[...]", read=read) if read else [],
        called=statements("$to = $call", to=step.as_, call=call) if step.as_ else statements("$call", call=call),
    )  # fmt: skip


def missing(reason: str) -> Tables:
    """Return what a framework says that has one kind of variables."""
    return Tables(missing=dict.fromkeys(("made_as", "write_compiled"), reason))


FEATURE = Feature(
    verbs=(MadeAs, WriteCompiled),
    tables={
        "reference": missing("The contract has one kind of variable, and every function writes it."),
        "nnx": Tables(
            code={"made_as": made_as, "write_compiled": write_compiled},
            ways={"write_compiled": tuple(WRITE)},
            since={"nnx.var_defaults": "flax>=0.12.5"},
        ),
        "jax": missing("Parameters are arrays, which no transformation writes: a compiled function gives other ones back."),
        "torch": missing("A parameter is written in place by whatever compiles a function: there is no other kind of it."),
        "keras": missing("A Keras variable is of one kind: what is compiled below Keras is given its value, in a stateless call."),
        "tf2": missing("A `tf.Variable` is written in place by every `tf.function`: there is no other kind of it."),
        "tensorflow1": missing("A variable is written by operations of the graph: there is no other kind of it."),
    },
)  # fmt: skip
