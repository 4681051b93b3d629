"""Steps on several devices in TensorFlow 2: virtual CPUs, and variables that a strategy mirrors over them."""

from typing import TYPE_CHECKING

from canireuse.emit import Lack, Words, expr, literal, node, statements
from canireuse.program import places_of
from canireuse.script import Unsupported
from canireuse.step import Block, Step
from canireuse.vocabulary import Move, Parallel, Replace, Tie
from canireuse_adapters.tf2.learning import APPLIED

if TYPE_CHECKING:
    from canireuse_adapters.tf2 import TF2

ONE_GPU = "TensorFlow divides a CPU into virtual devices as it comes; a GPU only with a limit of memory for each."
#: collective operations of strategies that come one after another in a process would answer each other
STRATEGY = "strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'], cross_device_ops=tf.distribute.ReductionToOneDevice())"
REPLICATED = """\
with strategy.scope():
    optimizer = tf.keras.optimizers.SGD($rate)
@tf.function
def replica_step($*taken):
    $*body
"""
PARTS = (
    "$parts = strategy.experimental_distribute_values_from_function("
    "lambda context: tf.constant($values[context.replica_id_in_sync_group]))"
)


def move(tf: "TF2", step: Move) -> None:
    """Copy an object on another device."""
    tf.idiom(
        "A variable stays on the device that it was made on; what is there afterwards is a copy that was made there."
    )
    tf.fill("with tf.device('$where'):\n    $as = deepcopy($move)", step, where=f"/CPU:{step.device}")


def mirrored(tf: "TF2") -> set[str]:
    """Return every name that a replicated object is, or is made of."""
    names = {step.parallel for step in tf.facts.steps if isinstance(step, Parallel)}
    if names and tf.device == "gpu":
        raise Unsupported(ONE_GPU)
    known: set[str] = set()
    while names != known:
        known = set(names)
        names |= {place.partition(".")[0] for step in tf.facts.steps for place in made_of(step, known)}
    return names


def made_of(step: Step, names: set[str]) -> list[str]:
    """Return what a step makes one of the named things of; raise Unsupported if it does not construct it."""
    if isinstance(step, Tie | Replace):
        owner, other = (step.tie, step.to) if isinstance(step, Tie) else (step.replace, step.by)
        return [other] if owner.partition(".")[0] in names else []
    if step.binding in names and step.verb not in {"module", "wrap", "copy", "layer", "variable", "get"}:
        raise Unsupported(
            "A `MirroredStrategy` mirrors what is constructed in its scope, and nothing that was made in another way."
        )
    return places_of(step) if step.binding in names and step.verb in {"module", "wrap", "copy"} else []


def is_constructed(step: Step, names: set[str]) -> bool:
    """Return whether a step constructs one of the named things."""
    return not isinstance(step, Block) and step.raises is None and step.binding in names


def parallel(tf: "TF2", step: Parallel) -> None:
    """Run one step on each device with its part of the data; Keras adds the gradients up over the devices."""
    tf.idiom("Gradients of the replicas are added up, so that each divides its loss by their number.")
    with tf.apart() as body:
        tf.steps(step.steps)
        tf.emit("loss = $loss / strategy.num_replicas_in_sync", loss=tf.expression(step.minimize))
    owned = expr("$owner.trainable_variables", owner=tf.place(step.parallel))
    body = statements(APPLIED, body=body, optimizer=expr("optimizer"), owned=owned)
    parts = {name: tf.own(f"{name}_parts") for name in step.split}
    tf.emit(REPLICATED, rate=step.rate, taken=list(parts), body=body)
    for name, values in step.split.items():
        tf.emit(PARTS, parts=parts[name], values=literal(values))
    tf.emit("strategy.run(replica_step, args=$parts)", parts=literal(tuple(map(node, parts.values()))))


def is_mirrored(tf: "TF2", step: Step) -> bool:
    """Return whether what is to be trained or averaged has a copy on each device."""
    over = vars(step)[next(iter(step.uses))]
    names = {place.partition(".")[0] for place in ([over] if isinstance(over, str) else over)}
    return not names.isdisjoint(mirrored(tf))


WORDS: Words = {"move": move, "parallel": parallel}
LACKS = (
    Lack("move", lambda tf, _: tf.device == "gpu", ONE_GPU),
    Lack(
        ("train", "optimizer", "average"), is_mirrored,
        "Keras steps the variables of a `MirroredStrategy` inside `strategy.run` alone, and keeps its optimizers' state there.",
    ),
)  # fmt: skip
