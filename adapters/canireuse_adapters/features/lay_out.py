"""Laying out: two places that may hold one variable are each cut over two devices, by plans that contradict each other."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from canireuse.emit import Emitter, Lack, Tables, Unsupported, expr, text
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Name, Place, Step
from canireuse_adapters.features.parallel.torch import without_processes
from canireuse_adapters.features.shard import ON_MESH, SINCE

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.torch import Torch


class LayOut(Step):
    """Lay the kernels of two dense layers of a module out over two devices, one cut along each axis."""

    verb = "lay_out"
    on_devices = True
    changes = True
    binds = "tensor"
    uses = {"lay_out": VARIABLES}
    lay_out: Annotated[list[Place], Field(min_length=2, max_length=2)]
    as_: Name = Field(
        alias="as", description="Bind how many variables stand at the two places then, and how many layouts they have."
    )


PARTS = ("'parts'", "None, 'parts'")
COUNTED = "[len({id(one) for one in ($first, $second)}), len({$sharding for one in ($first, $second)})]"


def counted(emitter: Emitter, step: LayOut, sharding: str) -> None:
    """Bind what stands at the two places."""
    first, second = map(emitter.place, step.lay_out)
    outcome = expr(COUNTED, first=first, second=second, sharding=expr(sharding))
    emitter.bind(step.as_, emitter.array(outcome))


def in_nnx(nnx: Emitter, step: LayOut) -> None:
    """Put an array that is cut into each variable."""
    for place, parts in zip(step.lay_out, PARTS, strict=True):
        nnx.emit(f"$at = jax.device_put($at, jax.NamedSharding(mesh, jax.P({parts})))", at=nnx.value(place))
    counted(nnx, step, "one[...].sharding")


def in_equinox(eqx: "Equinox", step: LayOut) -> None:
    """Put an array that is cut in each place."""
    for place, parts in zip(step.lay_out, PARTS, strict=True):
        spot = eqx.locate(place)
        eqx.spread.add(spot.name)
        eqx.put(spot, expr(f"eqx.filter_shard($x, jax.NamedSharding(mesh, jax.P({parts})))", x=eqx.place(place)))
    counted(eqx, step, "one.sharding")


LAID_OUT = """\
layout = keras.distribution.TensorLayout([$axes], mesh)
$at.assign(keras.distribution.distribute_tensor($at.value, layout))
"""


def in_keras(keras: "Keras", step: LayOut) -> None:
    """Assign a value that is cut to each variable."""
    keras.emit("mesh = keras.distribution.DeviceMesh([2], ['parts'], keras.distribution.list_devices())")
    for place, axes in zip(step.lay_out, ("'parts', None", "None, 'parts'"), strict=True):
        keras.emit(LAID_OUT.replace("$axes", axes), at=keras.place(place))
    counted(keras, step, "one.value.sharding")


IN_TORCH = """\
folder = tempfile.mkdtemp()
def work(rank):
    torch.distributed.init_process_group('gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=2)
    mesh = torch.distributed.init_device_mesh('cpu', (2,))
    parallelize_module($module, mesh, {$first: ColwiseParallel(), $second: RowwiseParallel()})
    kernels = ($kernel, $other)
    if rank == 0:
        torch.save([len({id(one) for one in kernels}), len({one.placements for one in kernels})], f'{folder}/outcome')
torch.multiprocessing.start_processes(work, nprocs=2, start_method='fork')
$as = torch.tensor(torch.load(f'{folder}/outcome'))
"""


def in_torch(torch: "Torch", step: LayOut) -> None:
    """Parallelize the module by a plan with a line for each layer, in a process for each device."""
    torch.idiom("Processes share no parameters: the first saves what it has, and the script loads it.")
    (module, _, one), (other_module, _, other) = (place.rpartition(".")[0].partition(".") for place in step.lay_out)
    if module != other_module or not one or not other:
        raise Unsupported("A plan of `parallelize_module` is said of the layers of one module, by their names.")
    kernel, other_kernel = map(torch.place, step.lay_out)
    torch.fill(
        IN_TORCH,
        step,
        module=torch.place(module),
        first=text(one),
        second=text(other),
        kernel=kernel,
        other=other_kernel,
    )


def missing(reason: str) -> Tables:
    """Return what a framework says that has no layouts for the places of a tie."""
    return Tables(missing={"lay_out": reason})


TREE = "Parameters are a tree, and a tied weight is one entry of it: there is no second place of which another layout could be said."
FEATURE = Feature(
    verbs=(LayOut,),
    tables={
        "reference": missing("The contract knows one layout, the cut along the first axis (`shard`)."),
        "torch": Tables(
            code={"lay_out": in_torch},
            also="from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module",
            lacks=without_processes("lay_out"),
        ),
        "nnx": Tables(code={"lay_out": in_nnx}, setup={"lay_out": ON_MESH["shard"]}, since=SINCE),
        "equinox": Tables(code={"lay_out": in_equinox}, setup={"lay_out": ON_MESH["shard"]}, since=SINCE),
        "keras": Tables(
            code={"lay_out": in_keras},
            lacks=(Lack("lay_out", lambda keras, _: keras.engine != "jax", "`keras.distribution` lays variables out over devices on JAX alone."),),
        ),
        "tf2": missing("A DTensor variable has its layout from the start: `tf.experimental.dtensor` lays none out that is there already."),
        "tensorflow1": missing("TF1 cuts a variable by a partitioner when it is got (`partitions`), and never afterwards."),
        "linen": missing(TREE),
        "haiku": missing(TREE),
    },
)  # fmt: skip
