"""Strict YAML with places: every value knows its line and column, and nothing is guessed.

Scalars follow YAML 1.2 (`no` and `10:30` are text), duplicate keys, tags, anchors, aliases and control
characters are refused. PyYAML parses, with libyaml where it has it; only the walk over the events is ours. What libyaml
refuses is parsed again without it, so that the answers are the same everywhere.
"""

import math
import re
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from canireuse.spec.bounds import DEEPEST, LONGEST_NUMBER, MOST_BYTES
from canireuse.spec.problems import InputError, Problem

Loc = tuple[Hashable, ...]
Places = dict[Loc, tuple[int, int]]


PARSER: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
#: what libyaml takes and PyYAML does not: tabs and byte order marks inside, a comment that touches the mark of a block
LENIENT = re.compile(r"[\t\ufeff]|[|>][-+0-9]*#")
#: where a flow collection may begin: PyYAML takes no question mark in it
FLOW = re.compile(r"[\[{]")
#: what a terminal obeys, what ends a line of a results file, and halves of characters, which no file can hold
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
#: of what YAML writes as a number without being one of its values: a character that there is not, and a long version
ABSURD = re.compile(r"\\U(?!000|0010)[0-9A-Fa-f]{8}|[0-9]{4000}")
#: how a file begins -> its encoding
MARKS = {b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
INTEGER = re.compile(r"[-+]?[0-9]+")
WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


def read(path: Path) -> tuple[Any, Places, str]:
    """Return the data of a file, the place (line, column from 1) of each value, and the text.

    Raises InputError with one problem at its place if the file is not strict YAML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        happened = f"the file cannot be read: {error}"
        raise InputError([Problem(path, 0, 0, happened, "a text file in UTF-8", "check the path")]) from None
    if len(data) > MOST_BYTES:
        happened, expected = f"the file has more than {MOST_BYTES} bytes", f"at most {MOST_BYTES} bytes"
        raise InputError([Problem(path, 1, 1, happened, expected, "make several files of it")])
    text = decode(path, data).replace("\r\n", "\n").replace("\r", "\n")
    return *parse(path, text), text


def decode(path: Path, data: bytes) -> str:
    """Return the text of a file; raise InputError at the first byte that is none, with the encoding that it is likely in."""
    mark = next((name for mark, name in MARKS.items() if data.startswith(mark)), "")
    try:
        text, start = data.decode("utf-8"), data.find(b"\0")
    except UnicodeDecodeError as error:
        text, start = "", error.start
    if not mark and start < 0:
        return text
    start = 0 if mark else start
    likely = mark or ("UTF-16, or no text at all" if b"\0" in data else "Latin-1 or Windows-1252")
    before = data[:start].decode("utf-8", errors="replace")
    happened = f"the file cannot be read: the byte 0x{data[start]:02X} is no text in UTF-8; it is likely {likely}"
    raise InputError([spot(path, before, len(before), happened, "a text file in UTF-8", "save the file as UTF-8")])


def spot(path: Path, text: str, index: int, happened: str, expected: str, advice: str) -> Problem:
    """Return the problem that stands at an index of a text."""
    line, column = text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
    return Problem(path, line, column, happened, expected, advice)


def parse(path: Path, text: str) -> tuple[Any, Places]:
    """Return the data of a text and the place of each value; raise InputError if it is not strict YAML."""
    control = CONTROL.search(text)
    if control:
        happened, expected = f"the character U+{ord(control[0]):04X} stands here", "text that can be printed"
        raise InputError([spot(path, text, control.start(), happened, expected, "remove it: it cannot be seen")])
    flow = FLOW.search(text)
    lenient = LENIENT.search(text) or (flow and "?" in text[flow.start() :])
    if PARSER is not yaml.SafeLoader and not lenient:
        # what libyaml refuses, PyYAML takes now and then, or words otherwise
        with suppress(yaml.YAMLError, InputError):
            return walk(path, text, PARSER)
    try:
        return walk(path, text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        advice = "check indentation, quotes and colons near this place"
        problem = Problem(path, line, column, f"this is not YAML: {error.problem}", "valid YAML", advice)
        raise InputError([problem]) from None
    except (ValueError, OverflowError):  # a number that PyYAML makes of an escape or of a directive
        problem = spot(path, text, absurd(text), "this is not YAML: a number is too large", "valid YAML", "remove it")
        raise InputError([problem]) from None
    except yaml.YAMLError as error:
        happened = f"this is not YAML: {error}"
        raise InputError([Problem(path, 1, 1, happened, "valid YAML", "save the file as UTF-8 text")]) from None


def absurd(text: str) -> int:
    """Return where a character stands that there is not, or a version that is no number."""
    found = ABSURD.search(text)
    return found.start() if found else 0


def walk(path: Path, text: str, parser: Any) -> tuple[Any, Places]:
    """Return what `parse` does, by one of PyYAML's parsers; raise YAMLError where it finds no YAML."""
    walked = Walk(path, parser(text).get_event)
    return walked.document(), walked.places


class Walk:
    """Walks over the events of a text: makes the value, notes the place of each value and each key."""

    def __init__(self, path: Path, event: Callable[[], yaml.Event]) -> None:
        self.path, self.next = path, event
        self.places: Places = {}

    def document(self) -> Any:
        """Return the value of the one document; refuse a text that has none, or several."""
        self.next()  # the stream begins
        if isinstance(self.next(), yaml.StreamEndEvent):
            happened, expected = "the file is empty", "a mapping that begins with `title:`"
            raise InputError([Problem(self.path, 1, 1, happened, expected, "write a spec, or delete the file")])
        value = self.value(self.next(), (), 0)
        if value is None:  # parsers differ in where nothing stands
            self.places[()] = (1, 1)
        self.next()  # the document ends
        after = self.next()
        if not isinstance(after, yaml.StreamEndEvent):
            happened, expected = "a second document begins here", "one document in a file"
            raise InputError([at(self.path, after, happened, expected, "put it into a file of its own")])
        return value

    def value(self, event: yaml.Event, loc: Loc, depth: int) -> Any:
        """Return the value that begins with an event."""
        self.refuse(event)
        self.places[loc] = place_of(event)
        if isinstance(event, yaml.ScalarEvent):
            return scalar(self.path, event)
        if depth == DEEPEST:
            happened = f"this lies more than {DEEPEST} levels deep"
            raise InputError([at(self.path, event, happened, "flatter data", "nest less")])
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(item := self.next(), yaml.SequenceEndEvent):
                items.append(self.value(item, (*loc, len(items)), depth + 1))
            return items
        mapping: dict[str, Any] = {}
        while not isinstance(key := self.next(), yaml.MappingEndEvent):
            name = self.key(key, mapping)
            mapping[name] = self.value(self.next(), (*loc, name), depth + 1)
            self.places[(*loc, name, "key")] = place_of(key)
            if mapping[name] is None:
                self.places[(*loc, name)] = place_of(key)
        return mapping

    def key(self, event: yaml.Event, before: dict[str, Any]) -> str:
        """Return a key; refuse one that is no text, or stands there already."""
        self.refuse(event)
        if not isinstance(event, yaml.ScalarEvent):
            happened, advice = "a key that is no text stands here", "write a plain word before the colon"
            raise InputError([at(self.path, event, happened, "a word as key", advice)])
        name = text_of(self.path, event)
        if name in before:
            happened = f"the key {name!r} stands here a second time"
            raise InputError([at(self.path, event, happened, "each key once", "remove one of the two")])
        return name

    def refuse(self, event: Any) -> None:
        """Raise InputError for what YAML has and a spec must not."""
        if event.anchor is not None:  # an alias has one too
            happened, expected = "an anchor or alias stands here", "values spelled out where they are used"
            raise InputError([at(self.path, event, happened, expected, "write the value again")])
        if getattr(event, "tag", None) is not None:
            happened, expected = f"the tag {event.tag!r} stands here", "plain mappings, lists, texts and numbers"
            advice = "remove the tag: a spec is data and makes no objects"
            raise InputError([at(self.path, event, happened, expected, advice)])


def place_of(event: yaml.Event) -> tuple[int, int]:
    """Return where an event begins: line and column, from 1."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def at(path: Path, event: yaml.Event, happened: str, expected: str, advice: str) -> Problem:
    """Return the problem that stands where an event begins."""
    return Problem(path, *place_of(event), happened, expected, advice)


def text_of(path: Path, event: yaml.ScalarEvent) -> str:
    """Return the text of a scalar; refuse one in which an escape makes a control character."""
    text = str(event.value)
    control = CONTROL.search(text) if event.style == '"' else None
    if control:
        happened = f"an escape in this text makes the character U+{ord(control[0]):04X}"
        raise InputError([at(path, event, happened, "text that can be printed", "remove it: it cannot be seen")])
    return text


def scalar(path: Path, event: yaml.ScalarEvent) -> Any:
    """Return the value of a scalar as YAML 1.2's core schema has it; refuse a number that no results file could hold."""
    text = text_of(path, event)
    if not event.implicit[0]:  # quoted, or a block
        return text
    if text in WORDS:
        return WORDS[text]
    if not NUMBER.fullmatch(text):
        return text
    if len(text) > LONGEST_NUMBER or not math.isfinite(float(text)):
        expected = f"a finite number of at most {LONGEST_NUMBER} characters"
        raise InputError([at(path, event, "this number is too large", expected, "write a smaller one")])
    return int(text) if INTEGER.fullmatch(text) else float(text)
