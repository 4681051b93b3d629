"""Parallel steps: gradient descent on several devices, each with its part of the data."""

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field, model_validator

from canireuse.emit import Tables
from canireuse.spec.bounds import MOST_DEVICES
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, AnyStep, Block, Name, Real, Values, check_array
from canireuse_adapters.features.parallel import equinox, haiku, keras, linen, nnx, tf1, tf2, torch

if TYPE_CHECKING:
    from canireuse_adapters.reference import Reference

#: a value on each device
Parts = Annotated[Values, BeforeValidator(check_array), Field(max_length=MOST_DEVICES)]


class Parallel(Block):
    """Take one step of gradient descent on several devices, each with its part of the data, on the mean loss."""

    verb = "parallel"
    on_devices = True
    transforms = True
    probes = True
    uses = {"parallel": OWNERS}
    expressions = ("minimize",)
    parallel: Name = Field(description="A layer or module, replicated over the devices.")
    split: dict[Name, Parts] = Field(min_length=1, description="Names inside, each with its value on each device.")
    minimize: str = Field(description="The scalar, on each device of its own part.")
    rate: Real = 0.1
    steps: list[AnyStep] = []

    @model_validator(mode="after")
    def check_parts(self) -> "Parallel":
        """Refuse names that have values on different devices."""
        if len({len(values) for values in self.split.values()}) > 1:
            raise ValueError("`split` gives each name as many values as there are devices: the same number for all")
        return self

    @property
    def own_names(self) -> list[str]:
        """What each device has its part of; what is bound inside stays there."""
        return [*self.split]


def in_reference(reference: "Reference", step: Parallel) -> None:
    """Take one step on the mean over the parts."""
    reference.define("loss", step, list(step.split), step.minimize)
    reference.fill("model.parallel($parallel, '$split', loss, rate=$rate)", step)


FEATURE = Feature(
    verbs=(Parallel,),
    tables={
        "reference": Tables(code={"parallel": in_reference}),
        "tf1": tf1.IN_GRAPH,
        "tf1-eager": tf1.EAGER,
        "tf2": tf2.TABLES,
        "keras": keras.TABLES,
        "linen": linen.TABLES,
        "nnx": nnx.TABLES,
        "haiku": haiku.TABLES,
        "equinox": equinox.TABLES,
        "torch": torch.TABLES,
    },
)
