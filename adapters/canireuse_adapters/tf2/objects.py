"""The objects of TensorFlow 2 that hold variables: `tf.Module`, Keras 3 layers and models; how they are made, called and tied."""

import copy
from itertools import pairwise
from typing import Any

from canireuse.translation import Unsupported
from canireuse.vocabulary import Call, Get, Layer, Materialize, Module, Replace, Tie, Variable, Wrap
from canireuse_adapters.tf2.own import OwnLayers
from canireuse_adapters.tf2.things import CLASSES, INSIDE, Net, Part, Unit, is_model, units_of
from canireuse_adapters.tf_text import operand

LOCKED = (
    "Keras 3 lets no variable be put into a layer: `kernel` has no setter, and a built layer's state is locked. "
    "Share the layer itself, or compute with the other layer's variable."
)
FIXED = "A functional Keras model is the calls that it was made from: an attribute that is set on it changes none of them. Build it from other layers."
NO_PLACE = "TensorFlow 2 ties by assigning an attribute of an object that holds variables; a Python name on its own is no place."
#: kind of wrapper -> kinds of layers that it takes
TAKES = {
    "rnn": {"cell"},
    "bidirectional": {"cell", "rnn"},
    "time_distributed": {"dense", "embedding", "norm", "time_distributed"},
}


def is_timed(thing: Any) -> bool:
    """Return whether a thing works on a sequence of time steps."""
    return any(unit.inner is not None for unit in units_of(thing))


def ends(thing: Any) -> tuple[Unit, Unit]:
    """Return the first and the last layer of a chain."""
    units = list(units_of(thing))
    return units[0], units[-1]


