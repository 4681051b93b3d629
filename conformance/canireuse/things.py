"""What the names of a spec stand for while its references are checked: a kind, and what is inside under which name."""

import copy
from dataclasses import dataclass, field

from canireuse.vocabulary import Layer, Wrap

#: kind of layer -> its variables; with `bias:` there is a bias too
PARTS = {
    "dense": ("kernel",),
    "embedding": ("kernel",),
    "norm": ("kernel", "mean", "var"),
    "cell": ("kernel", "recurrent"),
}


@dataclass(eq=False)
class Thing:
    """What a name or a member stands for. Two places of one thing are tied."""

    kind: str
    #: what is inside; None where that is not known
    members: "dict[str, Thing] | None" = field(default_factory=dict)
    #: of a function: how many values a call takes, how many steps it runs, what it returns
    takes: int = 0
    runs: int = 0
    returns: "Thing | None" = None


def extent(thing: Thing, known: dict[Thing, tuple[int, int]]) -> tuple[int, int]:
    """Return how many places a thing is, itself and those inside, and how deep they lie; `known` holds what was counted before."""
    if thing not in known:
        inside = [extent(member, known) for member in (thing.members or {}).values()]
        known[thing] = 1 + sum(places for places, _ in inside), 1 + max((depth for _, depth in inside), default=0)
    return known[thing]


def unknown() -> Thing:
    """Return a thing of which nothing is known."""
    return Thing("result", None)


def layer(step: Layer) -> Thing:
    """Return a layer with its variables."""
    parts = (*PARTS[step.layer], *(["bias"] if step.bias is not None else []))
    return Thing("layer", {part: Thing("variable") for part in parts})


def wrapper(step: Wrap, inner: Thing) -> Thing:
    """Return a wrapper: what it wraps has a name there, and what is inside that may be named without it."""
    if step.inside == "bidirectional":
        return Thing("layer", {"forward": inner, "backward": copy.deepcopy(inner)})
    return Thing("layer", {**(inner.members or {}), "cell" if step.inside == "rnn" else "layer": inner})


def replica(thing: Thing, *, shallow: bool = False) -> Thing:
    """Return a copy: what is shared inside stays so; a shallow one shares all that is inside."""
    members = thing.members if thing.members is None else dict(thing.members)
    return Thing("copy", members if shallow else copy.deepcopy(members))


def either(one: Thing, other: Thing) -> Thing:
    """Return what stands for one of two things, where it is not known which."""
    if one.members is None or other.members is None:
        return unknown()
    kind = other.kind if one.kind == other.kind else "result"
    return Thing(kind, {**one.members, **other.members})
