"""Attached functions: a function that was defined before is an attribute of a module, and is saved and called as its method."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Member, Name, Step


class Attach(Step):
    """Have a module hold a function that was defined before."""

    verb = "attach"
    changes = True
    uses = {"attach": OWNERS}
    attach: Name = Field(description="The module.")
    member: Member = Field(description="The attribute.")
    function: Name


class CallAttached(Step):
    """Call a function that a module holds, which may be one that was loaded."""

    verb = "call_attached"
    binds = "tensor"
    probes = True
    uses = {"call_attached": OWNERS}
    call_attached: Name = Field(description="The module.")
    member: Member
    given: list[Name] = Field(description="What it is given: tensors bound before.")
    as_: Name = Field(alias="as")


UNSAVED = "{}: a function of it is code, which no file of weights has, and is there again once its class is."
FEATURE = Feature(
    verbs=(Attach, CallAttached),
    tables={
        "reference": Tables(missing=dict.fromkeys(("attach", "call_attached"), "The contract has files of values, and none of code.")),
        "tf2": Tables(code={"attach": "$attach.$member = $function", "call_attached": "$as = $call_attached.$member($*given)"}),
        "tensorflow1": Tables(missing=dict.fromkeys(("attach", "call_attached"), "What TF1 saves as a program is the graph, which has no methods: see `import_graph`.")),
        "keras": Tables(missing=dict.fromkeys(("attach", "call_attached"), UNSAVED.format("A Keras model is saved with its configuration"))),
        "torch": Tables(missing=dict.fromkeys(("attach", "call_attached"), UNSAVED.format("A module of PyTorch is saved by its weights"))),
        "jax": Tables(missing=dict.fromkeys(("attach", "call_attached"), UNSAVED.format("A model of JAX is saved by its arrays"))),
    },
)  # fmt: skip
