"""Modes of the forward pass: what is computed without gradients, for inference alone, or in lower precision."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from canireuse.emit import Tables, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import Block

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class Under(Block):
    """Run the steps in a mode that the framework switches on for all that is computed inside."""

    verb = "under"
    under: Literal["no_gradient", "inference", "autocast"] = Field(
        description="no_gradient: keep nothing for a backward pass; inference: nor what would allow one later; autocast: layers compute in bfloat16."
    )


WORDS = {
    "no_gradient": "torch.no_grad()",
    "inference": "torch.inference_mode()",
    "autocast": "torch.autocast('cpu', torch.bfloat16)",
}


def in_torch(torch: "Torch", step: Under) -> None:
    """Enter the context."""
    word = WORDS[step.under].replace("cpu", "cuda" if torch.device == "gpu" else "cpu")
    torch.fill("with $mode:\n    $*body", step, mode=expr(word))


NO_MODE = "{} has no mode of the forward pass that is switched on around a block: {}"
FEATURE = Feature(
    verbs=(Under,),
    tables={
        "reference": Tables(missing={"under": "The contract does not cover modes of the forward pass."}),
        "torch": Tables(code={"under": in_torch}),
        "jax": Tables(missing={"under": NO_MODE.format("JAX", "what is differentiated is a function, `stop_gradient` takes a value, and a dtype is said of a layer.")}),
        "keras": Tables(missing={"under": NO_MODE.format("Keras", "gradients are the engine's, and a layer has its `dtype` policy from when it is made.")}),
        "tf2": Tables(missing={"under": NO_MODE.format("TensorFlow 2", "a tape records or does not, and a Keras layer has its `dtype` policy from when it is made.")}),
        "tensorflow1": Tables(missing={"under": NO_MODE.format("TF1", "gradients are asked for of a graph that is there, and a dtype is said of a layer.")}),
    },
)  # fmt: skip
