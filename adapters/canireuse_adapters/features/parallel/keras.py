"""Several devices in Keras: one step on two of them, in the words of each engine."""

from typing import TYPE_CHECKING

from canireuse.emit import Lack, Tables, Unsupported, expr, literal, node, statements
from canireuse.program import places_of
from canireuse.spec.vocabulary import Call, walk
from canireuse_adapters.keras.layers import build, build_for
from canireuse_adapters.keras.learning import NO_GRADIENTS, TAPE, TORCH_APPLIES, changed_in

if TYPE_CHECKING:
    from canireuse_adapters.features.parallel import Parallel
    from canireuse_adapters.keras import Keras

#: collectives between virtual CPUs are not needed where one of them can add up
STRATEGY = "strategy = tf.distribute.MirroredStrategy(['cpu:0', 'cpu:1'], cross_device_ops=tf.distribute.ReductionToOneDevice())"
SCOPE = f"{STRATEGY}\nwith strategy.scope():\n    $*body"
DATA_PARALLEL = "keras.distribution.set_distribution(keras.distribution.DataParallel())\n$*body"
MIRRORED = """\
optimizer.build(params)
def replica_step($*split):
    $*body
"""
PARTS = (
    "parts = [$*values]\n"
    "$name = strategy.experimental_distribute_values_from_function(lambda context: parts[context.replica_id_in_sync_group])"
)
CUT = (
    "$name = $values\n$name = keras.distribution.distribute_tensor("
    "$name, keras.distribution.distribution().get_data_layout($name.shape))"
)
FORKED = """\
optimizer.build(params)
meeting = f'file://{tempfile.mkdtemp()}/meeting'
def replica_step(rank, queue):
    torch.distributed.init_process_group('gloo', init_method=meeting, rank=rank, world_size=2)
    $*body
    if rank == 0:
        queue.put($whole.get_weights())
queue = torch.multiprocessing.get_context('fork').SimpleQueue()
torch.multiprocessing.start_processes(replica_step, args=(queue,), nprocs=2, start_method='fork')
$whole.set_weights(queue.get())
"""
REDUCED = """\
for param in params:
    torch.distributed.all_reduce(param.value.grad)
    param.value.grad /= 2
"""


def setup(keras: "Keras") -> str:
    """Return what has to be said before anything is made, in the words of the engine."""
    if is_late(keras):
        return f"{STRATEGY}\n$*body" if keras.engine == "tensorflow" else ""
    return {"tensorflow": SCOPE, "jax": DATA_PARALLEL, "torch": ""}[keras.engine]


def is_late(keras: "Keras") -> bool:
    """Return whether a model is made before anything is said of devices."""
    return any(vars(step).get("late") for step in keras.facts.steps)


def parallel(keras: "Keras", step: "Parallel") -> None:
    """Take one data-parallel step, in the words of the engine."""
    found = keras.at(step.parallel)
    if changed_in(keras, step):
        raise Unsupported("How running statistics of replicas are put together is left to each engine.")
    build(keras, keras.place(step.parallel), found)
    build_for(keras, step, calls_build=False)
    optimizer = "optimizer = keras.optimizers.SGD($rate)"
    if step.late and keras.engine == "tensorflow":
        optimizer = f"with strategy.scope():\n    {optimizer}"
    if step.late and keras.engine == "jax":
        keras.emit(DATA_PARALLEL, body=[])
    code = f"params = $whole.trainable_variables\n{optimizer}"
    keras.emit(code, whole=keras.place(step.parallel), rate=step.rate)
    {"tensorflow": mirrored, "jax": batch_sharded, "torch": replicated}[keras.engine](keras, step)


