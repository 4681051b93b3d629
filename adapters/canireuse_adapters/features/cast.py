"""Casting: another dtype for all variables of a layer or module."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Fate, Lack, Tables, text
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Dtype, Name, Step
from canireuse_adapters.equinox import checkpoints as equinox_checkpoints
from canireuse_adapters.haiku import checkpoints as haiku_checkpoints
from canireuse_adapters.keras.checkpoints import made_anew
from canireuse_adapters.keras.layers import build as build_in_keras
from canireuse_adapters.keras.modules import alias
from canireuse_adapters.keras_layers import wrapped
from canireuse_adapters.kinds import OtherKind
from canireuse_adapters.linen import structure
from canireuse_adapters.nnx.checkpoints import WAYS, recast
from canireuse_adapters.nnx.layers import ONCE, inside_function
from canireuse_adapters.tf2.checkpoints import NEEDS_CONFIG, clone
from canireuse_adapters.tf2.layers import build, inside

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf2 import TF2


class Cast(Step):
    """Change the dtype of all variables of a layer or module."""

    verb = "cast"
    changes = True
    renames = "cast"
    binds = "copy"
    uses = {"cast": OWNERS}
    cast: Name
    to: Dtype
    as_: Name = Field(alias="as", description="Bind what is cast; where the framework works in place, the same object.")


def made(symbols: Symbols, step: Cast) -> Object:
    """Return what a cast gives."""
    found = symbols.copied(step)
    for one in found.walk():
        one.dtype = step.to
    return found


def in_tf2(tf: "TF2", step: Cast) -> None:
    """Make a Keras object anew with another dtype."""
    build(tf, inside(tf, step.cast))
    clone(tf, step.as_, step.cast, step.to)
    tf.emit("$to.set_weights($source.get_weights())", to=step.as_, source=step.cast)


def in_keras(keras: "Keras", step: Cast) -> None:
    """Make the object anew with another dtype, and hand over the values."""
    made_anew(keras, step.cast, step.as_, step.to)


def as_module_in_keras(keras: "Keras", step: Cast) -> None:
    """Use PyTorch's own cast."""
    if keras.engine != "torch":
        raise OtherKind("Keras objects are modules of PyTorch on that engine alone.")
    build_in_keras(keras, keras.place(step.cast), keras.at(step.cast))
    keras.fill("$cast.to(torch.$to)", step)
    alias(keras, step.as_, step.cast)


def in_nnx(nnx: "NNX", step: Cast) -> None:
    """Cast every array."""
    recast(nnx, step, "jax.tree.map(lambda array: array.astype($to), $x)", to=text(step.to))


def in_linen(linen: "Linen", step: Cast) -> None:
    """Cast every leaf into a new tree."""
    structure.copied(linen, step, "jax.tree.map(lambda leaf: leaf.astype(jnp.$to), $tree)", to=step.to)


def in_haiku(haiku: "Haiku", step: Cast) -> None:
    """Cast every value into a new tree."""
    haiku_checkpoints.derive(haiku, step, "jax.tree.map(lambda value: value.astype('$to'), $tree)", to=step.to)


def in_equinox(eqx: "Equinox", step: Cast) -> None:
    """Cast every array into a new tree."""
    found, code = eqx.tree(step.cast), "$tree.astype('$to')"
    if not found or found.kind != "variable":
        code = "jax.tree.map(lambda leaf: leaf.astype('$to') if eqx.is_array(leaf) else leaf, $tree)"
    equinox_checkpoints.derive(eqx, step, code)


IN_TORCH = "$as = $cast.to(torch.$to)"

FEATURE = Feature(
    verbs=(Cast,),
    makes={"cast": made},
    tables={
        "reference": Tables(code={"cast": "$as = model.cast($cast, '$to')"}),
        "torch": Tables(
            code={
                "cast": IN_TORCH,
                "cast/to-swap": f"torch.__future__.set_swap_module_params_on_conversion(True)\n{IN_TORCH}",
                "cast/to-overwrite": f"torch.__future__.set_overwrite_module_params_on_conversion(True)\n{IN_TORCH}",
            },
            ways={"cast": ("to", "to-swap", "to-overwrite")},
            fates={"cast": Fate.SAME},
        ),
        "tensorflow1": Tables(
            missing={
                "cast": "A variable of TensorFlow keeps the dtype it was made with: users make the network anew in the other dtype and assign the cast values.",
            },
        ),
        "tf2": Tables(
            code={"cast": in_tf2},
            lacks=(
                Lack(
                    "cast", lambda tf, step: not tf.is_model(tf.at(step.cast)),
                    "A `tf.Variable` has its dtype for life, and no call makes a `tf.Module` anew with another: its variables are constructed again.",
                ),
                Lack("cast", lambda tf, step: tf.style(tf.at(step.cast)) == "subclass", NEEDS_CONFIG),
                Lack(
                    "cast", lambda tf, step: any(wrapped(one) for _, one in tf.at(step.cast).layers()),
                    "A Keras layer that wraps another has its own dtype and leaves that of the other: each is made anew by hand.",
                ),
                Lack(
                    "cast", lambda _, step: not step.to.startswith("float"),
                    "The dtype of a Keras layer is that of its computation, which is one of floats.",
                ),
            ),
        ),
        "keras": Tables(
            code={"cast": in_keras, "cast/module": as_module_in_keras},
            notes={
                "cast": "Keras fixes the dtype of a variable when it is made: users make the layers anew from their config.",
                "cast/module": "On PyTorch a Keras object is an `nn.Module`, whose own cast knows nothing of Keras.",
            },
            ways={"cast": ("config", "module")},
            fates={"cast/module": Fate.SAME},
        ),
        "nnx": Tables(
            code={"cast": in_nnx},
            ways={"cast": WAYS},
            fates={"cast/update": Fate.SAME, "cast/module": Fate.UNTIED},
            lacks=(
                Lack("cast", inside_function, ONCE),
                Lack(
                    "cast", lambda nnx, _: nnx.way["cast"] == "module" and nnx.keyed,
                    "An `nnx.RNN` holds a random key, which no dtype can be given to: its state is cast in part.",
                ),
            ),
        ),
        "linen": Tables(code={"cast": in_linen}),
        "haiku": Tables(code={"cast": in_haiku}),
        "equinox": Tables(code={"cast": in_equinox}),
    },
)  # fmt: skip
