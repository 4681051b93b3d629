"""How each backend says a spec: one module a backend, found through the entry points `canireuse.adapters`."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from canireuse.emit import Adapter
from canireuse.emit.asking import flaw_of
from canireuse.spec.problems import UsageError, suggestion

GROUP = "canireuse.adapters"
#: the backends of this project, in the order in which they are shown
ORDER = ("reference", "tf1", "tf1-eager", "tf2", "keras", "linen", "nnx", "haiku", "equinox", "torch")
#: those that most people come with: of their cells, what share is worded is counted
CORE = ("tf1", "tf2", "keras", "linen", "nnx", "torch")


@cache
def points() -> dict[str, EntryPoint]:
    """Return the entry point of each backend, the first of two of one name; to look through all packages takes a while."""
    return {point.name: point for point in reversed([*entry_points(group=GROUP)])}


def names() -> list[str]:
    """Return the names of all backends, the reference model first, then the built-in order."""
    found = set(points())
    return [name for name in ORDER if name in found] + sorted(found.difference(ORDER))


def unloadable(name: str, why: str, place: str) -> UsageError:
    """Return the error for a backend whose entry point leads to no adapter."""
    return UsageError(
        f"the backend {name!r} cannot be loaded: {why}\n    expected: a class that inherits from canireuse.emit.Adapter, and says of itself what that asks for, at {place}\n    to do: install the package that offers it anew, or remove it"
    )


def loadable() -> tuple[dict[str, type[Adapter]], dict[str, str]]:
    """Return the adapter of each backend that can be loaded, and why each of the others cannot."""
    found, refused = {}, {}
    for name in names():
        try:
            found[name] = adapter(name)
        except UsageError as error:
            refused[name] = str(error)
    return found, refused


@cache
def adapter(name: str) -> type[Adapter]:
    """Return the adapter class of a backend; raise UsageError if there is none of that name, or it cannot be loaded."""
    if name not in points():
        raise UsageError(
            f"there is no backend {name!r}\n    expected: one of {', '.join(names())}\n    to do: {suggestion(name, names(), 'check the name')}"
        )
    point = points()[name]
    try:
        found: object = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a package of somebody else may raise anything, SystemExit too
        raise unloadable(name, f"{type(error).__name__}: {error}", point.value) from error
    if not (isinstance(found, type) and issubclass(found, Adapter)):
        raise unloadable(name, f"{found!r} is no adapter", point.value)
    if flaw := flaw_of(found):
        raise unloadable(name, flaw, point.value)
    return found
