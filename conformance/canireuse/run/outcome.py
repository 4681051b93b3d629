"""Outcomes: what a script did, as its host tells it, and on which device."""

from dataclasses import dataclass, field
from typing import Any, Literal

from canireuse.run.messages import Message

Device = Literal["cpu", "gpu"]
AskedDevice = Literal["cpu", "gpu", "auto"]


@dataclass
class Outcome:
    """What a script did: `ending` is finished, crash, timeout, or waiting where it has not ended."""

    ending: str
    observations: dict[str, Any] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    warnings: list[dict[str, Any]] = field(default_factory=list)
    seconds: float | None = None
    environment: dict[str, Any] | None = None
    output: str = ""
    #: why it ran a second time, on a new host, if it did
    again: str = ""
    #: of a block of a document: what it printed, what became of the statements of its promises, and where it was late
    printed: list[dict[str, Any]] = field(default_factory=list)
    met: dict[int, dict[str, Any]] = field(default_factory=dict)
    line: int | None = None
    #: what a script that is being measured has to say while it waits: then `ending` is waiting
    waiting: dict[str, Any] = field(default_factory=dict)

    def take(self, answer: Message) -> None:
        """Take what a block of a document prints, or meets."""
        if answer.printed:
            self.printed.append(answer.printed.model_dump())
        elif answer.met:
            before = self.met.get(answer.met.line, {"error": None, "passed": False})
            error = before["error"] or answer.met.model_dump()["error"]
            self.met[answer.met.line] = {"error": error, "passed": before["passed"] or answer.met.passed}
