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

from canireuse.spec.problems import UsageError
from canireuse.spec.step import Step

GROUP = "canireuse.features"


@dataclass(frozen=True)
class Feature:
    """Verbs that belong together, and all that is known of them."""

    verbs: tuple[type[Step], ...]
    #: backend, or the family that several share -> its `Tables` of these verbs
    tables: Mapping[str, Any]
    #: verb -> what it does to the symbols, where that is not to bind a name
    effects: Mapping[str, Callable[[Any, Any], None]] = field(default_factory=dict)
    #: verb -> the object that it binds, where that is neither a copy nor an object of its own
    makes: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)


@cache
def features() -> tuple[Feature, ...]:
    """Return all features, in the order of their modules' names; raise UsageError if one cannot be loaded."""
    packages = sorted({point.value for point in entry_points(group=GROUP)})
    return tuple(feature_in(name) for package in packages for name in modules_of(package))


def modules_of(package: str) -> list[str]:
    """Return the names of the modules in a package; raise UsageError if there is no such package."""
    try:
        return [f"{package}.{module.name}" for module in iter_modules(import_module(package).__path__)]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a package of somebody else may raise anything, SystemExit too
        raise unloadable(package, error) from error


def feature_in(name: str) -> Feature:
    """Return the feature that a module has; raise UsageError if it has none, or cannot be imported."""
    try:
        found: object = import_module(name).FEATURE
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the same
        raise unloadable(name, error) from error
    if not isinstance(found, Feature):
        raise unloadable(name, TypeError(f"{found!r} is no Feature"))
    for model in found.verbs:
        if not (isinstance(model, type) and issubclass(model, Step) and isinstance(getattr(model, "verb", None), str)):
            raise unloadable(name, TypeError(f"{model!r} is no Step that says its `verb`"))
    return found


def unloadable(name: str, error: BaseException) -> UsageError:
    """Return the error for a module that is no feature."""
    return UsageError(
        f"the feature {name!r} cannot be loaded: {type(error).__name__}: {error}\n    expected: a module with a FEATURE, as CONTRIBUTING.md has it\n    to do: mend it, or remove it from the packages that the entry points `{GROUP}` name"
    )
