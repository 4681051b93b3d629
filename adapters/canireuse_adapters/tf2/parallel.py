"""Several devices in TensorFlow 2: virtual CPUs, and variables that a strategy mirrors over them."""

from typing import TYPE_CHECKING

from canireuse.emit import Lack, Unsupported
from canireuse.program import places_of
from canireuse.spec.step import Block, Step
from canireuse.spec.vocabulary import Replace, Tie

if TYPE_CHECKING:
    from canireuse_adapters.tf2 import TF2

ONE_GPU = "TensorFlow divides a CPU into virtual devices as it comes; a GPU only with a limit of memory for each."


def mirrored(tf: "TF2") -> set[str]:
    """Return every name that a replicated object is, or is made of."""
    replicating = [step for step in tf.facts.steps if isinstance(step, Block) and step.on_devices]
    if replicating and tf.device == "gpu":
        raise Unsupported(ONE_GPU)
    names = {vars(step)[step.verb] for step in replicating if not vars(step).get("late")}
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


def is_mirrored(tf: "TF2", step: Step) -> bool:
    """Return whether what is to be trained or averaged has a copy on each device."""
    over = vars(step)[next(iter(step.uses))]
    names = {place.partition(".")[0] for place in ([over] if isinstance(over, str) else over)}
    return not names.isdisjoint(mirrored(tf))


LACKS = (
    Lack(
        ("train", "optimizer", "average"), is_mirrored,
        "Keras steps the variables of a `MirroredStrategy` inside `strategy.run` alone, and keeps its optimizers' state there.",
    ),
)  # fmt: skip
