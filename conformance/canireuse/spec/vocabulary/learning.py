"""Learning: gradients, optimizers, and what is left out of training."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from canireuse.spec.bounds import MOST_PLACES, MOST_TURNS
from canireuse.spec.step import VALUES, VARIABLES, AnyStep, Block, Name, Place, Places, Real, Step


class Gradient(Block):
    """Bind the gradient of a scalar with respect to a variable; `steps` lead up to the scalar."""

    verb = "gradient"
    transforms = True
    probes = True
    binds = "tensor"
    bound_by = "gradient"
    uses = {"wrt": VARIABLES}
    expressions = ("of",)
    gradient: Name
    of: str = Field(description="The scalar expression that is differentiated.")
    wrt: Place
    remat: bool = Field(
        default=False, description="Compute what leads up to the scalar again in the backward pass, to save memory."
    )
    steps: list[AnyStep] = []

    @property
    def own_names(self) -> list[str]:
        """Nothing, and what is bound inside stays there."""
        return []


class Train(Block):
    """Take steps of plain gradient descent (or Adam) on a scalar."""

    verb = "train"
    transforms = True
    probes = True
    uses = {"wrt": VALUES}
    expressions = ("minimize",)
    train: Literal["sgd", "adam"] = Field(description="The optimizer.")
    minimize: str = Field(description="The scalar expression that is minimized.")
    wrt: Place | Places = Field(description="Variables; or a layer or module: all that is trainable in it.")
    rate: Real = 0.1
    times: int = Field(1, ge=1, le=MOST_TURNS)
    steps: list[AnyStep] = []

    @property
    def own_names(self) -> list[str]:
        """Nothing, and what is bound inside stays there."""
        return []


class Optimizer(Step):
    """Make an optimizer that keeps its state from one `update` to the next."""

    verb = "optimizer"
    binds = "optimizer"
    bound_by = "optimizer"
    uses = {"over": VALUES}
    optimizer: Name = Field(description="Bind the optimizer.")
    kind: Literal["sgd", "momentum", "adam", "adamw"] = Field("sgd", description="momentum: SGD with momentum 0.9.")
    over: Place | Places = Field(description="Variables; or a layer or module: all that is trainable in it now.")
    rate: Real = 0.1
    rates: list[Real] = Field(
        [],
        max_length=MOST_PLACES,
        description="A rate for each place of `over`, in place of `rate`: each is a group of parameters.",
    )
    decay: Real | None = Field(None, description="Weight decay; of adamw, the decoupled one.")
    undecayed: list[Name] = Field(
        [],
        max_length=MOST_PLACES,
        description="Words: what has one of them in its name in `over` is left out of the decay.",
    )
    clip: Real | None = Field(None, gt=0, description="Clip gradients to this global norm before each update.")
    named: bool = Field(False, description="Hand over the names too, so that what is kept of it goes by them.")  # noqa: FBT003

    @model_validator(mode="after")
    def check_groups(self) -> "Optimizer":
        """Refuse rates that belong to no place, and names that are left out of no decay."""
        if self.rates and (isinstance(self.over, str) or len(self.rates) != len(self.over)):
            raise ValueError("`rates` has a rate for each place of `over`: name as many places in a list")
        if self.named and (not isinstance(self.over, str) or self.undecayed):
            raise ValueError("`named` hands over what one owner lists: name it in `over`, without `undecayed`")
        if self.undecayed and (self.decay is None or not isinstance(self.over, str)):
            raise ValueError(
                "`undecayed` leaves names of one owner out of `decay`: say both, and name one owner in `over`"
            )
        return self


class Update(Block):
    """Take steps with an optimizer made before; `steps` lead up to the scalar."""

    verb = "update"
    transforms = True
    probes = True
    uses = {"update": frozenset({"optimizer"})}
    expressions = ("minimize",)
    update: Name = Field(description="An optimizer bound before.")
    minimize: str | Annotated[list[str], Field(min_length=1, max_length=MOST_PLACES)] = Field(
        description="The scalar that is minimized; of a list, gradients are accumulated before the one update."
    )
    times: int = Field(1, ge=1, le=MOST_TURNS)
    steps: list[AnyStep] = []

    @property
    def losses(self) -> list[str]:
        """The scalars whose gradients are accumulated: one, where no list is given."""
        return [self.minimize] if isinstance(self.minimize, str) else self.minimize

    @property
    def own_names(self) -> list[str]:
        """Nothing, and what is bound inside stays there."""
        return []


class Freeze(Step):
    """Exclude a variable, a layer or a module from training from here on."""

    verb = "freeze"
    changes = True
    uses = {"freeze": VALUES}
    freeze: Place


class Unfreeze(Step):
    """Include a variable, a layer or a module in training again."""

    verb = "unfreeze"
    changes = True
    uses = {"unfreeze": VALUES}
    unfreeze: Place