def mirrored(keras: "Keras", step: "Parallel") -> None:
    """Run the step in each replica of a `MirroredStrategy`; the optimizer adds the gradients up."""
    with keras.apart() as recorded:
        keras.steps(step.steps)
        keras.emit("loss = $loss / strategy.num_replicas_in_sync", loss=keras.expression(step.minimize))
    with keras.apart() as body:
        keras.emit(f"{TAPE}\noptimizer.apply(tape.gradient(loss, params), params)", body=recorded)
    keras.emit(MIRRORED, split=list(step.split), body=body)
    for name, values in step.split.items():
        keras.emit(PARTS, name=name, values=[keras.expression(one) for one in values])
    run = statements("strategy.run(replica_step, args=$parts)", parts=literal(tuple(map(node, step.split))))
    keras.turns(step.times, run)


def batch_sharded(keras: "Keras", step: "Parallel") -> None:
    """Lay the parts out over the devices, and take the mean of their losses."""
    for name, values in step.split.items():
        keras.emit(CUT, name=name, values=keras.expression(values))
    with keras.apart() as body, keras.stateless(expr("zip(params, values)"), expr("params")):
        with keras.apart() as part:
            keras.steps(step.steps)
            keras.emit("return $loss", loss=keras.expression(step.minimize))
        keras.emit(
            "def part($*split):\n    $*part\nreturn keras.ops.mean(jax.vmap(part)($*split))",
            split=list(step.split), part=part,
        )  # fmt: skip
    keras.emit("def loss(values):\n    $*body", body=body)
    apply = "optimizer.apply(jax.grad(loss)([param.value for param in params]), params)"
    keras.turns(step.times, statements(apply))


def replicated(keras: "Keras", step: "Parallel") -> None:
    """Take the step in two processes, in which PyTorch averages the gradients; the first one's weights come back."""
    keras.idiom("Two processes are forked from one script, where users start one each with `torchrun`.")
    with keras.apart() as body:
        for name, values in step.split.items():
            keras.emit("$name = [$*values][rank]", name=name, values=[keras.expression(one) for one in values])
        replica_steps(keras, step)
    keras.emit(FORKED, body=body, whole=keras.place(step.parallel))


def replica_steps(keras: "Keras", step: "Parallel") -> None:
    """Write the steps of one process, with gradients that are averaged over both."""
    is_wrapped, steps = calls_the_whole(keras, step), step.steps
    if is_wrapped:
        replica, whole = keras.own("replica"), keras.place(step.parallel)
        keras.emit("$replica = torch.nn.parallel.DistributedDataParallel($whole)", replica=replica, whole=whole)
        keras.symbols.names[replica] = keras.at(step.parallel)
        steps = [one.model_copy(update={"call": replica}) if isinstance(one, Call) else one for one in steps]
    else:
        keras.idiom(
            "`DistributedDataParallel` wraps calls of a model; for any other loss gradients are averaged by hand."
        )
    with keras.apart() as body:
        if not is_wrapped or step.times > 1:
            keras.emit(NO_GRADIENTS)
        keras.steps(steps)
        keras.emit("loss = $loss\nloss.backward()", loss=keras.expression(step.minimize))
        if not is_wrapped:
            keras.emit(REDUCED)
        keras.emit(TORCH_APPLIES, optimizer=expr("optimizer"))
    keras.turns(step.times, body)


def calls_the_whole(keras: "Keras", step: "Parallel") -> bool:
    """Return whether nothing but calls of the model itself uses its variables."""
    calls = [one for one in walk(step.steps) if isinstance(one, Call)]
    if not calls or any(one not in step.steps or one.call != step.parallel or one.given for one in calls):
        return False
    used = [place for one in [step, *walk(step.steps)] for place in places_of(one)]
    for _ in (step, *calls):
        used.remove(step.parallel)
    found = [keras.symbols.names.get(place.partition(".")[0]) for place in used]
    return not any(one and (one.is_owner or one.kind == "variable") for one in found)


TABLES = Tables(
    code={"parallel": parallel},
    setup={"parallel": setup},
    lacks=(
        Lack(
            "parallel", lambda keras, step: not keras.at(step.parallel).is_owner, "Keras replicates layers and models.",
        ),
        Lack(
            "parallel", lambda keras, _: keras.device == "gpu",
            "Two replicas are worded for the CPU, which counts as two devices.",
        ),
    ),
)  # fmt: skip
