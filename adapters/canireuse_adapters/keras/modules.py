"""Models of Keras: how they are put together, called, tied and replaced."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from canireuse.emit import Code, Effects, Fill, Lack, Slot, Unsupported, expr, text
from canireuse.program import Object
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Call, Freeze, Layer, Module, Replace, Save, Tie, walk
from canireuse_adapters.keras.classes import LOCAL, in_turn, owner_of, serializes, tie_of, written
from canireuse_adapters.keras.layers import attribute_of, build, of_layer
from canireuse_adapters.keras_layers import innermost, kind_of, units, wrapped

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras

NO_PATHS = "Keras takes values by the variables themselves, or in their order: a stateless call has no path that could be misspelt."


# -- models


def module(keras: "Keras", step: Module) -> None:
    """Put members together: layers in a functional model, anything in a layer or model of the user's own class."""
    members = {name: keras.at(place) for name, place in step.members.items()}
    if keras.way.get("module") == "tf-module" and not any(one.is_owner for one in members.values()):
        keras.emit("$module = tf.Module(name='$module')", module=step.module)
        for name, place in step.members.items():
            keras.emit("$module.$name = $place", module=step.module, name=name, place=keras.place(place))
        return
    style = keras.styles[id(step)] = style_of(keras, step, list(members.values()))
    places = {attribute_of(name): keras.place(place) for name, place in step.members.items()}
    if style == "functional":
        shape, options = input_of(widths_in(list(members.values()))[0][0])
        chain = in_turn(list(places.values()), expr("inputs"))
        keras.emit(
            "inputs = keras.Input($shape, $**options)\n$module = keras.Model(inputs, $outputs, name='$module')",
            shape=shape, options=options, module=step.module, outputs=chain,
        )  # fmt: skip
        return
    saves = any(isinstance(one, Save) for one in keras.facts.steps) and keras.way.get("restore", "weights") == "weights"
    has_file = style == "holder" and saves  # as models alone can, once nothing is left to build
    base = "keras.Layer" if style == "holder" and not has_file else "keras.Model"
    called = [expr("self.$name", name=name) for name in places]
    outputs = in_turn(called, expr("$inputs", **LOCAL)) if all(map(has_call, members.values())) else None
    serialized = serializes(keras) and all(one.is_owner for one in members.values())
    given: dict[str, Fill] = {"name": text(step.module)}
    written(keras, step.module, base, places, outputs, serialized=serialized, given=given, is_built=has_file)


def holds_plain_module(spec: Spec) -> bool:
    """Return whether a module holds a layer beside a module of variables alone, which on TensorFlow may be no object of Keras."""
    steps = list(walk(spec.steps))
    kinds = {one.binding: one.verb for one in steps}
    held = {
        one.module: {kinds.get(place) for place in one.members.values()} for one in steps if isinstance(one, Module)
    }
    plain = {name for name, verbs in held.items() if verbs == {"variable"}}
    return any(
        isinstance(one, Module) and "layer" in held[one.module] and plain & {*one.members.values()} for one in steps
    )


def style_of(keras: "Keras", step: Module, members: list[Object]) -> str:
    """Return how a module is worded, as its members and what is done with it later decide: holder, functional or subclass."""
    if not any(one.is_owner for one in members):
        return "holder"
    changed = {
        owner_of(keras, one.tie if isinstance(one, Tie) else one.replace)
        for one in keras.facts.steps
        if isinstance(one, Tie | Replace)
    }
    if step.module in changed or not all(chained(keras, one) for one in members):
        return "subclass"
    named = [name for one in dict.fromkeys(members) if (name := name_of(one))]
    if len(set(named)) < len(named) and step.raises is None:  # a functional model refuses two layers of one name
        return "subclass"
    widths = widths_in(members)
    fit = all(one[1] == other[0] for one, other in pairwise(widths))
    return "functional" if fit and all(width[0] for width in widths) else "subclass"


def name_of(found: Object) -> str | None:
    """Return the name that a layer or a model was given, None if it was given none."""
    return found.made.module if isinstance(found.made, Module) else getattr(found.made, "name", None)


def has_call(found: Object) -> bool:
    """Return whether something can be called: a layer, or a module of such."""
    return found.kind == "layer" or (found.kind == "module" and all(map(has_call, found.parts.values())))


def chained(keras: "Keras", found: Object) -> bool:
    """Return whether something can stand in a functional model."""
    if found.kind == "module":
        return keras.style(found) == "functional"
    return found.kind == "layer" and kind_of(found) != "cell"


def widths_of(found: Object) -> tuple[Any, Any]:
    """Return what goes into a layer or functional model and what comes out: a kind of input and its width."""
    if found.kind == "module":
        widths = widths_in(list(found.parts.values()))
        return (widths[0][0], widths[-1][1]) if widths else (None, None)
    layer = innermost(found)
    if layer is None:
        return None, None
    if layer.layer == "embedding" and not wrapped(found):
        return ("ids", 0), ("vector", layer.units)
    kind = "steps" if wrapped(found) else "vector"
    return (kind, layer.inputs), (kind, units(found))


def widths_in(members: list[Object]) -> list[tuple[Any, Any]]:
    """Return what goes into each member and what comes out; beside a layer that runs over time a dense one does too."""
    widths = [widths_of(one) for one in members]
    if not any(into and into[0] == "steps" for into, _ in widths):
        return widths
    return [
        (("steps", into[1]), ("steps", out[1])) if kind_of(one) == "dense" else (into, out)
        for one, (into, out) in zip(members, widths, strict=True)
    ]


