"""Models that are made by a call as in training: what a norm holds before its first step."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class MakeInTraining(Step):
    """Make a model that calls one norm twice as in training, by a call where the framework makes one so; the inputs are 1 and 3."""

    verb = "make_in_training"
    binds = "tensor"
    bound_by = "make_in_training"
    make_in_training: Name = Field(
        description="Bind the running mean and the running variance of the model that was made."
    )


IN_LINEN = """\
class Model(nn.Module):
    @nn.compact
    def __call__(self, inputs):
        norm = nn.BatchNorm(use_running_average=False, momentum=0.5)
        return norm(inputs) + norm(inputs)
statistics = Model().init(jax.random.key(0), jnp.array([[1.0], [3.0]]))['batch_stats']['BatchNorm_0']
$make_in_training = jnp.array([statistics['mean'][0], statistics['var'][0]])
"""
IN_HAIKU = """\
def model(inputs):
    norm = hk.BatchNorm(create_scale=True, create_offset=True, decay_rate=0.5)
    return norm(inputs, is_training=True) + norm(inputs, is_training=True)
_, state = hk.transform_with_state(model).init(jax.random.key(0), jnp.array([[1.0], [3.0]]))
mean, var = state['batch_norm/~/mean_ema'], state['batch_norm/~/var_ema']
$make_in_training = jnp.array([mean['average'][0, 0], var['average'][0, 0]])
"""
IN_NNX = """\
class Model(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.BatchNorm(1, momentum=0.5, rngs=rngs)
    def __call__(self, inputs):
        return self.norm(inputs) + self.norm(inputs)
norm = Model(nnx.Rngs(0)).norm
$make_in_training = jnp.array([norm.mean[0], norm.var[0]])
"""
IN_TORCH = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(1, momentum=0.5)
    def forward(self, inputs):
        return self.norm(inputs) + self.norm(inputs)
norm = Model().norm
$make_in_training = torch.tensor([norm.running_mean.item(), norm.running_var.item()])
"""
IN_KERAS = """\
norm = $keras.layers.BatchNormalization(momentum=0.5)
inputs = $keras.Input([1])
$keras.Model(inputs, norm(inputs, training=True) + norm(inputs, training=True))
mean, var = $keras.ops.convert_to_numpy(norm.moving_mean), $keras.ops.convert_to_numpy(norm.moving_variance)
$make_in_training = $array([mean[0], var[0]])
"""
FEATURE = Feature(
    verbs=(MakeInTraining,),
    tables={
        "reference": Tables(missing={"make_in_training": "The contract has no norm, and what makes a variable calls nothing."}),
        "linen": Tables(code={"make_in_training": IN_LINEN}),
        "haiku": Tables(code={"make_in_training": IN_HAIKU}),
        "nnx": Tables(code={"make_in_training": IN_NNX}),
        "equinox": Tables(missing={"make_in_training": "The statistics of a norm of Equinox stand in a state beside the model, empty until its first call."}),
        "torch": Tables(code={"make_in_training": IN_TORCH}),
        "tf2": Tables(code={"make_in_training": IN_KERAS.replace("$keras", "tf.keras").replace("$array", "tf.constant")}),
        "keras": Tables(code={"make_in_training": IN_KERAS.replace("$keras", "keras").replace("$array", "keras.ops.convert_to_tensor")}),
        "tensorflow1": Tables(missing={"make_in_training": "TF1 has no norm without Keras 2 but a function of given statistics, whose variables a user makes."}),
    },
)  # fmt: skip
