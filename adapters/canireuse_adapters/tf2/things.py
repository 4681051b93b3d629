"""What the script holds, known while it is written: Keras layers and their variables, modules, averages; and the words for each place."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from canireuse.step import Step
from canireuse.translation import TextAdapter, Unsupported
from canireuse.vocabulary import Block, Call, Gradient, Layer, Scan, walk

#: kind of layer -> its class in Keras
CLASSES = {
    "dense": "Dense", "embedding": "Embedding", "norm": "BatchNormalization", "cell": "SimpleRNNCell",
    "rnn": "RNN", "bidirectional": "Bidirectional", "time_distributed": "TimeDistributed",
}  # fmt: skip
#: kind of layer -> what Keras calls its variables
PARTS = {
    "dense": {"kernel": "kernel", "bias": "bias"},
    "embedding": {"kernel": "embeddings"},
    "norm": {"kernel": "gamma", "bias": "beta", "mean": "moving_mean", "var": "moving_variance"},
    "cell": {"kernel": "kernel", "recurrent": "recurrent_kernel", "bias": "bias"},
}
#: kind of wrapper -> where Keras keeps what it wraps, and what a spec may call it besides
INSIDE = {"rnn": "cell", "time_distributed": "layer", "bidirectional": "forward_layer"}
FORWARD, BACKWARD = {"forward", "forward_layer"}, {"backward", "backward_layer"}
NO_AVERAGE = "A `tf.train.ExponentialMovingAverage` keeps averages of variables, each asked for by its variable; it is no model that could be {}."

LOADED = "What a SavedModel loads as has the attributes of what was saved, but neither its methods nor a list of its variables: it cannot be {}."


@dataclass(eq=False)
class Unit:
    """A Keras layer: it makes its variables when it is called or built; `home` is a place that leads to it."""

    kind: str
    name: str | None
    inputs: int
    units: int
    home: str
    inner: "Unit | None" = None
    #: the layer of a Bidirectional that runs backward
    backward: "Unit | None" = None
    #: the step that made it; for a layer of the script's own class, with what was put in its variables' places
    step: Layer | None = None
    own: bool = False
    tied: dict[str, Any] = field(default_factory=dict)
    built: bool = False
    #: whether it stands without variables on purpose, until it is materialized
    abstract: bool = False

    @property
    def shape(self) -> str:
        """The input shape that it is built for."""
        return f"[None, {self.inputs}]" if self.inner is None else f"[None, None, {self.inputs}]"

    def is_built(self) -> None:
        """Note that it has its variables, and so has what it wraps."""
        self.built, self.abstract = True, False
        for below in (self.inner, self.backward):
            if below:
                below.is_built()


@dataclass(frozen=True)
class Part:
    """A variable of a Keras layer, under its name in specs."""

    unit: Unit
    name: str


@dataclass(eq=False)
class Net:
    """A module as it was worded: `plain` tf.Module, `functional` Keras model, or Keras `subclass`."""

    style: str
    name: str
    members: dict[str, Any]
    called: bool = False


@dataclass(frozen=True)
class Mean:
    """Moving averages of what stands at a place."""

    of: str


def units_of(thing: Any) -> Iterator[Unit]:
    """Yield every Keras layer in a thing, each as often as it is held."""
    if isinstance(thing, Unit):
        yield thing
    for member in thing.members.values() if isinstance(thing, Net) else ():
        yield from units_of(member)


def is_model(thing: Any) -> bool:
    """Return whether a thing is an object of Keras that holds variables."""
    return (isinstance(thing, Unit) and not thing.own) or (isinstance(thing, Net) and thing.style != "plain")


def settle(thing: Any, home: str) -> Any:
    """Note where the layers of a thing are reached from now on; return the thing."""
    if isinstance(thing, Unit):
        thing.home = home
    for name, member in thing.members.items() if isinstance(thing, Net) else ():
        settle(member, f"{home}.{name}")
    return thing


class ThingWords(TextAdapter):
    """Knows what stands at a place, and says how TensorFlow reaches it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: every step of the spec
        self.spec: list[Step] = []
        #: what stands behind a name or a path of scopes: a Get or Variable, or one of the classes above
        self.made: dict[str, Any] = {}
        #: names bound to tensors, which a tape does not watch by itself
        self.tensors: set[str] = set()
        #: whether anything was made that hangs on no module of the script
        self.loose = False

    def twin(self, thing: Any, home: str) -> Any:
        """Return what a copy of a thing is: what is shared inside stays so."""
        return settle(copy.deepcopy(thing), home)

    def thing(self, place: str) -> Any:
        """Return what stands at a place, or None if that is not known."""
        first, *rest = place.split(".")
        thing = self.made.get(first)
        for part in rest:
            thing = self.below(thing, part)
        return thing

    def below(self, thing: Any, part: str) -> Any:
        """Return what a thing holds under a name."""
        if isinstance(thing, Net):
            return thing.members.get(part)
        if not isinstance(thing, Unit):
            return None
        if thing.inner is None:
            return thing.tied.get(part, Part(thing, part)) if part in PARTS[thing.kind] else None
        if part in BACKWARD:
            return thing.backward
        return thing.inner if part in {INSIDE[thing.kind], *FORWARD} else self.below(thing.inner, part)

    def is_keras(self, place: str) -> bool:
        """Return whether a place is a variable of a Keras layer."""
        thing = self.thing(place)
        return isinstance(thing, Part) and not thing.unit.own

    def place(self, place: str) -> str:
        """Return the words for a place; a layer whose variables are named before its first call is built."""
        first, *rest = place.split(".")
        words, thing = first, self.made.get(first)
        if isinstance(thing, Mean) and rest:
            of = ".".join([thing.of, *rest])
            return f"{words}.average({self.place(of)}{'.value' if self.is_keras(of) else ''})"
        for part in rest:
            words, thing = self.attribute(words, thing, part), self.below(thing, part)
        return words

    def attribute(self, words: str, thing: Any, part: str) -> str:
        """Return the words for what a thing, reached by words, holds under a name."""
        if isinstance(thing, Net) and thing.style == "functional":
            return f"{words}.{self.layer_of(thing, part)}"
        if not isinstance(thing, Unit) or thing.own:
            return f"{words}.{part}"
        if thing.inner is None:
            self.build(thing, words)
            return f"{words}.{PARTS[thing.kind].get(part, part)}"
        if part in BACKWARD:
            return f"{words}.backward_layer"
        inside = f"{words}.{INSIDE[thing.kind]}"
        if part in {INSIDE[thing.kind], *FORWARD}:
            return inside
        if thing.kind == "bidirectional":
            self.build(thing, words)
        return self.attribute(inside, thing.inner, part)

    def layer_of(self, net: Net, part: str) -> str:
        """Return the call that finds a layer of a functional model: by its name, or by its number if it was given none."""
        member = net.members[part]
        if member.name:
            return f"get_layer({member.name!r})"
        return f"layers[{1 + list(dict.fromkeys(net.members.values())).index(member)}]"

    def build(self, unit: Unit, words: str) -> None:
        """Have a layer make its variables, unless it has."""
        if not unit.built and not unit.abstract:
            self.write(f"{words}.build({unit.shape})")
            unit.is_built()

    def build_inside(self, thing: Any) -> None:
        """Have every layer of a thing make its variables."""
        for unit in units_of(thing):
            if not unit.built and not unit.abstract:
                self.build(unit, self.place(unit.home))

    def build_for(self, step: Block) -> None:
        """Build the layers whose variables are named inside what may run several times, unless a call there builds them."""
        called: list[Unit] = []
        for inner in walk(step.steps):
            if isinstance(inner, Scan) or (isinstance(inner, Gradient) and inner.remat):
                self.build_called(inner)
        for inner in [*walk(step.steps), step]:
            text = repr(inner)
            for name, thing in list(self.made.items()):
                waits = any(unit not in called for unit in units_of(thing))
                if waits and f"{name}." in text:
                    self.build_inside(thing)
            if isinstance(inner, Call):
                called += units_of(self.thing(inner.call))

    def build_called(self, step: Block) -> None:
        """Build the layers that are called or named inside what TensorFlow runs in a graph or a tape of its own."""
        for inner in walk(step.steps):
            if isinstance(inner, Call):
                self.build_inside(self.thing(inner.call))
        self.build_for(step)

    def only_a_model(self, place: str, asked: str) -> None:
        """Raise Unsupported if a place holds averages or what a SavedModel loads as, and what is asked only a model can do."""
        if isinstance(self.thing(place), Mean):
            raise Unsupported(NO_AVERAGE.format(asked))
        if self.thing(place) == "loaded" and asked not in {"saved", "restored"}:
            raise Unsupported(LOADED.format(asked))
