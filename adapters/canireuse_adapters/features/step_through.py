"""Steps that are differentiated through: how what comes after a step depends on the variables before it."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Lack, Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Step

if TYPE_CHECKING:
    from canireuse_adapters.nnx import NNX


class StepThrough(Step):
    """Take one step of gradient descent, at a rate of 0.1, on the sum of the squares of what a module trains, and differentiate the same sum after it.

    That is by the variables before the step, through the step: the module itself may stay as it was.
    """

    verb = "step_through"
    calls = "step_through"
    binds = "tensor"
    uses = {"step_through": OWNERS}
    step_through: Name
    as_: Name = Field(alias="as", description="Bind the sum of the gradient over all that the module trains.")


SQUARES = "def $squares(params):\n    return sum(torch.sum(torch.square(param)) for param in params)\n"
BY_HAND = (
    SQUARES
    + """\
params = list($step_through.parameters())
grads = torch.autograd.grad($squares(params), params, create_graph=True)
stepped = [param - 0.1 * grad for param, grad in zip(params, grads)]
$as = sum(grad.sum() for grad in torch.autograd.grad($squares(stepped), params))
"""
)
BY_OPTIMIZER = (
    SQUARES
    + """\
optimizer = torch.optim.SGD($step_through.parameters(), lr=0.1, differentiable=True)
$squares($step_through.parameters()).backward(create_graph=True)
optimizer.step()
params = list($step_through.parameters())
$as = sum(grad.sum() for grad in torch.autograd.grad($squares(params), params))
"""
)
IN_NNX = """\
def $squares(params):
    return sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(params))
def $stepped(params):
    grads = jax.grad($squares)(params)
    return $squares(jax.tree.map(lambda param, grad: param - 0.1 * grad, params, grads))
slopes = jax.grad($stepped)(nnx.state($step_through, nnx.Param))
$as = sum(jnp.sum(leaf) for leaf in jax.tree.leaves(slopes))
"""
IN_TF2 = """\
variables = $step_through.trainable_variables
with tf.GradientTape() as outer:
    with tf.GradientTape() as inner:
        loss = sum(tf.reduce_sum(tf.square(variable)) for variable in variables)
    grads = inner.gradient(loss, variables)
    stepped = [variable - 0.1 * grad for variable, grad in zip(variables, grads)]
    loss = sum(tf.reduce_sum(tf.square(value)) for value in stepped)
$as = sum(tf.reduce_sum(slope) for slope in outer.gradient(loss, variables))
"""


def written(code: str) -> Tables:
    """Return what a framework says that has one way."""
    return Tables(code={"step_through": lambda emitter, step: fill(emitter, step, code)})


def fill(emitter: Emitter, step: StepThrough, code: str) -> None:
    """Emit code with names of its own for its functions."""
    emitter.fill(code, step, squares=emitter.fresh("squares"), stepped=emitter.fresh("after_a_step"))


def is_inside(nnx: "NNX", _: Step) -> bool:
    """Return whether what is written stands in a function that is traced."""
    return nnx.inside("traced", "jax", "loss", "tensor")


NOT_YET = "Not worded yet: a step is a function of the tree here too, and what is said of NNX holds of any tree."
NO_STEP = "Keras applies gradients to its variables in place, and a step by hand is written in the words of the engine."
FEATURE = Feature(
    verbs=(StepThrough,),
    tables={
        "reference": Tables(missing={"step_through": "The contract says where a step moves variables, and has no derivative of that."}),
        "torch": Tables(
            code={
                "step_through/by-hand": lambda torch, step: fill(torch, step, BY_HAND),
                "step_through/differentiable-optimizer": lambda torch, step: fill(torch, step, BY_OPTIMIZER),
            },
            ways={"step_through": ("by-hand", "differentiable-optimizer")},
        ),
        "nnx": Tables(
            code={"step_through": lambda nnx, step: fill(nnx, step, IN_NNX)},
            lacks=(Lack("step_through", is_inside, "Inside a function that is traced a module is one of its arguments: the derivative is written outside."),),
        ),
        "tf2": written(IN_TF2),
        "keras": Tables(missing={"step_through": NO_STEP}),
        "tensorflow1": Tables(missing={"step_through": "An optimizer of TensorFlow 1 assigns in place, and `tf.gradients` goes through no assignment."}),
        "jax": Tables(missing={"step_through": NOT_YET}),
    },
)  # fmt: skip
