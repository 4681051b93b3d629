"""Random starts of layers whose paths read alike: `ab/c` and `a/bc`."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class StartApart(Step):
    """Make a model of two dense layers, one at `ab/c` and one at `a/bc`, whose kernels start from random numbers."""

    verb = "start_apart"
    binds = "tensor"
    bound_by = "start_apart"
    start_apart: Name = Field(description="Bind how many different kernels there are.")


LINEN = """\
class Part(nn.Module):
    inner: str
    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(1, use_bias=False, name=self.inner)(inputs)
class Model(nn.Module):
    @nn.compact
    def __call__(self, inputs):
        return Part('c', name='ab')(inputs) + Part('bc', name='a')(inputs)
"""
COUNTED = "$start_apart = jnp.array(len({kernel.item() for kernel in jax.tree.leaves(params)}))"
INIT = "params = Model().init(jax.random.key(0), jnp.ones([1, 1]))['params']"
IN_HAIKU = f"""\
class Part(hk.Module):
    def __init__(self, inner, name):
        super().__init__(name)
        self.inner = inner
    def __call__(self, inputs):
        return hk.Linear(1, with_bias=False, name=self.inner)(inputs)
model = hk.transform(lambda inputs: Part('c', 'ab')(inputs) + Part('bc', 'a')(inputs))
params = model.init(jax.random.key(0), jnp.ones([1, 1]))
{COUNTED}
"""
IN_NNX = f"""\
class Model(nnx.Module):
    def __init__(self, rngs):
        self.ab = nnx.Dict(c=nnx.Linear(1, 1, use_bias=False, rngs=rngs))
        self.a = nnx.Dict(bc=nnx.Linear(1, 1, use_bias=False, rngs=rngs))
params = nnx.state(Model(nnx.Rngs(0)), nnx.Param)
{COUNTED}
"""
IN_TORCH = """\
model = nn.ModuleDict({'ab': nn.ModuleDict({'c': nn.Linear(1, 1, bias=False)}), 'a': nn.ModuleDict({'bc': nn.Linear(1, 1, bias=False)})})
$start_apart = torch.tensor(len({kernel.item() for kernel in model.parameters()}))
"""
IN_KERAS = """\
first = $keras.Sequential([$keras.layers.Dense(1, use_bias=False, name='c')], name='ab')
second = $keras.Sequential([$keras.layers.Dense(1, use_bias=False, name='bc')], name='a')
inputs = $keras.Input([1])
model = $keras.Model(inputs, first(inputs) + second(inputs))
kernels = [$keras.ops.convert_to_numpy(kernel).item() for kernel in model.weights]
$start_apart = $array(float(len({*kernels})))
"""
FEATURE = Feature(
    verbs=(StartApart,),
    tables={
        "reference": Tables(missing={"start_apart": "The contract does not say what random numbers are drawn."}),
        "linen": Tables(
            code={
                "start_apart/default": f"{LINEN}{INIT}\n{COUNTED}",
                "start_apart/separator": f"{LINEN}flax.config.update('flax_fix_rng_separator', True)\ntry:\n    {INIT}\nfinally:\n    flax.config.update('flax_fix_rng_separator', False)\n{COUNTED}",
            },
            ways={"start_apart": ("default", "separator")},
            notes={"start_apart/separator": "The flag is for a whole program, which sets it when it starts (`FLAX_FIX_RNG_SEPARATOR=1`)."},
        ),
        "haiku": Tables(code={"start_apart": IN_HAIKU}),
        "nnx": Tables(code={"start_apart": IN_NNX}),
        "equinox": Tables(missing={"start_apart": "Each layer of Equinox is handed its key: no path has a part in what is drawn."}),
        "torch": Tables(code={"start_apart": IN_TORCH}),
        "tf2": Tables(code={"start_apart": IN_KERAS.replace("$keras", "tf.keras").replace("$array", "tf.constant")}),
        "keras": Tables(code={"start_apart": IN_KERAS.replace("$keras", "keras").replace("$array", "keras.ops.convert_to_tensor")}),
        "tensorflow1": Tables(missing={"start_apart": "A graph draws for each operation by the number that it has in the graph: no path has a part in it."}),
    },
)  # fmt: skip
