"""Layers of Keras 3: how they are made and wrapped, and when they have their variables."""

import ast
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from canireuse.emit import Code, Effects, Fill, expr, literal, node, text
from canireuse.program import Object, places_of
from canireuse.spec.step import Block, Step
from canireuse.spec.vocabulary import Call, Gradient, Layer, walk
from canireuse_adapters.keras_layers import CLASSES, INSIDE, construct, inputs_of, kind_of, wrap, wrapped, wrapper
from canireuse_adapters.tf2.classes import initial_of

if TYPE_CHECKING:
    from canireuse_adapters.tf2 import TF2

#: blocks that may run again, or in a graph of their own: what is named inside has its variables before
APART = {"function", "repeat", "train", "update", "measure"}


def shape(found: Object) -> ast.expr:
    """Return the input shape that a layer is built for."""
    return literal([None, *([None] if wrapped(found) else []), inputs_of(found)])


def layer(tf: "TF2", step: Layer) -> None:
    """Construct a layer; one of Keras makes its variables when it is first called."""
    last: dict[str, Fill] = {} if step.trainable else {"trainable": False}
    last |= {"name": text(step.name)} if step.name else {}
    if tf.has_own_layers:
        parts = ["kernel", "bias"] if step.bias is not None and step.layer == "dense" else ["kernel"]
        code, kind = "$as = $kind($*given, $**last)", node(CLASSES[step.layer])
        tf.fill(code, step, kind=kind, given=[initial_of(step, part) for part in parts], last=last)
        return
    construct(tf, step, "tf.keras", initializer, last)


def initializer(value: Any) -> ast.expr:
    """Return the code for a Keras initializer."""
    if value == "shared-initializer":
        return expr("initializer")
    return text("random_normal") if value == "random" else expr("tf.keras.initializers.Constant($x)", x=value)


def made(tf: "TF2", step: Layer) -> None:
    """Have a layer; one of the script's own has its variables at once, under their own names."""
    tf.symbols.happen(step)
    if tf.has_own_layers:
        tf.at(step.as_).slots, tf.at(step.as_).built = {}, True


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


CODE: Code = {"layer": layer, "wrap": partial(wrap, package="tf.keras")}
EFFECTS: Effects = {"layer": made, "wrap": wrapper}
