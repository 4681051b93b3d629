"""Modules of TensorFlow 2 and models of Keras 3: how they are put together, called, tied and replaced."""

import ast
from itertools import pairwise
from typing import TYPE_CHECKING

from canireuse.emit import Code, Effects, Fill, Lack, Slot, Unsupported, expr, literal, text
from canireuse.program import Object
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Call, Layer, Module, Replace, Tie, Wrap
from canireuse_adapters.keras_layers import CLASSES, inputs_of, kind_of, units, wrapped
from canireuse_adapters.tf2.classes import changed
from canireuse_adapters.tf2.layers import build, has_variables, inside

if TYPE_CHECKING:
    from canireuse_adapters.tf2 import TF2

LOCKED = (
    "Keras 3 lets no variable be put into a layer: `kernel` has no setter, and a built layer's state is locked. "
    "Share the layer itself, or compute with the other layer's variable."
)
CLASS = """\
class $kind($base):
    def __init__(self, $*members):
        super().__init__($**named)
        $*assigned
"""
CALL = """\
    def $call(self, $inputs):
        return $outputs
"""


def module(tf: "TF2", step: Module) -> None:
    """Put members together: variables in a `tf.Module`, layers in a Keras model, both in a Keras subclass."""
    members = [tf.at(place) for place in step.members.values()]
    style = tf.styles[id(step)] = style_of(tf, step, members)
    places = {part: tf.place(place) for part, place in step.members.items()}
    layers = {one.as_ for one in tf.facts.steps if isinstance(one, Layer | Wrap)}
    calls_models = any(one.calls and vars(one)[one.calls] not in layers for one in tf.facts.steps)
    is_called = calls_models and all(map(has_call, members))
    if style == "functional":
        functional(tf, step, members, list(places.values()))
    elif style == "subclass" or (is_called and tf.has_own_layers):
        written(tf, step, places, is_plain=style == "plain", is_called=is_called)
    else:
        tf.emit("$module = tf.Module(name='$module')", module=step.module)
        for part, code in places.items():
            tf.emit("$module.$part = $code", module=step.module, part=part, code=code)


def style_of(tf: "TF2", step: Module, members: list[Object]) -> str:
    """Return how a module is worded, which what TensorFlow and Keras 3 each track decides: plain, functional or subclass."""
    is_bare = any(one.kind == "variable" and not one.part for one in members)
    if not any(tf.is_model(one) or one.part for one in members) or (is_bare and tf.way.get("module") == "tf-module"):
        return "plain"
    is_chain = all(has_call(one) and tf.style(one) != "subclass" for one in members)
    if not is_chain or step.module in changed(tf, refused=True):
        return "subclass"
    chain = pairwise(layers_of(members))
    fits = all(units(one) == inputs_of(other) and kind_of(other) != "embedding" for one, other in chain)
    return "functional" if fits else "subclass"


def layers_of(members: list[Object]) -> list[Object]:
    """Return the layers of members in the order of calling."""
    return [layer for one in members for _, layer in one.layers()]


def has_call(found: Object) -> bool:
    """Return whether what stands somewhere can be called: layers one after another, none of which is a cell."""
    return found.only_layers() and all(kind_of(one) != "cell" for _, one in found.layers())


def functional(tf: "TF2", step: Module, members: list[Object], places: list[ast.expr]) -> None:
    """Write a functional model that calls its layers in turn."""
    first, size = layers_of(members)[0], [None] if any(map(wrapped, layers_of(members))) else []
    is_table = kind_of(first) == "embedding"
    tf.emit(
        "keras_input = tf.keras.Input($shape, $**options)\n$module = tf.keras.Model(keras_input, $outputs, name='$module')",
        shape=size if is_table else [*size, inputs_of(first)], options={"dtype": text("int32")} if is_table else {},
        module=step.module, outputs=in_turn(places, expr("keras_input")),
    )  # fmt: skip


def in_turn(called: list[ast.expr], outputs: ast.expr) -> ast.expr:
    """Return the code that calls one after the other."""
    for one in called:
        outputs = expr("$one($outputs)", one=one, outputs=outputs)
    return outputs


def written(tf: "TF2", step: Module, places: dict[str, ast.expr], *, is_plain: bool, is_called: bool) -> None:
    """Write a class that holds the members as attributes, and calls them in turn if it is called; make one of it."""
    outputs = in_turn([expr("self.$part", part=part) for part in places], expr("$inputs", inputs="inputs"))
    with tf.apart() as assigned:
        for part in places:
            tf.emit("self.$part = $part", part=part)
    tf.emit(
        f"{CLASS}{CALL if is_called else ''}$module = $kind($*places)",
        kind=step.module.title().replace("_", ""), base=expr("tf.Module" if is_plain else "tf.keras.Model"),
        members=list(places), named={"name": text(step.module)} if is_plain else {}, assigned=assigned,
        call="__call__" if is_plain else "call", inputs="inputs", outputs=outputs, module=step.module,
        places=list(places.values()),
    )  # fmt: skip


