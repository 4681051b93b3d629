"""Models apart in Flax Linen: several that are handed one layer, and that no module holds, each with an `init` and a tree of its own."""

from typing import TYPE_CHECKING

from canireuse.program import Object, places_of
from canireuse.spec.model import Spec
from canireuse.spec.vocabulary import Layer, Module, walk
from canireuse_adapters.linen.layers import is_layer

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen

WAYS = ("one-parent", "init-apart")
#: verbs of specs whose models may be apart: their steps name one model each
OF_ONE_MODEL = frozenset({
    "layer", "module", "initialize", "assign", "call", "save", "restore", "copy", "drop", "hold", "train", "expect",
})  # fmt: skip


def handed(spec: Spec) -> set[str]:
    """Return the layers that are handed to several models which nothing in the spec holds, and that no step names without a model."""
    steps = list(walk(spec.steps))
    modules = [step for step in steps if isinstance(step, Module)]
    inside = {place for step in modules for place in step.members.values()}
    models = [{*step.members.values()} for step in modules if step.module not in inside]
    layers = {step.as_ for step in steps if isinstance(step, Layer)}
    named = {place for step in steps if not isinstance(step, Module) for place in places_of(step)}
    bare = {place for place in named if place.partition(".")[0] in layers}
    found = {one for one in layers if sum(one in members for members in models) > 1}
    others = any(step.verb not in OF_ONE_MODEL for step in steps)
    return set() if others or any(place.partition(".")[0] in found for place in bare) else found


def made_outside(linen: "Linen") -> frozenset[Object]:
    """Return the layers that the script makes and hands to its models, where each of these has a tree of its own."""
    if linen.way.get("module") != "init-apart":
        return frozenset()
    models = [one for one in linen.symbols.names.values() if one.kind == "module"]
    members = [one for model in models for one in {*model.parts.values()} if is_layer(one)]
    return frozenset(one for one in members if members.count(one) > 1)
