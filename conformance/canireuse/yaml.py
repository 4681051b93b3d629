"""Strict YAML with places: every value knows its line and column, and nothing is guessed.

Scalars follow YAML 1.2 (`no` and `10:30` are text), duplicate keys, tags, anchors and aliases are
refused. PyYAML composes the nodes; only the walk over them is ours.
"""

import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from canireuse.problems import InputError, Problem

#: How deep mappings and lists may lie in one another; composing them recurses.
DEEPEST = 60
LONGEST_NUMBER = 40
Loc = tuple[Hashable, ...]
Places = dict[Loc, tuple[int, int]]


class Loader(yaml.SafeLoader):
    """A loader that resolves scalars as YAML 1.2's core schema does."""

    yaml_implicit_resolvers: dict[str, Any] = {}


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", ["t", "f"]),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def read(path: Path) -> tuple[Any, Places, str]:
    """Return the data of a file, the place (line, column from 1) of each value, and the text.

    Raises InputError with one problem at its place if the file is not strict YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        happened, expected = f"the file cannot be read: {error}", "a text file in UTF-8"
        raise InputError([Problem(path, 0, 0, happened, expected, "check the path and the encoding")]) from None
    root = compose(path, text)
    if root is None:
        happened, expected = "the file is empty", "a mapping that begins with `title:`"
        raise InputError([Problem(path, 1, 1, happened, expected, "write a spec, or delete the file")])
    places: Places = {}
    return construct(path, root, (), places), places, text


def compose(path: Path, text: str) -> yaml.Node | None:
    """Return the root node of a text, None if it is empty; refuse what is not strict YAML."""
    try:
        depth = 0
        for event in yaml.parse(text, Loader=Loader):
            refuse_event(path, event)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise InputError(
                    [at(path, event, f"this lies more than {DEEPEST} levels deep", "flatter data", "nest less")]
                )
        return yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        advice = "check indentation, quotes and colons near this place"
        problem = Problem(path, line, column, f"this is not YAML: {error.problem}", "valid YAML", advice)
        raise InputError([problem]) from None
    except yaml.YAMLError as error:
        happened = f"this is not YAML: {error}"
        raise InputError([Problem(path, 1, 1, happened, "valid YAML", "save the file as UTF-8 text")]) from None


def at(path: Path, found: yaml.Event | yaml.Node, happened: str, expected: str, advice: str) -> Problem:
    """Return the problem that stands where an event or a node begins."""
    mark = found.start_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(path, line, column, happened, expected, advice)


def refuse_event(path: Path, event: yaml.Event) -> None:
    """Raise InputError for what YAML has and a spec must not."""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        happened, expected = "an anchor or alias stands here", "values spelled out where they are used"
        raise InputError([at(path, event, happened, expected, "write the value again")])
    tag = getattr(event, "tag", None)
    if tag and not (isinstance(event, yaml.ScalarEvent) and event.implicit[1]):
        happened, expected = f"the tag {tag!r} stands here", "plain mappings, lists, texts and numbers"
        raise InputError([at(path, event, happened, expected, "remove the tag: a spec is data and makes no objects")])


def construct(path: Path, node: yaml.Node, loc: Loc, places: Places) -> Any:
    """Return the value of a node and note the place of each value and each key below it."""
    places[loc] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.SequenceNode):
        return [construct(path, item, (*loc, index), places) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                happened, advice = "a key that is no text stands here", "write a plain word before the colon"
                raise InputError([at(path, key_node, happened, "a word as key", advice)])
            key = key_node.value
            if key in mapping:
                happened = f"the key {key!r} stands here a second time"
                raise InputError([at(path, key_node, happened, "each key once", "remove one of the two")])
            mapping[key] = construct(path, value_node, (*loc, key), places)
            places[(*loc, key, "key")] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        return mapping
    return scalar(path, node)


def scalar(path: Path, node: yaml.Node) -> Any:
    """Return the value of a scalar; refuse a number that no results file could hold."""
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind == "null":
        return None
    if kind == "bool":
        return node.value == "true"
    if kind in {"int", "float"}:
        if len(node.value) > LONGEST_NUMBER or not math.isfinite(float(node.value)):
            expected = f"a finite number of at most {LONGEST_NUMBER} characters"
            raise InputError([at(path, node, "this number is too large", expected, "write a smaller one")])
        return int(node.value) if kind == "int" else float(node.value)
    return str(node.value)
