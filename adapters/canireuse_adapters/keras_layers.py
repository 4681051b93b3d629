"""Layers of Keras 3 as it stands alone and inside TensorFlow 2: their classes, what they wrap, and where variables stand in them."""

import ast
from collections.abc import Callable
from typing import Any

from canireuse.emit import Emitter, Fill, Slot, Unsupported, expr
from canireuse.program import Object
from canireuse.spec.vocabulary import Layer, Wrap

#: kind of layer -> what Keras calls its variables, where that is another name
LAYERS = {
    "embedding": {"kernel": Slot("embeddings")},
    "norm": {
        "kernel": Slot("gamma"), "bias": Slot("beta"), "mean": Slot("moving_mean"), "var": Slot("moving_variance"),
    },
    "cell": {"recurrent": Slot("recurrent_kernel")},
}  # fmt: skip
#: kind of layer -> its class in Keras, and what it is made with
CLASSES = {
    "dense": "Dense", "embedding": "Embedding", "norm": "BatchNormalization", "cell": "SimpleRNNCell",
    "rnn": "RNN", "bidirectional": "Bidirectional", "time_distributed": "TimeDistributed",
}  # fmt: skip
MADE = {
    "dense": "$units, kernel_initializer=$kernel",
    "embedding": "$inputs, $units, embeddings_initializer=$kernel",
    "norm": "momentum=0.9, gamma_initializer=$kernel",
    "cell": "$units, kernel_initializer=$kernel, recurrent_initializer=$recurrent",
}
#: kind of wrapper -> the part that it wraps, and the kinds of layers that it takes
INSIDE = {"rnn": "cell", "time_distributed": "layer", "bidirectional": "forward"}
TAKES = {
    "rnn": {"cell"},
    "bidirectional": {"cell", "rnn"},
    "time_distributed": {"dense", "embedding", "norm", "time_distributed"},
}


# -- what a layer is


def kind_of(found: Object) -> str:
    """Return the kind of a layer, or of what wraps one; empty of anything else."""
    match found.made:
        case Layer() as made if found.kind == "layer":
            return made.layer
        case Wrap() as made if found.kind == "layer":
            return made.inside
    return ""


def wrapped(found: Object) -> Object | None:
    """Return the layer that a layer wraps, None if it wraps none."""
    return found.parts[INSIDE[kind_of(found)]] if kind_of(found) in INSIDE else None


def innermost(found: Object) -> Layer | None:
    """Return the step that made a layer, or what it wraps; None if that is not known."""
    while inner := wrapped(found):
        found = inner
    return found.made if found.kind == "layer" and isinstance(found.made, Layer) else None


def is_table(emitter: Emitter, found: Object) -> bool:
    """Return whether an embedding looks up rows of a variable, whose gradient on TensorFlow then comes as rows and is no tensor yet."""
    inside = (one for top in emitter.symbols.names.values() for one in top.walk())
    return any(kind_of(one) == "embedding" and found in one.parts.values() for one in inside)


def inputs_of(found: Object) -> int:
    """Return the size of a layer's input."""
    made = innermost(found)
    assert made is not None
    return made.inputs


def units(found: Object) -> int:
    """Return the size of a layer's output."""
    made = innermost(found)
    assert made is not None
    return made.inputs if made.layer == "norm" else made.units * (2 if kind_of(found) == "bidirectional" else 1)


# -- how it is made


def construct(
    emitter: Emitter, step: Layer, package: str, initializer: Callable[[Any], ast.expr], last: dict[str, Fill]
) -> None:
    """Construct a layer; it makes its variables when it is first called."""
    options: dict[str, Fill] = {}
    if step.layer != "embedding" and step.bias is None:
        options = {"center" if step.layer == "norm" else "use_bias": False}
    elif step.layer != "embedding":
        options = {"beta_initializer" if step.layer == "norm" else "bias_initializer": initializer(step.bias)}
    if step.penalty is not None:
        slot = LAYERS.get(step.layer, {}).get("kernel", Slot("kernel"))
        options[f"{slot.attribute}_regularizer"] = expr(f"{package}.regularizers.L2($x)", x=step.penalty)
    if step.activity is not None:
        options["activity_regularizer"] = expr(f"{package}.regularizers.L2($x)", x=step.activity)
    code = f"$as = {package}.layers.{CLASSES[step.layer]}({MADE[step.layer]}, $**options)"
    kernel, recurrent = initializer(step.kernel), initializer(step.recurrent)
    emitter.fill(code, step, kernel=kernel, recurrent=recurrent, options=options | last)


def wrap(emitter: Emitter, step: Wrap, package: str) -> None:
    """Give a layer to a layer that calls it; a Bidirectional makes two of its own from the configuration of the one it is given."""
    found, code = emitter.symbols.at(step.wrap), emitter.place(step.wrap)
    kind = kind_of(found) if found else ""
    if kind not in TAKES[step.inside]:
        raise Unsupported(f"`{package}.layers.{CLASSES[step.inside]}` wraps no layer of this kind.")
    if kind == "cell":
        code = expr(f"{package}.layers.RNN($code, return_sequences=True)", code=code)
    if step.inside != "rnn":
        code = expr(f"{package}.layers.{CLASSES[step.inside]}($code)", code=code)
    emitter.bind(step.as_, code)


def wrapper(emitter: Emitter, step: Wrap) -> None:
    """Have a layer that wraps another: what is inside stands under the attribute of what is wrapped."""
    emitter.symbols.happen(step)
    found, inner = emitter.symbols.at(step.as_), emitter.symbols.at(step.wrap)
    assert found is not None
    assert inner is not None
    if step.inside != "bidirectional":
        found.slots = through(inner, INSIDE[step.inside])
        return
    if kind_of(inner) == "cell":
        loop = step.model_copy(update={"inside": "rnn"})
        inner = Object("layer", {**inner.parts, "cell": inner}, through(inner, "cell"), made=loop)
    found.parts = {"forward": inner.copied(), "backward": inner.copied()}
    found.slots = {part: Slot(f"{part}_layer") for part in found.parts}


def through(inner: Object, attribute: str) -> dict[str, Slot]:
    """Return where the parts of what is wrapped stand, from what wraps it."""
    return {part: Slot(f"{attribute}.{inner.slot(part).attribute}") for part in inner.parts}
