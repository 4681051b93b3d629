"""Methods that make layers: each method of a model has names of its own for the layers that it makes."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class MakeInMethods(Step):
    """Call a model whose two methods each make a dense layer without a name: the first method twice, the second once."""

    verb = "make_in_methods"
    binds = "tensor"
    bound_by = "make_in_methods"
    make_in_methods: Name = Field(description="Bind how many kernels the model has.")


IN_LINEN = """\
class Model(nn.Module):
    @nn.compact_name_scope
    def up(self, inputs):
        return nn.Dense(1, use_bias=False)(inputs)
    @nn.compact_name_scope
    def down(self, inputs):
        return nn.Dense(1, use_bias=False)(inputs)
    def __call__(self, inputs):
        return self.down(self.up(self.up(inputs)))
$make_in_methods = jnp.array(len(jax.tree.leaves(Model().init(jax.random.key(0), jnp.ones([1, 1])))))
"""
IN_HAIKU = """\
class Model(hk.Module):
    def up(self, inputs):
        return hk.Linear(1, with_bias=False)(inputs)
    def down(self, inputs):
        return hk.Linear(1, with_bias=False)(inputs)
    def __call__(self, inputs):
        return self.down(self.up(self.up(inputs)))
model = hk.transform(lambda inputs: Model()(inputs))
$make_in_methods = jnp.array(len(jax.tree.leaves(model.init(jax.random.key(0), jnp.ones([1, 1])))))
"""
IN_TF1 = """\
def layer(inputs, scope):
    with tf1.variable_scope(scope, reuse=tf1.AUTO_REUSE):
        with tf1.variable_scope(None, default_name='dense'):
            return inputs @ tf1.get_variable('kernel', [1, 1])
layer(layer(layer(tf.ones([1, 1]), 'up'), 'up'), 'down')
$make_in_methods = tf.constant(float(len(tf1.global_variables())))
"""
IN_CONSTRUCTORS = (
    "Members are made by the constructor, and stay: a method that made one would make another at each call."
)
FEATURE = Feature(
    verbs=(MakeInMethods,),
    tables={
        "python": Tables(missing={"make_in_methods": IN_CONSTRUCTORS}),
        "reference": Tables(missing={"make_in_methods": "The contract names what is asked for by name, and no layers of a model."}),
        "linen": Tables(code={"make_in_methods": IN_LINEN}),
        "haiku": Tables(code={"make_in_methods": IN_HAIKU}),
        "tf1": Tables(code={"make_in_methods": IN_TF1}),
    },
)  # fmt: skip
