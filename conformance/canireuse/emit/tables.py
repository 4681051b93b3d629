"""Tables: in what words an adapter says which verb, what that does, and what it has no words for."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from canireuse.program import Fate

Code = Mapping[str, str | Callable[[Any, Any], None]]
Reads = Mapping[str, str | Callable[[Any, Any], ast.expr]]
Effects = Mapping[str, Callable[[Any, Any], None]]
Setup = Mapping[str, str | Callable[[Any], str]]
Places = Mapping[str, Callable[[Any, str], ast.expr]]


class Lack(NamedTuple):
    """What a framework has no words for in some cases of a verb, of `verb/way`, or of several."""

    verb: str | tuple[str, ...]
    when: Callable[[Any, Any], object]
    reason: str


@dataclass(frozen=True)
class Tables:
    """What a backend, or a family of them, says of the verbs of one feature: each field is a table of `Emitter`, or of `Adapter`."""

    code: Code = field(default_factory=dict)
    effects: Effects = field(default_factory=dict)
    fates: Mapping[str, Fate] = field(default_factory=dict)
    places: Places = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    setup: Setup = field(default_factory=dict)
    lacks: tuple[Lack, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    ways: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    since: Mapping[str, str] = field(default_factory=dict)
    also: str = ""
