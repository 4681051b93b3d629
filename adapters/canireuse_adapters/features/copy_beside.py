"""Copies of a layer beside it: a model has a layer and a copy of that, under a name of its own."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class CopyBeside(Step):
    """Make a model of a dense layer `first` and a copy of that, `second`, by the framework's call that copies a layer."""

    verb = "copy_beside"
    binds = "tensor"
    bound_by = "copy_beside"
    copy_beside: Name = Field(
        description="Bind how many kernels the model has, and how many of them stand under `second`."
    )


IN_LINEN = """\
class Model(nn.Module):
    @nn.compact
    def __call__(self, inputs):
        first = nn.Dense(1, use_bias=False, name='first')
        second = first.copy(name='second')
        return second(first(inputs))
params = flatten_dict(Model().init(jax.random.key(0), jnp.ones([1, 1]))['params'])
$copy_beside = jnp.array([len(params), sum(path[0] == 'second' for path in params)])
"""
IN_TORCH = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(1, 1, bias=False)
        self.second = deepcopy(self.first)
names = [name for name, _ in Model().named_parameters()]
$copy_beside = torch.tensor([len(names), sum(name.startswith('second.') for name in names)])
"""
IN_NNX = """\
class Model(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(1, 1, use_bias=False, rngs=rngs)
        self.second = nnx.clone(self.first)
paths = [path for path, _ in nnx.to_flat_state(nnx.state(Model(nnx.Rngs(0))))]
$copy_beside = jnp.array([len(paths), sum(path[0] == 'second' for path in paths)])
"""
IN_KERAS = """\
first = $keras.layers.Dense(1, use_bias=False, name='first')
second = $keras.layers.Dense.from_config({**first.get_config(), 'name': 'second'})
model = $keras.Sequential([$keras.Input([1]), first, second])
paths = [weight.path for weight in model.weights]
$copy_beside = $array([float(len(paths)), float(sum('second/' in path for path in paths))])
"""
FEATURE = Feature(
    verbs=(CopyBeside,),
    tables={
        "reference": Tables(missing={"copy_beside": "What the contract says of copies, `copy` asks: a copy has the name that it is bound to."}),
        "linen": Tables(code={"copy_beside": IN_LINEN}),
        "torch": Tables(code={"copy_beside": IN_TORCH}),
        "nnx": Tables(code={"copy_beside": IN_NNX}),
        "equinox": Tables(missing={"copy_beside": "A layer of Equinox is a tree that never changes: set at another place, it is another layer, and no call copies it."}),
        "haiku": Tables(missing={"copy_beside": "Haiku has no call that copies a module: one is made again by its class, under another name."}),
        "tf2": Tables(code={"copy_beside": IN_KERAS.replace("$keras", "tf.keras").replace("$array", "tf.constant")}),
        "keras": Tables(code={"copy_beside": IN_KERAS.replace("$keras", "keras").replace("$array", "keras.ops.convert_to_tensor")}),
        "tensorflow1": Tables(missing={"copy_beside": "TF1 has no layers without Keras 2 that could be copied; a variable is made under the name that is asked for."}),
    },
)  # fmt: skip
