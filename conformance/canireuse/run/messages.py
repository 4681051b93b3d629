"""Messages: what a host answers, checked before anything of it is believed.

A script has its host's process to itself and can do to it what it likes. Whatever comes over the channel that is not
exactly an answer to what was asked raises UnexpectedAnswer: the host cannot be trusted any more.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

#: levels of lists and mappings in an observation: pydantic writes no more than 255
DEEPEST_VALUE = 100
#: the largest whole number that a float can be compared with
LARGEST_WHOLE = 2**1023
#: how much of what was answered is shown where it was no answer, in bytes
SHOWN = 80


class UnexpectedAnswer(Exception):
    """A host answered what it was not asked; the message says what."""


class Part(BaseModel):
    """A part of a message; nothing is converted, and nothing may stand beside what is known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Raised(Part):
    """An exception as data; `through` names the packages that it came through, `by` the one that raised it, `name` a module that was not found."""

    type: str
    module: str
    bases: list[str]
    message: str
    line: int | None
    through: list[str]
    by: str
    name: str | None


def check_value(value: Any) -> Any:
    """Return an observed value; raise ValueError for one that no record can hold, or that only looks like what a host makes."""
    check_depth(value)
    if isinstance(value, dict):
        if "error" in value:
            Raised.model_validate(value["error"])
        if value.keys() == {"cut", "last"} and not isinstance(value["last"], str):
            raise ValueError("the end of what was cut is a text")
    return value


def check_depth(value: Any, depth: int = 0) -> None:
    """Raise ValueError for lists that lie too deep in one another, and for numbers that are too large to be compared."""
    if depth > DEEPEST_VALUE:
        raise ValueError(f"more than {DEEPEST_VALUE} levels deep")
    if isinstance(value, dict | list):
        for inside in value.values() if isinstance(value, dict) else value:
            check_depth(inside, depth + 1)
    elif isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise ValueError("a number that is too large")


class Observed(Part):
    """An observation, as it was made."""

    label: str
    value: Annotated[Any, AfterValidator(check_value)]


class Heard(Part):
    """A warning, with the line of the script at which it was given."""

    category: str
    message: str
    line: int | None


class Printed(Part):
    """A piece of what a block of a document printed, with the lines of the document that were running, the innermost first; `below` is past Python."""

    lines: list[int]
    text: str
    stream: Literal["stdout", "stderr", "below"]


class Met(Part):
    """What became of the statement of a promise, whose line this is: it was reached, raised, or has passed."""

    line: int
    error: Raised | None
    passed: bool


class Late(Part):
    """The line of the document at which the time of a block was over, None where that is not known."""

    line: int | None


class Interpreter(Part):
    """What the process of a host is: interpreter, machine, packages, threads."""

    python: str
    platform: str
    processors: int | None
    threads: dict[str, str]
    packages: dict[str, str]


class Finished(Part):
    """The end of a script; the environment is told after imports alone."""

    error: Raised | None
    warnings: list[Heard]
    seconds: float
    environment: Interpreter | None


class Message(Part):
    """One answer of a host: to which request, and one of what there is to say."""

    id: int
    began: bool | None = None
    observed: Observed | None = None
    waiting: dict[str, Any] | None = None
    printed: Printed | None = None
    met: Met | None = None
    late: Late | None = None
    finished: Finished | None = None

    @model_validator(mode="after")
    def check_one(self) -> "Message":
        """Refuse a message that says nothing, or several things."""
        said = [name for name in self.model_fields_set - {"id"} if getattr(self, name) is not None]
        if len(said) != 1 or len(self.model_fields_set) != len(said) + 1:
            raise ValueError("a message says one thing")
        return self


def message(line: bytes, asked: int) -> Message:
    """Return the message that a line is; raise UnexpectedAnswer if it is none, or answers another request than `asked`."""
    try:
        found = Message.model_validate(json.loads(line, parse_constant=refuse))
    except (ValueError, RecursionError, ValidationError):
        shown = line[:SHOWN].decode("utf-8", "replace") + ("..." if len(line) > SHOWN else "")
        raise UnexpectedAnswer(f"it answered with what is no message: {shown!r}") from None
    if found.id != asked:
        raise UnexpectedAnswer(f"it answered request {found.id} when it was asked request {asked}")
    return found


def refuse(constant: str) -> None:
    """Refuse a number that JSON does not have: a host says otherwise what is not finite."""
    raise ValueError(constant)
