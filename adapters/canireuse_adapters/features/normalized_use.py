"""Normalized uses: a wrapper of the framework calls a layer with its weight normalized, and the layer is called by itself too."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from canireuse.emit import Code, Tables, Unsupported, statements
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Place, Step, Value
from canireuse_adapters.keras.layers import build as build_in_keras
from canireuse_adapters.linen.layers import is_layer
from canireuse_adapters.tf2.layers import build as build_in_tf2
from canireuse_adapters.tf2.layers import inside as inside_in_tf2

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.tf2 import TF2


class NormalizedUse(Step):
    """Call a layer as in training through the framework's wrapper that normalizes its weight."""

    verb = "normalized_use"
    calls = "normalized_use"
    probes = True
    binds = "tensor"
    uses = {"normalized_use": frozenset({"layer"})}
    expressions = ("on",)
    normalized_use: Place
    by: Literal["weight", "spectral"] = Field(
        description="weight: the weight becomes a length times a direction; spectral: it is divided by its largest singular value."
    )
    on: Value = Field(description="The input: an expression, or its values.")
    as_: Name = Field(alias="as", description="Bind what the wrapper gives.")


IN_NNX = {
    "weight": "$as = nnx.WeightNorm($normalized_use, rngs=nnx.Rngs(0))($on)",
    "spectral": "$as = nnx.SpectralNorm($normalized_use, rngs=nnx.Rngs(0))($on, update_stats=True)",
}
IN_EQUINOX = {
    "weight": "$as = jax.vmap(eqx.nn.WeightNorm($normalized_use))($on)",
    "spectral": "normalized, state = eqx.nn.make_with_state(eqx.nn.SpectralNorm)($normalized_use, 'weight', key=jax.random.key(0))\n"
    "$as, _ = jax.vmap(normalized, in_axes=(0, None))($on, state)",
}
#: one module that calls the layer both ways, with the parameters that its own `init` makes
IN_LINEN = {
    "weight": "class $word(nn.Module):\n    block: nn.Module\n    @nn.compact\n    def __call__(self, inputs):\n"
    "        return nn.WeightNorm(self.block)(inputs)",
    "spectral": "class $word(nn.Module):\n    block: nn.Module\n    @nn.compact\n    def __call__(self, inputs):\n"
    "        return nn.SpectralNorm(self.block)(inputs, update_stats=True)",
}


def said(table: dict[str, str]) -> Code:
    """Return the code of a library that has both wrappers."""
    return {"normalized_use": lambda emitter, step: emitter.fill(table[step.by], step)}


def in_linen(linen: "Linen", step: NormalizedUse) -> None:
    """Write a module that is handed the layer, and take over what its `init` makes of the layer's parameters."""
    owner, tree = linen.symbols.at(step.normalized_use), linen.tree_at(step.normalized_use)
    if owner is None or linen.route(tree, step.normalized_use) or not is_layer(owner) or tree.is_whole:
        raise Unsupported(
            "`nn.WeightNorm` and `nn.SpectralNorm` are said here around one layer, which a module is handed."
        )
    word = linen.fresh("Normalized")
    linen.outermost += statements(IN_LINEN[step.by], word=word)
    linen.idiom("The layer stands in a module with its wrapper, whose `init` makes the parameters of both.")
    linen.emit(
        "$to, variables = $word($block).init_with_output(jax.random.key(0), $on)\n$params = variables['params']['block']",
        to=step.as_, word=word, block=tree.module, params=tree.name, on=linen.expression(step.on),
    )  # fmt: skip
    tree.written()


def in_keras(keras: "Keras", step: NormalizedUse) -> None:
    """Wrap the layer, which is built before."""
    if step.by == "weight":
        raise Unsupported(NO_LENGTH)
    build_in_keras(keras, keras.place(step.normalized_use), keras.at(step.normalized_use))
    keras.fill("$as = keras.layers.SpectralNormalization($normalized_use)($on, training=True)", step)


def in_tf2(tf: "TF2", step: NormalizedUse) -> None:
    """Wrap the layer, which is built before."""
    if step.by == "weight":
        raise Unsupported(NO_LENGTH)
    build_in_tf2(tf, inside_in_tf2(tf, step.normalized_use))
    tf.fill("$as = tf.keras.layers.SpectralNormalization($normalized_use)($on, training=True)", step)


NO_LENGTH = "Keras has a wrapper that divides a kernel by its largest singular value, and none that parts it into a length and a direction."
FEATURE = Feature(
    verbs=(NormalizedUse,),
    tables={
        "reference": Tables(missing={"normalized_use": "The contract does not cover places that give a function of the variable they hold."}),
        "torch": Tables(missing={"normalized_use": "PyTorch changes the layer itself, and wraps none: see `weight_norm` and `spectral_norm`."}),
        "nnx": Tables(code=said(IN_NNX)),
        "equinox": Tables(code=said(IN_EQUINOX)),
        "linen": Tables(code={"normalized_use": in_linen}),
        "haiku": Tables(missing={"normalized_use": "`hk.SpectralNorm` is given an array and returns another; it wraps no module."}),
        "keras": Tables(code={"normalized_use": in_keras}),
        "tf2": Tables(code={"normalized_use": in_tf2}),
        "tensorflow1": Tables(missing={"normalized_use": "TF1 has no wrapper that normalizes the weight of a layer."}),
    },
)  # fmt: skip
