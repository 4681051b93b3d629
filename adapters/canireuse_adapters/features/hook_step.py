"""Hooks before a step of an optimizer: what they are handed, and what they may hand back."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Block, Name

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class HookStep(Block):
    """Have a hook be called before each step that an optimizer takes inside, which hands something back."""

    verb = "hook_step"
    binds = "tensor"
    uses = {"hook_step": frozenset({"optimizer"})}
    hook_step: Name
    hands_back: Literal["both", "arguments"] = Field(
        description="both: the arguments of the step and those that have names, as they came; arguments: the first of these alone, as a hook before a call of a layer does."
    )
    as_: Name = Field(alias="as", description="Bind how many steps it was called before.")


HANDED = {"both": "args, kwargs", "arguments": "args"}
HOOKED = """\
$called = []
def $before(optimizer, args, kwargs):
    $called.append(1)
    return $handed
handle = $optimizer.register_step_pre_hook($before)
$*body
handle.remove()
$as = torch.tensor(len($called))
"""


def in_torch(torch: "Torch", step: HookStep) -> None:
    """Register the hook, and remove it."""
    code = HOOKED.replace("$handed", HANDED[step.hands_back])
    fills = {one: torch.fresh(one) for one in ("called", "before")}
    torch.fill(code, step, optimizer=step.hook_step, **fills)


NO_HOOK = "{} has no hook before a step: what comes before it is written before it."
FEATURE = Feature(
    verbs=(HookStep,),
    tables={
        "reference": Tables(missing={"hook_step": "The contract says where an optimizer moves its variables, and has no hooks on it."}),
        "torch": Tables(code={"hook_step": in_torch}),
        **{backend: Tables(missing={"hook_step": NO_HOOK.format("An optimizer of Keras")}) for backend in ("keras", "tf2")},
        "tensorflow1": Tables(missing={"hook_step": NO_HOOK.format("An optimizer of `tf1.train`")}),
        "jax": Tables(missing={"hook_step": "An Optax optimizer is two functions: who wants something done before a step chains another transformation in front of it."}),
    },
)  # fmt: skip
