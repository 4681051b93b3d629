"""Where the state of an optimizer lies that was restored for variables on another device."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from canireuse.emit import Fill, Lack, Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class StateFollows(Step):
    """Take a step on a variable that a module has under two names, and give the state of the optimizer to one for the same module without memory.

    Bound are how many arrays that one then keeps, and how many of them lie on another device than the variable.
    """

    verb = "state_follows"
    binds = "tensor"
    bound_by = "state_follows"
    state_follows: Name
    kind: Literal["momentum", "adam"] = Field(description="The optimizer.")
    number: Literal["real", "complex"] = Field(description="What the variable holds.")


IN_TORCH = """\
def $make():
    net = nn.Module()
    net.first = nn.Parameter(torch.tensor($start))
    net.second = net.first
    return net
net = $make()
with torch.device('meta'):
    bare = $make()
optimizer = torch.optim.$kind(net.parameters(), lr=0.1, $**options)
torch.sum(net.first.abs() + net.second.abs()).backward()
optimizer.step()
other = torch.optim.$kind(bare.parameters(), lr=0.1, $**options)
other.load_state_dict(optimizer.state_dict())
kept = [(value.device, parameter.device) for parameter, slots in other.state.items() for value in slots.values()]
$state_follows = torch.tensor([len(kept), sum(lies != belongs for lies, belongs in kept)])
"""
KINDS = {"momentum": "SGD", "adam": "Adam"}
STARTS = {"real": "[2.0]", "complex": "[2.0 + 1.0j]"}


def in_torch(torch: "Torch", step: StateFollows) -> None:
    """Make the optimizer by its name, as it steps by itself or by one kernel."""
    options: dict[str, Fill] = {"momentum": 0.9} if step.kind == "momentum" else {}
    if torch.way.get("state_follows") == "fused":
        options["fused"] = True
    code = IN_TORCH.replace("$kind", KINDS[step.kind]).replace("$start", STARTS[step.number])
    torch.fill(code, step, options=options, make=torch.fresh("make"))


NO_META = "{} has no device without memory that an optimizer could be restored for: shapes alone have no state."
FEATURE = Feature(
    verbs=(StateFollows,),
    tables={
        "reference": Tables(missing={"state_follows": "The contract has devices of one kind, and no module without memory has an optimizer there."}),
        "torch": Tables(
            code={"state_follows": in_torch},
            ways={"state_follows": ("one-by-one", "fused")},
            lacks=(Lack("state_follows/fused", lambda _, step: step.number == "complex", "A fused optimizer takes real numbers alone."),),
        ),
        **{backend: Tables(missing={"state_follows": NO_META.format("TensorFlow")}) for backend in ("tf2", "tensorflow1")},
        "keras": Tables(missing={"state_follows": NO_META.format("Keras on TensorFlow and JAX")}),
        "jax": Tables(missing={"state_follows": NO_META.format("JAX")}),
    },
)  # fmt: skip
