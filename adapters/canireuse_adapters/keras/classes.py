"""Classes of the script's own: layers that can be handed another's variable, and models that hold anything."""

import ast
from typing import TYPE_CHECKING, Any

from canireuse.emit import Fill, Unsupported, expr, text
from canireuse.program import Fate, Object
from canireuse.step import Step
from canireuse.vocabulary import Layer, Module, Restore

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras

OWN_CLASS = (
    "Keras's own layers have no setter for their kernel and lock their state once built; "
    "a layer of the user's own, with variables made in `__init__`, can be handed another's."
)
#: kind of layer -> the class that stands for it, and what that computes
OWN = {
    "dense": ("Linear", "$inputs @ self.kernel"),
    "embedding": ("Lookup", "keras.ops.take(self.kernel, $inputs, axis=0)"),
}
LAYER = """\
@$*decorators
class $kind(keras.Layer):
    def __init__(self, $inputs, $units, $*starts, **$options):
        super().__init__(**$options)
        $*given
        $*made
    def call(self, $inputs):
        return $outputs
    $*configured
"""
GIVEN = "self.given = {'inputs': $inputs, 'units': $units, $**starts}"
LAYER_CONFIG = """\
def get_config(self):
    return {**super().get_config(), **self.given, $**members}
"""
MODEL = """\
@$*decorators
class $kind($base):
    def __init__(self, $*members, **$options):
        super().__init__(**$options)
        $*assigned
    $*call
    $*configured
$module = $kind($*places, name='$module')
"""
CALL = "def call(self, $inputs):\n    return $outputs"
MODEL_CONFIG = """\
def get_config(self):
    return {**super().get_config(), $**members}
@classmethod
def from_config(cls, $config):
    for $name in $names:
        $config[$name] = keras.saving.deserialize_keras_object($config[$name])
    return cls(**$config)
"""
#: names of these classes, which see no name of a spec and give way to none
LOCAL: dict[str, Fill] = {word: word for word in ("inputs", "units", "options", "config", "name")}


def is_own(keras: "Keras", made: Step | None) -> bool:
    """Return whether a layer is worded as a class of the script's own, since a variable of it is replaced later."""
    return isinstance(made, Layer) and made.as_ in keras.replaced and made.layer in OWN


def initializer(value: Any) -> ast.expr:
    """Return the words for an initializer."""
    if value == "random":
        return expr("keras.initializers.RandomNormal(stddev=1.0)")
    if value in (0, 1) and not isinstance(value, list):
        return text("ones" if value else "zeros")
    return expr("keras.initializers.Constant($x)", x=value)


def class_of(step: Layer) -> str:
    """Return the name of the class of a layer of the script's own."""
    return f"{OWN[step.layer][0]}{'' if step.bias is None else 'WithBias'}"


def own_classes(keras: "Keras", found: Object) -> set[str]:
    """Return the layer classes of the script's own that something is made of."""
    return {class_of(one.made) for one in found.walk() if isinstance(one.made, Layer) and is_own(keras, one.made)}


def serializes(keras: "Keras") -> bool:
    """Return whether the spec has something made anew from its config."""
    return any(
        (one.binds == "copy" and keras.symbols.fate(one) is not Fate.SAME)
        or (isinstance(one, Restore) and keras.way.get("restore") in {"keras", "h5", "config"})
        for one in keras.facts.steps
    )


def registered(*, serialized: bool) -> list[ast.expr]:
    """Return the decorator by which a class is found again, if it is to be."""
    return [expr("keras.saving.register_keras_serializable()")] if serialized else []


def own_layer(keras: "Keras", step: Layer, last: dict[str, Fill]) -> None:
    """Write a layer class of the user's own, above the first of its layers, and make one."""
    keras.idiom(OWN_CLASS)
    if keras.is_abstract(step):
        raise Unsupported(
            "A Keras layer that waits for its memory has no variables yet, so there is nothing that could be tied before it is built."
        )
    if step.penalty is not None:
        raise Unsupported(
            "A layer of the user's own, which a tie needs in Keras, is worded here without a regularizer."
        )
    own = [one for one in keras.facts.steps if isinstance(one, Layer) and is_own(keras, one)]
    if next(one for one in own if class_of(one) == class_of(step)) is step:
        own_class(keras, step)
    starts = [step.kernel] if step.bias is None else [step.kernel, step.bias]
    keras.fill(
        "$as = $kind($inputs, $units, $*starts, $**last)",
        step,
        kind=class_of(step),
        starts=[*map(initializer, starts)],
        last=last,
    )


def own_class(keras: "Keras", step: Layer) -> None:
    """Write the class of a layer that makes its variables when it is constructed."""
    starts, serialized = ["kernel", *([] if step.bias is None else ["bias"])], serializes(keras)
    with keras.apart() as made:
        for start in starts:
            shape = "($inputs, $units)" if start == "kernel" else "($units,)"
            words = f"self.$start = self.add_weight({shape}, initializer=$start, name='$start')"
            keras.emit(words, start=start, **LOCAL)
    with keras.apart() as given:
        keras.emit(GIVEN, starts={start: start for start in starts}, **LOCAL)
    with keras.apart() as configured:
        words = "keras.saving.serialize_keras_object(self.given['$start'])"
        keras.emit(LAYER_CONFIG, members={start: expr(words, start=start) for start in starts})
    keras.emit(
        LAYER, decorators=registered(serialized=serialized), kind=class_of(step), starts=starts, made=made,
        given=given if serialized else [], configured=configured if serialized else [],
        outputs=expr(OWN[step.layer][1] + ("" if step.bias is None else " + self.bias"), **LOCAL), **LOCAL,
    )  # fmt: skip


def in_turn(called: list[ast.expr], outputs: ast.expr) -> ast.expr:
    """Return the words that call one after the other."""
    for one in called:
        outputs = expr("$one($outputs)", one=one, outputs=outputs)
    return outputs


def model(
    keras: "Keras", step: Module, places: dict[str, ast.expr], *, base: str, holds_layers: bool, is_called: bool
) -> None:
    """Write a class that holds the members as attributes, and calls them in turn if it is called; make one of it."""
    serialized = serializes(keras) and holds_layers
    with keras.apart() as assigned:
        for name in places:
            keras.emit("self.$name = $name", name=name)
    with keras.apart() as call:
        outputs = in_turn([expr("self.$name", name=name) for name in places], expr("$inputs", **LOCAL))
        keras.emit(CALL, outputs=outputs, **LOCAL)
    with keras.apart() as configured:
        members = {name: expr("keras.saving.serialize_keras_object(self.$name)", name=name) for name in places}
        keras.emit(MODEL_CONFIG, members=members, names=[text(name) for name in places], **LOCAL)
    keras.emit(
        MODEL, decorators=registered(serialized=serialized), base=expr(base), kind=step.module.title().replace("_", ""),
        members=list(places), assigned=assigned, call=call if is_called else [], configured=configured if serialized else [],
        module=step.module, places=list(places.values()), **LOCAL,
    )  # fmt: skip
