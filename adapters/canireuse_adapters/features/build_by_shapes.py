"""Building by shapes: a layer of several inputs makes its kernel in the first call, of the shape of each."""

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class BuildByShapes(Step):
    """Call a layer of the user's own twice on a left input of two ones, their mask, and a right one of three, of which the second call has twos.

    It makes its kernel of ones, of two by three, in the first call. Bound are how many variables it has afterwards, and what both calls give.
    """

    verb = "build_by_shapes"
    binds = "tensor"
    bound_by = "build_by_shapes"
    build_by_shapes: Name


KERAS = """\
class Score($keras.layers.Layer):
    def build(self, left_shape, right_shape):
        self.kernel = self.add_weight((left_shape[-1], right_shape[-1]), 'ones', 'float32', name='kernel')
    def call(self, left, mask=None, right=None):
        left = left * $keras.ops.cast(mask, left.dtype)
        return $keras.ops.sum($keras.ops.matmul(left, self.kernel) * right)
score = Score()
mask = $keras.ops.array([[True, True]])
outputs = [score($keras.ops.ones([1, 2]), mask, times * $keras.ops.ones([1, 3])) for times in (1, 2)]
$build_by_shapes = $keras.ops.array([len(score.weights), *(float(one) for one in outputs)])
"""
LINEN = """\
class Score(nn.Module):
    @nn.compact
    def __call__(self, left, mask, right):
        kernel = self.param('kernel', nn.initializers.ones, (left.shape[-1], right.shape[-1]))
        return jnp.sum(left * mask @ kernel * right)
left, mask, right = jnp.ones([1, 2]), jnp.array([[True, True]]), jnp.ones([1, 3])
params = Score().init(jax.random.key(0), left, mask, right)
outputs = [Score().apply(params, left, mask, times * right) for times in (1, 2)]
$build_by_shapes = jnp.array([len(jax.tree.leaves(params)), *outputs])
"""
HAIKU = """\
def score(left, mask, right):
    kernel = hk.get_parameter('kernel', (left.shape[-1], right.shape[-1]), init=jnp.ones)
    return jnp.sum(left * mask @ kernel * right)
score = hk.without_apply_rng(hk.transform(score))
left, mask, right = jnp.ones([1, 2]), jnp.array([[True, True]]), jnp.ones([1, 3])
params = score.init(jax.random.key(0), left, mask, right)
outputs = [score.apply(params, left, mask, times * right) for times in (1, 2)]
$build_by_shapes = jnp.array([len(jax.tree.leaves(params)), *outputs])
"""
SIZED = "A module is given its sizes where it is made: no method is told the shapes of its inputs."
FEATURE = Feature(
    verbs=(BuildByShapes,),
    tables={
        "reference": Tables(missing={"build_by_shapes": "A layer of the contract has one input."}),
        "keras": Tables(code={"build_by_shapes": KERAS.replace("$keras", "keras")}),
        "tf2": Tables(code={"build_by_shapes": KERAS.replace("$keras", "tf.keras")}),
        "linen": Tables(code={"build_by_shapes": LINEN}),
        "haiku": Tables(code={"build_by_shapes": HAIKU}),
        "jax": Tables(missing={"build_by_shapes": SIZED}),
        "torch": Tables(missing={"build_by_shapes": SIZED}),
        "tensorflow1": Tables(missing={"build_by_shapes": "A variable is got where it is wanted, of the shape that stands there."}),
    },
)  # fmt: skip
