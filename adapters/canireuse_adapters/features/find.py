"""Paths: what stands at a path inside a module is looked up or replaced, by a call that takes the path."""

from pydantic import Field

from canireuse.emit import Emitter, Fate, Tables, expr, text
from canireuse.program import Object
from canireuse.spec.features import Feature
from canireuse.spec.step import VALUES, Name, Place, Step
from canireuse_adapters.torch import Torch


class Find(Step):
    """Look up what stands at a path inside a module, by the framework's own call that takes a path."""

    verb = "find"
    uses = {"find": VALUES}
    renames = "find"
    binds = "copy"
    find: Place = Field(description="The module, and the path inside it.")
    as_: Name = Field(alias="as", description="A further name for what stands there.")


class PutAt(Step):
    """Put a layer or module at a path inside a module, by the framework's own call that takes a path."""

    verb = "put_at"
    changes = True
    uses = {"put_at": frozenset({"layer", "module"}), "by": frozenset({"layer", "module"})}
    put_at: Place = Field(description="The module, and the path inside it.")
    by: Place = Field(description="What stands there afterwards.")


def path_of(torch: Torch, place: str) -> tuple[str, str]:
    """Return the module that a place begins with, and the path inside it as PyTorch writes it."""
    owner, _, path = place.partition(".")
    return owner, torch.key(owner, path)


def find(torch: Torch, step: Find) -> None:
    """Ask for a submodule, a buffer or a parameter."""
    owner, path = path_of(torch, step.find)
    found = torch.symbols.at(step.find) or Object("unknown")
    word = "submodule" if found.is_owner else found.kind if found.kind == "buffer" else "parameter"
    torch.bind(step.as_, expr(f"$owner.get_{word}($path)", owner=owner, path=text(path)))


def put_at(torch: Torch, step: PutAt) -> None:
    """Set a submodule."""
    owner, path = path_of(torch, step.put_at)
    torch.emit("$owner.set_submodule($path, $by)", owner=owner, path=text(path), by=torch.place(step.by))


def missing(reason: str) -> Tables:
    """Return what a framework says that has no such calls."""
    return Tables(missing=dict.fromkeys(("find", "put_at"), reason))


def replace_in_reference(reference: Emitter, step: PutAt) -> None:
    """Replace a member of the module that the path leads to."""
    owner, _, part = step.put_at.rpartition(".")
    reference.emit(
        "model.replace($owner, $part, $by)",
        owner=reference.place(owner), part=text(part), by=reference.place(step.by),
    )  # fmt: skip


FEATURE = Feature(
    verbs=(Find, PutAt),
    effects={"put_at": lambda symbols, step: symbols.put(step.put_at, step.by)},
    tables={
        "reference": Tables(code={"find": "$as = $find", "put_at": replace_in_reference}, fates={"find": Fate.SAME}),
        "torch": Tables(code={"find": find, "put_at": put_at}, fates={"find": Fate.SAME}),
        "keras": missing("Keras finds a layer by the name that it was given (`get_layer`), and has no call that takes a path of attributes."),
        "tf2": missing("Keras finds a layer by the name that it was given (`get_layer`), and a `tf.Module` has attributes alone: no call takes a path of them."),
        "tensorflow1": missing("A variable is found by its name in the graph, with `get_variable` under reuse; objects have attributes alone, and no call takes a path of them."),
        "nnx": missing("NNX reads and writes values by their paths (`nnx.to_flat_state`), and has no call that hands out an object by one."),
        "jax": missing("Parameters are a tree, which is indexed by its keys as everywhere in these scripts: no object stands at a path."),
    },
)  # fmt: skip
