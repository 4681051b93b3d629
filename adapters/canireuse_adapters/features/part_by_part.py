"""Part by part: a model is gone through by a call of the framework that hands each part of it to a function."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Tables, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Place, Real, Step

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.linen import Linen


class CountParts(Step):
    """Count the variables inside a module, in a walk along all its paths that the framework does."""

    verb = "count_parts"
    binds = "tensor"
    uses = {"count_parts": OWNERS}
    count_parts: Place
    as_: Name = Field(alias="as", description="Bind how many variables the walk came to.")


class CountTies(Step):
    """Count the variables that stand at several places inside a module, as the framework finds them."""

    verb = "count_ties"
    binds = "tensor"
    uses = {"count_ties": OWNERS}
    count_ties: Place
    as_: Name = Field(alias="as", description="Bind how many there are.")


class ApplyToEach(Step):
    """Have every dense kernel inside a module multiplied by a number, by the call that hands each part of it to a function."""

    verb = "apply_to_each"
    probes = True
    uses = {"apply_to_each": OWNERS}
    apply_to_each: Place
    times: Real


COUNTED_IN_NNX = {
    "graph": "sum(isinstance(part, nnx.Variable) for _, part in nnx.iter_graph($net))",
    "tree": "sum(isinstance(part, nnx.Variable) for _, part in nnx.iter_graph($net, graph=False))",
}
APPLIED_IN_NNX = {
    way: (
        "def $scale(path, part):\n    return part.copy(part[...] * $times) if isinstance(part, nnx.Variable) else part\n"
        f"$net = nnx.recursive_map($scale, $net{option})"
    )
    for way, option in {"graph": "", "tree": ", graph=False"}.items()
}
APPLIED_IN_TORCH = """\
def $scale(part):
    if isinstance(part, nn.Linear):
        with torch.no_grad():
            part.weight.mul_($times)
$net.apply($scale)
"""


def counted(emitter: Emitter, to: str, code: str, place: str) -> None:
    """Bind a number."""
    emitter.bind(to, emitter.array(expr(code, net=emitter.place(place))))


def parts_in_nnx(nnx: Emitter, step: CountParts) -> None:
    """Go through the module as a graph or as a tree."""
    counted(nnx, step.as_, COUNTED_IN_NNX[nnx.way["count_parts"]], step.count_parts)


def applied(emitter: Emitter, step: ApplyToEach, code: str) -> None:
    """Define the function, and hand it over."""
    emitter.emit(code, scale=emitter.fresh("scale"), net=emitter.place(step.apply_to_each), times=step.times)


def applied_in_linen(linen: "Linen", step: ApplyToEach) -> None:
    """Map over the tree of parameters."""
    tree = linen.tree_at(step.apply_to_each)
    linen.emit("$params = jax.tree.map(lambda leaf: leaf * $times, $params)", params=tree.name, times=step.times)
    tree.written()


def applied_in_equinox(eqx: "Equinox", step: ApplyToEach) -> None:
    """Map over the arrays of the tree."""
    code = "$net = jax.tree.map(lambda leaf: leaf * $times if eqx.is_array(leaf) else leaf, $net)"
    eqx.emit(code, net=eqx.place(step.apply_to_each), times=step.times)


NO_CALL = "No call hands each part of a model to a function: users go through a list of its {} in a loop of their own."
NO_WALK = "{} lists each variable once, and has no walk along all paths to it."
NO_TIES = "No call finds variables that stand at several places."


def missing(framework: str, parts: str, *verbs: str) -> Tables:
    """Return what a framework says that has lists alone."""
    reasons = {
        "count_parts": NO_WALK.format(framework), "count_ties": NO_TIES, "apply_to_each": NO_CALL.format(parts),
    }  # fmt: skip
    return Tables(missing={verb: reasons[verb] for verb in verbs or reasons})


FEATURE = Feature(
    verbs=(CountParts, CountTies, ApplyToEach),
    tables={
        "reference": Tables(missing=dict.fromkeys(("count_parts", "count_ties", "apply_to_each"), "The contract has variables and their paths, and no walk over a model.")),
        "torch": Tables(
            code={
                "count_parts": lambda torch, step: counted(torch, step.as_, "len(list($net.named_parameters(remove_duplicate=False)))", step.count_parts),
                "count_ties": lambda torch, step: counted(torch, step.as_, "len(find_tied_parameters($net))", step.count_ties),
                "apply_to_each": lambda torch, step: applied(torch, step, APPLIED_IN_TORCH),
            },
        ),
        "nnx": Tables(
            code={
                "count_parts": parts_in_nnx,
                "count_ties": lambda nnx, step: counted(nnx, step.as_, "len(nnx.find_duplicates($net, only=nnx.Variable))", step.count_ties),
                "apply_to_each": lambda nnx, step: applied(nnx, step, APPLIED_IN_NNX[nnx.way["apply_to_each"]]),
            },
            ways={"count_parts": tuple(COUNTED_IN_NNX), "apply_to_each": tuple(APPLIED_IN_NNX)},
            since={"nnx.iter_graph(graph=_)": "flax>=0.12.5", "nnx.recursive_map": "flax>=0.12.5", "nnx.find_duplicates": "flax>=0.12.0"},
        ),
        "linen": Tables(code={"apply_to_each": applied_in_linen}, missing={"count_parts": NO_WALK.format("The tree of parameters"), "count_ties": NO_TIES}),
        "equinox": Tables(code={"apply_to_each": applied_in_equinox}, missing={"count_parts": NO_WALK.format("A tree"), "count_ties": NO_TIES}),
        "haiku": missing("The tree of parameters", "entries"),
        "keras": missing("Keras", "layers"),
        "tf2": missing("TensorFlow", "submodules"),
        "tensorflow1": missing("TF1", "variables"),
    },
)  # fmt: skip
