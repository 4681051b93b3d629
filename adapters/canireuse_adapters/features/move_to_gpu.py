"""Moving to a GPU: what a machine that has none says to it."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Fate, Lack, Tables, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Step
from canireuse_adapters.equinox import checkpoints as equinox_checkpoints
from canireuse_adapters.haiku import checkpoints as haiku_checkpoints
from canireuse_adapters.keras.checkpoints import made_anew
from canireuse_adapters.linen import structure
from canireuse_adapters.nnx.checkpoints import WAYS, recast
from canireuse_adapters.nnx.layers import ONCE, inside_function
from canireuse_adapters.tf2.checkpoints import NEEDS_CONFIG

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX


class MoveToGpu(Step):
    """Move all variables of a layer or module to the first GPU, on a machine that has none."""

    verb = "move_to_gpu"
    changes = True
    renames = "move_to_gpu"
    binds = "copy"
    uses = {"move_to_gpu": OWNERS}
    move_to_gpu: Name
    as_: Name = Field(
        alias="as", description="Bind what is moved; where the framework works in place, the same object."
    )


FIRST = "jax.devices('gpu')[0]"
HERE = "What a machine without a GPU says is asked, and this run is on one."


def has_one(emitter: Emitter, _: Step) -> bool:
    """Return whether the run is on a GPU."""
    return emitter.device == "gpu"


def in_keras(keras: "Keras", step: MoveToGpu) -> None:
    """Make the object anew on the GPU, and hand over the values."""
    with keras.apart() as body:
        made_anew(keras, step.move_to_gpu, step.as_)
    keras.emit("with keras.device('gpu:0'):\n    $*body", body=body)


# -- JAX


def in_nnx(nnx: "NNX", step: MoveToGpu) -> None:
    """Put the arrays on the GPU."""
    recast(nnx, step, "jax.device_put($x, $to)", to=expr(FIRST))


def in_linen(linen: "Linen", step: MoveToGpu) -> None:
    """Put the values on the GPU, which makes a new tree."""
    structure.copied(linen, step, "jax.device_put($tree, $to)", to=expr(FIRST))


def in_haiku(haiku: "Haiku", step: MoveToGpu) -> None:
    """Put the values on the GPU, which makes a new tree."""
    haiku_checkpoints.derive(haiku, step, "jax.device_put($tree, $to)", to=expr(FIRST))


def in_equinox(eqx: "Equinox", step: MoveToGpu) -> None:
    """Put the arrays of a tree on the GPU."""
    code = equinox_checkpoints.on_devices(eqx, step.move_to_gpu)
    equinox_checkpoints.derive(eqx, step, code, where=expr(FIRST))


LACKS = (Lack("move_to_gpu", has_one, HERE),)
FEATURE = Feature(
    verbs=(MoveToGpu,),
    tables={
        "reference": Tables(missing={"move_to_gpu": "The contract has devices of one kind."}),
        "torch": Tables(code={"move_to_gpu": "$as = $move_to_gpu.cuda()"}, fates={"move_to_gpu": Fate.SAME}, lacks=LACKS),
        "tensorflow1": Tables(
            missing={"move_to_gpu": "A variable of TensorFlow stays on the device it was made on: users open `tf.device` around what makes it."},
        ),
        "tf2": Tables(
            code={"move_to_gpu": "with tf.device('/GPU:0'):\n    $as = deepcopy($move_to_gpu)"},
            lacks=(*LACKS, Lack("move_to_gpu", lambda tf, step: tf.style(tf.at(step.move_to_gpu)) == "subclass", NEEDS_CONFIG)),
        ),
        "keras": Tables(code={"move_to_gpu": in_keras}, lacks=LACKS),
        "nnx": Tables(
            code={"move_to_gpu": in_nnx},
            ways={"move_to_gpu": WAYS},
            fates={"move_to_gpu/update": Fate.SAME, "move_to_gpu/module": Fate.UNTIED},
            lacks=(*LACKS, Lack("move_to_gpu", inside_function, ONCE)),
        ),
        "linen": Tables(code={"move_to_gpu": in_linen}, lacks=LACKS),
        "haiku": Tables(code={"move_to_gpu": in_haiku}, lacks=LACKS),
        "equinox": Tables(code={"move_to_gpu": in_equinox}, lacks=LACKS),
    },
)  # fmt: skip
