"""Given twice: a function of two layers is transformed, and is given one layer for both."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from canireuse.emit import Tables, Unsupported
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step, Value

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen


class GradientByArgument(Step):
    """Differentiate the sum of the product of two layers' outputs by both layers, with one layer given for both."""

    verb = "gradient_by_argument"
    calls = "gradient_by_argument"
    binds = "tensor"
    uses = {"gradient_by_argument": frozenset({"layer"})}
    expressions = ("on",)
    gradient_by_argument: Name
    argument: Literal[0, 1]
    on: Value = Field(description="The input of both: an expression, or its values.")
    as_: Name = Field(alias="as", description="Bind the sum of the gradient by that argument.")


class MapTwice(Step):
    """Map a function of two layers over the first axis of what the first one holds, and keep the second whole, with one layer given for both."""

    verb = "map_twice"
    calls = "map_twice"
    binds = "tensor"
    uses = {"map_twice": frozenset({"layer"})}
    map_twice: Name
    as_: Name = Field(
        alias="as", description="Bind the products of the mean of each row of the kernel and the mean of all."
    )


IN_NNX = """\
def $product(left, right):
    return jnp.sum(left($on) * right($on))
grads = nnx.grad($product, argnums=(0, 1))($layer, $layer)[$argument]
$as = jnp.sum(jnp.array([jnp.sum(leaf) for leaf in jax.tree.leaves(grads)]))
"""
IN_LINEN = """\
def $product(left, right):
    return jnp.sum($module.apply({'params': left}, $on) * $module.apply({'params': right}, $on))
grads = jax.grad($product, argnums=(0, 1))($params, $params)[$argument]
$as = sum(jnp.sum(leaf) for leaf in jax.tree.leaves(grads))
"""
IN_EQUINOX = """\
def $product(left, right):
    return jnp.sum(jax.vmap(left)($on) * jax.vmap(right)($on))
grads = eqx.filter_grad(lambda pair: $product(*pair))(($layer, $layer))[$argument]
$as = sum(jnp.sum(leaf) for leaf in jax.tree.leaves(eqx.filter(grads, eqx.is_array)))
"""
IN_TORCH = """\
product = torch.sum($layer($on) * $layer($on))
grads = torch.autograd.grad(product, [*$layer.parameters(), *$layer.parameters()])
$as = sum(grad.sum() for grad in grads[$argument::2])
"""
MAPPED = {
    "nnx": "@nnx.vmap(in_axes=(0, None))\ndef $product(left, right):\n    return jnp.mean(left.kernel[...]) * jnp.mean(right.kernel[...])\n$as = $product($layer, $layer)",
    "linen": "def $product(left, right):\n    return jnp.mean(left['kernel']) * jnp.mean(right['kernel'])\n$as = jax.vmap($product, in_axes=(0, None))($params, $params)",
    "equinox": "def $product(left, right):\n    return jnp.mean(left.weight) * jnp.mean(right.weight)\n$as = eqx.filter_vmap($product, in_axes=(eqx.if_array(0), None))($layer, $layer)",
}


def in_linen(linen: "Linen", step: GradientByArgument | MapTwice) -> None:
    """Give the parameters twice."""
    place = str(vars(step)[step.verb])
    tree = linen.tree_at(place)
    if linen.route(tree, place) or tree.is_whole:
        raise Unsupported("A function of two layers is given two trees: here one that a layer has by itself.")
    linen.fill(
        IN_LINEN if isinstance(step, GradientByArgument) else MAPPED["linen"], step,
        product=linen.fresh("product"), module=tree.module, params=tree.name,
    )  # fmt: skip


def tables_of(gradient: str, mapped: str) -> Tables:
    """Return the tables of a library in which a layer is an object that can be handed over."""
    return Tables(
        code={
            "gradient_by_argument": lambda emitter, step: emitter.fill(gradient, step, product=emitter.fresh("product"), layer=emitter.place(step.gradient_by_argument)),
            "map_twice": lambda emitter, step: emitter.fill(mapped, step, product=emitter.fresh("product"), layer=emitter.place(step.map_twice)),
        },
    )  # fmt: skip


VERBS = ("gradient_by_argument", "map_twice")
IN_KERAS = (
    "A layer is no argument of a transformation here: what is differentiated is a block of code that reads variables."
)
NO_MAP = "PyTorch maps functions of tensors, and takes no module as an argument of one."
FEATURE = Feature(
    verbs=(GradientByArgument, MapTwice),
    tables={
        "reference": Tables(missing=dict.fromkeys(VERBS, "The contract does not cover functions that are given layers.")),
        "nnx": tables_of(IN_NNX, MAPPED["nnx"]),
        "linen": Tables(code=dict.fromkeys(VERBS, in_linen)),
        "equinox": tables_of(IN_EQUINOX, MAPPED["equinox"]),
        "torch": Tables(
            code={"gradient_by_argument": lambda torch, step: torch.fill(IN_TORCH, step, layer=torch.place(step.gradient_by_argument))},
            missing={"map_twice": NO_MAP},
        ),
        "haiku": Tables(missing=dict.fromkeys(VERBS, "A layer of Haiku lives inside a transformed function, and no function is given one from outside.")),
        "keras": Tables(missing=dict.fromkeys(VERBS, IN_KERAS)),
        "tf2": Tables(missing=dict.fromkeys(VERBS, IN_KERAS)),
        "tensorflow1": Tables(missing=dict.fromkeys(VERBS, IN_KERAS)),
    },
)  # fmt: skip
