"""Counting calls: a hook on a layer counts its calls, those too that end in an error."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Tables, expr, name
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Block, Name, Place

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class CountCalls(Block):
    """Count the calls of a layer inside by a hook, behind a hook that fails at each call that had no output."""

    verb = "count_calls"
    binds = "tensor"
    probes = True
    uses = {"count_calls": OWNERS}
    count_calls: Place
    as_: Name = Field(alias="as", description="Bind how many there were.")


FAIL = """\
def $fail(module, inputs, output):
    if output is None:
        raise RuntimeError('there is no output')
"""
#: way -> how the two hooks are registered; those on all modules have to ask which they are called for
HOOKED = {
    "module": FAIL + """\
handles = [
    $layer.register_forward_hook($fail, always_call=True),
    $layer.register_forward_hook(lambda module, inputs, output: $counted.append(1.0), always_call=True),
]
""",
    "every-module": FAIL + """\
def $count(module, inputs, output):
    if module is $layer:
        $counted.append(1.0)
handles = [
    nn.modules.module.register_module_forward_hook($fail, always_call=True),
    nn.modules.module.register_module_forward_hook($count, always_call=True),
]
""",
}  # fmt: skip


def in_torch(torch: "Torch", step: CountCalls) -> None:
    """Register both hooks, and remove them."""
    counted = torch.fresh("counted")
    torch.fill(
        f"$counted = []\n{HOOKED[torch.way['count_calls']]}$*body\nfor handle in handles:\n    handle.remove()", step,
        layer=torch.place(step.count_calls), counted=counted, fail=torch.fresh("fail"), count=torch.fresh("count"),
    )  # fmt: skip
    torch.emit("$to = sum($counted, $zero)", to=step.as_, counted=name(counted), zero=torch.array(expr("0.0")))


NO_HOOK = "{} has no hook that is called where a call ends in an error: who counts calls writes that into the layer."
FEATURE = Feature(
    verbs=(CountCalls,),
    tables={
        "reference": Tables(missing={"count_calls": "The contract does not cover what looks into a call from outside."}),
        "torch": Tables(code={"count_calls": in_torch}, ways={"count_calls": tuple(HOOKED)}),
        **{
            backend: Tables(missing={"count_calls": NO_HOOK.format(title)})
            for backend, title in {"keras": "Keras", "tf2": "Keras", "tensorflow1": "TensorFlow", "jax": "JAX"}.items()
        },
    },
)  # fmt: skip
