"""How each backend says a spec: one module a backend, found through the entry points `canireuse.adapters`."""

from importlib.metadata import entry_points

from canireuse.problems import UsageError, suggestion
from canireuse.translation import Adapter

GROUP = "canireuse.adapters"
#: the backends of this project, in the order in which they are shown
ORDER = ("reference", "tf1", "tf1-eager", "tf2", "keras", "linen", "nnx", "haiku", "equinox", "torch")
#: those that most people come with: of their cells, what share is worded is counted
CORE = ("tf1", "tf2", "keras", "linen", "nnx", "torch")


def names() -> list[str]:
    """Return the names of all backends, the reference model first, then the built-in order."""
    found = {point.name for point in entry_points(group=GROUP)}
    return [name for name in ORDER if name in found] + sorted(found.difference(ORDER))


def adapter(name: str) -> type[Adapter]:
    """Return the adapter class of a backend; raise UsageError if there is none of that name."""
    for point in entry_points(group=GROUP, name=name):
        try:
            loaded: type[Adapter] = point.load()
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"the backend {name!r} cannot be loaded: {error}\n    expected: a class at {point.value}\n    to do: install the package that offers it anew"
            ) from error
        return loaded
    raise UsageError(
        f"there is no backend {name!r}\n    expected: one of {', '.join(names())}\n    to do: {suggestion(name, names(), 'check the name')}"
    )
