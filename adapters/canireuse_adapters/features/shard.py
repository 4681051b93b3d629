"""Sharding: a variable laid out over two devices."""

from typing import TYPE_CHECKING

from canireuse.emit import Fill, Lack, Tables, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Place, Step
from canireuse_adapters.nnx.layers import ONCE, inside_function

if TYPE_CHECKING:
    import ast

    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX


class Shard(Step):
    """Lay a variable out over two devices, cut along its first axis."""

    verb = "shard"
    on_devices = True
    uses = {"shard": VARIABLES}
    shard: Place


# -- JAX

#: the axes of the mesh are automatic: XLA moves data where an operation needs it, also along an axis that is cut
MESH = (
    "mesh = jax.make_mesh((2,), ('parts',), (jax.sharding.AxisType.Auto,), devices=jax.devices('$device')[:2])\n$*body"
)
#: what scripts say of the mesh -> the first version that has it
SINCE = {
    "jax.sharding.AxisType": "jax>=0.5.3", "jax.make_mesh(_, _, _)": "jax>=0.7.0", "jax.P": "jax>=0.7.0",
}  # fmt: skip


def cut(value: Fill) -> "ast.expr":
    """Return the code for an array laid out over the mesh, cut along its first axis."""
    return expr("jax.device_put($value, jax.NamedSharding(mesh, jax.P('parts')))", value=value)


def in_nnx(nnx: "NNX", step: Shard) -> None:
    """Put an array that is cut into the variable."""
    value = nnx.value(step.shard)
    nnx.emit("$at = $cut", at=value, cut=cut(value))


def in_linen(linen: "Linen", step: Shard) -> None:
    """Write an array that is cut into the entry of the tree."""
    linen.write(step.shard, cut(linen.value(step.shard)))


def in_haiku(haiku: "Haiku", step: Shard) -> None:
    """Put an array that is cut into the entry of the tree."""
    entry = haiku.target(step.shard)
    haiku.emit("$entry = $cut", entry=entry, cut=cut(entry))


def in_equinox(eqx: "Equinox", step: Shard) -> None:
    """Put an array in its place that is cut over two devices."""
    spot = eqx.locate(step.shard)
    place = eqx.turned(eqx.place(step.shard), spot.transposed != spot.slot.transposed)
    axes = "jax.P(None, 'parts')" if spot.transposed else "jax.P('parts')"
    eqx.spread.add(spot.name)
    eqx.put(spot, expr(f"eqx.filter_shard($place, jax.NamedSharding(mesh, {axes}))", place=place))


# -- Keras

LAID_OUT = """\
mesh = keras.distribution.DeviceMesh([2], ['parts'], keras.distribution.list_devices())
layout = keras.distribution.TensorLayout(['parts', *[None] * (len($shard.shape) - 1)], mesh)
$shard.assign(keras.distribution.distribute_tensor($shard.value, layout))
"""


ON_MESH = {"shard": MESH}
FEATURE = Feature(
    verbs=(Shard,),
    tables={
        "reference": Tables(code={"shard": "model.shard($shard)"}),
        "nnx": Tables(
            code={"shard": in_nnx}, setup=ON_MESH, since=SINCE, lacks=(Lack("shard", inside_function, ONCE),),
        ),
        "linen": Tables(code={"shard": in_linen}, setup=ON_MESH, since=SINCE),
        "haiku": Tables(code={"shard": in_haiku}, setup=ON_MESH, since=SINCE),
        "equinox": Tables(code={"shard": in_equinox}, setup=ON_MESH, since=SINCE),
        "keras": Tables(
            code={"shard": LAID_OUT},
            lacks=(
                Lack(
                    "shard", lambda keras, _: keras.engine != "jax",
                    "`keras.distribution` lays variables out over devices on JAX alone.",
                ),
            ),
        ),
        "torch": Tables(
            missing={
                "shard": "A DTensor is cut over several processes, each of which runs the whole script: in one process nothing can be laid out over two devices.",
            },
        ),
        "tf2": Tables(
            missing={
                "shard": "A DTensor variable has its layout from the start: `tf.experimental.dtensor` lays none out that is there already.",
            },
        ),
        "tensorflow1": Tables(
            missing={"shard": "TF1 cuts a variable by a partitioner when it is got (`partitions`), and never afterwards."},
        ),
    },
)  # fmt: skip
