"""Layers of the script's own, on `tf.Module` as TensorFlow's guide writes them: for specs that put a variable into a layer."""

from typing import Any

from canireuse.vocabulary import Call, Cast, Layer, Module, Quantize, Replace, Tie, Wrap
from canireuse_adapters.tf2.things import Net, ThingWords, Unit

DENSE = """\
class Dense(tf.Module):
    def __init__(self, kernel, name=None, trainable=True):
        super().__init__(name=name)
        self.kernel = tf.Variable(kernel, name='kernel', trainable=trainable)
    def __call__(self, inputs):
        return inputs @ self.kernel
"""
DENSE_WITH_BIAS = """\
class Dense(tf.Module):
    def __init__(self, kernel, bias=None, name=None, trainable=True):
        super().__init__(name=name)
        self.kernel = tf.Variable(kernel, name='kernel', trainable=trainable)
        self.bias = None if bias is None else tf.Variable(bias, name='bias', trainable=trainable)
    def __call__(self, inputs):
        outputs = inputs @ self.kernel
        return outputs if self.bias is None else outputs + self.bias
"""
EMBEDDING = """\
class Embedding(tf.Module):
    def __init__(self, kernel, name=None, trainable=True):
        super().__init__(name=name)
        self.kernel = tf.Variable(kernel, name='kernel', trainable=trainable)
    def __call__(self, inputs):
        return tf.nn.embedding_lookup(self.kernel, inputs)
"""


class OwnLayers(ThingWords):
    """Words layers as classes on `tf.Module`, whose variables are attributes like any other."""

    #: whether the layers of this spec are worded so
    own = False

    def look(self) -> None:
        """Decide how layers are worded: Keras lets no variable be put into one of its own."""
        layers = [step for step in self.spec if isinstance(step, Layer)]
        plain = all(step.layer in {"dense", "embedding"} and step.penalty is None for step in layers)
        keras = any(
            isinstance(step, Wrap | Quantize | Cast) or (isinstance(step, Call) and step.given) for step in self.spec
        )
        self.own = (
            plain and not keras and any(self.owner(place) in {step.as_ for step in layers} for place in self.changed())
        )

    def changed(self) -> list[str]:
        """Return every place that something else is put in, except where that is to be refused."""
        return [
            step.tie if isinstance(step, Tie) else step.replace
            for step in self.spec
            if isinstance(step, Tie | Replace) and step.raises is None
        ]

    def owner(self, place: str) -> str:
        """Return the name under which the spec made what holds a place, through the members of modules."""
        defined = {step.module: step.members for step in self.spec if isinstance(step, Module)}
        name, *rest = place.split(".")[:-1] or [""]
        for part in rest:
            name = defined.get(name, {}).get(part, "")
        return name

    def classes(self) -> None:
        """Write the classes."""
        if not self.own:
            return
        self.idiom(
            "Keras locks its layers: where one is given another's variable, they are `tf.Module`s as TensorFlow's guide writes them."
        )
        layers = [step for step in self.spec if isinstance(step, Layer)]
        biased = any(step.bias is not None for step in layers)
        dense = [DENSE_WITH_BIAS if biased else DENSE] if any(step.layer == "dense" for step in layers) else []
        embedding = [EMBEDDING] if any(step.layer == "embedding" for step in layers) else []
        for line in "\n".join([*dense, *embedding]).splitlines():
            self.write(line)
        self.write("")

    def own_layer(self, step: Layer) -> None:
        """Make a layer of the script's own class."""
        words = [self.own_initial(step, "kernel")]
        if step.bias is not None and step.layer == "dense":
            words.append(self.own_initial(step, "bias"))
        words += [f"name={step.name!r}"] if step.name else []
        words += [] if step.trainable else ["trainable=False"]
        self.write(f"{step.as_} = {step.layer.title()}({', '.join(words)})")
        self.made[step.as_] = Unit(
            step.layer, step.name, step.inputs, step.units, step.as_, step=step, own=True, built=True
        )

    def own_initial(self, step: Layer, part: str) -> str:
        """Return the words for what a variable of such a layer starts from."""
        shape = [step.units] if part == "bias" else [step.inputs, step.units]
        value: Any = getattr(step, part)
        if value == "random":
            return f"tf.random.normal({shape})"
        if isinstance(value, list):
            return f"tf.constant({value}, dtype=tf.float32)"
        return f"tf.constant({float(value)}, shape={shape})"

    def called_class(self, net: Net, places: dict[str, str]) -> None:
        """Write a module that holds such layers as attributes and calls them in turn."""
        kind = net.name.title().replace("_", "")
        with self.block(f"class {kind}(tf.Module):"):
            with self.block(f"def __init__(self, {', '.join(places)}):"):
                self.write(f"super().__init__(name={net.name!r})")
                for name in places:
                    self.write(f"self.{name} = {name}")
            outputs = "inputs"
            for name in places:
                outputs = f"self.{name}({outputs})"
            with self.block("def __call__(self, inputs):"):
                self.write(f"return {outputs}")
        self.write(f"{net.name} = {kind}({', '.join(places.values())})")
