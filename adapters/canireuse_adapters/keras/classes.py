"""Classes of the script's own: layers that are tied to another when they are built, and models that hold anything."""

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from canireuse.emit import Fill, Unsupported, attribute, expr, text
from canireuse.program import Fate, Object
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Initialize, Layer, Module, Restore, Tie, Variable

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras

TIED = (
    "Keras's own layers make their variables themselves: "
    "a layer of the user's own holds the one whose variable it uses, and takes that when it is built."
)
#: kind of layer -> what it computes, where a layer of the script's own can stand for it
COMPUTES = {"dense": "$inputs @ self.kernel", "embedding": "keras.ops.take(self.kernel, $inputs, axis=0)"}
#: variable of a dense layer -> its shape, from what the layer is built for and from the other variable
SHAPES = {"kernel": "($input_shape[-1], *self.bias.shape)", "bias": "self.kernel.shape[-1:]"}
#: steps that ask nothing of a layer which stands before them: after any other one it has variables of its own
ASKS_NOTHING = (Initialize, Layer, Module, Tie, Variable)
CLASS = """\
@$*decorators
class $kind($base):
    def __init__(self, $*members, **$kwargs):
        super().__init__(**$kwargs)
        $*assigned
    $*built
    $*call
    $*configured
$to = $kind($*places, $**given)
"""
BUILD = "def build(self, $input_shape):\n    $*made"
CALL = "def call(self, $inputs):\n    return $outputs"
CONFIG = """\
def get_config(self):
    return {**super().get_config(), $**members}
@classmethod
def from_config(cls, $config):
    return cls(**{**$config, $**loaded})
"""
LOADED = "keras.saving.deserialize_keras_object($config['$name'])"
#: names of these classes, which see no name of a spec and give way to none
LOCAL: dict[str, Fill] = {word: word for word in ("inputs", "input_shape", "kwargs", "config")}


def initializer(value: Any) -> ast.expr:
    """Return the code for an initializer."""
    if value == "shared-initializer":
        return expr("initializer")
    if value == "random":
        return expr("keras.initializers.RandomNormal(stddev=1.0)")
    if value in (0, 1) and not isinstance(value, list):
        return text("ones" if value else "zeros")
    return expr("keras.initializers.Constant($x)", x=value)


# -- which layers are tied


def tie_of(keras: "Keras", made: Step | None) -> Tie | None:
    """Return the tie by which a layer takes a variable of one before it, if nothing is asked of it until then."""
    steps = keras.facts.steps
    place = next((place for place, one in enumerate(steps) if one is made), None)
    if (
        place is None
        or not isinstance(made, Layer)
        or made.layer not in COMPUTES
        or made.penalty is not None
        or made.activity is not None
    ):
        return None
    for one in steps[place + 1 :]:
        if isinstance(one, Tie) and layer_of(keras, one.tie) is made:
            source = layer_of(keras, one.to)
            is_before = any(before is source for before in steps[:place])
            return one if is_before and one.raises is None else None
        if not isinstance(one, ASKS_NOTHING) or (isinstance(one, Tie) and layer_of(keras, one.to) is made):
            return None  # what is tied to it before takes a variable that it still has to make
    return None


def layer_of(keras: "Keras", place: str) -> Layer | None:
    """Return the step of the layer whose variable stands at a place, through models as they are written; None if that is not plain."""
    name = owner_of(keras, place)
    bound = [one for one in keras.facts.steps if name and one.binding == name]
    return bound[0] if len(bound) == 1 and isinstance(bound[0], Layer) else None


def owner_of(keras: "Keras", place: str) -> str:
    """Return the name under which the spec made what holds a place, through models as they are written."""
    return keras.facts.deepest(place.rpartition(".")[0])


def tied_classes(keras: "Keras", found: Object) -> set[str]:
    """Return the classes of the tied layers that something is made of."""
    return {class_of(one.made.as_) for one in found.walk() if isinstance(one.made, Layer) and tie_of(keras, one.made)}


# -- how they are written


def class_of(name: str) -> str:
    """Return the class that is written for a layer or a model."""
    return name.title().replace("_", "")


def serializes(keras: "Keras") -> bool:
    """Return whether the spec has something made anew from its config."""
    return any(
        (one.binds == "copy" and keras.symbols.fate(one) is not Fate.SAME)
        or (isinstance(one, Restore) and keras.way.get("restore") in {"keras", "h5", "config"})
        for one in keras.facts.steps
    )


def tied_layer(keras: "Keras", step: Layer, tie: Tie, last: dict[str, Fill]) -> None:
    """Write the class of a layer that takes a variable of another and makes the rest itself, and make one."""
    source, part = layer_of(keras, tie.to), tie.tie.rpartition(".")[2]
    assert source is not None
    other = keras.at(source.as_)
    if other.made is not source:
        raise Unsupported("The layer to tie to has no name any more by which it could be handed over.")
    keras.idiom(TIED)
    slot = other.slot(tie.to.rpartition(".")[2])
    rest = [] if step.bias is None or step.layer == "embedding" else [{"kernel": "bias", "bias": "kernel"}[part]]
    with keras.apart() as made:
        keras.emit("self.$part = $taken", part=part, taken=attribute(expr("self.tied_to"), [slot.attribute]))
        for own in rest:
            code = "self.$own = self.add_weight($shape, initializer=self.$start, name='$own')"
            keras.emit(code, own=own, start=f"{own}_initializer", shape=expr(SHAPES[own], **LOCAL))
    with keras.apart() as built:
        keras.emit(BUILD, made=made, **LOCAL)
    starts: dict[str, Fill] = {f"{own}_initializer": initializer(getattr(step, own)) for own in rest}
    members = {"tied_to": keras.place(source.as_), **starts}
    outputs = expr(COMPUTES[step.layer] + (" + self.bias" if rest else ""), **LOCAL)
    written(keras, step.as_, "keras.Layer", members, outputs, built=built, serialized=serializes(keras), given=last)


def in_turn(called: list[ast.expr], outputs: ast.expr) -> ast.expr:
    """Return the code that calls one after the other."""
    for one in called:
        outputs = expr("$one($outputs)", one=one, outputs=outputs)
    return outputs


def written(
    keras: "Keras", to: str, base: str, members: dict[str, ast.expr], outputs: ast.expr | None, *,
    serialized: bool, given: dict[str, Fill], is_built: bool = False, built: Sequence[ast.stmt] = (),
) -> None:  # fmt: skip
    """Write a class that keeps what it is constructed with, and construct one; it has a config if it is made anew from that."""
    with keras.apart() as assigned:
        for name in members:
            keras.emit("self.$name = $name", name=name)
        if is_built:
            keras.emit("self.built = True")
    with keras.apart() as call:
        keras.emit(CALL, outputs=outputs, **LOCAL)
    with keras.apart() as configured:
        kept = {name: expr("keras.saving.serialize_keras_object(self.$name)", name=name) for name in members}
        # the config is the caller's, who may make another from it
        loaded = {name: expr(LOADED, name=name, **LOCAL) for name in members}
        keras.emit(CONFIG, members=kept, loaded=loaded, **LOCAL)
    keras.emit(
        CLASS, decorators=[expr("keras.saving.register_keras_serializable()")] if serialized else [],
        kind=class_of(to), base=expr(base), members=list(members), assigned=assigned, built=list(built),
        call=call if outputs else [], configured=configured if serialized else [],
        to=to, places=list(members.values()), given=given, **LOCAL,
    )  # fmt: skip
