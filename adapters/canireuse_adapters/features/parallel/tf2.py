"""Several devices in TensorFlow 2: a step in each replica of a `MirroredStrategy`, which mirrors what is made in its scope."""

from typing import TYPE_CHECKING

from canireuse.emit import Tables, expr, literal, node, statements
from canireuse_adapters.tf2.learning import APPLIED

if TYPE_CHECKING:
    from canireuse_adapters.features.parallel import Parallel
    from canireuse_adapters.tf2 import TF2

#: collective operations of strategies that come one after another in a process would answer each other
STRATEGY = "strategy = tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'], cross_device_ops=tf.distribute.ReductionToOneDevice())\n$*body"
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


def parallel(tf: "TF2", step: "Parallel") -> None:
    """Run one step on each device with its part of the data; Keras adds the gradients up over the devices."""
    with tf.apart() as body:
        tf.steps(step.steps)
        tf.emit("loss = $loss / strategy.num_replicas_in_sync", loss=tf.expression(step.minimize))
    owned = expr("$owner.trainable_variables", owner=tf.place(step.parallel))
    body = statements(APPLIED, body=body, optimizer=expr("optimizer"), owned=owned)
    parts = {name: tf.own(f"{name}_parts") for name in step.split}
    tf.emit(REPLICATED, rate=step.rate, taken=list(parts), body=body)
    for name, values in step.split.items():
        tf.emit(PARTS, parts=parts[name], values=literal(values))
    tf.turns(
        step.times,
        statements("strategy.run(replica_step, args=$parts)", parts=literal(tuple(map(node, parts.values())))),
    )


TABLES = Tables(
    code={"parallel": parallel},
    setup={"parallel": STRATEGY},
    notes={"parallel": "Gradients of the replicas are added up, so that each divides its loss by their number."},
)
