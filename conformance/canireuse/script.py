"""Scripts: how the lines of one are written, and what is known of one that is written."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

INDENT = "    "
#: a line that observes a write through another name, or whether two names are one object
COMPARED = re.compile(
    r"observe\('(?P<label>[a-z0-9-]+)', (?:\{'before': before, 'after': )?(?P<one>.+)(?:, 'written': | is )(?P<other>.+?)\}?\)$",
    re.MULTILINE,
)
OBSERVE = "def observe(label, value):\n    print(label, repr(value), sep=': ')\n"
#: what turns the measured loops of a standalone script: each once, three times over
MEASURE = """\
from time import perf_counter


def rounds():
    return range(3)


def measure(label, size=None, fence=lambda: None):
    started = perf_counter()
    yield
    fence()
    print(label, size or "", perf_counter() - started, "seconds")

"""


class Unsupported(Exception):
    """The framework has no words for a step; the message is the reason, one sentence."""


@dataclass(frozen=True)
class Script:
    """What an adapter made of a spec: the bytes that run, and which of its wording is idiom."""

    text: str
    idioms: tuple[str, ...] = ()
    #: the labels of what is compared with itself: two names of the spec are one place in these words
    by_construction: tuple[str, ...] = ()

    @property
    def standalone(self) -> str:
        """The script with a two-line `observe` on top, so that it needs only the framework; measured loops print their seconds."""
        return f"{OBSERVE}\n{MEASURE if 'in rounds():' in self.text else ''}{self.text}"


def compared_with_itself(text: str) -> tuple[str, ...]:
    """Return the labels of what a script compares with itself."""
    return tuple(found["label"] for found in COMPARED.finditer(text) if found["one"] == found["other"])


class Writing:
    """Writes the lines of a script."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0
        #: import lines of Python's own modules, which stand above the framework's
        self.standard: set[str] = set()
        self.idioms: list[str] = []

    def import_first(self, line: str) -> None:
        """Have a module of Python's own imported above the framework."""
        self.standard.add(line)

    def write(self, line: str = "") -> None:
        """Write one line at the current depth."""
        self.lines.append(f"{INDENT * self.depth}{line}" if line else "")

    @contextmanager
    def block(self, line: str) -> Iterator[None]:
        """Write the line that opens a block; what is written inside is indented, at least `pass`."""
        self.write(line)
        self.depth += 1
        start = len(self.lines)
        yield
        if len(self.lines) == start:
            self.write("pass")
        self.depth -= 1

    def idiom(self, note: str) -> None:
        """Mark the wording as an idiom: a few lines users write, where no one call has the meaning."""
        self.idioms.append(note)

    def bind(self, name: str | None, value: str) -> None:
        """Write `name = value`, or the value alone if nothing is bound."""
        self.write(f"{name} = {value}" if name else value)
