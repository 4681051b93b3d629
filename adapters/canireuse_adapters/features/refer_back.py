"""References back: a layer of a model has the model itself as an attribute."""

from typing import Literal

from pydantic import Field

from canireuse.emit import Emitter, Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class ReferBack(Step):
    """Make a model of one norm, which has the model as its attribute `owner`."""

    verb = "refer_back"
    binds = "tensor"
    bound_by = "refer_back"
    refer_back: Name = Field(description="Bind how many there are of what is counted.")
    counts: Literal["parameters", "statistics"] = Field(
        description="The parameters that the model lists; or the running statistics that it has in its state."
    )


IN_TORCH = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(1, affine=True)
        self.norm.owner = self
model = Model()
"""
IN_NNX = """\
class Model(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(1, rngs=rngs)
        self.norm.owner = self
model = Model(nnx.Rngs(0))
"""
IN_KERAS = """\
class Model($keras.Model):
    def __init__(self):
        super().__init__()
        self.norm = $keras.layers.BatchNormalization()
        self.norm.owner = self
    def call(self, inputs):
        return self.norm(inputs)
model = Model()
model($keras.ops.ones([2, 1]))
"""


def said(model: str, parameters: str, statistics: str) -> Tables:
    """Return what a framework says: the model, and what counts the one and the other."""

    def refer(emitter: Emitter, step: ReferBack) -> None:
        counted = parameters if step.counts == "parameters" else statistics
        emitter.fill(f"{model}$refer_back = {counted}", step)

    return Tables(code={"refer_back": refer})


def in_keras(keras: str, array: str) -> Tables:
    """Return what Keras says under one of its names."""
    parameters, statistics = (f"{array}(float(len(model.{kind}_variables)))" for kind in ("trainable", "non_trainable"))
    return said(IN_KERAS.replace("$keras", keras), parameters, statistics)


NEVER_CHANGES = "A model is put together once, from parts that are there before it: none of them refers back to it."
FEATURE = Feature(
    verbs=(ReferBack,),
    tables={
        "reference": Tables(missing={"refer_back": "The contract does not cover attributes that a user sets on a framework's own layers."}),
        "torch": said(
            IN_TORCH,
            "torch.tensor(len(list(model.parameters())))",
            "torch.tensor(sum('running' in name for name in model.state_dict()))",
        ),
        "nnx": said(
            IN_NNX,
            "jnp.array(len(jax.tree.leaves(nnx.state(model, nnx.Param))))",
            "jnp.array(len(jax.tree.leaves(nnx.pop(model, nnx.BatchStat))))",
        ),
        "jax": Tables(missing={"refer_back": NEVER_CHANGES}),
        "tf2": in_keras("tf.keras", "tf.constant"),
        "keras": in_keras("keras", "keras.ops.convert_to_tensor"),
        "tensorflow1": Tables(missing={"refer_back": "TF1 has no layers without Keras 2; variables are listed by the graph, and by no walk through objects."}),
    },
)  # fmt: skip
