"""Several devices in TensorFlow 1: a tower on each, over the same variables, and the mean of their gradients."""

from typing import TYPE_CHECKING

from canireuse.emit import Lack, Tables, expr, literal, statements

if TYPE_CHECKING:
    from canireuse_adapters.features.parallel import Parallel
    from canireuse_adapters.tf1 import TensorFlow1

TOWERS = """
optimizer = tf1.train.GradientDescentOptimizer($rate)
$towers = []
for $device, $*split in zip($devices, $*parts):
    with tf.device($device):
        $*tower
"""
APPLIED = """\
optimizer.apply_gradients([(tf.add_n([gradient for gradient, _ in pairs]) / $count, pairs[0][1])
 for pairs in zip(*$towers)])"""


def parallel(tf1: "TensorFlow1", step: "Parallel") -> None:
    """Write a tower for each device, over the same variables, and apply the mean of their gradients."""
    count = len(next(iter(step.split.values())))
    names = {word: tf1.own(f"{step.parallel}_{word}") for word in ("towers", "device")}
    with tf1.apart() as body:
        if tf1.eager:
            with tf1.defining("loss", step):
                tf1.fill("return $minimize", step)
        else:
            tf1.steps(step.steps)
        scalar = expr("loss") if tf1.eager else tf1.expression(step.minimize)
        code = "$towers.append(optimizer.compute_gradients($scalar, $owned))"
        tf1.emit(code, **names, scalar=scalar, owned=tf1.owned(step.parallel))
    parts = [expr("[$*x]", x=[tf1.array(value) for value in values]) for values in step.split.values()]
    devices = literal([f"/cpu:{number}" for number in range(count)])
    with tf1.apart() as towers:
        tf1.emit(TOWERS, **names, rate=step.rate, split=list(step.split), devices=devices, parts=parts, tower=body)
    applied = expr(APPLIED, towers=names["towers"], count=float(count))
    if tf1.eager:
        tf1.turns(step.times, [*towers, *statements("$applied", applied=applied)])
    elif step.times == 1:
        tf1.body += towers
        tf1.act("$applied", applied=applied)
    else:
        tf1.body += towers
        tf1.emit("train_op = $applied", applied=applied)
        tf1.turns(step.times, statements("session.run(train_op)"))


NOTES = {
    "parallel": "Data parallelism by hand: a tower on each device, all over the same variables, and the mean of their gradients.",
}
EAGER = Tables(code={"parallel": parallel}, notes=NOTES)
IN_GRAPH = Tables(
    code={"parallel": parallel},
    notes=NOTES,
    lacks=(
        Lack(
            "parallel", lambda tf1, _: tf1.traced,
            "A traced function builds operations: `parallel` is for the session outside.",
        ),
    ),
)  # fmt: skip
