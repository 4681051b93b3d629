"""Layers and models in Keras: making, calling, wrapping and tying them."""

from itertools import pairwise
from typing import Any

from canireuse.translation import Unsupported
from canireuse.vocabulary import Average, Call, Cast, Copy, Freeze, Layer, Module, Move, Replace, Restore, Tie, Wrap
from canireuse_adapters.keras.places import TENSOR, KerasPlaces, Thing, attribute

OWN_CLASS = (
    "Keras's own layers have no setter for their kernel and lock their state once built; "
    "a layer of the user's own, with variables made in `__init__`, can be handed another's."
)
SETTERS = {
    "dense": ("Linear", "inputs @ self.kernel"),
    "embedding": ("Lookup", "keras.ops.take(self.kernel, inputs, axis=0)"),
}
CLASSES = {
    "dense": "Dense",
    "embedding": "Embedding",
    "norm": "BatchNormalization",
    "cell": "SimpleRNNCell",
}
#: what a wrapping layer calls the layer inside
INSIDE = {"rnn": ("cell",), "bidirectional": ("forward_layer", "backward_layer"), "time_distributed": ("layer",)}


class NeedsOwnClass(Exception):
    """A layer's variable is replaced, which only a layer of the user's own allows."""


class KerasOwners(KerasPlaces):
    """What Keras says about objects that own variables."""

    #: what is called under another name for now, as in a replica
    stand_ins: dict[str, str]
    #: whether a function is being written that is called without memory
    abstract: bool = False

    def layer(self, step: Layer) -> None:
        """Construct a layer; it makes its variables when it is first called."""
        self.loose = True
        thing = Thing("layer", step, name=step.name, built=False)
        if step.as_ in self.own and step.layer in SETTERS:
            self.own_layer(step, thing)
        else:
            self.write(f"{step.as_} = {self.layer_call(step)}")
        self.things[step.as_] = thing

    def layer_call(self, step: Layer) -> str:
        """Return the call that makes a layer of Keras."""
        words = {
            "dense": [str(step.units)],
            "embedding": [str(step.inputs), str(step.units)],
            "norm": ["momentum=0.9", "epsilon=0.001"],
            "cell": [str(step.units)],
        }[step.layer]
        part = {"embedding": "embeddings", "norm": "gamma"}.get(step.layer, "kernel")
        words.append(f"{part}_initializer={self.initial(step.kernel)}")
        if step.layer == "cell":
            words.append(f"recurrent_initializer={self.initial(step.recurrent)}")
        if step.layer == "norm":
            words.append("center=False" if step.bias is None else f"beta_initializer={self.initial(step.bias)}")
        elif step.layer != "embedding":
            words.append("use_bias=False" if step.bias is None else f"bias_initializer={self.initial(step.bias)}")
        if step.penalty is not None:
            words.append(f"{part}_regularizer=keras.regularizers.L2({step.penalty})")
        words += [] if step.trainable else ["trainable=False"]
        words += [f"name={step.name!r}"] if step.name else []
        return f"keras.layers.{CLASSES[step.layer]}({', '.join(words)})"

    def initial(self, value: Any) -> str:
        """Return the words for an initializer of a layer."""
        if value == "random":
            return "keras.initializers.RandomNormal(stddev=1.0)"
        if value in (0, 1) and not isinstance(value, list):
            return "'ones'" if value else "'zeros'"
        return f"keras.initializers.Constant({value})"

    def own_layer(self, step: Layer, thing: Thing) -> None:
        """Write a layer class of the user's own, and make one."""
        self.idiom(OWN_CLASS)
        if self.abstract:
            raise Unsupported(
                "A Keras layer that waits for its memory has no variables yet, so there is nothing that could be tied before it is built."
            )
        if step.penalty is not None:
            raise Unsupported(
                "A layer of the user's own, which a tie needs in Keras, is worded here without a regularizer."
            )
        name = thing.style = f"{SETTERS[step.layer][0]}{'' if step.bias is None else 'WithBias'}"
        if f"class {name}(keras.Layer):" not in "\n".join(self.lines):
            self.own_class(step, name)
        words = [str(step.inputs), str(step.units), self.initial(step.kernel)]
        words += [] if step.bias is None else [self.initial(step.bias)]
        words += [] if step.trainable else ["trainable=False"]
        words += [f"name={step.name!r}"] if step.name else []
        self.write(f"{step.as_} = {name}({', '.join(words)})")
        thing.own = thing.built = True

    def own_class(self, step: Layer, name: str) -> None:
        """Write the class of a layer that makes its variables when it is constructed."""
        starts = ["kernel"] if step.bias is None else ["kernel", "bias"]
        serializes = self.serializes()
        if serializes:
            self.write("@keras.saving.register_keras_serializable()")
        with self.block(f"class {name}(keras.Layer):"):
            with self.block(f"def __init__(self, {', '.join(['inputs', 'units', *starts])}, **options):"):
                self.write("super().__init__(**options)")
                if serializes:
                    self.write(
                        f"self.given = {{'inputs': inputs, 'units': units, {', '.join(f'{one!r}: {one}' for one in starts)}}}"
                    )
                for start, shape in zip(starts, ("(inputs, units)", "(units,)"), strict=False):
                    self.write(f"self.{start} = self.add_weight({shape}, initializer={start}, name={start!r})")
            with self.block("def call(self, inputs):"):
                self.write(f"return {SETTERS[step.layer][1]}{'' if step.bias is None else ' + self.bias'}")
            if serializes:
                with self.block("def get_config(self):"):
                    given = ", ".join(
                        f"{one!r}: keras.saving.serialize_keras_object(self.given[{one!r}])" for one in starts
                    )
                    self.write(f"return {{**super().get_config(), **self.given, {given}}}")

    def serializes(self) -> bool:
        """Return whether the spec has something made anew from its config."""
        return any(
            isinstance(one, Copy | Cast | Move | Average)
            or (isinstance(one, Restore) and self.way.get("restore") in {"keras", "h5", "config"})
            for one in self.spec
        )

    def call(self, step: Call) -> None:
        """Call a layer or a model."""
        thing = self.thing(step.call)
        if thing and not has_call(thing):
            raise Unsupported("A Keras model of bare variables has no `call` of its own.")
        if step.given:
            self.call_with(step, thing)
        else:
            words = [self.expression(step.on), *(["training=True"] if step.training else [])]
            self.bind(step.as_, f"{self.callee(step.call)}({', '.join(words)})")
        if thing:
            thing.mark_called()
        self.note_tensor(step.as_)

    def callee(self, place: str) -> str:
        """Return what is called: the layer, or what stands in for it."""
        return self.stand_ins.get(place) or self.place(place)

    def note_tensor(self, name: str | None) -> None:
        """Note that a name is bound to a tensor."""
        if name:
            self.tensors.add(name)
            self.things[name] = Thing(TENSOR)

    def call_with(self, step: Call, thing: Thing | None) -> None:
        """Call with other values in place of variables, which keep their own."""
        words = self.place(step.call)
        if thing:
            self.build(words, thing)
        words_on = [self.expression(step.on), *(["training=True"] if step.training else [])]
        given = {self.place(f"{step.call}.{path}"): self.expression(value) for path, value in step.given.items()}
        parts = self.all_parts(step, thing)
        if parts:
            values = ", ".join(given.get(part, f"{part}.value") for part in parts)
            self.write(f"{step.as_ or '_'}, _ = {words}.stateless_call([{values}], [], {', '.join(words_on)})")
            return
        pairs = [f"({place}, {value})" for place, value in given.items()]
        if self.carried:  # a scope inside another knows nothing of the values that hold there
            pairs.insert(0, f"*[(variable, variable.value) for variable in {words}.variables]")
        with self.stateless_block(f"[{', '.join(pairs)}]", f"{words}.variables"):
            self.bind(step.as_, f"{words}({', '.join(words_on)})")

    def all_parts(self, step: Call, thing: Thing | None) -> list[str]:
        """Return the variables of a layer in its own order if `stateless_call` can be given them; none if not."""
        layer = thing.step if thing and thing.kind == "layer" else None
        if not isinstance(layer, Layer) or layer.layer not in {"dense", "embedding"} or not layer.trainable:
            return []
        parts = ["kernel", "bias"] if layer.bias is not None and layer.layer == "dense" else ["kernel"]
        if not set(step.given) <= set(parts) or any(isinstance(one, Freeze) for one in self.spec):
            return []
        return [self.place(f"{step.call}.{part}") for part in parts]

    def wrap(self, step: Wrap) -> None:
        """Put a layer into `RNN`, `Bidirectional` or `TimeDistributed`."""
        inner = self.thing(step.wrap)
        words = self.place(step.wrap)
        if step.inside == "bidirectional" and inner and inner.kind == "layer":
            words = f"keras.layers.RNN({words}, return_sequences=True)"
            inner = Thing("wrap", step, style="rnn", built=False, members={"cell": inner})
        made = {
            "rnn": f"keras.layers.RNN({words}, return_sequences=True)",
            "bidirectional": f"keras.layers.Bidirectional({words})",
            "time_distributed": f"keras.layers.TimeDistributed({words})",
        }[step.inside]
        self.write(f"{step.as_} = {made}")
        thing = Thing("wrap", step, style=step.inside, built=False)
        if inner and step.inside == "bidirectional":
            thing.members = {name: copied(inner) for name in INSIDE[step.inside]}
        elif inner:
            thing.members = {INSIDE[step.inside][0]: inner}
        self.things[step.as_] = thing

    # -- modules

    def module(self, step: Module) -> None:
        """Put members together: variables in a bare model, layers in a functional model or in one of the user's own class."""
        members = {name: self.thing(place) or Thing("variable") for name, place in step.members.items()}
        style = self.style(step, members)
        places = {attribute(name): self.place(place) for name, place in step.members.items()}
        thing = Thing("module", step, style=style, name=step.module, members=members)
        self.loose = True
        if style == "holder":
            self.write(f"{step.module} = keras.Model(name={step.module!r})")
            for name, words in places.items():
                self.write(f"{step.module}.{name} = {words}")
        elif style == "functional":
            self.functional(step.module, next(iter(members.values())), list(places.values()))
            thing.mark_called()
        else:
            self.subclass(step, places, members)
        self.things[step.module] = thing

    def style(self, step: Module, members: dict[str, Thing]) -> str:
        """Return how a module is worded, as its members and what is done with it later decide."""
        if not any(member.is_keras_layer for member in members.values()):
            return "holder"
        changed = {
            (one.tie if isinstance(one, Tie) else one.replace).rpartition(".")[0]
            for one in self.spec
            if isinstance(one, Tie | Replace)
        }
        if self.abstract or step.module in changed or not all(chained(member) for member in members.values()):
            return "subclass"
        named = [member.name for member in {id(one): one for one in members.values()}.values() if member.name]
        if len(set(named)) < len(named):  # a functional model refuses two layers of one name
            return "subclass"
        widths = [widths_of(member) for member in members.values()]
        fit = all(one[1] == other[0] for one, other in pairwise(widths))
        return "functional" if fit and all(width[0] for width in widths) else "subclass"

    def functional(self, name: str, first: Thing, places: list[str]) -> None:
        """Write a functional model that calls its layers in turn."""
        inputs = self.free("inputs")
        self.write(f"{inputs} = keras.Input({input_of(first)})")
        outputs = inputs
        for place in places:
            outputs = f"{place}({outputs})"
        self.write(f"{name} = keras.Model({inputs}, {outputs}, name={name!r})")

    def subclass(self, step: Module, places: dict[str, str], members: dict[str, Thing]) -> None:
        """Write a model class that holds its members as attributes, and calls them in turn if it is called."""
        kind = step.module.title().replace("_", "")
        needs_config = self.serializes() and all(member.is_keras_layer for member in members.values())
        if needs_config:
            self.write("@keras.saving.register_keras_serializable()")
        with self.block(f"class {kind}(keras.Model):"):
            with self.block(f"def __init__(self, {', '.join(places)}, **options):"):
                self.write("super().__init__(**options)")
                for name in places:
                    self.write(f"self.{name} = {name}")
            if all(has_call(member) for member in members.values()):
                outputs = "inputs"
                for name in places:
                    outputs = f"self.{name}({outputs})"
                with self.block("def call(self, inputs):"):
                    self.write(f"return {outputs}")
            if needs_config:
                self.config(list(places))
        self.write(f"{step.module} = {kind}({', '.join(places.values())}, name={step.module!r})")

    def config(self, names: list[str]) -> None:
        """Write how a model of the user's own says what it is made of, and is made of that again."""
        with self.block("def get_config(self):"):
            members = ", ".join(f"'{name}': keras.saving.serialize_keras_object(self.{name})" for name in names)
            self.write(f"return {{**super().get_config(), {members}}}")
        self.write("@classmethod")
        with self.block("def from_config(cls, config):"):
            with self.block(f"for name in {names}:"):
                self.write("config[name] = keras.saving.deserialize_keras_object(config[name])")
            self.write("return cls(**config)")

    def tie(self, step: Tie) -> None:
        """Take the old variable out of its owner, and assign the other to the attribute."""
        owner = step.tie.rpartition(".")[0]
        if not owner:
            raise Unsupported("A Python name is no place in a layer: bind the name to the other variable.")
        holder = self.thing(owner)
        layer = self.of_layer(step.tie)
        if layer is not None and holder is not None and not holder.own:
            if layer.layer not in SETTERS:
                raise Unsupported(
                    "Keras locks the state of a built layer: none of its variables can be put in another's place. Share the layer itself."
                )
            raise NeedsOwnClass(layer.as_)
        if holder is not None and holder.style == "functional":
            raise Unsupported("A functional model is fixed once it is made: its layers cannot be exchanged.")
        self.refuse_locked(holder)
        to = self.place(step.to)
        self.idiom(
            "An attribute that is only assigned anew leaves the old variable in the list of its owner: it is deleted first."
        )
        self.write(f"del {self.place(step.tie)}")
        self.write(f"{self.place(step.tie)} = {to}")
        self.put(step.tie, step.to)

    def replace(self, step: Replace) -> None:
        """Assign the attribute."""
        holder = self.thing(step.replace.rpartition(".")[0])
        if holder is not None and holder.style == "functional":
            raise Unsupported("A functional model is fixed once it is made: its layers cannot be exchanged.")
        if self.of_layer(step.replace):
            raise Unsupported("Keras locks the state of a built layer: none of its variables can be exchanged.")
        self.refuse_locked(holder)
        self.write(f"{self.place(step.replace)} = {self.place(step.by)}")
        self.put(step.replace, step.by)

    def refuse_locked(self, holder: Thing | None) -> None:
        """Refuse to exchange what an object holds that was called already."""
        if holder is not None and holder.called:
            raise Unsupported(
                "Keras locks what a layer or model holds once it was called: tie or exchange before the first call, or share the layer."
            )

    def put(self, place: str, other: str) -> None:
        """Note that a place now holds what another one holds."""
        owner, _, last = place.rpartition(".")
        holder, thing = self.thing(owner), self.thing(other) or Thing("variable")
        if holder is not None and holder.kind == "module":
            holder.members[last] = thing
        else:
            self.things[place] = thing


