"""What stands where in a Keras script: variables, layers and models, and the words for a place in them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from canireuse.translation import TextAdapter, Unsupported
from canireuse.vocabulary import Get, Layer, Variable, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from canireuse.spec import Spec
    from canireuse.step import Step

#: what Keras calls the parts of its layers
PARTS = {
    "dense": {},
    "embedding": {"kernel": "embeddings"},
    "norm": {"kernel": "gamma", "bias": "beta", "mean": "moving_mean", "var": "moving_variance"},
    "cell": {"recurrent": "recurrent_kernel"},
}
#: shape of the input that a layer is built for, with the size of its last axis to be put in
BUILT_FOR = {
    "dense": "[None, {}]",
    "embedding": "[None]",
    "norm": "[None, {}]",
    "cell": "[None, {}]",
    "rnn": "[None, None, {}]",
    "bidirectional": "[None, None, {}]",
    "time_distributed": "[None, None, {}]",
}
TENSOR = "tensor"
#: what a spec may call what is inside a Bidirectional, and what Keras calls it
SIDES = {"forward": "forward_layer", "backward": "backward_layer"}
#: attributes that every layer or model has already
PROPERTIES = frozenset({
    "weights", "variables", "losses", "metrics", "name", "path", "input", "output", "inputs", "outputs", "dtype", "build",
    "call", "built", "quantize", "trainable", "trainable_weights", "trainable_variables", "compute_dtype", "input_spec",
    "layers", "loss", "optimizer", "save", "summary", "fit", "evaluate", "predict", "compile",
})  # fmt: skip


@dataclass(eq=False)
class Thing:
    """An object of the script: a `variable`, a `layer`, a layer that wraps one, or a module with its style."""

    kind: str
    step: Step | None = None
    #: of a module: holder (bare variables), functional, subclass
    style: str = ""
    name: str | None = None
    built: bool = True
    members: dict[str, Thing] = field(default_factory=dict)
    #: whether it is a layer of a class that the script defines
    own: bool = False
    #: whether it stands without variables on purpose, until it is materialized
    abstract: bool = False
    #: whether it was called, after which Keras locks what it holds
    called: bool = False

    @property
    def is_keras_layer(self) -> bool:
        """Whether it is a layer or model, which is called and has `trainable`."""
        return self.kind in {"layer", "wrap", "module"}

    def inner(self) -> Layer | None:
        """Return the step of the layer, or of the layer that is wrapped."""
        if isinstance(self.step, Layer):
            return self.step
        return next((member.inner() for member in self.members.values()), None) if self.kind == "wrap" else None

    def unbuilt(self) -> bool:
        """Return whether a variable is still to be made somewhere inside."""
        return not self.built or (self.kind == "module" and any(member.unbuilt() for member in self.members.values()))

    def mark_called(self) -> None:
        """Note that it, and all that is inside, was called."""
        self.built = self.called = True
        self.abstract = False
        for member in self.members.values():
            member.mark_called()

    def hold(self, *, abstract: bool) -> None:
        """Note that nothing inside is to be built just because it is named, or that it may be again."""
        self.abstract = abstract
        for member in self.members.values():
            member.hold(abstract=abstract)

    def mark_built(self) -> None:
        """Note that it, and all that is inside, has its variables."""
        self.built, self.abstract = True, False
        for member in self.members.values():
            member.mark_built()


class KerasPlaces(TextAdapter):
    """Knows what every name of the script stands for, and builds layers whose variables are named before a call."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.engine = self.way.get("engine", "tensorflow")
        #: every step of the spec
        self.spec: list[Step] = []
        #: what stands behind a name, or behind the path of a scope's variable
        self.things: dict[str, Thing] = {}
        #: what was saved under a word
        self.saved: dict[str, Thing | None] = {}
        #: names bound to tensors
        self.tensors: set[str] = set()
        #: whether anything was made that hangs on no scope
        self.loose = False
        #: layers that are worded as a class of the script's own, since a variable of theirs is replaced later
        self.own: set[str] = set()
        #: list of the variables that have given values where the script stands, empty outside of stateless scopes
        self.carried = ""

    @contextmanager
    def stateless_block(self, mapping: str, variables: str, name: str = "") -> Iterator[None]:
        """Write what stands in a scope in which variables have given values."""
        before = self.carried
        self.carried = f"[*{before}, *{variables}]" if before else variables
        with self.block(f"with keras.StatelessScope(state_mapping={mapping}){f' as {name}' if name else ''}:"):
            yield
        self.carried = before

    def look(self, spec: Spec) -> None:
        """Take in the whole spec before anything is written."""
        self.spec = list(walk(spec.steps))

    def assign_each(self, variables: str, values: str) -> None:
        """Write each value into its variable."""
        variable, value = self.free("variable"), self.free("value")
        with self.block(f"for {variable}, {value} in zip({variables}, {values}):"):
            self.write(f"{variable}.assign({value})")

    def thing(self, place: str) -> Thing | None:
        """Return what stands at a place, None if that is not known."""
        if place in self.things:
            return self.things[place]
        owner, dot, last = place.rpartition(".")
        holder = self.thing(owner) if dot else None
        if holder is None:
            return None
        if holder.kind == "wrap" and holder.members:
            last = SIDES.get(last, last)
            return (
                holder.members[last]
                if last in holder.members
                else self.thing(f"{owner}.{next(iter(holder.members))}.{last}")
            )
        if last in holder.members:
            return holder.members[last]
        return Thing("variable", holder.step) if isinstance(holder.step, Layer) and holder.kind == "layer" else None

    def is_owner(self, place: str) -> bool:
        """Return whether a place holds a layer or module."""
        thing = self.thing(place)
        return thing is not None and thing.is_keras_layer

    def of_layer(self, place: str) -> Layer | None:
        """Return the layer's step if a place is a variable of a layer."""
        owner, _, _ = place.rpartition(".")
        holder = self.thing(owner) if owner else None
        return holder.step if holder and holder.kind == "layer" and isinstance(holder.step, Layer) else None

    def made_by(self, place: str) -> Get | Variable | None:
        """Return the step that made a variable of its own, if one did."""
        thing = self.thing(place)
        return thing.step if thing and isinstance(thing.step, Get | Variable) else None

    def place(self, place: str) -> str:
        """Return the words for a place; a layer whose variables are named before its first call is built."""
        owner, dot, last = place.rpartition(".")
        if not dot:
            return place
        holder, words = self.thing(owner), self.place(owner)
        if holder is None or place in self.things:
            return f"{words}.{last}"
        if holder.kind == "module" and holder.style == "functional" and last in holder.members:
            return f"{words}.{self.layer_of(holder, last)}"
        if holder.kind == "wrap" and holder.members:
            self.build(words, holder)
            last = SIDES.get(last, last)
            return (
                f"{words}.{last}"
                if last in holder.members
                else self.place(f"{owner}.{next(iter(holder.members))}.{last}")
            )
        if holder.kind == "layer" and isinstance(holder.step, Layer):
            self.build(words, holder)
            last = last if holder.own else PARTS[holder.step.layer].get(last, last)
        elif last in holder.members:
            last = attribute(last)
        return f"{words}.{last}"

    def layer_of(self, holder: Thing, member: str) -> str:
        """Return how a functional model hands out one of its layers: by name, or by where it stands."""
        found = holder.members[member]
        if found.name:
            return f"get_layer({found.name!r})"
        distinct = list(dict.fromkeys(map(id, holder.members.values())))
        return f"layers[{distinct.index(id(found)) + 1}]"

    def build(self, words: str, thing: Thing) -> None:
        """Write the building of a layer, or of all layers of a module, that has no variables yet."""
        if thing.kind == "module":
            for name, member in thing.members.items():
                if member.unbuilt():
                    self.build(f"{words}.{attribute(name)}", member)
            return
        if thing.built or thing.abstract:
            return
        inner = thing.inner()
        if inner is None:
            raise Unsupported("Keras builds a layer for the shape of its input, which the spec does not give here.")
        kind = thing.style if thing.kind == "wrap" else inner.layer
        self.write(f"{words}.build({BUILT_FOR[kind].format(inner.inputs)})")
        thing.mark_built()

    def named_in(self, step: Step) -> list[str]:
        """Return the names of layers and modules that a step or anything inside it mentions."""
        text = repr(step)
        return [name for name, thing in self.things.items() if thing.is_keras_layer and mentions(text, name)]

    def build_for(self, *steps: Step, calls_build: bool = True) -> None:
        """Build layers that steps mention, where the steps run several times or may make no variables.

        With `calls_build`, a call inside is left to build what it calls.
        """
        called: set[str] = set()
        for step in [one for block in steps for one in [*walk(getattr(block, "steps", [])), block]]:
            for name in self.named_in(step):
                thing = self.things[name]
                if not thing.unbuilt() or name in called:
                    continue
                if calls_build and getattr(step, "call", None) == name:
                    called.add(name)
                elif not calls_build or mentions(repr(step), f"{name}."):
                    self.build(self.place(name), thing)

    def owned(self, places: str | list[str]) -> str:
        """Return the list of variables that are trained: those named, or all that is trainable in an owner."""
        if isinstance(places, str) and self.is_owner(places):
            return f"{self.place(places)}.trainable_variables"
        return f"[{', '.join(map(self.place, [places] if isinstance(places, str) else places))}]"


def attribute(name: str) -> str:
    """Return the attribute for a name; what layers have as properties themselves gets an underscore behind."""
    return f"{name}_" if name in PROPERTIES else name


def mentions(text: str, name: str) -> bool:
    """Return whether a text has a name in it, as a word or before a dot."""
    found, width = text.find(name), len(name)
    while found >= 0:
        before = text[found - 1] if found else " "
        after = text[found + width] if found + width < len(text) else " "
        if not (before.isalnum() or before in "_.") and (name.endswith(".") or not (after.isalnum() or after == "_")):
            return True
        found = text.find(name, found + 1)
    return False
