"""Features: rare verbs, each in one file with what it means and how every framework says it.

A feature is a module with a `FEATURE`, in a package that an entry point `canireuse.features` names; a further file in that
package is a further feature.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import Any

from canireuse.step import Step

GROUP = "canireuse.features"


@dataclass(frozen=True)
class Feature:
    """Verbs that belong together, and all that is known of them."""

    verbs: tuple[type[Step], ...]
    #: backend, or the family that several share -> its `Tables` of these verbs
    said: Mapping[str, Any]
    #: verb -> what it does to the symbols, where that is not to bind a name
    effects: Mapping[str, Callable[[Any, Any], None]] = field(default_factory=dict)
    #: verb -> the object that it binds, where that is neither a copy nor an object of its own
    makes: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)


@cache
def features() -> tuple[Feature, ...]:
    """Return all features, those of this project first, in the order of their names."""
    packages = [point.load() for point in sorted(entry_points(group=GROUP), key=lambda point: point.value)]
    names = [f"{package.__name__}.{module.name}" for package in packages for module in iter_modules(package.__path__)]
    return tuple(import_module(name).FEATURE for name in names)
