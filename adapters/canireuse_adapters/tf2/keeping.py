"""Copying and saving what TensorFlow 2 holds, and making it anew with another dtype, on another device, in 8 bits."""

from typing import Any

from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    Cast,
    Copy,
    Expect,
    Get,
    Layer,
    Module,
    Move,
    Quantize,
    Restore,
    Save,
    Variable,
    Wrap,
    walk,
)
from canireuse_adapters.kinds import OtherKind, fits
from canireuse_adapters.tf2.objects import ObjectWords
from canireuse_adapters.tf2.things import CLASSES, Net, Unit, is_model, units_of

NEEDS_CONFIG = (
    "Keras copies and saves a subclassed model through `get_config`, which one that is handed objects does not have."
)
NEEDS_CALL = "Keras saves the weights of a subclassed model only once a call has built it."
FOR_LIFE = "A `tf.Variable` has its dtype for life, and no call makes a `tf.Module` anew with another: its variables are constructed again."
CLONED = "`clone_model` and `from_config` make the same layers with values of their own; the values are set after."
FOLDER = "tempfile.mkdtemp()"
FILES = {"weights": "/model.weights.h5", "keras": "/model.keras", "saved-model": "/model"}


class KeepingWords(ObjectWords):
    """What TensorFlow 2 says about copies and files."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: word of a checkpoint -> what was saved under it
        self.saved: dict[str, Any] = {}

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways that are about the kind of object which the spec makes, copies or saves; one if none is."""
        ways = super().ways_of(spec)
        if not has_mixed(list(walk(spec.steps))):  # what a module is, its members decide
            ways = [
                dict(way)
                for way in dict.fromkeys(tuple((k, v) for k, v in way.items() if k != "module") for way in ways)
            ]
        told: set[str] = set()
        return [way for way in ways if fits(cls, spec, way, told)] or ways[:1]

    # -- copies

    def copy(self, step: Copy) -> None:
        """Copy an object as Python does, or make it anew from its configuration."""
        self.only_a_model(step.copy_, "copied")
        made, way = self.thing(step.copy_), self.way.get("copy", "deepcopy")
        subclass = isinstance(made, Net) and made.style == "subclass"
        if way == "clone" and (step.shallow or subclass or not is_model(made)):
            raise OtherKind("`from_config` and `clone_model` are words of Keras, and make everything inside anew.")
        if subclass:
            raise Unsupported(NEEDS_CONFIG)
        self.made[step.as_] = self.twin(made, step.as_)
        if way == "clone":
            self.clone(step.as_, step.copy_, made)
            return
        if step.shallow and isinstance(made, Net) and made.style == "plain":
            self.made[step.as_] = Net(made.style, made.name, dict(made.members))
        self.write(f"{step.as_} = {'copy' if step.shallow else 'deepcopy'}({step.copy_})")

    def clone(self, name: str, source: str, made: Any, dtype: str | None = None) -> None:
        """Write a Keras object made anew from its configuration, with the values of the first one."""
        self.idiom(CLONED)
        if isinstance(made, Unit):
            config = f"{source}.get_config()"
            config = config if dtype is None else f"{{**{config}, 'dtype': {dtype!r}}}"
            self.write(f"{name} = tf.keras.layers.{CLASSES[made.kind]}.from_config({config})")
            if not made.built:
                return
            self.write(f"{name}.build({made.shape})")
        elif dtype is None:
            self.write(f"{name} = tf.keras.models.clone_model({source})")
        else:
            anew = self.free(f"as_{dtype}")
            with self.block(f"def {anew}(layer):"):
                self.write(f"return layer.__class__.from_config({{**layer.get_config(), 'dtype': {dtype!r}}})")
            nested = any(isinstance(member, Net) for member in made.members.values())
            recursive = ", recursive=True" if nested else ""
            self.write(f"{name} = tf.keras.models.clone_model({source}, clone_function={anew}{recursive})")
        self.write(f"{name}.set_weights({source}.get_weights())")

    def cast(self, step: Cast) -> None:
        """Make a Keras object anew with another dtype."""
        self.only_a_model(step.cast, "cast")
        made = self.thing(step.cast)
        if not is_model(made):
            raise Unsupported(FOR_LIFE)
        if isinstance(made, Net) and made.style == "subclass":
            raise Unsupported(NEEDS_CONFIG)
        if any(unit.inner is not None for unit in units_of(made)):
            raise Unsupported(
                "A Keras layer that wraps another has its own dtype and leaves that of the other: each is made anew by hand."
            )
        if not step.to.startswith("float"):
            raise Unsupported("The dtype of a Keras layer is that of its computation, which is one of floats.")
        self.build_inside(made)
        self.made[step.as_] = self.twin(made, step.as_)
        self.clone(step.as_, step.cast, made, step.to)

    def move(self, step: Move) -> None:
        """Copy an object on another device."""
        self.only_a_model(step.move, "moved")
        if self.device == "gpu":
            raise Unsupported(
                "TensorFlow divides a CPU into virtual devices as it comes; a GPU only with a limit of memory for each."
            )
        made = self.thing(step.move)
        if isinstance(made, Net) and made.style == "subclass":
            raise Unsupported(NEEDS_CONFIG)
        self.idiom(
            "A variable stays on the device that it was made on; what is there afterwards is a copy that was made there."
        )
        self.made[step.as_] = self.twin(made, step.as_)
        with self.block(f"with tf.device('/CPU:{step.device}'):"):
            self.write(f"{step.as_} = deepcopy({step.move})")

    def quantize(self, step: Quantize) -> None:
        """Quantize a Keras object in place."""
        self.only_a_model(step.quantize, "quantized")
        made, words = self.thing(step.quantize), self.place(step.quantize)
        if not is_model(made):
            raise Unsupported(
                "Keras quantizes its layers and models; a `tf.Variable` or a `tf.Module` has no such call."
            )
        kinds = {unit.kind for unit in units_of(made)}
        if not kinds & {"dense", "embedding"} or (isinstance(made, Unit) and not kinds <= {"dense", "embedding"}):
            raise Unsupported("Of the layers here, Keras quantizes `Dense` and `Embedding` only.")
        self.build_inside(made)
        self.write(f"{words}.quantize('int8')")
        if step.as_ != words:
            self.write(f"{step.as_} = {words}")
        self.made[step.as_] = made

    def reading(self, step: Expect) -> str:
        """Refuse to compare a place with itself: a model lists a layer that is used twice once, under its name."""
        if step.identical and len(set(map(self.place, step.identical))) == 1:
            raise Unsupported(
                "A Keras model keeps a layer that is used in several places once, under its name: there are no two places to compare."
            )
        return super().reading(step)

    # -- files

    def save(self, step: Save) -> None:
        """Save in the way that the restore will read."""
        made, way = self.thing(step.save), self.way.get("restore", "checkpoint")
        self.only_a_model(step.save, "saved")
        self.saved[step.to] = made
        style = made.style if isinstance(made, Net) else "layer"
        self.check_way(step, way, made)
        if way.startswith("checkpoint"):
            kept = self.part(step, style) if step.only else f"tf.train.Checkpoint({step.save})"
            self.write(f"{step.to} = {kept}.save({FOLDER} + '/model')")
            return
        self.write(f"{step.to} = {FOLDER} + {FILES[way]!r}")
        self.write(
            {
                "weights": f"{step.save}.save_weights({step.to})",
                "keras": f"{step.save}.save({step.to})",
                "saved-model": f"tf.saved_model.save({step.save}, {step.to})",
            }[way]
        )

    def part(self, step: Save, style: str) -> str:
        """Return a checkpoint of some members alone, under the names that they have in the whole."""
        if style == "functional":
            raise Unsupported(
                "A checkpoint names attributes, and the layers of a functional Keras model are none: it is saved whole."
            )
        tree: dict[str, Any] = {}
        for path in step.only:
            *owners, last = path.removeprefix(f"{step.save}.").split(".")
            below = tree
            for owner in owners:
                below = below.setdefault(owner, {})
            below[last] = f"{step.save}.{path.removeprefix(f'{step.save}.')}"
        return self.checkpoint_of(tree)

    def checkpoint_of(self, tree: dict[str, Any]) -> str:
        """Return the words for a checkpoint of named things, which may be checkpoints themselves."""
        words = []
        for name, below in tree.items():
            if (
                isinstance(below, str)
                and self.is_keras(below)
                and isinstance(self.thing(below.rpartition(".")[0]), Unit)
            ):
                raise Unsupported(
                    "A checkpoint names a Keras layer's variables by private attributes: a layer is saved whole."
                )
            words.append(f"{name}={self.place(below) if isinstance(below, str) else self.checkpoint_of(below)}")
        return f"tf.train.Checkpoint({', '.join(words)})"

    def check_way(self, step: Save, way: str, made: Any) -> None:
        """Raise Unsupported if an object cannot be saved in a way."""
        style = made.style if isinstance(made, Net) else "layer"
        model = is_model(made) and style != "layer"
        if step.only and not way.startswith("checkpoint"):
            raise OtherKind("Only a `tf.train.Checkpoint` is made of some members alone.")
        if way == "saved-model" and is_model(made):
            raise OtherKind(
                "A Keras 3 object is exported to a SavedModel for serving only; it does not come back as an object of Keras."
            )
        if way in {"weights", "keras"} and not model:
            what = "its weights" if way == "weights" else "itself"
            raise OtherKind(f"Only a Keras model saves {what} to a file; a `tf.Module` or a single layer does not.")
        if way == "keras" and style == "subclass":
            raise Unsupported(NEEDS_CONFIG)
        if way == "weights" and style == "subclass" and not made.called:
            raise Unsupported(NEEDS_CALL)

    def asks_what_matched(self) -> bool:
        """Return whether a checkpoint may lack something here, so that users differ who ask and who do not."""
        named = {step.to: step.save for step in self.spec if isinstance(step, Save)}
        partly = any(isinstance(step, Save) and step.only for step in self.spec)
        return partly or any(
            isinstance(step, Restore) and (step.raises is not None or named.get(step.given_by) != step.restore)
            for step in self.spec
        )

    def restore(self, step: Restore) -> None:
        """Restore in place, or load a new object under the name."""
        self.only_a_model(step.restore, "restored")
        way = self.way.get("restore", "checkpoint")
        if way == "checkpoint-matched" and (step.partial or not self.asks_what_matched()):
            raise OtherKind("Nothing is missing here that a checkpoint could be asked for.")
        if way in {"keras", "saved-model"} and step.partial:
            raise OtherKind("A whole object is loaded, of which nothing is missing.")
        checkpoint = f"tf.train.Checkpoint({step.restore}).restore({step.given_by})"
        self.write(
            {
                "checkpoint": checkpoint + (".expect_partial()" if step.partial else ""),
                "checkpoint-matched": f"{checkpoint}.assert_existing_objects_matched()",
                "weights": f"{step.restore}.load_weights({step.given_by}{', skip_mismatch=True' if step.partial else ''})",
                "keras": f"{step.restore} = tf.keras.models.load_model({step.given_by})",
                "saved-model": f"{step.restore} = tf.saved_model.load({step.given_by})",
            }[way]
        )
        if way in {"keras", "saved-model"}:
            self.idiom("Loading makes a new object; the script binds the module's name to it.")
            saved = self.saved[step.given_by]
            self.made[step.restore] = "loaded" if way == "saved-model" else self.twin(saved, step.restore)


def has_mixed(steps: list[Step]) -> bool:
    """Return whether a module holds a layer beside a bare variable, which Keras and `tf.Module` each see one of."""
    layers = {step.binding for step in steps if isinstance(step, Layer | Wrap)}
    variables = {step.binding for step in steps if isinstance(step, Get | Variable)}
    held = [set(step.members.values()) for step in steps if isinstance(step, Module)]
    return any(places & layers and places & variables for places in held)


def what_is_copied(steps: list[Step]) -> list[str]:
    """Return the imports that copies and files need."""
    lines = ["from copy import copy"] if any(isinstance(step, Copy) and step.shallow for step in steps) else []
    if any((isinstance(step, Copy) and not step.shallow) or isinstance(step, Move) for step in steps):
        lines.append("from copy import deepcopy")
    return lines + (["import tempfile"] if any(isinstance(step, Save) for step in steps) else [])
