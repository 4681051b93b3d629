"""Adapters: a layer of a model is wrapped by one that adds two small matrices to its kernel."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class Adapt(Step):
    """Wrap the dense layer of a model, whose kernel is 2, in a low-rank adapter of two matrices, 1 and 3."""

    verb = "adapt"
    binds = "tensor"
    bound_by = "adapt"
    adapt: Name = Field(
        description="Bind how many names of the model are there still, how many variables stand at the layer's path or below it, what the model gives for 1, and the kernel with the adapter merged into it."
    )


IN_LINEN = """\
def dense(number, name=None):
    return nn.Dense(1, use_bias=False, kernel_init=nn.initializers.constant(number), name=name)
class Adapter(nn.Module):
    base: nn.Dense
    def setup(self):
        $*body
    def __call__(self, inputs):
        return self.base(inputs) + self.up(inputs @ self.down)
    def merged(self):
        up = self.up.get_variable('params', 'kernel')
        return self.get_variable('params', 'kernel') + self.down @ up
class Plain(nn.Module):
    def setup(self):
        self.block = dense(2.0)
    def __call__(self, inputs):
        return self.block(inputs)
class Adapted(nn.Module):
    def setup(self):
        self.block = dense(2.0)
        self.adapter = Adapter(self.block)
    def __call__(self, inputs):
        return self.adapter(inputs)
    def merged(self):
        return self.adapter.merged()
inputs = jnp.ones([1, 1])
before = flatten_dict(Plain().init(jax.random.key(0), inputs)['params'])
params = Adapted().init(jax.random.key(0), inputs)['params']
after = flatten_dict(params)
outputs = Adapted().apply({'params': params}, inputs)
merged = Adapted().apply({'params': params}, method='merged')
$adapt = jnp.array([len(before.keys() & after.keys()), sum(path[0] == 'block' for path in after), outputs[0, 0], merged[0, 0]])
"""
MATRICES = "self.down = self.param('down', nn.initializers.ones, [1, 1])\nself.up = dense(3.0)"
SHARED = "nn.share_scope(self, self.base)"
IN_TORCH = """\
class Adapter(nn.Module):
    def __init__(self, base):
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.ones(1, 1))
        self.up = nn.Parameter(torch.full([1, 1], 3.0))
    def forward(self, inputs):
        return self.base(inputs) + inputs @ self.down @ self.up
    def merged(self):
        return self.base.weight + (self.down @ self.up).T
model = nn.Sequential()
model.add_module('block', nn.Linear(1, 1, bias=False))
nn.init.constant_(model.block.weight, 2.0)
before = model.state_dict().keys()
model.block = Adapter(model.block)
after = model.state_dict().keys()
outputs = model(torch.ones(1, 1))
$adapt = torch.tensor([len(before & after), sum(name.startswith('block.') for name in after), outputs.item(), model.block.merged().item()])
"""
IN_NNX = """\
class Model(nnx.Module):
    def __init__(self, rngs):
        self.block = nnx.Linear(1, 1, use_bias=False, kernel_init=nnx.initializers.constant(2.0), rngs=rngs)
    def __call__(self, inputs):
        return self.block(inputs)
rngs = nnx.Rngs(0)
model = Model(rngs)
before = dict(nnx.to_flat_state(nnx.state(model)))
model.block = nnx.LoRA(1, 1, 1, base_module=model.block, a_initializer=nnx.initializers.ones, b_initializer=nnx.initializers.constant(3.0), rngs=rngs)
after = dict(nnx.to_flat_state(nnx.state(model)))
outputs = model(jnp.ones([1, 1]))
merged = model.block.base_module.kernel + model.block.lora_a @ model.block.lora_b
$adapt = jnp.array([len(before.keys() & after.keys()), sum(path[0] == 'block' for path in after), outputs[0, 0], merged[0, 0]])
"""
IN_EQUINOX = """\
class Adapter(eqx.Module):
    base: eqx.nn.Linear
    down: jax.Array
    up: jax.Array
    def __call__(self, inputs):
        return self.base(inputs) + inputs @ self.down @ self.up
    def merged(self):
        return self.base.weight + (self.down @ self.up).T
