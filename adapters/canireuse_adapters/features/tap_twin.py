"""Twins: a module of the user's own that uses one layer for both of its inputs, and a hook on it that catches their gradients."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class TapTwin(Step):
    """Call a module of the user's own that uses one layer for each of its two inputs, and catch the gradients with respect to these by a hook on it.

    The inputs are ones, of one row and one column, and what is differentiated is the sum of all outputs.
    """

    verb = "tap_twin"
    binds = "tensor"
    uses = {"tap_twin": frozenset({"layer"})}
    tap_twin: Name
    left_out: bool = Field(False, description="Leave the second input out: None stands in its place.")  # noqa: FBT003
    as_: Name = Field(alias="as", description="Bind the numbers that were caught, without what is None.")


IN_TORCH = """\
class $word(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer
    def forward(self, left, right):
        return $outputs
twin = $word($layer)
caught = []
handle = twin.$hook(lambda module, inputs, outputs: caught.extend(inputs))
left = torch.ones(1, 1, requires_grad=True)
right = $right
$loss.sum().backward()
handle.remove()
$as = torch.tensor([grad.item() for grad in caught if grad is not None])
"""
BOTH = {
    "$outputs": "self.layer(left), self.layer(right)",
    "$right": "torch.ones(1, 1, requires_grad=True)",
    "$loss": "sum(twin(left, right))",
}
FIRST = {"$outputs": "self.layer(left)", "$right": "None", "$loss": "twin(left, right)"}
WAYS = ("register_full_backward_hook", "register_backward_hook")


def in_torch(torch: "Torch", step: TapTwin) -> None:
    """Write the class, and register the hook that the way names."""
    code = IN_TORCH.replace("$hook", torch.way.get("tap_twin", WAYS[0]))
    for hole, filled in (FIRST if step.left_out else BOTH).items():
        code = code.replace(hole, filled)
    torch.fill(code, step, word=torch.fresh("Twin"), layer=torch.place(step.tap_twin))


OTHER = "{}: the gradient with respect to an input is asked for in code that has the input."
FEATURE = Feature(
    verbs=(TapTwin,),
    tables={
        "reference": Tables(missing={"tap_twin": "The contract does not cover what looks into a backward pass from outside."}),
        "torch": Tables(code={"tap_twin": in_torch}, ways={"tap_twin": WAYS}),
        **{backend: Tables(missing={"tap_twin": OTHER.format("A layer takes no hook")}) for backend in ("keras", "tf2", "tensorflow1")},
        "jax": Tables(missing={"tap_twin": OTHER.format("JAX has no backward hooks")}),
    },
)  # fmt: skip
