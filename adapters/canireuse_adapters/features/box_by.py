"""Boxes of one layer: it is said in several places that a compiled function may write a variable in place."""

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class BoxBy(Step):
    """Have one variable of a model with a tied layer be a box, and a compiled function that is given it add 2 to it; it starts from 1.

    Bound is what the variable holds then, and what the tied layer, whose kernel is 1, gives for 1.
    """

    verb = "box_by"
    binds = "tensor"
    bound_by = "box_by"
    box_by: Name


CLASS = """\
class Model(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(1, 1, use_bias=False, kernel_init=nnx.initializers.ones, rngs=rngs)
        self.second = self.first
        self.scale = $scale
    def __call__(self, inputs):
        return self.second(self.first(inputs))
"""
CALLED = """\
@jax.jit
def write(scale):
    scale[...] = scale[...] + 2.0
write(model.scale)
$box_by = jnp.array([model.scale[0], model(jnp.ones([1, 1]))[0, 0]])
"""


def in_nnx(scale: str, model: str) -> str:
    """Return the script in which the variable is made so, and the model so."""
    return f"{CLASS.replace('$scale', scale)}{model}\n{CALLED}"


PLAIN = "nnx.BatchStat(jnp.ones([1]))"
DECORATED = (
    "@nnx.var_defaults(hijax=True)\ndef boxed(values):\n    return nnx.BatchStat(values)\nmodel = Model(nnx.Rngs(0))"
)
REASON = "There is one kind of variable: `made_as` says why."
FEATURE = Feature(
    verbs=(BoxBy,),
    tables={
        "python": Tables(missing={"box_by": REASON}),
        "reference": Tables(missing={"box_by": "The contract has one kind of variable, and every function writes it."}),
        "nnx": Tables(
            code={
                "box_by/decorator": in_nnx("boxed(jnp.ones([1]))", DECORATED),
                "box_by/initializer": in_nnx(
                    "nnx.BatchStat(nnx.with_metadata(nnx.initializers.ones, hijax=True)(rngs(), [1]))",
                    "model = Model(nnx.Rngs(0))",
                ),
                "box_by/afterwards": in_nnx(
                    PLAIN, "model = nnx.with_vars(Model(nnx.Rngs(0)), hijax=True, only=nnx.BatchStat)"
                ),
            },
            ways={"box_by": ("decorator", "initializer", "afterwards")},
            since={"nnx.var_defaults": "flax>=0.12.5", "nnx.with_vars": "flax>=0.12.5"},
        ),
    },
)
