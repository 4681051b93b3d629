"""Complex variables: what Adam makes of the two parts of one."""

from collections.abc import Callable

from canireuse.emit import Emitter, Fill, Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class ComplexStep(Step):
    """Take one step with Adam, at a rate of 0.1, on a complex variable that a module has under two names.

    It starts from 2+1i, and what is minimized is its real part, read under one name, and its imaginary part, read under the other.
    Bound are both parts after the step.
    """

    verb = "complex_step"
    binds = "tensor"
    bound_by = "complex_step"
    complex_step: Name


IN_TORCH = """\
net = nn.Module()
net.first = nn.Parameter(torch.tensor([2.0 + 1.0j]))
net.second = net.first
optimizer = torch.optim.Adam(net.parameters(), lr=0.1, $**options)
torch.sum(net.first.real + net.second.imag).backward()
optimizer.step()
$complex_step = torch.view_as_real(net.second.detach())[0]
"""
IN_NNX = """\
net = nnx.Module()
net.first = nnx.Param(jnp.array([2.0 + 1.0j]))
net.second = net.first
optimizer = nnx.Optimizer(net, $adam, wrt=nnx.Param)
grads = nnx.grad(lambda net: jnp.sum(jnp.real(net.first[...]) + jnp.imag(net.second[...])))(net)
optimizer.update(net, $given)
$complex_step = jnp.array([net.second[0].real, net.second[0].imag])
"""
IN_TF2 = """\
net = tf.Module()
net.first = tf.Variable([2.0 + 1.0j], dtype=tf.complex64)
net.second = net.first
optimizer = tf.keras.optimizers.Adam(0.1)
with tf.GradientTape() as tape:
    loss = tf.reduce_sum(tf.math.real(net.first) + tf.math.imag(net.second))
optimizer.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))
$complex_step = tf.stack([tf.math.real(net.second)[0], tf.math.imag(net.second)[0]])
"""


def in_torch(**options: Fill) -> Callable[[Emitter, ComplexStep], None]:
    """Return the code of an optimizer that steps as it decides itself, or by operations on lists."""

    def step_of(torch: Emitter, step: ComplexStep) -> None:
        torch.fill(IN_TORCH, step, options=options)

    return step_of


CONJUGATE = "jax.tree.map(jnp.conj, grads)"
#: way -> the optimizer, and what it is given
UPDATED = {
    "gradient": ("optax.adam(0.1)", "grads"),
    "conjugate": ("optax.adam(0.1)", CONJUGATE),
    "conjugate-in-two-parts": ("optax.contrib.split_real_and_imaginary(optax.adam(0.1))", CONJUGATE),
}
NOT_YET = "Not worded yet: what Optax makes of a complex leaf is said of NNX, and holds of any tree."
NO_COMPLEX = "{} has no complex weights of its own: users keep both parts as real ones."
FEATURE = Feature(
    verbs=(ComplexStep,),
    tables={
        "reference": Tables(missing={"complex_step": "The arrays of the contract hold real numbers."}),
        "torch": Tables(
            code={"complex_step/one-by-one": in_torch(), "complex_step/foreach": in_torch(foreach=True)},
            ways={"complex_step": ("one-by-one", "foreach")},
        ),
        "nnx": Tables(
            code={f"complex_step/{way}": IN_NNX.replace("$adam", adam).replace("$given", given) for way, (adam, given) in UPDATED.items()},
            ways={"complex_step": tuple(UPDATED)},
        ),
        "tf2": Tables(code={"complex_step": IN_TF2}),
        "keras": Tables(missing={"complex_step": NO_COMPLEX.format("Keras")}),
        "tensorflow1": Tables(missing={"complex_step": NO_COMPLEX.format("`tf1.train`")}),
        "jax": Tables(missing={"complex_step": NOT_YET}),
    },
)  # fmt: skip
