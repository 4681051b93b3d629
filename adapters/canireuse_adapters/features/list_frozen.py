"""Frozen layers: what a framework lists of one as not trained, and how many parameters it says are there."""

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class ListFrozen(Step):
    """Freeze an encoder of a kernel of two by three and a bias, which a model passes before a head of three by one, both layers of the library.

    Bound are how many variables the framework lists of the encoder and of the model as not trained, and how many numbers it counts in the encoder.
    """

    verb = "list_frozen"
    binds = "tensor"
    bound_by = "list_frozen"
    list_frozen: Name


KERAS = """\
encoder = $keras.layers.Dense(3)
model = $keras.Sequential([$keras.Input([2]), encoder, $keras.layers.Dense(1)])
encoder.trainable = False
$list_frozen = $array([len(encoder.non_trainable_variables), len(model.non_trainable_variables), encoder.count_params()])
"""
TORCH = """\
encoder = nn.Linear(2, 3)
model = nn.Sequential(encoder, nn.Linear(3, 1))
encoder.requires_grad_(False)
frozen = [sum(not one.requires_grad for one in owner.parameters()) for owner in (encoder, model)]
$list_frozen = torch.tensor([*frozen, sum(one.numel() for one in encoder.parameters())])
"""
NO_LIST = "No list has what is not trained: the user says to the optimizer which arrays it takes."
FEATURE = Feature(
    verbs=(ListFrozen,),
    tables={
        "reference": Tables(missing={"list_frozen": "The contract lists what is trained."}),
        "keras": Tables(code={"list_frozen": KERAS.replace("$keras", "keras").replace("$array", "keras.ops.array")}),
        "tf2": Tables(code={"list_frozen": KERAS.replace("$keras", "tf.keras").replace("$array", "tf.constant")}),
        "torch": Tables(code={"list_frozen": TORCH}),
        "tensorflow1": Tables(missing={"list_frozen": NO_LIST}),
        "jax": Tables(missing={"list_frozen": NO_LIST}),
    },
)
