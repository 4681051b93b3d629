"""What a write gives back, and what Python's own words for numbers have of a variable."""

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class WriteBack(Step):
    """Write 3.25 into one variable, which holds 1, and bind what the write gives back, the variable as a number of Python, and rounded to one decimal place."""

    verb = "write_back"
    binds = "tensor"
    bound_by = "write_back"
    write_back: Name


BESIDE = "A write is a statement, and gives nothing back: the variable is read."
FEATURE = Feature(
    verbs=(WriteBack,),
    tables={
        "reference": Tables(missing={"write_back": "The contract has no numbers of Python in place of variables."}),
        "keras": Tables(
            code={
                "write_back": (
                    "weight = keras.Variable(1.0)\n"
                    "written = keras.ops.convert_to_numpy(weight.assign(3.25)).item()\n"
                    "$write_back = keras.ops.array([written, float(weight), float(round(weight, 1))])"
                )
            }
        ),
        "tf2": Tables(
            code={
                "write_back": (
                    "weight = tf.Variable(1.0)\n"
                    "written = weight.assign(3.25).numpy().item()\n"
                    "$write_back = tf.constant([written, float(weight), round(float(weight), 1)])"
                )
            }
        ),
        "torch": Tables(
            code={
                "write_back": (
                    "weight = nn.Parameter(torch.tensor(1.0))\n"
                    "with torch.no_grad():\n    written = weight.copy_(torch.tensor(3.25)).item()\n"
                    "$write_back = torch.tensor([written, float(weight), weight.round(decimals=1).item()])"
                )
            }
        ),
        "tensorflow1": Tables(missing={"write_back": "A variable of a graph is no number: what a write gives back is run in a session."}),
        "jax": Tables(missing={"write_back": BESIDE}),
    },
)  # fmt: skip