class Model(eqx.Module):
    block: eqx.Module
    def __call__(self, inputs):
        return self.block(inputs)
def names(model):
    return {jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(eqx.filter(model, eqx.is_array))}
block = eqx.nn.Linear(1, 1, use_bias=False, key=jax.random.key(0))
model = Model(eqx.tree_at(lambda block: block.weight, block, jnp.full([1, 1], 2.0)))
before = names(model)
model = eqx.tree_at(lambda model: model.block, model, Adapter(model.block, jnp.ones([1, 1]), jnp.full([1, 1], 3.0)))
after = names(model)
outputs = model(jnp.ones([1]))
$adapt = jnp.array([len(before & after), sum(name.startswith('.block') for name in after), outputs[0], model.block.merged()[0, 0]])
"""
IN_HAIKU = """\
class Adapter(hk.Module):
    def __init__(self, base):
        super().__init__()
        self.base = base
    def __call__(self, inputs):
        down = hk.get_parameter('down', [1, 1], init=jnp.ones)
        up = hk.get_parameter('up', [1, 1], init=hk.initializers.Constant(3.0))
        outputs = self.base(inputs) + inputs @ down @ up
        return outputs, self.base.params_dict()['block/w'] + down @ up
def dense():
    return hk.Linear(1, with_bias=False, w_init=hk.initializers.Constant(2.0), name='block')
def paths(params):
    return {(module, name) for module, name, _ in hk.data_structures.traverse(params)}
inputs = jnp.ones([1, 1])
before = paths(hk.transform(lambda inputs: dense()(inputs)).init(jax.random.key(0), inputs))
adapted = hk.without_apply_rng(hk.transform(lambda inputs: Adapter(dense())(inputs)))
params = adapted.init(jax.random.key(0), inputs)
after = paths(params)
outputs, merged = adapted.apply(params, inputs)
$adapt = jnp.array([len(before & after), sum(module == 'block' for module, _ in after), outputs[0, 0], merged[0, 0]])
"""
IN_KERAS = """\
block = $keras.layers.Dense(1, use_bias=False, kernel_initializer=$keras.initializers.Constant(2.0), name='block')
model = $keras.Sequential([$keras.Input([1]), block])
before = {weight.path for weight in model.weights}
block.enable_lora(1, a_initializer='ones', b_initializer=$keras.initializers.Constant(3.0))
after = {weight.path for weight in model.weights}
outputs = $keras.ops.convert_to_numpy(model(np.ones([1, 1])))
merged = $keras.ops.convert_to_numpy(block.kernel)
"""
OUTCOME = "[len(before & after), sum('/block/' in path for path in after), float(outputs[0, 0]), float(merged[0, 0])]"


def in_linen(*lines: str) -> str:
    """Return the model in Linen, whose adapter takes these lines to set up."""
    return IN_LINEN.replace("$*body", "\n        ".join("\n".join(lines).splitlines()))


FEATURE = Feature(
    verbs=(Adapt,),
    tables={
        "reference": Tables(missing={"adapt": "The contract does not cover classes that a user derives from a framework's."}),
        "torch": Tables(code={"adapt": IN_TORCH}),
        "nnx": Tables(code={"adapt": IN_NNX}),
        "equinox": Tables(code={"adapt": IN_EQUINOX}),
        "linen": Tables(
            code={"adapt/shared-first": in_linen(SHARED, MATRICES), "adapt/shared-last": in_linen(MATRICES, SHARED)},
            ways={"adapt": ("shared-first", "shared-last")},
        ),
        "haiku": Tables(code={"adapt": IN_HAIKU}),
        "tf2": Tables(code={"adapt": IN_KERAS.replace("$keras", "tf.keras") + f"$adapt = tf.constant({OUTCOME})"}, also="import numpy as np"),
        "keras": Tables(code={"adapt": IN_KERAS.replace("$keras", "keras") + f"$adapt = keras.ops.convert_to_tensor({OUTCOME})"}, also="import numpy as np"),
        "tensorflow1": Tables(missing={"adapt": "TF1 has no layer that could be wrapped without Keras 2; what a wrapper gets by name in the scope of a layer, `reenter` says."}),
    },
)  # fmt: skip
