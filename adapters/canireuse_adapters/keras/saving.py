"""Copying and saving in Keras, and what changes the variables of a whole model."""

from canireuse.spec import Spec
from canireuse.translation import Unsupported
from canireuse.vocabulary import Copy, Layer, Restore, Save
from canireuse_adapters.keras.owners import CLASSES, copied
from canireuse_adapters.keras.places import KerasPlaces, Thing
from canireuse_adapters.kinds import OtherKind, fits

NO_CONFIG = "Keras copies and loads an object through its config, which knows nothing of variables that were assigned from outside."


class KerasSaving(KerasPlaces):
    """What Keras says about copies and files."""

    def copy(self, step: Copy) -> None:
        """Copy in one of the ways that Keras has."""
        thing, way = self.thing(step.copy_), self.way.get("copy", "deepcopy")
        style = self.style_of(thing)
        words = self.place(step.copy_)
        if way == "clone" and style not in {"functional", "subclass"}:
            raise OtherKind("`keras.models.clone_model` clones models; a layer is copied through its config.")
        if step.shallow:
            raise (
                OtherKind(
                    "`copy.copy` of a Keras object goes through its config and its file format as a deep copy does."
                )
                if way != "deepcopy"
                else Unsupported(
                    "Keras has no shallow copy: `copy.copy` goes through the config and copies the variables too."
                )
            )
        if self.lacks_config(thing):
            raise Unsupported(NO_CONFIG)
        if way == "pickle" and (style == "subclass" or own_classes(thing)):
            raise OtherKind("Pickle finds a class by the module that it is imported from; a script's own has none.")
        if way == "clone":
            self.write(f"{step.as_} = keras.models.clone_model({words})")
            self.write(f"{step.as_}.set_weights({words}.get_weights())")
        elif way == "pickle":
            self.import_first("import pickle")
            self.write(f"{step.as_} = pickle.loads(pickle.dumps({words}))")
        else:
            self.import_first("from copy import deepcopy")
            self.write(f"{step.as_} = deepcopy({words})")
        if thing:
            self.things[step.as_] = copied(thing)

    def style_of(self, thing: Thing | None) -> str:
        """Return what kind of object it is as copying and saving tell kinds apart."""
        if thing is None:
            return "unknown"
        return thing.style if thing.kind == "module" else thing.kind

    def lacks_config(self, thing: Thing | None) -> bool:
        """Return whether an object, or one inside, cannot be made again from its config."""
        if thing is None or thing.kind != "module":
            return False
        if thing.style == "holder":
            return True
        return any(not member.is_keras_layer or self.lacks_config(member) for member in thing.members.values())

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways that fit the kind of object which the spec copies or saves; one if none does."""
        ways = super().ways_of(spec)
        if any("restore" in way for way in ways):  # each way of copying with each of restoring would be many
            ways = [way for way in ways if way.get("copy", "deepcopy") == "deepcopy"]
        engines = dict.fromkeys(way["engine"] for way in ways)
        told: dict[str, set[str]] = {engine: set() for engine in engines}
        fitting = [way for way in ways if fits(cls, spec, way, told[way["engine"]])]
        return [
            way
            for engine in engines
            for way in (
                [one for one in fitting if one["engine"] == engine]
                or [next(one for one in ways if one["engine"] == engine)]
            )
        ]

    def save(self, step: Save) -> None:
        """Save in the way that the restore will read."""
        thing, way = self.thing(step.save), self.way.get("restore", "weights")
        words, style = self.place(step.save), self.style_of(thing)
        self.saved[step.to] = thing
        self.check_way(thing, way, style)
        if style != "functional" and thing and thing.unbuilt():
            self.build(words, thing)
        match way:
            case "set-weights":
                self.write(f"{step.to} = {words}.get_weights()")
            case "config":
                self.write(f"{step.to} = {words}.get_config(), {words}.get_weights()")
            case "weights":
                self.import_first("import tempfile")
                if style in {"holder", "subclass"}:
                    self.idiom(
                        "A model that was not called yet counts as unbuilt, and Keras saves none of those: `built` is set by hand."
                    )
                    self.write(f"{words}.built = True")
                self.write(f"{step.to} = tempfile.mkdtemp() + '/model.weights.h5'")
                self.write(f"{words}.save_weights({step.to})")
            case _:
                self.import_first("import tempfile")
                self.write(f"{step.to} = tempfile.mkdtemp() + '/model.{way}'")
                self.write(f"{words}.save({step.to})")

    def check_way(self, thing: Thing | None, way: str, style: str) -> None:
        """Raise Unsupported if an object cannot be saved in a way."""
        if way == "set-weights":
            return
        if style not in {"functional", "subclass", "holder"} and way != "config":
            raise OtherKind("Only a Keras model saves itself, or its weights, to a file; a single layer does not.")
        if way == "weights":
            return
        if way == "h5" and style != "functional":
            raise OtherKind("The older HDF5 format holds whole models only if they are functional or sequential.")
        if self.lacks_config(thing):
            raise OtherKind(NO_CONFIG)

    def restore(self, step: Restore) -> None:
        """Restore in place, or load a new object under the name."""
        thing, way = self.thing(step.restore), self.way.get("restore", "weights")
        words = self.place(step.restore)
        if step.partial and way != "weights":
            raise OtherKind("Only `load_weights` takes `skip_mismatch`, which leaves out what a file lacks.")
        if thing and way in {"weights", "set-weights"}:
            if thing.unbuilt():
                self.build(words, thing)
        else:
            thing = self.saved.get(step.given_by, thing)  # what comes back is what was saved
        match way:
            case "set-weights":
                self.write(f"{words}.set_weights({step.given_by})")
            case "weights":
                if self.style_of(thing) in {"holder", "subclass"}:
                    self.write(f"{words}.built = True")
                self.write(f"{words}.load_weights({step.given_by}{', skip_mismatch=True' if step.partial else ''})")
            case "config":
                self.from_config(step, thing)
            case _:
                self.idiom("Loading makes a new object; the script binds the module's name to it.")
                classes = (
                    sorted(own_classes(thing)) if way == "h5" else []
                )  # the older format does not ask the registry
                custom = f", custom_objects={{{', '.join(f'{one!r}: {one}' for one in classes)}}}" if classes else ""
                self.write(f"{step.restore} = keras.saving.load_model({step.given_by}{custom})")
        if thing and way not in {"weights", "set-weights"}:
            self.things[step.restore] = copied(thing)
            self.things[step.restore].mark_built()

    def from_config(self, step: Restore, thing: Thing | None) -> None:
        """Make an object from its config and set its weights."""
        self.idiom("Loading makes a new object; the script binds the module's name to it.")
        name = step.restore
        kind = class_of(thing) if thing and thing.kind == "layer" else f"{name}.__class__"
        self.write(f"{name} = {kind}.from_config({step.given_by}[0])")
        if thing and thing.kind != "module":
            fresh = copied(thing)
            unbuilt(fresh)
            self.build(name, fresh)
        self.write(f"{name}.set_weights({step.given_by}[1])")


def own_classes(thing: Thing | None) -> set[str]:
    """Return the layer classes of the script's own that something is made of."""
    if thing is None:
        return set()
    return ({thing.style} if thing.own else set()).union(*map(own_classes, thing.members.values()))


def class_of(thing: Thing) -> str:
    """Return the class of a single layer."""
    if thing.own or not isinstance(thing.step, Layer):
        return thing.style
    return f"keras.layers.{CLASSES[thing.step.layer]}"


def unbuilt(thing: Thing) -> None:
    """Note that nothing inside has variables yet; a functional model always has its own."""
    if thing.style == "functional":
        return
    thing.built = thing.own
    for member in thing.members.values():
        unbuilt(member)
