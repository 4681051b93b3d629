"""Reinitializing: one variable is set back to what it was made with."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Tables, Unsupported, expr, literal
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Place, Step
from canireuse.spec.vocabulary import Get, Layer, Variable
from canireuse_adapters.keras.layers import of_layer
from canireuse_adapters.tf2.classes import initial_of
from canireuse_adapters.tf2.scopes import initial
from canireuse_adapters.torch.variables import start, start_of

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.tf1 import TF1
    from canireuse_adapters.tf2 import TF2
    from canireuse_adapters.torch import Torch


class Reinitialize(Step):
    """Set one variable back to what it was made with."""

    verb = "reinitialize"
    probes = True
    uses = {"reinitialize": VARIABLES}
    reinitialize: Place


def in_torch(torch: "Torch", step: Reinitialize) -> None:
    """Write the initial value again."""
    found = torch.symbols.at(step.reinitialize)
    init = start_of(found) if found else None
    if init is None:
        raise Unsupported("A parameter does not remember how it was made, and here its initial value is not known.")
    start(torch, torch.place(step.reinitialize), init, transposed=torch.transposed(step.reinitialize))


def in_graph(tf1: "TF1", step: Reinitialize) -> None:
    """Run one variable's initializer again."""
    parts = tf1.in_parts(step.reinitialize)
    code = "[part.initializer for part in $reinitialize]" if parts else "$reinitialize.initializer"
    tf1.fill(f"session.run({code})", step)


def in_tf2(tf: "TF2", step: Reinitialize) -> None:
    """Assign the initial value once more."""
    code, found = tf.place(step.reinitialize), tf.at(step.reinitialize)
    match found.made:
        case Layer() if tf.is_keras(found) and isinstance(code, ast.Attribute):
            initializer = f"{'recurrent' if found.part == 'recurrent' else code.attr}_initializer"
            value = expr("$owner.$initializer($code.shape)", owner=code.value, initializer=initializer, code=code)
        case Layer() as made if not isinstance(getattr(made, found.part), str):
            value = initial_of(made, found.part)
        case Get() | Variable() as made if made.init is not None and made.init != "random":
            (value,) = initial(tf, made)
        case _:
            raise Unsupported("A `tf.Variable` keeps no initializer: a random initial value is gone.")
    tf.emit("$code.assign($value)", code=code, value=value)


def in_keras(keras: "Keras", step: Reinitialize) -> None:
    """Assign the initial value once more."""
    code, made = keras.place(step.reinitialize), keras.at(step.reinitialize).made
    if of_layer(keras, step.reinitialize) and isinstance(code, ast.Attribute):
        keras.emit(
            "$code.assign($owner.$initializer($code.shape))",
            code=code, owner=code.value, initializer=f"{code.attr}_initializer",
        )  # fmt: skip
        return
    if not isinstance(made, Get | Variable) or made.init in (None, "random") or getattr(made, "start", None):
        raise Unsupported("A Keras variable keeps no initializer: a random initial value is gone.")
    filled = made.shape and not isinstance(made.init, list)
    again = expr("keras.ops.full($code.shape, $init)" if filled else "$init", code=code, init=literal(made.init))
    keras.emit("$code.assign($again)", code=code, again=again)


def in_haiku(haiku: "Haiku", step: Reinitialize) -> None:
    """Run `init` again and take one entry of what it makes."""
    entry = haiku.spot(step.reinitialize).path
    made = next((one.init for one in haiku.defined.values() if entry[1:] in one.makes), None)
    if not made or entry[0] != "params":
        raise Unsupported("Haiku keeps no initializer beside a parameter: `init` makes a whole tree anew.")
    code = "$entry = $made['$module']['$word']"
    haiku.emit(code, entry=haiku.entry_code(entry), made=made, module=entry[1], word=entry[2])


FEATURE = Feature(
    verbs=(Reinitialize,),
    tables={
        "reference": Tables(code={"reinitialize": "$reinitialize.initialize()"}),
        "torch": Tables(
            code={"reinitialize": in_torch},
            notes={
                "reinitialize": "A parameter does not remember its initializer: its initial value is written out again."
            },
        ),
        "tf1": Tables(code={"reinitialize": in_graph}),
        "tf1-eager": Tables(
            missing={
                "reinitialize": "An eager variable keeps no initializer to run again; assign the value instead.",
            },
        ),
        "tf2": Tables(
            code={"reinitialize": in_tf2},
            notes={"reinitialize": "No call puts a variable back; users assign the initial value again."},
        ),
        "keras": Tables(
            code={"reinitialize": in_keras},
            notes={"reinitialize": "No call puts a variable back; users assign the initial value again."},
        ),
        "haiku": Tables(
            code={"reinitialize": in_haiku},
            notes={"reinitialize": "`init` runs once more, and one entry is taken from what it makes."},
        ),
        "nnx": Tables(
            missing={"reinitialize": "An NNX variable keeps its value alone, and no initializer to run again."},
        ),
        "linen": Tables(
            missing={"reinitialize": "A Linen variable keeps no initializer; `init` makes a whole new tree."},
        ),
        "equinox": Tables(
            missing={"reinitialize": "An array keeps no initializer; a tree is made anew, or an earlier one is kept."},
        ),
    },
)
