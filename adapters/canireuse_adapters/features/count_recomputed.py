"""Counts in recomputed methods: a method of a model writes a variable, and runs a second time in the backward pass."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class CountRecomputed(Step):
    """Differentiate a model whose method counts its calls in a variable of the model, and is computed again in the backward pass."""

    verb = "count_recomputed"
    binds = "tensor"
    bound_by = "count_recomputed"
    count_recomputed: Name = Field(description="Bind the count, and the gradient of the kernel.")


IN_LINEN = """\
class Model(nn.Module):
    def setup(self):
        self.count = self.variable('counts', 'calls', jnp.zeros, [])
        self.block = nn.Dense(1, use_bias=False)
    @nn.remat
    def counted(self, count, inputs):
        if not self.is_initializing():
            count.value += 1.0
        return self.block(inputs)
    def __call__(self, inputs):
        return self.counted(self.count, inputs)
def loss(params, counts):
    outputs, new = model.apply({'params': params, 'counts': counts}, jnp.ones([1, 1]), mutable=['counts'])
    return jnp.sum(outputs), new['counts']
model = Model()
variables = model.init(jax.random.key(0), jnp.ones([1, 1]))
grads, counts = jax.grad(loss, has_aux=True)(variables['params'], variables['counts'])
$count_recomputed = jnp.array([counts['calls'], grads['block']['kernel'][0, 0]])
"""
IN_HAIKU = """\
def network(inputs):
    def counted(inputs):
        hk.set_state('calls', hk.get_state('calls', [], init=jnp.zeros) + 1.0)
        return hk.Linear(1, with_bias=False, name='block')(inputs)
    return hk.remat(counted)(inputs)
def loss(params, state):
    outputs, new = model.apply(params, state, jnp.ones([1, 1]))
    return jnp.sum(outputs), new
model = hk.without_apply_rng(hk.transform_with_state(network))
params, state = model.init(jax.random.key(0), jnp.ones([1, 1]))
grads, state = jax.grad(loss, has_aux=True)(params, state)
$count_recomputed = jnp.array([state['~']['calls'], grads['block']['w'][0, 0]])
"""
IN_NNX = """\
class Model(nnx.Module):
    def __init__(self, rngs):
        self.count = nnx.BatchStat(jnp.zeros([]))
        self.block = nnx.Linear(1, 1, use_bias=False, rngs=rngs)
    @nnx.remat
    def counted(self, count, inputs):
        count[...] += 1.0
        return self.block(inputs)
    def __call__(self, inputs):
        return self.counted(self.count, inputs)
model = Model(nnx.Rngs(0))
grads = nnx.grad(lambda model: jnp.sum(model(jnp.ones([1, 1]))))(model)
$count_recomputed = jnp.array([model.count[...], grads['block']['kernel'][0, 0]])
"""
IN_TORCH = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer('count', torch.zeros([]))
        self.block = nn.Linear(1, 1, bias=False)
    def counted(self, inputs):
        self.count += 1.0
        return self.block(inputs)
    def forward(self, inputs):
        return torch.utils.checkpoint.checkpoint(self.counted, inputs, use_reentrant=False)
model = Model()
model(torch.ones(1, 1)).sum().backward()
$count_recomputed = torch.tensor([model.count.item(), model.block.weight.grad.item()])
"""
BY_NAME = (
    "What a recomputed block writes here, `gradient` says with `remat`: it is a function, and no method of a model."
)
FEATURE = Feature(
    verbs=(CountRecomputed,),
    tables={
        "reference": Tables(missing={"count_recomputed": "The contract does not cover classes that a user derives from a framework's."}),
        "linen": Tables(code={"count_recomputed": IN_LINEN}),
        "haiku": Tables(code={"count_recomputed": IN_HAIKU}),
        "nnx": Tables(code={"count_recomputed": IN_NNX}),
        "equinox": Tables(missing={"count_recomputed": "What a module of Equinox writes it returns, as a new value: a recomputed part has nothing to write."}),
        "torch": Tables(code={"count_recomputed": IN_TORCH}),
        "keras": Tables(missing={"count_recomputed": BY_NAME}),
        "tf2": Tables(missing={"count_recomputed": BY_NAME}),
        "tensorflow1": Tables(missing={"count_recomputed": BY_NAME}),
    },
)  # fmt: skip
