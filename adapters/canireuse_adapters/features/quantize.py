"""Quantizing: weights of 8 bits, by the framework's own call."""

import dataclasses
from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Fate, Lack, Tables, Unsupported, text
from canireuse.program import Object
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Place, Step
from canireuse_adapters.keras import layers as keras_layers
from canireuse_adapters.keras import modules as keras_modules
from canireuse_adapters.keras_layers import kind_of
from canireuse_adapters.tf2 import layers as tf2_layers
from canireuse_adapters.torch.layers import LAYERS

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.tf2 import TF2
    from canireuse_adapters.torch import Torch


class Quantize(Step):
    """Quantize a layer's or module's weights to 8 bits with the framework's own call."""

    verb = "quantize"
    changes = True
    uses = {"quantize": OWNERS}
    renames = "quantize"
    binds = "copy"
    quantize: Place
    as_: Name = Field(
        alias="as", description="Bind what is quantized; where the framework works in place, the same object."
    )


# -- PyTorch


def in_torch(torch: "Torch", step: Quantize) -> None:
    """Quantize the linear layers of a copy, or one linear layer in its place."""
    found = torch.symbols.at(step.quantize)
    if found is None or not found.is_owner or not any(map(is_linear, found.walk())):
        raise Unsupported("Dynamic quantization has words for `nn.Linear` layers and the modules that hold them.")
    owner, _, path = step.quantize.partition(".")
    if path:
        code = "torch.ao.quantization.quantize_dynamic($owner, {'$path'}, inplace=True)\n$as = $quantize"
    elif found.kind == "layer":
        code = "($as,) = torch.ao.quantization.quantize_dynamic(nn.Sequential($quantize), {nn.Linear})"
    else:
        code = "$as = torch.ao.quantization.quantize_dynamic($quantize, {nn.Linear})"
    torch.fill(code, step, owner=owner, path=text(torch.key(owner, path)))


def quantized(torch: "Torch", step: Quantize) -> None:
    """Have packed weights in the copy, or in the place of the layer."""
    found, (owner, part) = torch.symbols.at(step.quantize), torch.symbols.above(step.quantize)
    if found:
        torch.symbols.names[step.as_] = made = packed(found)
        if owner:
            owner.parts[part] = made


def is_linear(found: Object) -> bool:
    """Return whether an object is a linear layer that holds a parameter."""
    return found.kind == "layer" and found.slots.get("kernel") == LAYERS["dense"]["kernel"]


def packed(found: Object) -> Object:
    """Return the quantized copy; of a layer under two names in one module the first is quantized."""
    if is_linear(found):
        made = found.again({part: dataclasses.replace(one, kind="packed") for part, one in found.parts.items()})
        made.slots = {part: found.slot(part)._replace(kind="packed") for part in found.parts}
        return made
    parts: dict[str, Object] = {}
    for part, one in found.parts.items():
        seen = any(one is other for other, _ in zip(found.parts.values(), parts, strict=False))
        parts[part] = packed(one) if one.is_owner and not seen else one.again(dict(one.parts))
    return found.again(parts)


# -- Keras, alone and in TensorFlow 2


def in_tf2(tf: "TF2", step: Quantize) -> None:
    """Quantize a Keras object in place."""
    found = tf.at(step.quantize)
    if not tf.is_model(found):
        raise Unsupported("Keras quantizes its layers and models; a `tf.Variable` or a `tf.Module` has no such call.")
    if not any(kind_of(one) in {"dense", "embedding"} for _, one in found.layers()):
        raise Unsupported("Of the layers here, Keras quantizes `Dense` and `Embedding` only.")
    tf2_layers.build(tf, tf2_layers.inside(tf, step.quantize))
    tf.fill("$quantize.quantize('int8')" + ("\n$as = $quantize" if step.as_ != step.quantize else ""), step)


def in_keras(keras: "Keras", step: Quantize) -> None:
    """Quantize in place."""
    code = keras.place(step.quantize)
    keras_layers.build(keras, code, keras.at(step.quantize))
    keras.emit("$code.quantize('int8')", code=code)
    keras_modules.alias(keras, step.as_, step.quantize)


FEATURE = Feature(
    verbs=(Quantize,),
    tables={
        "reference": Tables(missing={"quantize": "The contract does not cover numbers of 8 bits."}),
        "torch": Tables(
            code={"quantize": in_torch},
            effects={"quantize": quantized},
            lacks=(
                Lack(
                    "quantize", lambda torch, _: torch.device == "gpu",
                    "PyTorch's dynamic quantization computes on the CPU alone.",
                ),
            ),
        ),
        "tf2": Tables(code={"quantize": in_tf2}, fates={"quantize": Fate.SAME}),
        "keras": Tables(code={"quantize": in_keras}, fates={"quantize": Fate.SAME}),
        "tensorflow1": Tables(
            missing={
                "quantize": "TensorFlow quantizes when it converts a saved model for TensorFlow Lite; `tf.compat.v1` has no call that quantizes the weights of a network in place.",
            },
        ),
        "jax": Tables(
            missing={
                "quantize": "JAX and its module libraries have no call that quantizes a module: libraries beside them, such as Qwix, do.",
            },
        ),
    },
)  # fmt: skip
