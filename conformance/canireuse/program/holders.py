"""Holders: the owner that a loss takes, so that it reaches what it is differentiated by along the places' own paths.

What a function captures is a constant to a transformation, silently; so a loss takes one owner of all that it is to see, and
two places of the spec stay two places in it, whatever stands there.
"""

from collections.abc import Iterable, Mapping, Sequence

from canireuse.program.objects import Object
from canireuse.program.symbols import Symbols

Route = tuple[str, ...]


def through(symbols: Symbols, held: Object, place: str) -> Route | None:
    """Return the way from an owner to a place whose first name stands in it, along the place's own path; None if it does not."""
    first, *rest = place.split(".")
    found = symbols.names.get(first)
    if found is None or found.kind == "tensor":
        return None
    routes = list(held.routes(found))
    alike = [route for route in routes if route[-1:] == (first,)]
    return next(((*route, *rest) for route in (*alike, *routes)), None)


def touching(symbols: Symbols, places: Iterable[str], wanted: Mapping[Object, None]) -> list[str]:
    """Return the places, each once, at which one of some variables stands; what is called stands for its layers."""
    touched: dict[str, None] = {}
    for place in places:
        found = symbols.at(place)
        if found is not None and not wanted.keys().isdisjoint(found.variables()):
            layers = found.layers() if found.only_layers() else [((), found)]
            inside = [route for route, one in layers if not wanted.keys().isdisjoint(one.variables())]
            touched |= {".".join((place, *route)): None for route in inside}
    return list(touched)


def holds(symbols: Symbols, top: str, held: Object, touched: Sequence[str]) -> bool:
    """Return whether an owner of a name holds all places that are touched, two places as two."""
    ways = [
        tuple(place.split(".")[1:]) if place.partition(".")[0] == top else through(symbols, held, place)
        for place in touched
    ]
    return None not in ways and len(set(ways)) == len(ways)


def holder(
    symbols: Symbols,
    owners: Mapping[str, Object],
    wanted: Mapping[Object, None],
    touched: Sequence[str],
    first: Iterable[str] = (),
    *,
    bare: bool = False,
) -> str | None:
    """Return the name of the smallest owner that holds some variables and all places that are touched; None if there is none.

    The names that come `first` are preferred, then those that the places begin with; with `bare`, a variable holds itself.
    """
    tops = [place.partition(".")[0] for place in (*first, *touched)]
    for one in dict.fromkeys([*tops, *sorted(owners, key=lambda name: len(owners[name].variables()))]):
        owner = owners.get(one)
        if owner is None or not (owner.is_owner or (bare and owner.kind == "variable")):
            continue
        if wanted.keys() <= owner.variables().keys() and holds(symbols, one, owner, touched):
            return one
    return None