class ObjectWords(OwnLayers):
    """What TensorFlow 2 says about objects that own variables."""

    #: whether a function is written that makes its layers without variables
    lazy = False

    def layer(self, step: Layer) -> None:
        """Construct a Keras layer; it makes its variables when it is first called."""
        self.loose = True
        if self.own:
            self.own_layer(step)
            return
        words = {
            "dense": [str(step.units), f"kernel_initializer={self.initializer(step.kernel)}"],
            "embedding": [
                str(step.inputs),
                str(step.units),
                f"embeddings_initializer={self.initializer(step.kernel)}",
            ],
            "norm": ["momentum=0.9", f"gamma_initializer={self.initializer(step.kernel)}"],
            "cell": [
                str(step.units),
                f"kernel_initializer={self.initializer(step.kernel)}",
                f"recurrent_initializer={self.initializer(step.recurrent)}",
            ],
        }[step.layer]
        if step.layer != "embedding":
            words.append(self.bias(step))
        if step.penalty is not None:
            kernel = {"embedding": "embeddings", "norm": "gamma"}.get(step.layer, "kernel")
            words.append(f"{kernel}_regularizer=tf.keras.regularizers.L2({step.penalty})")
        words += [] if step.trainable else ["trainable=False"]
        words += [f"name={step.name!r}"] if step.name else []
        self.write(f"{step.as_} = tf.keras.layers.{CLASSES[step.layer]}({', '.join(words)})")
        units = step.inputs if step.layer == "norm" else step.units
        self.made[step.as_] = Unit(step.layer, step.name, step.inputs, units, step.as_, step=step)

    def bias(self, step: Layer) -> str:
        """Return the words for a layer's bias; without one it is switched off."""
        if step.layer == "norm":
            return "center=False" if step.bias is None else f"beta_initializer={self.initializer(step.bias)}"
        return "use_bias=False" if step.bias is None else f"bias_initializer={self.initializer(step.bias)}"

    def initializer(self, value: Any) -> str:
        """Return the words for a Keras initializer."""
        return "'random_normal'" if value == "random" else f"tf.keras.initializers.Constant({value})"

    def wrap(self, step: Wrap) -> None:
        """Give a layer to a layer that calls it; a Bidirectional makes two of its own from the configuration of the one it is given."""
        inner, kind = self.thing(step.wrap), step.inside
        if not isinstance(inner, Unit) or inner.kind not in TAKES[kind]:
            raise Unsupported(f"`tf.keras.layers.{CLASSES[kind]}` wraps no layer of this kind.")
        words = step.wrap
        if kind == "rnn" or inner.kind == "cell":
            words = f"tf.keras.layers.RNN({words}, return_sequences=True)"
        if kind == "bidirectional":
            words = f"tf.keras.layers.Bidirectional({words})"
            if inner.kind == "cell":
                inner = Unit("rnn", None, inner.inputs, inner.units, "", inner)
        elif kind == "time_distributed":
            words = f"tf.keras.layers.TimeDistributed({words})"
        self.write(f"{step.as_} = {words}")
        made = self.made[step.as_] = Unit(kind, None, inner.inputs, inner.units, step.as_, inner)
        if kind == "bidirectional":
            made.units = 2 * inner.units
            made.inner, made.backward = copy.deepcopy(inner), copy.deepcopy(inner)

    # -- calls

    def call(self, step: Call) -> None:
        """Call a layer or a model, which may compute with other values in its variables' place."""
        made = self.thing(step.call)
        self.check_call(step.call, made)
        given = {f"{step.call}.{path.replace('/', '.')}": value for path, value in step.given.items()}
        if not all(self.is_keras(place) or self.thing(place) is None for place in given):
            raise Unsupported("A stateless scope of Keras gives values to Keras variables, and to no others.")
        words, on = self.place(step.call), self.expression(step.on)
        training = ", training=True" if step.training else ""
        if isinstance(made, Unit) and made.kind == "cell":
            batch = len(step.on) if isinstance(step.on, list) else f"{operand(on)}.shape[0]"
            answer = f"{words}({on}, {words}.get_initial_state(batch_size={batch}){training})[0]"
        else:
            answer = f"{words}({on}{training})"
        if given:
            self.build_inside(made)
            values = [
                f"({self.place(place)}, {self.expression(value) if isinstance(value, str) else value})"
                for place, value in given.items()
            ]
            with self.block(f"with tf.keras.StatelessScope(state_mapping=[{', '.join(values)}]):"):
                self.bind(step.as_, answer)
        else:
            self.bind(step.as_, answer)
        self.is_called(made)
        if step.as_:
            self.tensors.add(step.as_)

    def check_call(self, place: str, made: Any) -> None:
        """Raise Unsupported if what stands at a place has no call."""
        self.only_a_model(place, "called")
        if isinstance(made, Net):
            if not all(isinstance(member, Unit | Net) for member in made.members.values()):
                raise Unsupported("A module of bare variables has no call of its own in TensorFlow 2.")
            if any(unit.kind == "cell" for unit in units_of(made)):
                raise Unsupported("A cell takes a state and returns one: in a model it is called by an `RNN` layer.")
            for member in made.members.values():
                self.check_call(place, member)

    def is_called(self, made: Any) -> None:
        """Note that a thing was called, and that its layers have their variables."""
        for unit in units_of(made):
            unit.is_built()
        if isinstance(made, Net):
            made.called = True

    # -- modules

    def module(self, step: Module) -> None:
        """Put members together: variables in a tf.Module, layers in a Keras model, both in a Keras subclass."""
        for place in step.members.values():
            self.only_a_model(place, "held by another")
        members = {name: self.thing(place) for name, place in step.members.items()}
        net = Net(self.style(step, members), step.module, members)
        self.loose = True
        places = {name: self.place(place) for name, place in step.members.items()}
        if net.style == "plain" and self.own and self.has_call(net) and self.calls_models():
            self.called_class(net, places)
        elif net.style == "plain":
            self.write(f"{step.module} = tf.Module(name={step.module!r})")
            for name, place in places.items():
                self.write(f"{step.module}.{name} = {place}")
        elif net.style == "functional":
            self.functional(net, list(places.values()))
        else:
            self.subclass(net, places)
        self.made[step.module] = net

    def style(self, step: Module, members: dict[str, Any]) -> str:
        """Return how a module is worded: what TensorFlow and Keras 3 each track decides."""
        things = list(members.values())
        if not any(is_model(made) or isinstance(made, Part) for made in things):
            return "plain"
        bare = any(isinstance(made, Get | Variable) for made in things)
        if bare and self.way.get("module") == "tf-module":
            return "plain"
        chained = all(
            (isinstance(made, Unit) and made.kind != "cell") or (isinstance(made, Net) and made.style == "functional")
            for made in things
        )
        if not chained or self.lazy or self.changes(step.module):
            return "subclass"
        fits = all(
            ends(one)[1].units == ends(other)[0].inputs and ends(other)[0].kind != "embedding"
            for one, other in pairwise(things)
        )
        return "functional" if fits else "subclass"

    def changes(self, module: str) -> bool:
        """Return whether the spec puts something else in the place of a member of a module."""
        places = [
            step.tie if isinstance(step, Tie) else step.replace for step in self.spec if isinstance(step, Tie | Replace)
        ]
        return any(self.owner(place) == module for place in places)

    def has_call(self, made: Any) -> bool:
        """Return whether all that a thing holds can be called, one after another."""
        if isinstance(made, Net):
            return bool(made.members) and all(map(self.has_call, made.members.values()))
        return isinstance(made, Unit) and made.kind != "cell"

    def calls_models(self) -> bool:
        """Return whether the spec calls anything but single layers."""
        layers = {step.as_ for step in self.spec if isinstance(step, Layer | Wrap)}
        return any(isinstance(step, Call) and step.call not in layers for step in self.spec)

    def functional(self, net: Net, places: list[str]) -> None:
        """Write a functional model that calls its layers in turn."""
        first, timed = ends(net)[0], is_timed(net)
        shape = (
            f"[{'None' if timed else ''}], dtype='int32'"
            if first.kind == "embedding"
            else f"[{'None, ' if timed else ''}{first.inputs}]"
        )
        self.write(f"keras_input = tf.keras.Input({shape})")
        outputs = "keras_input"
        for place in places:
            outputs = f"{place}({outputs})"
        self.write(f"{net.name} = tf.keras.Model(keras_input, {outputs}, name={net.name!r})")
        self.is_called(net)

    def subclass(self, net: Net, places: dict[str, str]) -> None:
        """Write a Keras model that holds its members as attributes, and calls them in turn if it is called."""
        kind = net.name.title().replace("_", "")
        with self.block(f"class {kind}(tf.keras.Model):"):
            with self.block(f"def __init__(self, {', '.join(places)}):"):
                self.write("super().__init__()")
                for name in places:
                    self.write(f"self.{name} = {name}")
            if self.has_call(net) and self.calls_models():
                outputs = "inputs"
                for name in places:
                    outputs = f"self.{name}({outputs})"
                with self.block("def call(self, inputs):"):
                    self.write(f"return {outputs}")
        self.write(f"{net.name} = {kind}({', '.join(places.values())})")

    def materialize(self, step: Materialize) -> None:
        """Build the layers that have no variables yet."""
        made = self.thing(step.materialize)
        for unit in units_of(made):
            unit.abstract = False
        self.build_inside(made)
        self.write(f"{step.as_} = {step.materialize}")
        self.made[step.as_] = made

    # -- ties

    def tie(self, step: Tie) -> None:
        """Assign the attribute of a module."""
        owner, dot, last = step.tie.rpartition(".")
        if not dot:
            raise Unsupported(NO_PLACE)
        holder = self.thing(owner)
        self.check_lock(holder, self.thing(step.to), refused=step.raises is not None)
        if self.is_keras(step.tie) and step.raises is None:
            raise Unsupported(LOCKED)
        self.write(f"{self.place(step.tie)} = {self.place(step.to)}")
        self.put(holder, last, self.thing(step.to))

    def check_lock(self, holder: Any, thing: Any, *, refused: bool) -> None:
        """Raise Unsupported if a Keras model takes nothing new, unless it is to refuse that itself."""
        if not isinstance(holder, Net) or holder.style == "plain":
            return
        if holder.style == "functional":
            raise Unsupported(FIXED)
        if holder.called and not refused and thing not in holder.members.values():
            raise Unsupported(
                "Keras 3 locks a model once it was called: it takes no further layers or variables. Replace them before the first call."
            )

    def put(self, holder: Any, part: str, thing: Any) -> None:
        """Note that something else stands in a place."""
        if isinstance(holder, Net):
            holder.members[part] = thing
        elif isinstance(holder, Unit) and holder.own:
            holder.tied[part] = thing

    def replace(self, step: Replace) -> None:
        """Assign the attribute of a module; a Keras model that was called is locked."""
        owner, dot, last = step.replace.rpartition(".")
        if not dot:
            raise Unsupported(NO_PLACE)
        holder = self.thing(owner)
        if isinstance(holder, Unit) and not holder.own:
            inside = INSIDE.get(holder.kind)
            raise Unsupported(
                LOCKED
                if inside is None
                else f"`tf.keras.layers.{CLASSES[holder.kind]}` keeps what it wraps: wrap the other layer anew."
            )
        self.check_lock(holder, self.thing(step.by), refused=step.raises is not None)
        self.write(f"{self.place(owner)}.{last} = {self.place(step.by)}")
        self.put(holder, last, self.thing(step.by))
