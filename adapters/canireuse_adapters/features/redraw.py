"""Noise that is a part of a model's state: what was put back draws the same noise again."""

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class Redraw(Step):
    """Keep the values of a model that passes one dropout twice, call it in training, put the values back, and call it again.

    Bound is what both calls gave for 64 ones, one after the other.
    """

    verb = "redraw"
    binds = "tensor"
    bound_by = "redraw"
    redraw: Name


KERAS = """\
dropout = $keras.layers.Dropout(0.5, seed=7)
pixels = $keras.Input([64])
model = $keras.Model(pixels, dropout(dropout(pixels)))
kept = [$read(variable) for variable in model.variables]
first = $read(model(np.ones([1, 64]), training=True))
for variable, value in zip(model.variables, kept):
    variable.assign(value)
$redraw = $array([first, $read(model(np.ones([1, 64]), training=True))])
"""
TORCH = """\
dropout = nn.Dropout(0.5)
model = nn.Sequential(dropout, dropout)
kept = deepcopy(model.state_dict())
first = model(torch.ones(1, 64))
model.load_state_dict(kept)
$redraw = torch.stack([first, model(torch.ones(1, 64))])
"""
NNX = """\
dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(7))
model = nnx.Sequential(dropout, dropout)
kept = jax.tree.map(jnp.copy, nnx.state(model))
first = model(jnp.ones([1, 64]))
nnx.update(model, kept)
$redraw = jnp.array([first, model(jnp.ones([1, 64]))])
"""
HANDED = "A key is handed over at each call, and is no state of the model."
FEATURE = Feature(
    verbs=(Redraw,),
    tables={
        "reference": Tables(missing={"redraw": "The contract has no noise."}),
        "keras": Tables(
            code={"redraw": KERAS.replace("$keras", "keras").replace("$read", "keras.ops.convert_to_numpy").replace("$array", "keras.ops.array")},
            also="import numpy as np",
        ),
        "tf2": Tables(
            code={"redraw": KERAS.replace("$keras", "tf.keras").replace("$read", "np.array").replace("$array", "tf.constant")},
            also="import numpy as np",
        ),
        "torch": Tables(code={"redraw": TORCH}),
        "nnx": Tables(code={"redraw": NNX}),
        "jax": Tables(missing={"redraw": HANDED}),
        "tensorflow1": Tables(missing={"redraw": "The operations of a graph that draw have a state of the session's, which no variable has."}),
    },
)  # fmt: skip
