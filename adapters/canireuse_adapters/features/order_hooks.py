"""The order of hooks: what is called around the keeping and the giving back of an optimizer's state."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Tables, name
from canireuse.spec.features import Feature
from canireuse.spec.step import Block, Name

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class OrderHooks(Block):
    """Have hooks tell that the state of an optimizer is kept and given back inside, with two of a kind, of which one is put first."""

    verb = "order_hooks"
    binds = "tensor"
    uses = {"order_hooks": frozenset({"optimizer"})}
    order_hooks: Name
    as_: Name = Field(
        alias="as",
        description="Bind the numbers in the order of the calls: 1 before keeping, 2 put first after it, 3 after it; 4 before giving back, 5 put first after it, 6 and 7 after it.",
    )


HOOKED = """\
$order = []
handles = [
    $optimizer.register_state_dict_pre_hook(lambda _: $order.append(1.0)),
    $optimizer.register_state_dict_post_hook(lambda _, state: $order.append(3.0)),
    $optimizer.register_state_dict_post_hook(lambda _, state: $order.append(2.0), prepend=True),
    $optimizer.register_load_state_dict_pre_hook(lambda _, state: $order.append(4.0)),
    $optimizer.register_load_state_dict_post_hook(lambda _: $order.append(6.0)),
    $optimizer.register_load_state_dict_post_hook(lambda _: $order.append(7.0)),
    $optimizer.register_load_state_dict_post_hook(lambda _: $order.append(5.0), prepend=True),
]
$*body
for handle in handles:
    handle.remove()
"""


def in_torch(torch: "Torch", step: OrderHooks) -> None:
    """Register the hooks, and remove them."""
    order = torch.fresh("order")
    torch.fill(HOOKED, step, optimizer=step.order_hooks, order=order)
    torch.emit("$to = $order", to=step.as_, order=torch.array(name(order)))


NO_HOOK = (
    "The state of an optimizer is values that the script hands on, in the order of its lines: nothing is called beside."
)
FEATURE = Feature(
    verbs=(OrderHooks,),
    tables={
        "reference": Tables(missing={"order_hooks": "The contract has no hooks on what is kept of an optimizer."}),
        "torch": Tables(code={"order_hooks": in_torch}),
        **{backend: Tables(missing={"order_hooks": NO_HOOK}) for backend in ("keras", "tf2", "tensorflow1", "jax")},
    },
)
