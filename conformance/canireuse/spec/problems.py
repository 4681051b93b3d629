"""What is wrong with an input, told in three parts: what happened, what was expected, what to do."""

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from canireuse.spec.bounds import MOST_LISTED, MOST_PROBLEMS

#: among how many known words one is sought that is near
MOST_KNOWN = 2_000


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong at one place; `line` and `column` count from 1, and are 0 where there is no place."""

    path: Path
    line: int
    column: int
    happened: str
    expected: str
    advice: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}:{self.column}: " if self.line else f"{self.path}: "
        return f"{place}{self.happened}\n    expected: {self.expected}\n    to do: {self.advice}"


class InputError(Exception):
    """Input that cannot be used; nothing was run and nothing that existed was changed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


class UsageError(Exception):
    """An option or argument that names something unknown."""


class FileTaken(UsageError):
    """A file that another run is writing to."""


def no_more(problem: Problem) -> Problem:
    """Return the problem that stands for all further ones of a file, at the place of the last that is told."""
    happened = f"these are {MOST_PROBLEMS} problems of this file; others are not told"
    return Problem(problem.path, problem.line, problem.column, happened, "fewer of them", "correct these first")


def listed(names: Collection[str]) -> str:
    """Return names with commas between, the first of many."""
    more = len(names) - MOST_LISTED
    return ", ".join(islice(names, MOST_LISTED)) + (f" and {more} more" if more > 0 else "")


def suggestion(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return `did you mean ...?` if a known word is near, else the advice given."""
    near = difflib.get_close_matches(word[:100], list(islice(known, MOST_KNOWN)), n=1)
    return f"did you mean {near[0]!r}?" if near else otherwise
