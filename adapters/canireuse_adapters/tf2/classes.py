"""Layers of the script's own, on `tf.Module` as TensorFlow's guide writes them: for specs that put a variable into a layer."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from canireuse.emit import expr, statements
from canireuse.spec.vocabulary import Call, Layer, Module, Replace, Tie

if TYPE_CHECKING:
    from canireuse_adapters.tf2 import TF2

OWN = "Keras locks its layers: where one is given another's variable, they are `tf.Module`s as TensorFlow's guide writes them."
DENSE = """\
class Dense(tf.Module):
    def __init__(self, $kernel, $name=None, $trainable=True):
        super().__init__(name=$name)
        self.kernel = tf.Variable($kernel, name='kernel', trainable=$trainable)
    def __call__(self, $inputs):
        return $inputs @ self.kernel
"""
DENSE_WITH_BIAS = """\
class Dense(tf.Module):
    def __init__(self, $kernel, $bias=None, $name=None, $trainable=True):
        super().__init__(name=$name)
        self.kernel = tf.Variable($kernel, name='kernel', trainable=$trainable)
        self.bias = None if $bias is None else tf.Variable($bias, name='bias', trainable=$trainable)
    def __call__(self, $inputs):
        $outputs = $inputs @ self.kernel
        return $outputs if self.bias is None else $outputs + self.bias
"""
EMBEDDING = """\
class Embedding(tf.Module):
    def __init__(self, $kernel, $name=None, $trainable=True):
        super().__init__(name=$name)
        self.kernel = tf.Variable($kernel, name='kernel', trainable=$trainable)
    def __call__(self, $inputs):
        return tf.nn.embedding_lookup(self.kernel, $inputs)
"""
#: names of these classes, which see no name of a spec and give way to none
LOCAL = {word: word for word in ("kernel", "bias", "name", "trainable", "inputs", "outputs")}


def are_needed(tf: "TF2") -> bool:
    """Return whether layers are worded as classes on `tf.Module`: Keras lets no variable be put into one of its own."""
    layers = [step for step in tf.facts.steps if isinstance(step, Layer)]
    is_plain = all(
        step.layer in {"dense", "embedding"} and step.penalty is None and step.activity is None for step in layers
    )
    is_keras = any(
        step.verb in {"wrap", "quantize", "cast"} or (isinstance(step, Call) and step.given) for step in tf.facts.steps
    )
    return is_plain and not is_keras and not {step.as_ for step in layers}.isdisjoint(changed(tf, refused=False))


def changed(tf: "TF2", *, refused: bool) -> Iterator[str]:
    """Yield the name under which the spec made each owner that gets something else, with `refused` where that is refused too."""
    defined = {step.module: step.members for step in tf.facts.steps if isinstance(step, Module)}
    for step in tf.facts.steps:
        if isinstance(step, Tie | Replace) and (refused or step.raises is None):
            place = step.tie if isinstance(step, Tie) else step.replace
            name, *rest = place.split(".")[:-1] or [""]
            for part in rest:
                name = defined.get(name, {}).get(part, "")
            yield name


def written(tf: "TF2") -> list[ast.stmt]:
    """Return the classes of the script's own layers."""
    layers = [step for step in tf.facts.steps if isinstance(step, Layer)]
    biased = any(step.bias is not None for step in layers)
    code = {"dense": DENSE_WITH_BIAS if biased else DENSE, "embedding": EMBEDDING}
    kinds = {step.layer for step in layers}
    return [one for kind in code if kind in kinds for one in statements(code[kind], **LOCAL)]


def initial_of(step: Layer, part: str) -> ast.expr:
    """Return the code for what a variable of a layer of the script's own starts from."""
    shape, value = [step.units] if part == "bias" else [step.inputs, step.units], getattr(step, part)
    if value == "shared-initializer":
        return expr("initializer($shape)", shape=shape)
    if value == "random":
        return expr("tf.random.normal($shape)", shape=shape)
    if isinstance(value, list):
        return expr("tf.constant($value, dtype=tf.float32)", value=value)
    return expr("tf.constant($value, shape=$shape)", value=float(value), shape=shape)
