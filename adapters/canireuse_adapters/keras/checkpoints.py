"""Copies and files in Keras, and what is made anew from a config."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Code, Effects, Fill, Unsupported, expr
from canireuse.program import Object
from canireuse.spec.vocabulary import Layer, Restore, Save
from canireuse_adapters.keras.classes import class_of, tie_of, tied_classes
from canireuse_adapters.keras.layers import build, has_variables, shape
from canireuse_adapters.keras_layers import CLASSES, kind_of
from canireuse_adapters.kinds import OtherKind, in_memory

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras

NO_CONFIG = "Keras copies and loads an object through its config, which knows nothing of variables that were assigned from outside."
LOADED = "Loading makes a new object; the script binds the module's name to it."
#: ways of restoring that leave the object where it is
IN_PLACE = {"weights", "set-weights"}
COPIES = {
    "shallow": "$to = copy($source)",
    "deepcopy": "$to = deepcopy($source)",
    "clone": "$to = keras.models.clone_model($source)",
    "pickle": "$to = pickle.loads(pickle.dumps($source))",
}


# -- copies


def copied(keras: "Keras", to: str, of: str, *, shallow: bool = False) -> None:
    """Copy in one of the ways that Keras has; its own `copy` goes through the config, and is no shallow one."""
    found, way, code = keras.at(of), keras.way.get("copy", "deepcopy"), keras.place(of)
    style = keras.style(found)
    if shallow and way != "deepcopy":
        raise OtherKind("This way copies all that is inside: nothing of it is shallow.")
    way = "shallow" if shallow else way
    if way == "clone" and style not in {"functional", "subclass"}:
        raise OtherKind("`keras.models.clone_model` clones models; a layer is copied through its config.")
    if lacks_config(keras, found):
        raise Unsupported(NO_CONFIG)
    if way == "pickle" and (style == "subclass" or tied_classes(keras, found)):
        raise OtherKind("Pickle finds a class by the module that it is imported from; a script's own has none.")
    keras.emit(COPIES[way], to=to, source=code)


def lacks_config(keras: "Keras", found: Object) -> bool:
    """Return whether an object, or one inside, cannot be made again from its config."""
    if found.kind != "module":
        return False
    return keras.style(found) == "holder" or any(
        not part.is_owner or lacks_config(keras, part) for part in found.parts.values()
    )


def made_anew(keras: "Keras", of: str, new: str, dtype: str | None = None) -> None:
    """Write a second object made from the config of the first, with another dtype if one is given; the values are handed over."""
    found, code = keras.at(of), keras.place(of)
    if found.kind == "unknown" or lacks_config(keras, found):
        raise Unsupported(NO_CONFIG)
    build(keras, code, found)
    fills: dict[str, Fill] = {"new": new, "code": code, "dtype": dtype}
    if isinstance(found.made, Layer) and found.kind == "layer":
        config = "{**$code.get_config(), 'dtype': '$dtype'}" if dtype else "$code.get_config()"
        keras.emit(f"$new = $kind.from_config({config})", kind=class_code(keras, found.made), **fills)
        keras.emit("$new.build($shape)", new=new, shape=shape(found))
    elif keras.style(found) == "functional":
        options: dict[str, Fill] = {}
        if dtype:
            anew = "lambda layer: layer.__class__.from_config({**layer.get_config(), 'dtype': '$dtype'})"
            options["clone_function"] = expr(anew, dtype=dtype)
            options |= {"recursive": True} if any(one.kind == "module" for one in found.parts.values()) else {}
        keras.emit("$new = keras.models.clone_model($code, $**options)", **fills, options=options)
    elif dtype:
        raise Unsupported(
            "A dtype is handed to each layer: Keras makes single layers and functional models anew with another."
        )
    else:
        keras.emit("$new = deepcopy($code)", **fills)
        return
    keras.emit("$new.set_weights($code.get_weights())", **fills)


def class_code(keras: "Keras", made: Layer) -> str:
    """Return the class of a single layer."""
    return class_of(made.as_) if tie_of(keras, made) else f"keras.layers.{CLASSES[made.layer]}"


# -- checkpoints


def save(keras: "Keras", step: Save) -> None:
    """Save in the way that the restore will read."""
    found, code, way = keras.at(step.save), keras.place(step.save), keras.way.get("restore", "weights")
    way = "set-weights" if step.in_memory else way
    check_way(keras, found, way)
    style = keras.style(found)
    if style != "functional":
        build(keras, code, found)
    fills: dict[str, Fill] = {"to": step.to, "code": code}
    match way:
        case "set-weights":
            keras.emit("$to = $code.get_weights()", **fills)
        case "config":
            keras.emit("$to = $code.get_config(), $code.get_weights()", **fills)
        case "weights":
            note_built(keras, code, found)
            keras.emit("$to = tempfile.mkdtemp() + '/model.weights.h5'\n$code.save_weights($to)", **fills)
        case _:
            keras.emit("$to = tempfile.mkdtemp() + '$file'\n$code.save($to)", file=f"/model.{way}", **fills)


def note_built(keras: "Keras", code: ast.expr, found: Object) -> None:
    """Say that a model is built of which the parts alone were called."""
    if keras.style(found) == "subclass" and not (found.built or found.abstract):
        keras.idiom("A model of which the parts alone were called counts as unbuilt: `built` is set by hand.")
        keras.emit("$code.built = True", code=code)
        found.built = True


def check_way(keras: "Keras", found: Object, way: str) -> None:
    """Raise Unsupported if an object cannot be saved in a way."""
    style = keras.style(found)
    if way == "set-weights":
        return
    if style is None and way != "config":
        raise OtherKind("Only a Keras model saves itself, or its weights, to a file; a single layer does not.")
    if way == "weights":
        return
    if way == "h5" and style != "functional":
        raise OtherKind("The older HDF5 format holds whole models only if they are functional or sequential.")
    if lacks_config(keras, found):
        raise OtherKind(NO_CONFIG)


def restore(keras: "Keras", step: Restore) -> None:
    """Restore in place, or load a new object under the name."""
    way, code = keras.way.get("restore", "weights"), keras.place(step.restore)
    way = "set-weights" if in_memory(keras, step) else way
    if step.partial and way != "weights":
        raise OtherKind("Only `load_weights` takes `skip_mismatch`, which leaves out what a file lacks.")
    found = keras.at(step.restore) if way in IN_PLACE else saved(keras, step)
    fills: dict[str, Fill] = {"code": code, "kept": step.given_by}
    options: dict[str, Fill] = {}
    if way in IN_PLACE:
        build(keras, code, found)
    match way:
        case "set-weights":
            keras.emit("$code.set_weights($kept)", **fills)
        case "weights":
            note_built(keras, code, found)
            options = {"skip_mismatch": True} if step.partial else {}
            keras.emit("$code.load_weights($kept, $**options)", **fills, options=options)
        case "config":
            from_config(keras, step, found)
        case _:
            keras.idiom(LOADED)
            # the older format does not ask the registry
            named = {one: one for one in sorted(tied_classes(keras, found))} if way == "h5" else {}
            options = {"custom_objects": expr("{$**named}", named=named)} if named else {}
            keras.emit("$to = keras.saving.load_model($kept, $**options)", to=step.restore, options=options, **fills)


def saved(keras: "Keras", step: Restore) -> Object:
    """Return what was saved, which is what comes back; what stands there if that is not known."""
    return keras.at(step.given_by).returns or keras.at(step.restore)


def from_config(keras: "Keras", step: Restore, found: Object) -> None:
    """Make an object from its config and set its weights."""
    keras.idiom(LOADED)
    fills: dict[str, Fill] = {"to": step.restore, "kept": step.given_by}
    kind: Fill = "keras.Model" if keras.style(found) == "functional" else expr("$to.__class__", **fills)
    kind = class_code(keras, found.made) if isinstance(found.made, Layer) and found.kind == "layer" else kind
    keras.emit("$to = $kind.from_config($kept[0])", kind=kind, **fills)
    if kind_of(found):
        keras.emit("$to.build($shape)", **fills, shape=shape(found))
    keras.emit("$to.set_weights($kept[1])", **fills)


def restored(keras: "Keras", step: Restore) -> None:
    """Have another object where loading makes one."""
    found = saved(keras, step)
    if keras.way.get("restore", "weights") not in IN_PLACE and found.kind != "unknown":
        keras.symbols.names[step.restore] = other = found.copied()
        has_variables(other)


CODE: Code = {
    "copy": lambda keras, step: copied(keras, step.as_, step.copy_, shallow=step.shallow), "save": save, "restore": restore,
}  # fmt: skip
EFFECTS: Effects = {"restore": restored}
