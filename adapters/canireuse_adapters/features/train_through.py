"""Training mode: what a call in training means for a layer deep inside, which its caller does not tell."""

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class TrainThrough(Step):
    """Have a block of the user's own call a norm without telling it whether it is in training, and call the block in training on 2 and 4, and then not in training.

    Bound is the running mean after each call, which starts from 0 and goes half of the way.
    """

    verb = "train_through"
    binds = "tensor"
    bound_by = "train_through"
    train_through: Name


KERAS = """\
class Block($keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.norm = $keras.layers.BatchNormalization(momentum=0.5)
    def build(self, shape):
        self.norm.build(shape)
    def call(self, inputs):
        return self.norm(inputs)
block = Block()
means = []
for training in (True, False):
    block(np.array([[2.0], [4.0]]), training=training)
    means.append($read(block.norm.moving_mean).item())
$train_through = $array(means)
"""
TORCH = """\
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(1, momentum=0.5)
    def forward(self, inputs):
        return self.norm(inputs)
block = Block()
means = []
for training in (True, False):
    block.train(training)
    block(torch.tensor([[2.0], [4.0]]))
    means.append(block.norm.running_mean.item())
$train_through = torch.tensor(means)
"""
NNX = """\
class Block(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(1, momentum=0.5, rngs=rngs)
    def __call__(self, inputs):
        return self.norm(inputs)
block = Block(nnx.Rngs(0))
means = []
for training in (True, False):
    block.train() if training else block.eval()
    block(jnp.array([[2.0], [4.0]]))
    means.append(block.norm.mean[0])
$train_through = jnp.array(means)
"""
TOLD = "Each call of a norm is told whether it is in training, by the code of the block that calls it."
FEATURE = Feature(
    verbs=(TrainThrough,),
    tables={
        "reference": Tables(missing={"train_through": "The contract's norm is told at each call."}),
        "keras": Tables(
            code={"train_through": KERAS.replace("$keras", "keras").replace("$read", "keras.ops.convert_to_numpy").replace("$array", "keras.ops.array")},
            also="import numpy as np",
        ),
        "tf2": Tables(
            code={"train_through": KERAS.replace("$keras", "tf.keras").replace("$read", "np.array").replace("$array", "tf.constant")},
            also="import numpy as np",
        ),
        "torch": Tables(code={"train_through": TORCH}),
        "nnx": Tables(code={"train_through": NNX}),
        "jax": Tables(missing={"train_through": TOLD}),
        "tensorflow1": Tables(missing={"train_through": TOLD}),
    },
)  # fmt: skip
