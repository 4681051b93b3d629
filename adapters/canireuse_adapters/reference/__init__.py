"""The reference model: the contract without a framework, in pure Python."""

from collections.abc import Iterator
from contextlib import contextmanager

from canireuse.spec import Spec
from canireuse.translation import Script, Unsupported
from canireuse.vocabulary import walk
from canireuse_adapters.reference.running import Running

KINDS = {
    "already_exists": "AlreadyExists", "not_found": "NotFound", "shape_mismatch": "ShapeMismatch", "dtype_mismatch": "DtypeMismatch",
    "bad_argument": "BadArgument", "uninitialized": "Uninitialized", "not_trainable": "NotTrainable",
}  # fmt: skip
FUNCTIONS = (
    "tanh",
    "relu",
    "sigmoid",
    "exp",
    "log",
    "square",
    "sum",
    "mean",
    "transpose",
    "softmax",
    "stop_gradient",
    "ones",
)


class Reference(Running):
    """What the contract itself answers."""

    name = "reference"
    title = "Reference model"
    about = "A small pure-Python model of the contract, without a framework; it predicts every observation the contract covers."
    install = "nothing: it is part of canireuse"
    imports = "from canireuse.contract import Model, tape"
    functions = {name: f"tape.{name}({{}})" for name in FUNCTIONS}
    errors = {kind: ((name, ""),) for kind, name in KINDS.items()}
    options = frozenset({
        *(f"{verb}.{option}" for verb in ("scope", "default_scope", "reenter") for option in ("init", "dtype", "penalty", "auxiliary_name_scope")),
        "get.penalty", "get.local", "get.numbered", "get.shape_as", "layer.penalty", "layer.unnamed", "call.given", "copy.shallow", "save.only", "restore.partial",
        "gradient.remat", "function.template", "invoke.abstract", "measure.fresh",
    })  # fmt: skip
    missing = {
        "get.uniform": "The contract does not cover from which distribution a random start is drawn.",
        "get.partitions": "The contract does not cover in how many parts a variable is kept.",
        "layer.norm": "The contract does not cover normalization: what a layer keeps besides its weights is a matter of each framework.",
        "layer.cell": "The contract does not cover what a framework's layers do with a cell.",
        "wrap": "The contract does not cover what a framework's layers do with a layer that is put into them.",
        "reparametrize": "The contract does not cover places that give a function of the variable they hold.",
        "quantize": "The contract does not cover numbers of 8 bits.",
        "offers": "The contract does not cover what a framework's package offers.",
        "checkpoint_bytes": "The contract does not cover how many bytes a checkpoint takes: files have heads and forms of their own.",
        "traces": "The contract does not cover how often a function is traced: a traced function behaves as the Python function.",
    }

    def translate(self, spec: Spec) -> Script:
        """Return the script; what is a framework's own feature is outside the contract."""
        if spec.contract == "none":
            raise Unsupported("The contract does not cover this: it is a matter of each framework.")
        self.bound: set[str] = set()
        return super().translate(spec)

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Make a world: deferred where the spec speaks of initialization, else with values at once."""
        deferred = any(step.verb == "initialize" or step.raises == "uninitialized" for step in walk(spec.steps))
        self.write(f"model = Model({'' if deferred else 'immediate=True'})")
        yield

    @classmethod
    def probe(cls, device: str) -> str:
        """Make a variable; the model refuses any device but the CPU."""
        return (
            f"{cls.imports}\nmodel = Model(device={device!r})\nvariable = model.get('probe', shape=[1], init=1.0)\n"
            "model.initialize()\nmodel.value(variable)\nobserve('device', model.device)\n"
        )

    # -- observations

    def array(self, values: str) -> str:
        """Return numbers as a tensor."""
        return f"tape.constant({values})"

    def data(self, value: str) -> str:
        """Return the value as numbers."""
        return f"model.value({value})"

    def name_of(self, place: str) -> str:
        """Return a variable's name."""
        return f"{place}.name"

    def dtype_of(self, place: str) -> str:
        """Return a variable's dtype."""
        return f"{place}.dtype"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the variables of the graph, or those in a layer or module."""
        return f"model.{'trainable' if only_trainable else 'variables'}({inside or ''})"

    def names(self, inside: str | None) -> str:
        """Return the names of all variables, or paths in a layer or module."""
        return f"model.names({inside or ''})"

    def paths_of(self, place: str, inside: str) -> str:
        """Return every path of a variable in a layer or module."""
        return f"model.paths({place}, {inside})"

    def slot_count(self, optimizer: str) -> str:
        """Return for how many variables an optimizer keeps state."""
        return f"{optimizer}.slots"

    def elements_of(self, owner: str) -> str:
        """Return how many numbers the variables of a layer or module hold."""
        return f"model.elements({owner})"

    def bytes_of(self, owner: str) -> str:
        """Return how many bytes these numbers take."""
        return f"model.parameter_bytes({owner})"

    def slot_bytes(self, optimizer: str) -> str:
        """Return how many bytes an optimizer keeps."""
        return f"{optimizer}.slot_bytes"

    def penalties(self, inside: str | None) -> str:
        """Return the terms of regularizers."""
        return f"model.penalties({inside or ''})"

    def penalty(self, inside: str | None) -> str:
        """Return the sum of these terms."""
        return f"model.penalty({inside or ''})"

    def collected(self, collection: str) -> str:
        """Return a collection."""
        return f"model.collection({collection!r})"
