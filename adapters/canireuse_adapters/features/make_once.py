"""Made once: the first call of a function makes a variable, which starts from what that call was given."""

from canireuse.emit import Tables
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import Member, Name, Step


class MakeOnce(Step):
    """Give a module a variable if it has none under the name, as code does that starts from the first batch."""

    verb = "make_once"
    changes = True
    expressions = ("start",)
    uses = {"make_once": frozenset({"module"})}
    make_once: Name
    member: Member
    start: str


def made(symbols: Symbols, step: MakeOnce) -> None:
    """Have the module hold a variable."""
    owner = symbols.at(step.make_once)
    if owner:
        owner.parts[step.member] = Object("variable", made=step)


def once(variable: str) -> Tables:
    """Return what a framework says whose modules take attributes, and whose variables are made of a value."""
    return Tables(code={"make_once": f"if not hasattr($make_once, '$member'):\n    $make_once.$member = {variable}"})


def missing(reason: str) -> Tables:
    """Return what a framework says whose modules have other places for that."""
    return Tables(missing={"make_once": reason})


FEATURE = Feature(
    verbs=(MakeOnce,),
    effects={"make_once": made},
    tables={
        "reference": missing("The contract starts variables from values that are there when they are made."),
        "torch": once("nn.Parameter($start)"),
        "nnx": once("nnx.Param($start)"),
        "tf2": once("tf.Variable($start)"),
        "tensorflow1": missing("A graph is built once: what a function makes starts from a tensor of the graph, whenever it is run."),
        "keras": missing("A Keras layer makes its variables in `build`, which is told shapes and no values."),
        "linen": missing("`self.param` hands its initializer over to the first `init`, which is a call of its own."),
        "haiku": missing("`hk.get_parameter` runs its initializer in `init`, which is a call of its own."),
        "equinox": missing("A module of Equinox has the fields that its class declares, and takes no attribute afterwards."),
    },
)  # fmt: skip
