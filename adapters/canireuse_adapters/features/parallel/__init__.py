"""Parallel steps: gradient descent on several devices, each with its part of the data."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field, model_validator

from canireuse.emit import Emitter, Tables
from canireuse.spec.bounds import MOST_DEVICES
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, AnyStep, Block, Name, Real, Values, check_array
from canireuse.spec.vocabulary import Compute, Save
from canireuse_adapters.features.parallel import equinox, haiku, keras, linen, nnx, tf1, tf2, torch

if TYPE_CHECKING:
    from canireuse_adapters.reference import Reference

#: a value on each device
Parts = Annotated[Values, BeforeValidator(check_array), Field(max_length=MOST_DEVICES)]


class Parallel(Block):
    """Take steps of gradient descent on several devices, each with its part of the data, on the mean loss.

    A framework that wraps the model has one call of the wrapper, which gives the loss; or one for each call of the model inside.
    A `save` inside is done at the end, where the devices work: of what is at hand there.
    """

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
    times: int = Field(1, ge=1, le=10, description="How many steps, with one wrapper and one optimizer.")
    passes: bool = Field(
        False,  # noqa: FBT003
        description="Each `compute` inside is a forward pass of its own: where there is a wrapper, it is called for each.",
    )
    late: bool = Field(
        False,  # noqa: FBT003
        description="The model was made before anything was said of devices.",
    )
    steps: list[AnyStep] = []

    @model_validator(mode="after")
    def check_parts(self) -> "Parallel":
        """Refuse names that have values on different devices."""
        if len({len(values) for values in self.split.values()}) > 1:
            raise ValueError("`split` gives each name as many values as there are devices: the same number for all")
        if self.passes and not all(isinstance(one, Compute) for one in self.steps):
            raise ValueError("with `passes`, each step inside is a `compute`: what one forward pass gives")
        return self

    @property
    def own_names(self) -> list[str]:
        """What each device has its part of; what is bound inside stays there."""
        return [*self.split]


def saving(tables: Tables) -> Tables:
    """Return tables whose code saves at the end as anywhere: what is replicated is one object there."""
    code = tables.code["parallel"]
    assert callable(code)

    def emit(emitter: Emitter, step: Parallel) -> None:
        saves = [one for one in step.steps if isinstance(one, Save)]
        rest = [one for one in step.steps if not isinstance(one, Save)]
        code(emitter, step.model_copy(update={"steps": rest}) if saves else step)
        emitter.steps(saves)

    return replace(tables, code={"parallel": emit})


def in_reference(reference: "Reference", step: Parallel) -> None:
    """Take one step on the mean over the parts."""
    reference.define("loss", step, list(step.split), step.minimize)
    reference.fill("model.parallel($parallel, '$split', loss, rate=$rate, times=$times)", step)


FEATURE = Feature(
    verbs=(Parallel,),
    tables={
        "reference": saving(Tables(code={"parallel": in_reference})),
        "tf1": saving(tf1.IN_GRAPH),
        "tf1-eager": saving(tf1.EAGER),
        "tf2": saving(tf2.TABLES),
        "keras": saving(keras.TABLES),
        "linen": saving(linen.TABLES),
        "nnx": saving(nnx.TABLES),
        "haiku": saving(haiku.TABLES),
        "equinox": saving(equinox.TABLES),
        "torch": torch.TABLES,
    },
)
