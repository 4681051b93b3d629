"""Counting layers: how many there are in a module, by the list that the framework has of them."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Lack, Tables, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Place, Step

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras


class CountLayers(Step):
    """Count the layers and modules inside a module, as the framework lists them."""

    verb = "count_layers"
    binds = "tensor"
    uses = {"count_layers": frozenset({"module"})}
    count_layers: Place
    as_: Name = Field(alias="as", description="Bind how many there are, the module itself apart.")


def counted(code: str) -> Tables:
    """Return what a framework says that has a list of them."""

    def count(emitter: Emitter, step: CountLayers) -> None:
        number = expr(code, net=emitter.place(step.count_layers))
        emitter.bind(step.as_, emitter.array(number))

    return Tables(code={"count_layers": count})


def is_no_model(keras: "Keras", step: CountLayers) -> bool:
    """Return whether a module is a layer of the user's own, which lists its variables alone."""
    return keras.style(keras.at(step.count_layers)) == "holder"


FEATURE = Feature(
    verbs=(CountLayers,),
    tables={
        "reference": Tables(missing={"count_layers": "The contract counts variables, and no objects that hold them."}),
        "torch": counted("len(list($net.named_modules())) - 1"),
        "nnx": counted("len(list(nnx.iter_modules($net))) - 1"),
        "tf2": counted("len($net.submodules)"),
        "tensorflow1": counted("len($net.submodules)"),
        "keras": Tables(
            code=counted("len($net.layers)").code,
            lacks=(Lack("count_layers", is_no_model, "A `keras.Layer` lists its variables, and has no public list of the layers in it: `keras.Model` has one."),),
        ),
        "linen": Tables(missing={"count_layers": "Linen has no list of the modules in another: its `setup` makes them when it is bound."}),
        "haiku": Tables(missing={"count_layers": "A Haiku module is a function that calls others, and has no list of them."}),
        "equinox": Tables(missing={"count_layers": "Equinox lists the leaves of a tree, which are arrays, and no modules."}),
    },
)  # fmt: skip