def has_call(thing: Thing) -> bool:
    """Return whether something can be called: a layer, or a module of such."""
    return thing.is_keras_layer and all(has_call(member) for member in thing.members.values())


def chained(thing: Thing) -> bool:
    """Return whether something can stand in a functional model."""
    if thing.kind == "module":
        return thing.style == "functional"
    return thing.is_keras_layer and not (isinstance(thing.step, Layer) and thing.step.layer == "cell")


def widths_of(thing: Thing) -> tuple[Any, Any]:
    """Return what goes into a layer or functional model and what comes out: a kind of input and its width."""
    if thing.kind == "module":
        members = list(thing.members.values())
        return (widths_of(members[0])[0], widths_of(members[-1])[1]) if members else (None, None)
    layer = thing.inner()
    if layer is None:
        return None, None
    if thing.kind == "wrap":
        doubled = 2 if thing.style == "bidirectional" else 1
        return ("steps", layer.inputs), ("steps", layer.units * doubled)
    if layer.layer == "embedding":
        return ("ids", 0), ("vector", layer.units)
    return ("vector", layer.inputs), ("vector", layer.inputs if layer.layer == "norm" else layer.units)


def input_of(thing: Thing) -> str:
    """Return the shape, and where it matters the dtype, of the input of a functional model."""
    kind, width = widths_of(thing)[0]
    return {"vector": f"[{width}]", "steps": f"[None, {width}]", "ids": "[], dtype='int32'"}[kind]


def copied(thing: Thing) -> Thing:
    """Return a copy of what is known of a thing, in which what is shared inside stays shared."""
    known: dict[int, Thing] = {}

    def copy(one: Thing) -> Thing:
        if id(one) not in known:
            known[id(one)] = new = Thing(
                one.kind, one.step, one.style, one.name, one.built, {}, one.own, one.abstract, one.called
            )
            new.members = {name: copy(member) for name, member in one.members.items()}
        return known[id(one)]

    return copy(thing)
