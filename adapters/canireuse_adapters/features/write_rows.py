"""Rows: some rows of a variable are written, in place where the framework can, by themselves or after the whole in one call."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from canireuse.emit import Emitter, Tables, expr, literal
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Place, Step, Values

if TYPE_CHECKING:
    import ast

    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf1 import TensorFlow1

Row = Annotated[int, Field(ge=0, le=1_000)]


class WriteRows(Step):
    """Write some rows of a variable: set them, or have them added to, multiplied or divided."""

    verb = "write_rows"
    probes = True
    uses = {"write_rows": VARIABLES}
    write_rows: Place
    rows: Annotated[list[Row], Field(min_length=1, max_length=100)] = Field(
        description="Their numbers, from 0 on; one that comes again is written again, if it is added to."
    )
    by: Literal["set", "add", "multiply", "divide"]
    to: Values = Field(description="The new rows, or what each is added to, multiplied or divided by.")


class ChainWrites(Step):
    """Write a variable as a whole, and call on what that gives a write of one row."""

    verb = "chain_writes"
    probes = True
    uses = {"chain_writes": VARIABLES}
    chain_writes: Place
    to: Values = Field(description="The new values, whole.")
    row: Row
    then: Values = Field(description="What the row is set to after that.")


#: how -> what TensorFlow calls it
WORDS = {"set": "update", "add": "add", "multiply": "mul", "divide": "div"}
IN_TORCH = {
    "set": "$write_rows[$rows] = torch.tensor($to)",
    "add": "$write_rows.index_add_(0, torch.tensor($rows), torch.tensor($to))",
    "multiply": "$write_rows.index_reduce_(0, torch.tensor($rows), torch.tensor($to), 'prod')",
    "divide": "$write_rows[$rows] /= torch.tensor($to)",
}


def in_torch(torch: Emitter, step: WriteRows) -> None:
    """Write by an index, without a gradient."""
    torch.fill(f"with torch.no_grad():\n    {IN_TORCH[step.by]}", step)


def chained_in_torch(torch: Emitter, step: ChainWrites) -> None:
    """Write in place twice, without a gradient: the first write gives the parameter."""
    code = "$chain_writes.copy_(torch.tensor($to)).index_copy_(0, torch.tensor([$row]), torch.tensor([$then]))"
    torch.fill(f"with torch.no_grad():\n    {code}", step)


def written(value: "ast.expr", step: WriteRows) -> "ast.expr":
    """Return the code of the array with the rows written, of JAX."""
    return expr(
        f"$value.at[jnp.array($rows)].{step.by}(jnp.array($to))",
        value=value, rows=literal(step.rows), to=literal(step.to),
    )  # fmt: skip


def in_nnx(nnx: "NNX", step: WriteRows) -> None:
    """Set rows by their numbers, or put the other array into the variable."""
    if step.by == "set":
        nnx.emit(
            "$at[$rows] = $to", at=nnx.place(step.write_rows), rows=nnx.array(step.rows), to=nnx.new_value(step.to)
        )
        return
    value = nnx.value(step.write_rows)
    nnx.emit("$at = $written", at=value, written=written(value, step))


def in_linen(linen: "Linen", step: WriteRows) -> None:
    """Write the other array into the entry of the tree."""
    linen.write(step.write_rows, written(linen.value(step.write_rows), step))


def in_haiku(haiku: "Haiku", step: WriteRows) -> None:
    """Put the other array into the entry of the tree."""
    entry = haiku.target(step.write_rows)
    haiku.emit("$entry = $written", entry=entry, written=written(entry, step))


def in_equinox(eqx: "Equinox", step: WriteRows) -> None:
    """Put the other array in the place."""
    spot = eqx.locate(step.write_rows)
    value = eqx.turned(eqx.place(step.write_rows), spot.transposed != spot.slot.transposed)
    eqx.put(spot, written(value, step))


def sliced(tf: Emitter, step: WriteRows) -> "ast.expr":
    """Return the code of a write in TensorFlow: to a slice of the variable where one row is set, else by numbers."""
    place, rows, to = tf.place(step.write_rows), literal(step.rows), literal(step.to)
    if step.by == "set" and len(step.rows) == 1:
        return expr("$at[$row].assign($to)", at=place, row=step.rows[0], to=literal(step.to[0]))
    code = f"$at.scatter_{WORDS[step.by]}(tf.IndexedSlices(tf.constant($to), tf.constant($rows)))"
    return expr(code, at=place, rows=rows, to=to)


def in_tf1(tf1: "TensorFlow1", step: WriteRows) -> None:
    """Have the session run the write, if there is one."""
    tf1.act("$written", written=sliced(tf1, step))


def chained_in_tf1(tf1: "TensorFlow1", step: ChainWrites) -> None:
    """Have the session run both, if there is one."""
    tf1.act(
        CHAINED, chain_writes=tf1.place(step.chain_writes), to=literal(step.to), row=step.row, then=literal(step.then)
    )


CHAINED = "$chain_writes.assign($to).scatter_nd_update([[$row]], [$then])"
NO_CHAIN = "{} gives nothing that a further write could be called on."
FEATURE = Feature(
    verbs=(WriteRows, ChainWrites),
    tables={
        "reference": Tables(missing=dict.fromkeys(("write_rows", "chain_writes"), "The contract has writes of whole variables.")),
        "torch": Tables(code={"write_rows": in_torch, "chain_writes": chained_in_torch}),
        "nnx": Tables(code={"write_rows": in_nnx}),
        "linen": Tables(code={"write_rows": in_linen}),
        "haiku": Tables(code={"write_rows": in_haiku}),
        "equinox": Tables(code={"write_rows": in_equinox}),
        "jax": Tables(missing={"chain_writes": NO_CHAIN.format("To put another array in the place")}),
        "tf2": Tables(code={"write_rows": lambda tf, step: tf.emit("$written", written=sliced(tf, step)), "chain_writes": CHAINED}),
        "tensorflow1": Tables(code={"write_rows": in_tf1, "chain_writes": chained_in_tf1}),
        "keras": Tables(missing={"chain_writes": "`assign` of a Keras variable gives the value, on which no write is called.", "write_rows": "A Keras variable is assigned as a whole: `keras.ops.scatter_update` gives an array, which has to be assigned."}),
    },
)  # fmt: skip
