"""Weight normalization, spectral normalization and pruning: library calls that put a function of a weight in its place."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Slot, Tables, Unsupported
from canireuse.spec.bounds import MOST_ELEMENTS
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Place, Step

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class Normalized(Step):
    """A step that puts a function of a weight in its place."""

    changes = True
    probes = True


class WeightNorm(Normalized):
    """Have a place of a layer give its weight as a length times a direction, each of which is trained."""

    verb = "weight_norm"
    uses = {"weight_norm": VARIABLES}
    weight_norm: Place = Field(description="A variable of a layer, such as `layer.kernel`.")


class SpectralNorm(Normalized):
    """Have a place of a layer give its weight divided by its largest singular value."""

    verb = "spectral_norm"
    uses = {"spectral_norm": VARIABLES}
    spectral_norm: Place = Field(description="A variable of a layer, such as `layer.kernel`.")


class Prune(Normalized):
    """Have a place of a layer give its weight with its smallest elements masked by zeros."""

    verb = "prune"
    uses = {"prune": VARIABLES}
    prune: Place = Field(description="A variable of a layer, such as `layer.kernel`.")
    elements: int = Field(ge=1, le=MOST_ELEMENTS, description="How many elements are masked.")


#: verb and way -> the call, and where the parameter is kept since
CALLS = {
    "weight_norm/parametrizations": ("nn.utils.parametrizations.weight_norm($owner, '$name')", "parametrizations.{}.original1"),
    "weight_norm/hook": ("nn.utils.weight_norm($owner, '$name')", "{}_v"),
    "spectral_norm/parametrizations": ("nn.utils.parametrizations.spectral_norm($owner, '$name')", "parametrizations.{}.original"),
    "spectral_norm/hook": ("nn.utils.spectral_norm($owner, '$name')", "{}_orig"),
    "prune/mask": ("prune.l1_unstructured($owner, '$name', amount=$elements)", "{}_orig"),
}  # fmt: skip


def call_of(torch: "Torch", step: Normalized) -> tuple[str, str]:
    """Return the call, and where the parameter is kept since."""
    return CALLS[f"{step.verb}/{torch.way.get(step.verb, 'mask')}"]


def in_torch(torch: "Torch", step: Normalized) -> None:
    """Call what moves the parameter away and computes its place from it."""
    place = str(getattr(step, step.verb))
    owner, part = torch.symbols.above(place)
    if not owner or owner.kind != "layer" or owner.slot(part).reads:
        raise Unsupported(
            "What normalizes or masks a weight is called on a layer, by the name of a parameter that it holds."
        )
    torch.emit(
        call_of(torch, step)[0], owner=torch.place(place.rpartition(".")[0]), name=owner.slot(part).attribute,
        elements=getattr(step, "elements", None),
    )  # fmt: skip


def moved(torch: "Torch", step: Normalized) -> None:
    """Have the parameter stand elsewhere, and its value where it was."""
    owner, part = torch.symbols.above(str(getattr(step, step.verb)))
    if owner:
        slot: Slot = owner.slot(part)
        owner.slots[part] = slot._replace(
            attribute=call_of(torch, step)[1].format(slot.attribute), reads=slot.attribute
        )


VERBS = ("weight_norm", "spectral_norm", "prune")
NO_PRUNING = "There is no pruning in this framework: libraries beside it mask weights."
WRAPPED = (
    "Here a wrapper around a layer normalizes its weights at each call, and what is wrapped is said where the model is "
    "defined; this project has no words for that yet."
)
NONE = "No call of this framework puts a function of a weight in the place of a layer's variable that is there already."
FEATURE = Feature(
    verbs=(WeightNorm, SpectralNorm, Prune),
    tables={
        "reference": Tables(missing=dict.fromkeys(VERBS, "The contract does not cover places that give a function of the variable they hold.")),
        "torch": Tables(
            code=dict.fromkeys(VERBS, in_torch),
            also="from torch.nn.utils import prune",
            effects=dict.fromkeys(VERBS, moved),
            ways=dict.fromkeys(("weight_norm", "spectral_norm"), ("parametrizations", "hook")),
        ),
        "jax": Tables(missing={**dict.fromkeys(VERBS, WRAPPED), "prune": NO_PRUNING}),
        "keras": Tables(missing={**dict.fromkeys(VERBS, NONE), "spectral_norm": WRAPPED, "prune": NO_PRUNING}),
        "tf2": Tables(missing={**dict.fromkeys(VERBS, NONE), "spectral_norm": WRAPPED, "prune": NO_PRUNING}),
        "tensorflow1": Tables(missing={**dict.fromkeys(VERBS, NONE), "prune": NO_PRUNING}),
    },
)  # fmt: skip
