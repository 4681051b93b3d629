"""Counting steps: how many an optimizer takes, as it counts them itself or a hook on it does."""

from pydantic import Field

from canireuse.emit import Emitter, Tables, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import Block, Name


class CountSteps(Block):
    """Count the steps that an optimizer takes inside."""

    verb = "count_steps"
    binds = "tensor"
    uses = {"count_steps": frozenset({"optimizer"})}
    count_steps: Name
    as_: Name = Field(alias="as", description="Bind how many there were.")


def in_torch(torch: Emitter, step: CountSteps) -> None:
    """Register a hook on the optimizer, and remove it."""
    taken = torch.fresh("taken")
    torch.fill(
        "$taken = []\nhandle = $count_steps.register_step_pre_hook(lambda optimizer, args, kwargs: $taken.append(1))\n$*body\nhandle.remove()",
        step, taken=taken,
    )  # fmt: skip
    torch.bind(step.as_, torch.array(expr("len($taken)", taken=taken)))


def by_counter(counter: str) -> Tables:
    """Return what a framework says whose optimizers have a counter."""

    def count(emitter: Emitter, step: CountSteps) -> None:
        before = emitter.fresh("before")
        reading = expr("int($counter)", counter=expr(counter, optimizer=step.count_steps))
        emitter.fill("$before = $reading\n$*body", step, before=before, reading=reading)
        taken = expr("$reading - $before", reading=reading, before=before)
        emitter.bind(step.as_, emitter.array(taken))

    return Tables(code={"count_steps": count})


NO_COUNT = "An Optax optimizer is two functions and a tree of what they keep: some keep a count in it, and plain gradient descent does not."
FEATURE = Feature(
    verbs=(CountSteps,),
    tables={
        "reference": Tables(missing={"count_steps": "The contract says where an optimizer moves its variables, and not how it counts."}),
        "torch": Tables(code={"count_steps": in_torch}),
        "keras": by_counter("$optimizer.iterations.numpy()"),
        "tf2": by_counter("$optimizer.iterations.numpy()"),
        "nnx": by_counter("$optimizer.step[...]"),
        "jax": Tables(missing={"count_steps": NO_COUNT}),
        "tensorflow1": Tables(missing={"count_steps": "An optimizer of TensorFlow 1 counts no steps: who wants a count hands it a `global_step` at each."}),
    },
)  # fmt: skip
