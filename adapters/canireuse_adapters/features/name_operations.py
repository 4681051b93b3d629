"""Names of operations in what is compiled: which layer of a model each of them is in."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class NameOperations(Step):
    """Compile a model that calls one dense layer `block` twice, and look for the layer's name in what was compiled."""

    verb = "name_operations"
    binds = "tensor"
    bound_by = "name_operations"
    name_operations: Name = Field(description="Bind how many matrix products have it in their name or place.")


COUNTED = """\
compiled = jax.jit($function).lower($*given, jnp.ones([1, 1])).as_text(debug_info=True)
places = [line for line in compiled.splitlines() if line.startswith('#loc') and 'dot_general"' in line]
$name_operations = jnp.array(sum('/block/' in line for line in places))
"""
IN_LINEN = """\
class Model(nn.Module):
    def setup(self):
        self.block = nn.Dense(1, use_bias=False)
    def __call__(self, inputs):
        return self.block(self.block(inputs))
nn.enable_named_call()
model = Model()
variables = model.init(jax.random.key(0), jnp.ones([1, 1]))
"""
IN_HAIKU = """\
def network(inputs):
    block = hk.Linear(1, with_bias=False, name='block')
    return block(block(inputs))
model = hk.without_apply_rng(hk.transform(network))
params = model.init(jax.random.key(0), jnp.ones([1, 1]))
"""
IN_NNX = """\
class Model(nnx.Module):
    def __init__(self, rngs):
        self.block = nnx.Linear(1, 1, use_bias=False, rngs=rngs)
    def __call__(self, inputs):
        return self.block(self.block(inputs))
def run(model, inputs):
    return model(inputs)
model = Model(nnx.Rngs(0))
"""
IN_EQUINOX = """\
class Model(eqx.Module):
    block: eqx.nn.Linear
    def __call__(self, inputs):
        return jax.vmap(self.block)(jax.vmap(self.block)(inputs))
def run(model, inputs):
    return model(inputs)
model = Model(eqx.nn.Linear(1, 1, use_bias=False, key=jax.random.key(0)))
"""
IN_TORCH = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Linear(1, 1, bias=False)
    def forward(self, inputs):
        return self.block(self.block(inputs))
exported = torch.export.export(Model(), (torch.ones(1, 1),))
places = [node.meta['nn_module_stack'] for node in exported.graph.nodes if 'linear' in str(node.target)]
$name_operations = torch.tensor(sum(any(path.endswith('block') for path, _ in place.values()) for place in places))
"""
IN_TF2 = """\
class Model(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.block = tf.keras.layers.Dense(1, use_bias=False, name='block')
    def call(self, inputs):
        return self.block(self.block(inputs))
run = tf.function(Model()).get_concrete_function(tf.ones([1, 1]))
names = [operation.name for operation in run.graph.get_operations() if operation.type == 'MatMul']
$name_operations = tf.constant(float(sum('/block' in name for name in names)))
"""


def in_jax(model: str, function: str, given: str) -> Tables:
    """Return what a library of JAX says: the model, and what is compiled of it."""
    return Tables(code={"name_operations": model + COUNTED.replace("$function", function).replace("$*given", given)})


FEATURE = Feature(
    verbs=(NameOperations,),
    tables={
        "reference": Tables(missing={"name_operations": "The contract compiles nothing; the names of operations are asked for by `expect: name`."}),
        "linen": in_jax(IN_LINEN, "model.apply", "variables"),
        "haiku": in_jax(IN_HAIKU, "model.apply", "params"),
        "nnx": in_jax(IN_NNX, "run", "model"),
        "equinox": in_jax(IN_EQUINOX, "run", "model"),
        "torch": Tables(code={"name_operations": IN_TORCH}),
        "tf2": Tables(code={"name_operations": IN_TF2}),
        "keras": Tables(missing={"name_operations": "Keras names no operations itself: what is compiled is the engine's."}),
        "tensorflow1": Tables(missing={"name_operations": "What names operations in a graph is the scope that is open: `expect: name` asks an operation for its name."}),
    },
)  # fmt: skip
