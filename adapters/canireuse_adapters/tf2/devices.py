"""Several devices in TensorFlow 2: virtual CPUs, and variables mirrored over them by a strategy."""

from collections.abc import Iterable
from itertools import groupby

from canireuse.step import Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    Block,
    Copy,
    Get,
    Layer,
    Module,
    Move,
    Parallel,
    Replace,
    Tie,
    Variable,
    Wrap,
)
from canireuse_adapters.tf2.learning import LearningWords

#: must be said before TensorFlow runs anything; said again, it changes nothing
TWO_DEVICES = (
    "tf.config.set_logical_device_configuration("
    "tf.config.list_physical_devices('CPU')[0], [tf.config.LogicalDeviceConfiguration()] * 2)"
)
#: collective operations of strategies that come one after another in a process would answer each other
STRATEGY = "tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1'], cross_device_ops=tf.distribute.ReductionToOneDevice())"


def made_of(step: Step, names: set[str]) -> list[str]:
    """Return what a step makes one of the named things of; raise Unsupported if it does not construct it."""
    if isinstance(step, Tie | Replace):
        owner, other = (step.tie, step.to) if isinstance(step, Tie) else (step.replace, step.by)
        return [other] if owner.partition(".")[0] in names else []
    if step.binding not in names:
        return []
    match step:
        case Module():
            return list(step.members.values())
        case Wrap():
            return [step.wrap]
        case Copy():
            return [step.copy_]
        case Layer() | Variable() | Get():
            return []
    raise Unsupported(
        "A `MirroredStrategy` mirrors what is constructed in its scope, and nothing that was made in another way."
    )


class DeviceWords(LearningWords):
    """What TensorFlow 2 says about several devices."""

    #: whether the strategy's scope is open
    in_scope = False

    def devices(self) -> None:
        """Ask for two devices and make a strategy where the spec needs them."""
        if any(isinstance(step, Move | Parallel) for step in self.spec) and self.device != "gpu":
            self.write(TWO_DEVICES)
        if any(isinstance(step, Parallel) for step in self.spec):
            if self.device == "gpu":
                raise Unsupported(
                    "TensorFlow divides a CPU into virtual devices as it comes; a GPU only with a limit of memory for each."
                )
            self.write(f"strategy = {STRATEGY}")
            self.mirrored = self.reached()

    def reached(self) -> set[str]:
        """Return every name that a replicated object is, or is made of."""
        names = {step.parallel for step in self.spec if isinstance(step, Parallel)}
        known: set[str] = set()
        while names != known:
            known = set(names)
            for step in self.spec:
                names |= {place.partition(".")[0] for place in made_of(step, known)}
        return names

    def is_mirrored(self, step: Step) -> bool:
        """Return whether a step constructs something that is to be mirrored."""
        return not isinstance(step, Block) and step.raises is None and step.binding in self.mirrored

    def steps(self, steps: Iterable[Step]) -> None:
        """Write every step in turn; what is to be mirrored is constructed in the strategy's scope."""
        for mirrored, group in groupby(steps, self.is_mirrored):
            if not mirrored or self.in_scope:
                super().steps(list(group))
                continue
            with self.block("with strategy.scope():"):
                self.in_scope = True
                for step in group:
                    self.step(step)
                    self.build_inside(self.made.get(step.binding or ""))
                self.in_scope = False

    def parallel(self, step: Parallel) -> None:
        """Run one step on each device with its part of the data; Keras adds the gradients up over the devices."""
        self.only_a_model(step.parallel, "replicated")
        self.build_called(step)
        self.idiom("Gradients of the replicas are added up, so that each divides its loss by their number.")
        owned = f"{self.place(step.parallel)}.trainable_variables"
        run = self.free("replica_step")
        with self.block("with strategy.scope():"):
            self.write(f"optimizer = tf.keras.optimizers.SGD({step.rate})")
        self.write("@tf.function")
        with self.block(f"def {run}({', '.join(step.split)}):"):
            tensors, self.tensors = self.tensors, self.tensors | set(step.split)
            with self.block("with tf.GradientTape() as tape:"):
                self.steps(step.steps)
                self.write(f"loss = ({self.expression(step.minimize)}) / strategy.num_replicas_in_sync")
            self.write(f"optimizer.apply_gradients(zip(tape.gradient(loss, {owned}), {owned}))")
            self.tensors = tensors
        parts = []
        for name, values in step.split.items():
            parts.append(self.free(f"{name}_parts"))
            self.write(
                f"{parts[-1]} = strategy.experimental_distribute_values_from_function("
                f"lambda context: tf.constant({values}[context.replica_id_in_sync_group]))"
            )
        self.write(f"strategy.run({run}, args=({', '.join(parts)},))")
