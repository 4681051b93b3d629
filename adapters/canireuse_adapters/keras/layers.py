"""Layers of Keras: how they are made and wrapped, and when they have their variables."""

import ast
from functools import partial
from typing import TYPE_CHECKING

from canireuse.emit import Code, Effects, Fill, Unsupported, attribute, literal, text
from canireuse.program import Object, places_of
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Block, Call, Layer, walk
from canireuse_adapters.keras.classes import initializer, layer_of, tie_of, tied_layer
from canireuse_adapters.keras_layers import construct, innermost, kind_of, wrap, wrapped, wrapper

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras

# -- what a layer is


def of_layer(keras: "Keras", place: str) -> Layer | None:
    """Return the step of the layer that a place is a variable of, None if it is none."""
    owner, _ = keras.symbols.above(place)
    return owner.made if owner and owner.kind == "layer" and isinstance(owner.made, Layer) else None


# -- how it is made


def layer(keras: "Keras", step: Layer) -> None:
    """Construct a layer; it makes its variables when it is first called."""
    last: dict[str, Fill] = {} if step.trainable else {"trainable": False}
    last |= {"name": text(step.name)} if step.name else {}
    if (tie := tie_of(keras, step)) and (source := layer_of(keras, tie.to)):
        build(keras, keras.place(source.as_), keras.at(source.as_))
        tied_layer(keras, step, tie, last)
        return
    construct(keras, step, "keras", initializer, last)


def made(keras: "Keras", step: Layer) -> None:
    """Have a layer; a tied one has its variables under their own names."""
    keras.symbols.happen(step)
    if tie_of(keras, step):
        keras.at(step.as_).slots = {}


# -- when it has its variables


def waits(found: Object) -> bool:
    """Return whether a variable is still to be made somewhere inside."""
    if found.kind == "module":
        return any(waits(part) for part in found.parts.values())
    return found.kind == "layer" and not found.built


def build(keras: "Keras", code: ast.expr, found: Object) -> None:
    """Write the building of a layer, or of all layers of a module, that has no variables yet."""
    if not waits(found):
        return
    if found.kind == "module":
        for name, part in found.parts.items():
            build(keras, attribute(code, [attribute_of(name)]), part)
    elif not found.abstract:
        keras.emit("$layer.build($shape)", layer=code, shape=shape(found))
        has_variables(found)


def initialize(keras: "Keras", step: Step) -> None:
    """Build the layers that are asked for their variables before a call makes them."""
    for name, found in list(keras.symbols.names.items()):
        if found.kind == "layer" and keras.facts.asked_first(name, step):
            build(keras, keras.place(name), found)


def shape(found: Object) -> ast.expr:
    """Return the shape of the input that a layer is built for."""
    inner = innermost(found)
    if inner is None:
        raise Unsupported("Keras builds a layer for the shape of its input, which the spec does not give here.")
    if kind_of(found) == "embedding":
        return literal([None])
    return literal([None, *([None] if wrapped(found) else []), inner.inputs])


def has_variables(found: Object) -> None:
    """Note that the layers inside have their variables."""
    for one in found.walk():
        if one.kind == "layer":
            one.built = True
            one.abstract = False


def places_in(step: Step) -> list[str]:
    """Return the places that a step and anything inside it mentions."""
    return [place for one in walk([step]) for place in places_of(one)]


def build_for(keras: "Keras", step: Step, *, calls_build: bool = True) -> None:
    """Build layers that a step mentions which runs several times or may make no variables.

    With `calls_build`, a call inside is left to build what it calls.
    """
    called: set[str] = set()
    for one in [*walk(step.steps if isinstance(step, Block) else []), step]:
        places = places_in(one)
        mentioned = {place.partition(".")[0] for place in places}
        for name, found in list(keras.symbols.names.items()):
            if name not in mentioned or name in called or not waits(found):
                continue
            if calls_build and isinstance(one, Call) and one.call == name:
                called.add(name)
            elif not calls_build or any(place.startswith(f"{name}.") for place in places):
                build(keras, keras.place(name), found)


#: attributes that every layer or model has already
PROPERTIES = frozenset({
    "weights", "variables", "losses", "metrics", "name", "path", "input", "output", "inputs", "outputs", "dtype", "build",
    "call", "built", "quantize", "trainable", "trainable_weights", "trainable_variables", "compute_dtype", "input_spec",
    "layers", "loss", "optimizer", "save", "summary", "fit", "evaluate", "predict", "compile",
})  # fmt: skip


def attribute_of(name: str) -> str:
    """Return the attribute for a name; what layers have as properties themselves gets an underscore behind."""
    return f"{name}_" if name in PROPERTIES else name


def shared(keras: "Keras") -> str:
    """Return what makes the initializer that layers share, above all steps."""
    asked = any(isinstance(one, Layer) and one.kernel == "shared-initializer" for one in keras.facts.steps)
    return "initializer = keras.initializers.RandomNormal(stddev=1.0)\n$*body" if asked else ""


CODE: Code = {"layer": layer, "wrap": partial(wrap, package="keras"), "initialize": initialize}
EFFECTS: Effects = {"layer": made, "wrap": wrapper}
