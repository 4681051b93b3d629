"""Name scopes of modules: a module has one of its own, which prefixes what is made inside."""

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Block, Name


class ModuleScope(Block):
    """Run the steps inside the name scope that a module was given when it was made."""

    verb = "module_scope"
    module_scope: Name


IN_TENSORFLOW = Tables(code={"module_scope": "with $module_scope.name_scope:\n    $*body"})
NO_SCOPE = "{}: an object opens no scope of names."
FEATURE = Feature(
    verbs=(ModuleScope,),
    tables={
        "reference": Tables(missing={"module_scope": "The contract has scopes of names, and none that a module opens."}),
        "tf2": IN_TENSORFLOW,
        "tensorflow1": IN_TENSORFLOW,
        "torch": Tables(missing={"module_scope": NO_SCOPE.format("A parameter has the name of the attribute that holds it")}),
        "keras": Tables(missing={"module_scope": NO_SCOPE.format("A layer prefixes what its own `add_weight` makes")}),
        "jax": Tables(missing={"module_scope": NO_SCOPE.format("A variable has the path of the place that holds it")}),
    },
)  # fmt: skip