def input_of(first: tuple[str, int]) -> tuple[list[int | None], dict[str, Fill]]:
    """Return the shape, and where it matters the dtype, of the input of a functional model."""
    kind, width = first
    if kind == "ids":
        return [], {"dtype": text("int32")}
    return [None, width] if kind == "steps" else [width], {}


def held(keras: "Keras", step: Module) -> None:
    """Have a module; the layers of a functional model have been called, and stand under their names or numbers."""
    keras.symbols.happen(step)
    found = keras.at(step.module)
    if keras.style(found) != "functional":
        found.slots = {part: Slot(attribute_of(part)) for part in found.parts}
        return
    for one in found.walk():
        one.built, one.abstract = True, False
    numbers = {one: str(number) for number, one in enumerate(dict.fromkeys(found.parts.values()), 1)}
    found.slots = {
        part: Slot(name, kind="named") if (name := name_of(one)) else Slot(numbers[one], kind="numbered")
        for part, one in found.parts.items()
    }


# -- calls


def call(keras: "Keras", step: Call) -> None:
    """Call a layer or a model."""
    options: dict[str, Fill] = {"training": True} if step.training else {}
    if step.given:
        call_with(keras, step, options)
        return
    callee, on = keras.place(step.call), keras.expression(step.on)
    keras.bind(step.as_, expr("$callee($on, $**options)", callee=callee, on=on, options=options))


def call_with(keras: "Keras", step: Call, options: dict[str, Fill]) -> None:
    """Call with other values in place of variables, which keep their own."""
    if any(keras.symbols.at(f"{step.call}.{path}") is None for path in step.given):
        raise Unsupported(NO_PATHS)
    code = keras.place(step.call)
    build(keras, code, keras.at(step.call))
    on = keras.expression(step.on)
    given = {path: (keras.place(f"{step.call}.{path}"), keras.expression(value)) for path, value in step.given.items()}
    fills: dict[str, Fill] = {"code": code, "on": on, "options": options}
    if parts := all_parts(keras, step):
        fills["values"] = [
            given[part][1] if part in given else expr("$place.value", place=keras.place(f"{step.call}.{part}"))
            for part in parts
        ]
        keras.emit("$to, _ = $code.stateless_call([$*values], [], $on, $**options)", to=step.as_ or "_", **fills)
        return
    pairs = [expr("($place, $value)", place=place, value=value) for place, value in given.values()]
    if keras.carried:  # a scope inside another knows nothing of the values that hold there
        pairs.insert(0, expr("*[(variable, variable.value) for variable in $code.variables]", code=code))
    with keras.stateless(expr("[$*pairs]", pairs=pairs), expr("$code.variables", code=code)):
        keras.bind(step.as_, expr("$code($on, $**options)", **fills))


def all_parts(keras: "Keras", step: Call) -> list[str]:
    """Return the variables of a layer in its own order if `stateless_call` can be given them; none if not."""
    found = keras.at(step.call)
    made = found.made if found.kind == "layer" else None
    if (
        not isinstance(made, Layer)
        or made.layer not in {"dense", "embedding"}
        or not made.trainable
        or tie_of(keras, made)
    ):
        return []
    parts = ["kernel", "bias"] if made.bias is not None and made.layer == "dense" else ["kernel"]
    fits = set(step.given) <= set(parts) and not any(isinstance(one, Freeze) for one in keras.facts.steps)
    return parts if fits else []


# -- ties


def tie(keras: "Keras", step: Tie) -> None:
    """Take the old variable out of its owner unless it stands there twice, and assign the other; a layer has taken it when it was built."""
    if (made := of_layer(keras, step.tie)) is not None:
        if tie_of(keras, made) is not step:  # the layer is built, and refuses this itself
            keras.fill("$tie = $to", step)
        return
    owner, old = keras.at(step.tie.rpartition(".")[0]), keras.at(step.tie)
    if owner.built or list(owner.parts.values()).count(old) > 1:
        keras.fill("$tie = $to", step)
        return
    to = keras.place(step.to)
    keras.idiom(
        "An attribute that is only assigned anew leaves the old variable in the list of its owner: it is deleted first."
    )
    keras.emit("del $tie\n$tie = $to", tie=keras.place(step.tie), to=to)


def replace(keras: "Keras", step: Replace) -> None:
    """Assign the attribute, which a built layer refuses itself; of a functional model, an element of its list of layers."""
    owner, _, part = step.replace.rpartition(".")
    holder = keras.at(owner)
    if keras.style(holder) != "functional":
        keras.fill("$replace = $by", step)
        return
    number = list(dict.fromkeys(holder.parts.values())).index(holder.parts[part]) + 1  # the first is the input
    keras.fill("$model.layers[$number] = $by", step, model=keras.place(owner), number=number)


def alias(keras: "Keras", to: str, place: str) -> None:
    """Bind a second name to what was changed in place."""
    if to != place:
        keras.bind(to, keras.place(place))


def is_uncalled(keras: "Keras", step: Step) -> bool:
    """Return whether what is called is known and has no call of its own."""
    assert isinstance(step, Call)
    found = keras.at(step.call)
    return found.kind != "unknown" and not has_call(found)


CODE: Code = {
    "module": module, "call": call, "tie": tie, "replace": replace,
}  # fmt: skip
EFFECTS: Effects = {"module": held}
LACKS = (
    Lack("call", is_uncalled, "A Keras model of bare variables has no `call` of its own."),
    Lack(
        "tie", lambda _, step: "." not in step.tie,
        "A Python name is no place in a layer: bind the name to the other variable.",
    ),
)  # fmt: skip
