"""The objects of TensorFlow 2 that hold variables: `tf.Module`, Keras 3 layers and models; copying and saving them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from conformance.spec import Spec
from conformance.step import Step
from conformance.translation import Adapter, Unsupported
from conformance.vocabulary import Block, Call, Copy, Freeze, Layer, Module, Restore, Save, Tie, walk

NEEDS_CONFIG = (
    "Keras copies and saves a subclassed model through `get_config`, which one that is handed objects does not have."
)
NEEDS_CALL = "Keras saves the weights of a subclassed model only once a call has built it."


class OtherKind(Unsupported):
    """A way of saving that is about another kind of object than the one at hand."""


@dataclass(frozen=True)
class Net:
    """A module as it was worded: `plain` tf.Module, `functional` Keras model, or Keras `subclass`."""

    style: str
    members: dict[str, Any]
    #: places of the members, in order
    places: tuple[str, ...] = ()


class ObjectWords(Adapter):
    """What TensorFlow 2 says about objects that own variables."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: every step of the spec
        self.spec: list[Step] = []
        #: what stands behind a name or an attribute path: the step that made it, or a Net
        self.made: dict[str, Any] = {}
        #: layers that have no variables yet
        self.unbuilt: set[str] = set()
        #: what has been called
        self.called: set[str] = set()
        #: names bound to tensors, which a tape does not watch by itself
        self.tensors: set[str] = set()
        #: whether anything was made that hangs on no module of the script
        self.loose = False
        #: word of a checkpoint -> what was saved under it
        self.saved: dict[str, Any] = {}

    def layer(self, step: Layer) -> None:
        """Construct a Keras layer; it makes its variables when it is first called."""
        self.loose = True
        words = [str(step.units)] if step.layer == "dense" else [str(step.inputs), str(step.units)]
        kernel = "kernel" if step.layer == "dense" else "embeddings"
        words.append(f"{kernel}_initializer={self.initializer(step.kernel)}")
        if step.layer == "dense":
            words.append("use_bias=False" if step.bias is None else f"bias_initializer={self.initializer(step.bias)}")
        words += [] if step.trainable else ["trainable=False"]
        kind = {"dense": "Dense", "embedding": "Embedding"}[step.layer]
        self.write(f"{step.as_} = tf.keras.layers.{kind}({', '.join(words)}, name={step.name!r})")
        self.made[step.as_] = step
        self.unbuilt.add(step.as_)

    def initializer(self, value: Any) -> str:
        """Return the words for a Keras initializer."""
        return "'random_normal'" if value == "random" else f"tf.keras.initializers.Constant({value})"

    def call(self, step: Call) -> None:
        """Call a layer or a model."""
        made = self.thing(step.call)
        if isinstance(made, Net) and not all(isinstance(member, Layer | Net) for member in made.members.values()):
            raise Unsupported("A module of bare variables has no call of its own in TensorFlow 2.")
        self.bind(step.as_, f"{self.place(step.call)}({self.expression(step.on)})")
        self.called.add(step.call)
        self.is_built(step.call)
        self.tensors.add(step.as_ or "")

    def is_built(self, place: str) -> None:
        """Note that a layer, or every layer of a module, has its variables."""
        self.unbuilt.discard(place)
        made = self.thing(place)
        for member in made.places if isinstance(made, Net) else ():
            self.is_built(member)

    def build_for(self, step: Block) -> None:
        """Build the layers whose variables are named inside what may run several times, unless a call there builds them."""
        called: set[str] = set()
        for inner in [*walk(step.steps), step]:
            for name in sorted(self.unbuilt - called):
                if f"{name}." in repr(inner):
                    self.place(f"{name}.kernel")
            if isinstance(inner, Call):
                called.add(inner.call)

    def module(self, step: Module) -> None:
        """Put members together: variables in a tf.Module, layers in a Keras model, both in a Keras subclass."""
        members = {name: self.thing(place) for name, place in step.members.items()}
        net = Net(self.style(step, members), members, tuple(step.members.values()))
        self.made[step.module] = net
        self.loose = True
        places = {name: self.place(place) for name, place in step.members.items()}
        if net.style == "plain":
            self.write(f"{step.module} = tf.Module(name={step.module!r})")
            for name, place in places.items():
                self.write(f"{step.module}.{name} = {place}")
                self.made[f"{step.module}.{name}"] = members[name]
        elif net.style == "functional":
            self.functional(step.module, next(iter(members.values())), list(places.values()))
        else:
            self.subclass(step, places)

    def style(self, step: Module, members: dict[str, Any]) -> str:
        """Return how a module is worded: what TensorFlow and Keras 3 each track decides."""
        keras = [
            isinstance(made, Layer) or (isinstance(made, Net) and made.style != "plain") for made in members.values()
        ]
        keras = [known or self.is_keras(place) for known, place in zip(keras, step.members.values(), strict=True)]
        if not any(keras):
            return "plain"
        layers = [made for made in members.values() if isinstance(made, Layer)]
        fit = all(one.units == other.inputs and other.layer == "dense" for one, other in pairwise(layers))
        tied = any(isinstance(other, Tie) and other.tie.startswith(f"{step.module}.") for other in self.spec)
        return "functional" if len(layers) == len(members) and fit and not tied else "subclass"

    def functional(self, name: str, first: Layer, places: list[str]) -> None:
        """Write a functional model that calls its layers in turn."""
        shape = f"[{first.inputs}]" if first.layer == "dense" else "[], dtype='int32'"
        self.write(f"keras_input = tf.keras.Input({shape})")
        outputs = "keras_input"
        for place in places:
            outputs = f"{place}({outputs})"
        self.write(f"{name} = tf.keras.Model(keras_input, {outputs}, name={name!r})")
        self.is_built(name)

    def subclass(self, step: Module, places: dict[str, str]) -> None:
        """Write a Keras model that holds its members as attributes, and calls them in turn if it is called."""
        kind = step.module.title().replace("_", "")
        with self.block(f"class {kind}(tf.keras.Model):"):
            with self.block(f"def __init__(self, {', '.join(places)}):"):
                self.write("super().__init__()")
                for name in places:
                    self.write(f"self.{name} = {name}")
            if any(isinstance(other, Call) and other.call == step.module for other in self.spec):
                outputs = "inputs"
                for name in places:
                    outputs = f"self.{name}({outputs})"
                with self.block("def call(self, inputs):"):
                    self.write(f"return {outputs}")
        self.write(f"{step.module} = {kind}({', '.join(places.values())})")

    def tie(self, step: Tie) -> None:
        """Assign the attribute of a module."""
        if self.is_keras(step.tie):
            raise Unsupported(
                "Keras 3 lets no variable be put into a layer: `kernel` has no setter, and a built layer's state is locked. "
                "Share the layer itself, or compute with the other layer's variable."
            )
        self.write(f"{step.tie} = {self.place(step.to)}")
        self.made[step.tie] = self.thing(step.to)

    def thing(self, place: str) -> Any:
        """Return what stands at a place: the step that made it, a Net, or None if that is not known."""
        if place in self.made:
            return self.made[place]
        owner, dot, member = place.rpartition(".")
        holder = self.thing(owner) if dot else None
        return holder.members.get(member) if isinstance(holder, Net) else None

    def is_keras(self, place: str) -> bool:
        """Return whether a place is a variable of a Keras layer."""
        owner, _, last = place.rpartition(".")
        if last in {"kernel", "bias"} and isinstance(self.thing(owner), Layer):
            return True
        holder = self.thing(owner)
        return (
            isinstance(holder, Net)
            and last in holder.members
            and place not in self.made
            and self.is_keras(holder.places[list(holder.members).index(last)])
        )

    def place(self, place: str) -> str:
        """Return the words for a place; a layer whose variables are named before its first call is built."""
        owner, dot, last = place.rpartition(".")
        if not dot:
            return place
        holder = self.thing(owner)
        if isinstance(holder, Layer):
            if owner in self.unbuilt:
                self.unbuilt.discard(owner)
                self.write(f"{owner}.build([None, {holder.inputs}])")
            if last == "kernel" and holder.layer == "embedding":
                last = "embeddings"
        elif isinstance(holder, Net) and holder.style == "functional":
            return f"{self.place(owner)}.get_layer({holder.members[last].name!r})"
        return f"{self.place(owner)}.{last}"

    def copy(self, step: Copy) -> None:
        """Deep-copy an object."""
        made = self.made[step.as_] = self.thing(step.copy_)
        if isinstance(made, Net) and made.style == "subclass":
            raise Unsupported(NEEDS_CONFIG)
        self.write(f"{step.as_} = deepcopy({step.copy_})")

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways that are about the kind of object which the spec saves; one if none is."""
        ways = super().ways_of(spec)
        return [way for way in ways if cls.fits(spec, way)] or ways[:1]

    @classmethod
    def fits(cls, spec: Spec, way: dict[str, str]) -> bool:
        """Return whether a way of saving is about the kind of object which the spec saves."""
        try:
            cls("cpu", way).translate(spec)
        except OtherKind:
            return False
        except Unsupported:
            return True
        return True

    def save(self, step: Save) -> None:
        """Save in the way that the restore will read."""
        made, way = self.thing(step.save), self.way.get("restore", "checkpoint")
        self.saved[step.to] = made
        style = made.style if isinstance(made, Net) else "layer"
        self.check_way(step.save, way, style)
        if way == "checkpoint":
            self.write(f"{step.to} = tf.train.Checkpoint({step.save}).save(tempfile.mkdtemp() + '/model')")
            return
        self.write(
            f"{step.to} = tempfile.mkdtemp() + {'/model' + {'weights': '.weights.h5', 'keras': '.keras', 'saved-model': ''}[way]!r}"
        )
        self.write(
            {
                "weights": f"{step.save}.save_weights({step.to})",
                "keras": f"{step.save}.save({step.to})",
                "saved-model": f"tf.saved_model.save({step.save}, {step.to})",
            }[way]
        )

    def check_way(self, name: str, way: str, style: str) -> None:
        """Raise Unsupported if an object cannot be saved in a way."""
        if way == "saved-model" and style != "plain":
            raise OtherKind(
                "A Keras 3 object is exported to a SavedModel for serving only; it does not come back as an object of Keras."
            )
        if way in {"weights", "keras"} and style in {"plain", "layer"}:
            raise OtherKind(
                f"Only a Keras model saves {'its weights' if way == 'weights' else 'itself'} to a file; a `tf.Module` or a single layer does not."
            )
        if way == "keras" and style == "subclass":
            raise Unsupported(NEEDS_CONFIG)
        if way == "weights" and style == "subclass" and name not in self.called:
            raise Unsupported(NEEDS_CALL)

    def restore(self, step: Restore) -> None:
        """Restore in place, or load a new object under the name."""
        way = self.way.get("restore", "checkpoint")
        self.write(
            {
                "checkpoint": f"tf.train.Checkpoint({step.restore}).restore({step.given_by})",
                "weights": f"{step.restore}.load_weights({step.given_by})",
                "keras": f"{step.restore} = tf.keras.models.load_model({step.given_by})",
                "saved-model": f"{step.restore} = tf.saved_model.load({step.given_by})",
            }[way]
        )
        if way in {"keras", "saved-model"}:
            self.idiom("Loading makes a new object; the script binds the module's name to it.")
            self.made[step.restore] = self.saved[step.given_by]
        if way == "saved-model":
            self.made[step.restore] = "loaded"

    def freeze(self, step: Freeze) -> None:
        """Turn a Keras object's `trainable` off."""
        made = self.thing(step.freeze)
        if isinstance(made, Layer) or self.is_keras(step.freeze) or (isinstance(made, Net) and made.style != "plain"):
            self.write(f"{self.place(step.freeze)}.trainable = False")
            return
        raise Unsupported(
            "A `tf.Variable` is trainable or not from the start, and a `tf.Module` has no switch; only Keras objects are frozen later."
        )
