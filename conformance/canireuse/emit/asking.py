"""Asking: what the engine asks of an adapter, and what it takes for an answer.

An adapter may be somebody else's, and may raise or return anything. Whatever it does becomes an AdapterFault here, so
that it is told as a result of the case, and loses no other.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from canireuse.emit.formatting import formatted
from canireuse.emit.one_place import COMPARES, expect_more
from canireuse.emit.script import Script, Unsupported
from canireuse.emit.since import lacking
from canireuse.emit.translation import Adapter
from canireuse.spec.model import Spec
from canireuse.spec.vocabulary import Expect, walk

WAYS: TypeAdapter[list[dict[str, str]]] = TypeAdapter(list[dict[str, str]], config=ConfigDict(strict=True))


SURROGATE = re.compile("[\ud800-\udfff]")


class AdapterFault(Exception):
    """An adapter raised, or answered what it must not; the message says where, and what."""


@contextmanager
def asked(what: str) -> Iterator[None]:
    """Make an AdapterFault of whatever the adapter raises, SystemExit too; only a refusal and Ctrl-C go through."""
    try:
        yield
    except (Unsupported, AdapterFault, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise AdapterFault(f"the adapter's `{what}` raised {type(error).__name__}: {in_words(error)}") from error


def in_words(error: BaseException) -> str:
    """Return the message of an exception; some have none that can be read."""
    try:
        return str(error).encode(errors="backslashreplace").decode()
    except Exception as why:  # noqa: BLE001  # whatever its __str__ raises
        return f"(no words: its __str__ raised {type(why).__name__})"


def wrong(what: str, answer: object, expected: str) -> AdapterFault:
    """Return the fault of an answer that is not what was expected."""
    return AdapterFault(f"the adapter's `{what}` answered {repr(answer)[:80]} where {expected} was expected")


def case_name(way: Mapping[str, str]) -> str:
    """Return what a way is called in the ids of its cases."""
    return "".join(f"+{word.replace(' ', '-')}" for word in way.values())


def is_text(value: object) -> bool:
    """Return whether all texts of a value can be written: half a surrogate pair cannot, and no results file would be."""
    if isinstance(value, Mapping):
        return all(is_text(key) and is_text(inside) for key, inside in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_text, value))
    return not isinstance(value, str) or value.isascii() or SURROGATE.search(value) is None


def ways_of(adapter: type[Adapter], spec: Spec) -> list[dict[str, str]]:
    """Return the ways in which a backend says a spec: one at least, each another; raise AdapterFault otherwise."""
    with asked("ways_of"):
        ways = adapter.ways_of(spec)
    try:
        names = {case_name(way) for way in WAYS.validate_python(ways)}
    except ValidationError:
        names = set()
    if not ways or len(names) != len(ways) or not is_text(ways):
        raise wrong("ways_of", ways, "a list of mappings, one at least and each of another name,")
    return ways


def script_of(
    adapter: type[Adapter],
    device: str,
    way: Mapping[str, str],
    packages: Mapping[str, str],
    spec: Spec,
    layout: Callable[[str], str] = formatted,
) -> Script:
    """Return the script for a spec; raise Unsupported if the backend has no words for it, or not yet, AdapterFault otherwise.

    `layout` lays the text out, which takes as long as writing it: who reads no script leaves it as it is.
    """
    with asked("translate"):
        script = adapter(device, way, packages).translate(spec)
    if not isinstance(script, Script):
        raise wrong("translate", script, "a Script")
    with asked("translate"):
        script.text.encode()
        labels = [tuple(map(str, one)) for one in (script.idioms, script.one_place)]
        script = Script(layout(script.text), *labels)
        "".join(sum(labels, ())).encode()
        try:
            late = lacking(script.text, adapter.table("since"), packages)
        except (SyntaxError, ValueError):  # it will say so when it runs
            late = None
    if late:
        raise Unsupported(late)
    if not script.one_place:
        return script
    may_be = {step.expect for step in walk(spec.steps) if isinstance(step, Expect) and step.kind in COMPARES}
    if not may_be.issuperset(script.one_place):
        raise wrong("translate", script.one_place, f"a `one_place` of labels of {', '.join(sorted(COMPARES))}")
    expect_more(adapter.title, spec, script.one_place)
    return script


def probe_of(adapter: type[Adapter], device: str) -> str:
    """Return the script that finds out where variables are; raise AdapterFault if the adapter has none."""
    with asked("probe"):
        probe = adapter.probe(device)
    if not isinstance(probe, str) or not is_text(probe):
        raise wrong("probe", probe, "a script")
    return probe


def edition_of(adapter: type[Adapter], packages: Mapping[str, str]) -> str:
    """Return the edition of the framework that is here, empty for the usual one; raise AdapterFault if the adapter cannot tell."""
    with asked("edition"):
        edition = adapter.edition(packages)
    if not isinstance(edition, str) or not is_text(edition):
        raise wrong("edition", edition, "a text")
    return edition


def kind_of(adapter: type[Adapter], error: Mapping[str, Any]) -> str | None:
    """Return the kind of refusal that an exception is, None if it is of no kind; raise AdapterFault if the adapter cannot tell."""
    with asked("kind_of"):
        kind = adapter.kind_of(error)
    if not isinstance(kind, str | None) or not is_text(kind):
        raise wrong("kind_of", kind, "a kind of refusal or None")
    return kind


def flaw_of(adapter: type[Adapter]) -> str | None:
    """Return what is wrong with what an adapter says of itself, None if it is as its base class has it."""
    for name, hint in get_type_hints(Adapter).items():
        if get_origin(hint) is ClassVar:
            try:
                value = getattr(adapter, name)
                TypeAdapter(get_args(hint)[0]).validate_python(value, strict=True)
                if not is_text(value):
                    return f"its `{name}` is no text that can be written: {repr(value)[:80]}"
            except AttributeError:
                return f"it has no `{name}`"
            except ValidationError:
                return f"its `{name}` is {repr(value)[:80]}"
    for patterns in adapter.errors.values():
        for _, pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                return f"its `errors` have the pattern {pattern!r}: {error}"
    return None
