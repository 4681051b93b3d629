"""Clones of models of Keras that are made layer by layer, by a function of the user's own or from what a stack is made of."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.tf2 import TF2


class CloneBy(Step):
    """Clone a model layer by layer, as the framework's call that takes a function for each layer does; all kernels are 1.

    Bound are, of parts and stacks, how many weights the clone has, how often the encoder was called through the user's function, and what the clone gives for 1
    after a step; of a compiled stack, how many weights the clone has, whether its input has its name, what clone and source give after a step of the clone, and what
    a clone onto the output of another layer gives; of the others, whether the clone has the class and the name of its source, and how many weights.
    """

    verb = "clone_by"
    binds = "tensor"
    bound_by = "clone_by"
    clone_by: Name
    of: Literal["parts", "stacks", "compiled-stack", "own-class", "subclass"] = Field(
        description="Models in a model, each of which is passed twice; the same with a stack at the bottom; a compiled stack alone; "
        "a model of inputs and outputs whose class is the user's own; one that says itself how it is called."
    )


LAYER = "$keras.layers.Dense(1, use_bias=False, kernel_initializer='ones', name='$name')"
ENCODER = "encoder = " + LAYER.replace("$name", "encoder") + "\n"
INNER = {
    "parts": "features = $keras.Input([1])\ninner = $keras.Model(features, encoder(features), name='inner')\n",
    "stacks": "inner = $keras.Sequential([$keras.Input([1]), encoder], name='inner')\n",
}
NESTED = """\
middle = $keras.Input([1])
half = $keras.Model(middle, inner(middle), name='half')
pixels = $keras.Input([1])
whole = $keras.Model(pixels, inner(inner(half(half(pixels)))))
whole.compile(loss='mse', optimizer=$keras.optimizers.SGD(0.0625))
called = []
def again(layer):
    return layer.__class__.from_config(layer.get_config())
def call(layer, *arguments, **options):
    called.append(layer.name)
    return layer(*arguments, **options)
clone = $keras.models.clone_model(whole, clone_function=again, call_function=call, recursive=True)
clone.fit(np.ones([1, 1]), np.zeros([1, 1]), verbose=0)
$clone_by = $array([len(clone.weights), called.count('encoder'), clone(np.ones([1, 1])).numpy().item()])
"""
STACK = f"""\
{ENCODER}stack = $keras.Sequential([$keras.Input([1], name='pixels'), encoder, {LAYER.replace("$name", "head")}])
stack.compile(loss='mse', optimizer=$keras.optimizers.SGD(0.0625))
clone = $keras.models.clone_model(stack)
clone.fit(np.ones([1, 1]), np.zeros([1, 1]), verbose=0)
features = $keras.Input([1])
onto = $keras.models.clone_model(stack, input_tensors=[encoder(features)])
outputs = [$read(model(np.ones([1, 1]))).item() for model in (clone, stack, onto)]
$clone_by = $array([len(clone.weights), float(clone.inputs[0].name == 'pixels'), *outputs])
"""
OWN = f"""\
class Ranking($keras.Model):
    def __init__(self, inputs, outputs, margin, **options):
        super().__init__(inputs, outputs, **options)
        self.margin = margin
    def get_config(self):
        return {{'margin': self.margin}}
{ENCODER}pixels = $keras.Input([1])
source = Ranking(pixels, encoder(encoder(pixels)), 0.5, name='ranking')
clone = $keras.models.clone_model(source)
"""
SUBCLASS = f"""\
class Twice($keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.encoder = {LAYER.replace("$name", "encoder")}
    def call(self, inputs):
        return self.encoder(self.encoder(inputs))
    def get_config(self):
        return {{'name': self.name}}
source = Twice(name='twice')
source(np.ones([1, 1]))
def frozen(layer):
    anew = layer.__class__.from_config(layer.get_config())
    anew.trainable = False
    return anew
clone = $keras.models.clone_model(source, clone_function=frozen)
"""
ASKED = (
    "$clone_by = $array([float(type(clone) is type(source)), float(clone.name == source.name), len(clone.weights)])\n"
)
CODE = {
    **{
        of: ENCODER + INNER[of] + NESTED.replace("clone(np.ones([1, 1])).numpy()", "$read(clone(np.ones([1, 1])))")
        for of in INNER
    },
    "compiled-stack": STACK,
    "own-class": OWN + ASKED,
    "subclass": SUBCLASS + ASKED,
}


def in_keras(keras: "Keras | TF2", step: CloneBy) -> None:
    """Clone by the words of Keras, alone or in TensorFlow."""
    words = ("keras", "keras.ops.array", "keras.ops.convert_to_numpy")
    if keras.name == "tf2":
        words = ("tf.keras", "tf.constant", "np.array")
    code = CODE[step.of].replace("$keras", words[0]).replace("$array([", f"{words[1]}([").replace("$read", words[2])
    keras.fill(code, step)


NO_CLONE = "{} copies what is there, whole: no call makes a copy layer by layer by a function of the user's own."
FEATURE = Feature(
    verbs=(CloneBy,),
    tables={
        "reference": Tables(missing={"clone_by": "The contract copies a model whole."}),
        "keras": Tables(code={"clone_by": in_keras}, also="import numpy as np"),
        "tf2": Tables(code={"clone_by": in_keras}, also="import numpy as np"),
        "torch": Tables(missing={"clone_by": NO_CLONE.format("PyTorch")}),
        "tensorflow1": Tables(missing={"clone_by": NO_CLONE.format("TensorFlow without Keras")}),
        "jax": Tables(missing={"clone_by": NO_CLONE.format("A library of modules on JAX")}),
    },
)  # fmt: skip
