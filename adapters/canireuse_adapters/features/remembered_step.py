"""Remembered models: a compiled step that goes through its model once, and remembers what it found."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from canireuse.emit import Tables, attribute, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Place, Real, Step

if TYPE_CHECKING:
    from canireuse_adapters.nnx import NNX


class TrainRemembered(Step):
    """Take steps of gradient descent on the sum of a variable by a compiled step that goes through the model once, before the first."""

    verb = "train_remembered"
    probes = True
    uses = {"train_remembered": OWNERS, "minimize": frozenset({"variable"})}
    train_remembered: Place
    minimize: Place = Field(description="A variable of the model, whose sum is minimized.")
    rate: Real = 0.5
    times: Annotated[int, Field(ge=1, le=100)] = 1


IN_NNX = """\
@nnx.jit
def $step(model, optimizer):
    def loss(model):
        return jnp.sum($scalar)
    optimizer.update(model, nnx.grad(loss)(model))
$remembered = nnx.cached_partial($step, $model, nnx.Optimizer($model, optax.sgd($rate), wrt=nnx.Param))
for _ in range($times):
    $remembered()
"""


def in_nnx(nnx: "NNX", step: TrainRemembered) -> None:
    """Make the step, and one that has the model and the optimizer already."""
    scalar = nnx.value(step.minimize)
    owner, _, path = step.minimize.partition(".")
    if owner == step.train_remembered:
        scalar = expr("$at[...]", at=attribute(expr("model"), path.split(".")))
    nnx.emit(
        IN_NNX, step=nnx.fresh("step"), remembered=nnx.fresh("remembered"), scalar=scalar,
        model=nnx.place(step.train_remembered), rate=step.rate, times=step.times,
    )  # fmt: skip


NOT_ASKED = "A compiled step does not go through a model here for what is shared in it: there is nothing that it could remember."
FEATURE = Feature(
    verbs=(TrainRemembered,),
    tables={
        "reference": Tables(missing={"train_remembered": "The contract has no cost of a step that could be saved."}),
        "nnx": Tables(code={"train_remembered": in_nnx}, since={"nnx.cached_partial": "flax>=0.10.4"}),
        **{
            backend: Tables(missing={"train_remembered": NOT_ASKED})
            for backend in ("torch", "keras", "tf2", "tensorflow1", "jax")
        },
    },
)