def held(tf: "TF2", step: Module) -> None:
    """Have a module; the layers of a functional model have been called, and stand under their names or numbers."""
    tf.symbols.happen(step)
    found = tf.at(step.module)
    if tf.style(found) == "functional":
        has_variables(found)
        numbers = {one: str(number) for number, one in enumerate(dict.fromkeys(found.parts.values()), 1)}
        found.slots = {part: Slot(called(one) or numbers[one], kind="listed") for part, one in found.parts.items()}


def called(found: Object) -> str | None:
    """Return the name that a layer or a model was given, None if it was given none."""
    return found.made.module if isinstance(found.made, Module) else getattr(found.made, "name", None)


def call(tf: "TF2", step: Call) -> None:
    """Call a layer or a model, which may compute with other values in its variables' place."""
    given = {f"{step.call}.{path}": value for path, value in step.given.items()}
    if not all(map(tf.symbols.at, given)):
        raise Unsupported(
            "A stateless scope of Keras takes values by the variables themselves: it has no path that could be misspelt."
        )
    if not all(tf.is_keras(tf.at(place)) for place in given):
        raise Unsupported("A stateless scope of Keras gives values to Keras variables, and to no others.")
    callee, on = tf.place(step.call), tf.expression(step.on)
    fills: dict[str, Fill] = {"callee": callee, "on": on, "options": {"training": True} if step.training else {}}
    code = "$callee($on, $**options)"
    if kind_of(tf.at(step.call)) == "cell":
        code = "$callee($on, $callee.get_initial_state(batch_size=$batch), $**options)[0]"
        fills["batch"] = len(step.on) if isinstance(step.on, list) else expr("$on.shape[0]", on=on)
    if not given:
        tf.bind(step.as_, expr(code, **fills))
        return
    build(tf, inside(tf, step.call))
    with tf.apart() as body:
        tf.bind(step.as_, expr(code, **fills))
    values = [
        literal((tf.place(place), tf.expression(value) if isinstance(value, str) else value))
        for place, value in given.items()
    ]
    tf.emit("with tf.keras.StatelessScope(state_mapping=[$*values]):\n    $*body", values=values, body=body)


# -- ties


def tie(tf: "TF2", step: Tie) -> None:
    """Assign the attribute of a module; a variable of Keras has no setter."""
    check_lock(tf, step, step.tie, step.to)
    if tf.is_keras(tf.at(step.tie)) and step.raises is None:
        raise Unsupported(LOCKED)
    tf.emit("$tie = $to", tie=tf.place(step.tie), to=tf.place(step.to))


def replace(tf: "TF2", step: Replace) -> None:
    """Assign the attribute of a module; a Keras model that was called is locked."""
    holder = tf.at(step.replace.rpartition(".")[0])
    if holder.kind == "layer" and not tf.has_own_layers and step.raises is None:
        kept = f"`tf.keras.layers.{CLASSES[kind_of(holder)]}` keeps what it wraps: wrap the other layer anew."
        raise Unsupported(kept if wrapped(holder) else LOCKED)
    check_lock(tf, step, step.replace, step.by)
    tf.emit("$replace = $by", replace=tf.place(step.replace), by=tf.place(step.by))


def check_lock(tf: "TF2", step: Step, place: str, by: str) -> None:
    """Raise Unsupported if a Keras model takes nothing new, unless it is to refuse that itself."""
    if "." not in place:
        raise Unsupported(
            "TensorFlow 2 ties by assigning an attribute of an object that holds variables; a Python name on its own is no place."
        )
    holder = tf.at(place.rpartition(".")[0])
    if tf.style(holder) == "functional":
        raise Unsupported(
            "A functional Keras model is the calls that it was made from: an attribute that is set on it changes none of them. Build it from other layers."
        )
    is_new = tf.at(by) not in holder.parts.values()
    if tf.style(holder) == "subclass" and holder.built and is_new and step.raises is None:
        raise Unsupported(
            "Keras 3 locks a model once it was called: it takes no further layers or variables. Replace them before the first call."
        )


CODE: Code = {
    "module": module, "call": call, "tie": tie, "replace": replace,
}  # fmt: skip
EFFECTS: Effects = {"module": held}
LACKS = (
    Lack(
        "call", lambda tf, step: (found := tf.at(step.call)).kind == "module" and not found.only_layers(),
        "A module of bare variables has no call of its own in TensorFlow 2.",
    ),
    Lack(
        "call", lambda tf, step: (found := tf.at(step.call)).kind == "module" and not has_call(found),
        "A cell takes a state and returns one: in a model it is called by an `RNN` layer.",
    ),
)  # fmt: skip
