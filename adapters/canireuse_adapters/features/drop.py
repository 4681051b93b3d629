"""Dropping a name: whether what it stood for is still there once its last name is gone."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Lack, Tables, Unsupported, expr
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import VALUES, Name, Step
from canireuse.spec.vocabulary import Variable
from canireuse_adapters.linen import structure

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX


class Drop(Step):
    """Drop the Python name of a variable, layer or module, and collect garbage."""

    verb = "drop"
    changes = True
    uses = {"drop": VALUES}
    drop: Name = Field(description="A name bound before; `alive` may still ask after what it stood for.")


def dropped(symbols: Symbols, step: Drop) -> None:
    """Have nothing stand where the name stood."""
    symbols.names[step.drop] = Object("dropped")


def in_python(emitter: Emitter, step: Drop) -> None:
    """Delete the Python name; where that is asked, a weak reference tells whether the object is still there."""
    if step.drop in emitter.facts.watched:
        emitter.emit("$watch = weakref.ref($dropped)", watch=emitter.watch(step.drop), dropped=step.drop)
    emitter.emit("del $dropped\ngc.collect()", dropped=step.drop)


def in_equinox(eqx: "Equinox", step: Drop) -> None:
    """Delete the name of a tree."""
    if eqx.tree(step.drop) is None or eqx.outer(step.drop):
        raise Unsupported(
            "What this name stands for is a place in a tree, which still holds it: there is no name to drop."
        )
    in_python(eqx, step)


def in_nnx(nnx: "NNX", step: Drop) -> None:
    """Delete a name, and the attribute of the root that stands for it, unless a scope registered the variable."""
    found, root = nnx.symbols.names.get(step.drop) or Object("unknown"), nnx.symbols.names["root"]
    watched = expr("$dropped", dropped=step.drop)
    if found.kind == "variable":
        nnx.idiom("A variable of NNX takes no weak reference: its array is watched in its place.")
        watched = expr("$dropped[...]", dropped=step.drop)
    listed = [
        part for part, one in root.parts.items() if one is found and (one.is_owner or isinstance(one.made, Variable))
    ]
    if step.drop in nnx.facts.watched:
        nnx.emit("$watch = weakref.ref($watched)", watch=nnx.watch(step.drop), watched=watched)
    nnx.emit("del $*names\ngc.collect()", names=[step.drop, *(f"root.{part}" for part in listed)])
    for part in listed:
        del root.parts[part]


def in_linen(linen: "Linen", step: Drop) -> None:
    """Let a module go: what its definition was handed stays where it was made."""
    if step.drop in linen.facts.watched:
        raise Unsupported(structure.NO_OBJECT)


def let_go(linen: "Linen", step: Drop) -> None:
    """Take what is dropped out of the module that was made for it and others."""
    one = linen.symbols.names[step.drop]
    for tree in linen.trees:
        if structure.is_made(tree.plan.root):
            tree.plan.root.parts = {word: part for word, part in tree.plan.root.parts.items() if part is not one}
    dropped(linen.symbols, step)


IN_THE_TREE = "No Python object stands for a Haiku parameter: it is in the tree until its entry is deleted."

FEATURE = Feature(
    verbs=(Drop,),
    effects={"drop": dropped},
    tables={
        "python": Tables(code={"drop": in_python}),
        "equinox": Tables(code={"drop": in_equinox}),
        "nnx": Tables(
            code={"drop": in_nnx},
            lacks=(
                Lack(
                    "drop", lambda nnx, _: nnx.frames,
                    "A name of the script is dropped outside of functions: inside one it would be a name of the function's own.",
                ),
            ),
        ),
        "linen": Tables(
            code={"drop": in_linen}, effects={"drop": let_go}, missing={"alive": structure.NO_OBJECT},
        ),
        "haiku": Tables(missing={"drop": IN_THE_TREE, "alive": IN_THE_TREE}),
    },
)  # fmt: skip
