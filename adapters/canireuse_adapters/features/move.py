"""Moving: another device for all variables of a layer or module."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Fate, Lack, Tables
from canireuse.spec.bounds import MOST_DEVICES
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Step
from canireuse_adapters.equinox import checkpoints as equinox_checkpoints
from canireuse_adapters.haiku import checkpoints as haiku_checkpoints
from canireuse_adapters.keras.checkpoints import made_anew
from canireuse_adapters.linen import structure
from canireuse_adapters.nnx.checkpoints import WAYS, recast
from canireuse_adapters.nnx.layers import ONCE, inside_function
from canireuse_adapters.tf2.checkpoints import NEEDS_CONFIG
from canireuse_adapters.tf2.parallel import ONE_GPU

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf2 import TF2


class Move(Step):
    """Move all variables of a layer or module to another device of the same kind."""

    verb = "move"
    changes = True
    renames = "move"
    binds = "copy"
    on_devices = True
    uses = {"move": OWNERS}
    move: Name
    device: int = Field(
        1, ge=0, lt=MOST_DEVICES, description="Which device, counted from 0; the CPU counts as several virtual ones."
    )
    as_: Name = Field(
        alias="as", description="Bind what is moved; where the framework works in place, the same object."
    )


def in_tf2(tf: "TF2", step: Move) -> None:
    """Copy an object on another device."""
    tf.fill("with tf.device('$where'):\n    $as = deepcopy($move)", step, where=f"/CPU:{step.device}")


def in_keras(keras: "Keras", step: Move) -> None:
    """Make the object anew on another device, and hand over the values."""
    with keras.apart() as body:
        made_anew(keras, step.move, step.as_)
    where = f"{'gpu' if keras.device == 'gpu' else 'cpu'}:{step.device}"
    keras.emit("with keras.device('$where'):\n    $*body", where=where, body=body)


# -- JAX


def in_nnx(nnx: "NNX", step: Move) -> None:
    """Put the arrays on another device."""
    recast(nnx, step, "jax.device_put($x, $to)", to=nnx.device_code(step.device))


def in_linen(linen: "Linen", step: Move) -> None:
    """Put the values on another device, which makes a new tree."""
    structure.copied(linen, step, "jax.device_put($tree, $to)", to=linen.device_code(step.device))


def in_haiku(haiku: "Haiku", step: Move) -> None:
    """Put the values on another device, which makes a new tree."""
    haiku_checkpoints.derive(haiku, step, "jax.device_put($tree, $to)", to=haiku.device_code(step.device))


def in_equinox(eqx: "Equinox", step: Move) -> None:
    """Put a tree on another device, and know that it was."""
    code, where = equinox_checkpoints.on_devices(eqx, step.move), eqx.device_code(step.device)
    equinox_checkpoints.derive(eqx, step, code, where=where)
    eqx.spread.add(step.as_)


FEATURE = Feature(
    verbs=(Move,),
    tables={
        "reference": Tables(code={"move": "$as = model.move($move, $device)"}),
        "torch": Tables(
            code={"move": "$as = $move.to('cuda:0')"},
            fates={"move": Fate.SAME},
            lacks=(
                Lack(
                    "move", lambda torch, _: torch.device == "cpu",
                    "PyTorch takes all CPUs for one device, and the `meta` device holds no values: modules move between GPUs.",
                ),
                Lack(
                    "move", lambda _, step: step.device,
                    "A run on the GPU counts on one, and PyTorch makes no virtual ones of it.",
                ),
            ),
        ),
        "tensorflow1": Tables(
            missing={
                "move": "A variable of TensorFlow stays on the device it was made on: users open `tf.device` around what makes it.",
            },
        ),
        "tf2": Tables(
            code={"move": in_tf2},
            notes={
                "move": "A variable stays on the device that it was made on; what is there afterwards is a copy that was made there.",
            },
            lacks=(
                Lack("move", lambda tf, step: tf.style(tf.at(step.move)) == "subclass", NEEDS_CONFIG),
                Lack("move", lambda tf, _: tf.device == "gpu", ONE_GPU),
            ),
        ),
        "keras": Tables(
            code={"move": in_keras},
            notes={"move": "Keras places a variable when it is made: users make the layers anew on the other device."},
        ),
        "nnx": Tables(
            code={"move": in_nnx},
            ways={"move": WAYS},
            fates={"move/update": Fate.SAME, "move/module": Fate.UNTIED},
            lacks=(Lack("move", inside_function, ONCE),),
        ),
        "linen": Tables(code={"move": in_linen}),
        "haiku": Tables(code={"move": in_haiku}),
        "equinox": Tables(code={"move": in_equinox}),
    },
)  # fmt: skip
