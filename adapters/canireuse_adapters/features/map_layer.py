"""Mapping a layer: it is called on each element of an input, by the framework's own batching of what is called."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Tables, Unsupported, expr, statements
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Place, Step, Value
from canireuse_adapters.features.stack import transformed
from canireuse_adapters.linen.layers import is_layer
from canireuse_adapters.nnx.layers import at

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX


class MapLayer(Step):
    """Call a layer on each element of an input along its first axis, by the framework's own batching of what is called."""

    verb = "map_layer"
    binds = "tensor"
    calls = "map_layer"
    uses = {"map_layer": frozenset({"layer"})}
    expressions = ("on",)
    map_layer: Place
    on: Value = Field(description="The input, stacked: an expression, or its values.")
    as_: Name = Field(alias="as")


IN_LINEN = """\
class $word(nn.Module):
    block: nn.Module
    @nn.compact
    def __call__(self, inputs):
        mapped = nn.vmap(lambda block, inputs: block(inputs), variable_axes={'params': $axis}, split_rngs={'params': $splits})
        return mapped(self.block, inputs)
"""


def in_linen(linen: "Linen", step: MapLayer) -> None:
    """Write a module that maps the layer, with one set of parameters or with one for each element."""
    owner, tree = linen.symbols.at(step.map_layer), linen.tree_at(step.map_layer)
    if owner is None or linen.route(tree, step.map_layer) or not is_layer(owner) or tree.is_whole:
        raise Unsupported("`nn.vmap` is said here of one layer without statistics, which a module is handed.")
    word, is_cut = linen.fresh("Mapped"), linen.way["map_layer"] == "axes"
    axis, splits = expr("0" if is_cut else "None"), expr(str(is_cut))
    linen.outermost += statements(IN_LINEN, word=word, axis=axis, splits=splits)
    code = "$word($block).apply({'params': {'block': $params}}, $on)"
    fills = {"block": tree.module, "params": tree.name, "on": linen.expression(step.on)}
    linen.bind(step.as_, expr(code, word=word, **fills))


def in_nnx(nnx: "NNX", step: MapLayer) -> None:
    """Write a function that is given the layer as it is, or cut along an axis, and the input."""
    at(nnx, step.map_layer, "layer")
    nnx.emit(
        "@nnx.vmap(in_axes=($axis, 0))\ndef $mapped(block, inputs):\n    return block(inputs)\n$to = $mapped($block, $on)",
        axis=0 if nnx.way["map_layer"] == "axes" else None,
        mapped=nnx.own("mapped"), to=step.as_, block=nnx.place(step.map_layer), on=nnx.expression(step.on),
    )  # fmt: skip


def in_haiku(haiku: "Haiku", step: MapLayer) -> None:
    """Write a transformed function that makes the layer and maps it, by `hk.vmap`."""
    code = "return hk.vmap($layer, split_rng=False)(inputs)"
    haiku.bind_here(step.as_, transformed(haiku, step.map_layer, step.on, "mapped", code, "`hk.vmap` is"))


def said(code: str) -> Tables:
    """Return what a framework says in which a layer is called as a function."""

    def mapped(emitter: Emitter, step: MapLayer) -> None:
        emitter.bind(step.as_, expr(code, layer=emitter.place(step.map_layer), on=emitter.expression(step.on)))

    return Tables(code={"map_layer": mapped})


IN_TENSORFLOW = said("tf.vectorized_map($layer, $on)")
FEATURE = Feature(
    verbs=(MapLayer,),
    tables={
        "reference": Tables(missing={"map_layer": "The contract maps expressions over an axis (`vectorize`), and calls layers on whole inputs."}),
        "linen": Tables(code={"map_layer": in_linen}, ways={"map_layer": ("broadcast", "axes")}),
        "nnx": Tables(code={"map_layer": in_nnx}, ways={"map_layer": ("broadcast", "axes")}),
        "haiku": Tables(code={"map_layer": in_haiku}),
        "equinox": said("eqx.filter_vmap(jax.vmap($layer))($on)"),
        "torch": said("torch.vmap($layer)($on)"),
        "keras": said("keras.ops.vectorized_map($layer, $on)"),
        "tf2": IN_TENSORFLOW,
        "tensorflow1": IN_TENSORFLOW,
    },
)  # fmt: skip
