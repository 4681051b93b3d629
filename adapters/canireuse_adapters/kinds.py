"""Ways that are about one kind of object: which of them a spec is to be said in, its own words tell."""

from canireuse.emit import Adapter, Emitter, Unsupported
from canireuse.spec.model import Spec
from canireuse.spec.vocabulary import Restore

#: of `get.asks`
NAME_ALONE = (
    "A variable is looked up by its name alone, so that there is no further argument which could be obeyed or dropped."
)
#: of `expect.under`
NO_LIST_BY_NAME = "No list of variables takes the name of a scope: a module is asked for what it holds."


class OtherKind(Unsupported):
    """A way of copying or saving that is about another kind of object than the one at hand."""


def fits(adapter: type[Adapter], spec: Spec, way: dict[str, str], told: set[str]) -> bool:
    """Return whether a way is about the kind of object at hand, and says what no other way has `told` already."""
    try:
        adapter("cpu", way).translate(spec)
    except OtherKind:
        return False
    except Unsupported as reason:
        if str(reason) in told:
            return False
        told.add(str(reason))
    return True


def fitting(adapter: type[Adapter], spec: Spec, ways: list[dict[str, str]], told: set[str]) -> list[dict[str, str]]:
    """Return the ways that fit, the first if none does; a script is written for each, so that one alone is not asked."""
    return [way for way in ways if len(ways) == 1 or fits(adapter, spec, way, told)] or ways[:1]


def in_memory(adapter: Emitter, step: Restore) -> bool:
    """Return whether what is restored was kept in memory and not in a file."""
    return bool(vars(adapter.symbols.names[step.given_by].made).get("in_memory"))
