"""Layers of Keras 3: how they are made and wrapped, and when they have their variables."""

import ast
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from canireuse.emit import Effects, Fill, Slot, Words, expr, literal, node, text
from canireuse.program import Object, places_of
from canireuse.script import Unsupported
from canireuse.step import Block, Step
from canireuse.vocabulary import Call, Gradient, Layer, Wrap, walk
from canireuse_adapters.tf2.classes import initial_of

if TYPE_CHECKING:
    from canireuse_adapters.tf2 import TF2

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
#: blocks that may run again, or in a graph of their own: what is named inside has its variables before
APART = {"function", "repeat", "train", "update", "measure"}


# -- what a layer is


def kind_of(found: Object) -> str:
    """Return the kind of a layer, or of what wraps one; empty of anything else."""
    match found.made:
        case Layer() as made if not found.part:
            return made.layer
        case Wrap() as made:
            return made.inside
    return ""


def wrapped(found: Object) -> Object | None:
    """Return the layer that a layer wraps, None if it wraps none."""
    return found.parts[INSIDE[kind_of(found)]] if isinstance(found.made, Wrap) else None


def innermost(found: Object) -> Layer:
    """Return the step that made a layer, or what it wraps."""
    while inner := wrapped(found):
        found = inner
    assert isinstance(found.made, Layer)
    return found.made


def units(found: Object) -> int:
    """Return the size of a layer's output."""
    made = innermost(found)
    return made.inputs if made.layer == "norm" else made.units * (2 if kind_of(found) == "bidirectional" else 1)


def shape(found: Object) -> ast.expr:
    """Return the input shape that a layer is built for."""
    return literal([None, *([None] if wrapped(found) else []), innermost(found).inputs])


# -- how it is made


def layer(tf: "TF2", step: Layer) -> None:
    """Construct a layer; one of Keras makes its variables when it is first called."""
    last: dict[str, Fill] = {} if step.trainable else {"trainable": False}
    last |= {"name": text(step.name)} if step.name else {}
    if tf.has_own_layers:
        parts = ["kernel", "bias"] if step.bias is not None and step.layer == "dense" else ["kernel"]
        words, kind = "$as = $kind($*given, $**last)", node(CLASSES[step.layer])
        tf.fill(words, step, kind=kind, given=[initial_of(step, part) for part in parts], last=last)
        return
    options = {} if step.layer == "embedding" else bias(step)
    if step.penalty is not None:
        slot = LAYERS.get(step.layer, {}).get("kernel", Slot("kernel"))
        options[f"{slot.attribute}_regularizer"] = expr("tf.keras.regularizers.L2($x)", x=step.penalty)
    words = f"$as = tf.keras.layers.{CLASSES[step.layer]}({MADE[step.layer]}, $**options)"
    kernel, recurrent = initializer(step.kernel), initializer(step.recurrent)
    tf.fill(words, step, kernel=kernel, recurrent=recurrent, options=options | last)


def bias(step: Layer) -> dict[str, Fill]:
    """Return the argument for a layer's bias; without one it is switched off."""
    if step.bias is None:
        return {"center" if step.layer == "norm" else "use_bias": False}
    return {"beta_initializer" if step.layer == "norm" else "bias_initializer": initializer(step.bias)}


def initializer(value: Any) -> ast.expr:
    """Return the words for a Keras initializer."""
    return text("random_normal") if value == "random" else expr("tf.keras.initializers.Constant($x)", x=value)


def made(tf: "TF2", step: Layer) -> None:
    """Have a layer; one of the script's own has its variables at once, under their own names."""
    tf.symbols.happen(step)
    if tf.has_own_layers:
        tf.at(step.as_).slots, tf.at(step.as_).built = {}, True


def wrap(tf: "TF2", step: Wrap) -> None:
    """Give a layer to a layer that calls it; a Bidirectional makes two of its own from the configuration of the one it is given."""
    words, kind = tf.place(step.wrap), kind_of(tf.at(step.wrap))
    if kind not in TAKES[step.inside]:
        raise Unsupported(f"`tf.keras.layers.{CLASSES[step.inside]}` wraps no layer of this kind.")
    if kind == "cell":
        words = expr("tf.keras.layers.RNN($words, return_sequences=True)", words=words)
    if step.inside != "rnn":
        words = expr(f"tf.keras.layers.{CLASSES[step.inside]}($words)", words=words)
    tf.bind(step.as_, words)


def wrapper(tf: "TF2", step: Wrap) -> None:
    """Have a layer that wraps another: what is inside stands under the attribute of what is wrapped."""
    tf.symbols.happen(step)
    found, inner = tf.at(step.as_), tf.at(step.wrap)
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


# -- when it has its variables


def build(tf: "TF2", places: Iterable[str]) -> None:
    """Have layers make their variables, unless they have, or are to wait."""
    for place in list(places):
        if waits(tf.at(place)):
            tf.emit("$layer.build($shape)", layer=tf.place(place), shape=shape(tf.at(place)))
            has_variables(tf.at(place))


def waits(found: Object) -> bool:
    """Return whether a layer has no variables yet, and is not to have none for now."""
    return not found.built and not found.abstract


def has_variables(found: Object) -> None:
    """Note that a layer has its variables, and so has what is inside."""
    for one in found.walk():
        one.built = True


def inside(tf: "TF2", place: str) -> Iterator[str]:
    """Yield the places of the layers at a place, by their own names where they have kept them."""
    for route, one in tf.at(place).layers():
        named = one.made.binding if one.made else None
        yield named if named and tf.at(named) is one else ".".join([place, *route])


def needed(tf: "TF2", step: Step) -> list[str]:
    """Return the places of the layers that are to have their variables before a step, for which a call in it would be too late."""
    if step.verb == "initialize":
        return [
            name
            for name, found in tf.symbols.names.items()
            if found.kind == "layer" and tf.facts.asked_first(name, step)
        ]
    apart = isinstance(step, Block) and (step.verb in APART or is_graph(step))
    found: list[str] = []
    called: set[Object] = set()
    for one in [*walk(step.steps), step] if apart and isinstance(step, Block) else [step]:
        places = [place for place in map(partial(layer_named, tf), places_of(one)) if place]
        if isinstance(one, Block) and is_graph(one) and (one is not step or one.verb != "scan"):
            calls = [inner.call for inner in walk(one.steps) if isinstance(inner, Call)]
            places += [place for call in calls for place in inside(tf, call)]
        found += [place for place in places if tf.at(place) not in called]
        if isinstance(one, Call):
            called |= {layer for _, layer in tf.at(one.call).layers()}
    return found


def is_graph(step: Block) -> bool:
    """Return whether TensorFlow runs a block in a graph or a tape of its own, in which no variable may be made."""
    return step.verb == "scan" or step.on_devices or (isinstance(step, Gradient) and step.remat)


def layer_named(tf: "TF2", place: str) -> str:
    """Return the place of the layer, the innermost of what wraps one, whose variable is named; empty if none is."""
    owner, _, part = place.rpartition(".")
    found = tf.at(owner)
    if found.kind != "layer" or (part in found.parts and found.parts[part].is_owner):
        return ""
    while (inner := wrapped(found)) and kind_of(found) != "bidirectional":
        owner, found = f"{owner}.{INSIDE[kind_of(found)]}", inner
    return owner


WORDS: Words = {"layer": layer, "wrap": wrap}
EFFECTS: Effects = {"layer": made, "wrap": wrapper}
