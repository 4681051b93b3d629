"""Marks on variables: a layer is marked as frozen by metadata of what it holds, which the optimizer is told to look for."""

from typing import Literal

from pydantic import Field

from canireuse.emit import Emitter, Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class MarkFrozen(Step):
    """Mark a layer that a model holds under two names as frozen, by the second, and take a step of 0.5 for the rest; kernels start from 1."""

    verb = "mark_frozen"
    binds = "tensor"
    bound_by = "mark_frozen"
    mark_frozen: Name = Field(description="Bind the kernels of the frozen layer and of the one after it.")
    marks: Literal["owner", "variable", "all-metadata"] = Field(
        description="What is marked: the layer, its kernel, or its kernel by metadata that stand in the place of what it had."
    )


MARKED = {
    "owner": "nnx.set_metadata(model.second, frozen=True, only=nnx.Param)",
    "variable": "model.second.kernel.set_metadata('frozen', True)",
    "all-metadata": "model.second.kernel.set_metadata({'frozen': True})",
}
IN_NNX = """\
class Model(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(1, 1, use_bias=False, kernel_init=nnx.initializers.ones, rngs=rngs)
        self.second = self.first
        self.head = nnx.Linear(1, 1, use_bias=False, kernel_init=nnx.initializers.ones, rngs=rngs)
    def __call__(self, inputs):
        return self.head(self.second(self.first(inputs)))
def is_trained(path, value):
    return isinstance(value, nnx.Param) and not value.get_metadata('frozen', False)
model = Model(nnx.Rngs(0))
$*body
optimizer = nnx.Optimizer(model, optax.sgd(0.5), wrt=is_trained)
grads = nnx.grad(lambda model: jnp.sum(model(jnp.ones([1, 1]))), argnums=nnx.DiffState(0, is_trained))(model)
optimizer.update(model, grads)
$mark_frozen = jnp.array([model.first.kernel[0, 0], model.head.kernel[0, 0]])
"""


def in_nnx(nnx: Emitter, step: MarkFrozen) -> None:
    """Mark by metadata, and train what has no mark."""
    nnx.fill(IN_NNX.replace("$*body", MARKED[step.marks]), step)


FEATURE = Feature(
    verbs=(MarkFrozen,),
    tables={
        "python": Tables(missing={"mark_frozen": "Variables have a flag of the framework's own, or an optimizer is told by paths: `freeze` says either."}),
        "reference": Tables(missing={"mark_frozen": "What the contract says of frozen variables, `freeze` asks."}),
        "nnx": Tables(code={"mark_frozen": in_nnx}),
    },
)  # fmt: skip
