"""Blocks: how a block of a document is run on a backend, and the record of what came of it."""

import doctest
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import canireuse_adapters
from canireuse.documents.markdown import Block, Document, backends_of
from canireuse.documents.promises import Promised, judged, promises_of
from canireuse.emit import Adapter
from canireuse.emit.asking import case_name
from canireuse.results import records
from canireuse.results.cases import environment_id, environment_line
from canireuse.run.hosts import IMPORT_LIMIT, Host
from canireuse.run.outcome import AskedDevice, Outcome

#: how much longer than its limit a block is waited for, in seconds: its process says itself at which line it is late
GRACE = 2.0
#: environment variables of hosts that a block must not meet: devices that are not there for a user either
AS_THEY_ARE = ("XLA_FLAGS",)
UNKNOWN_NAME = re.compile(r"name '(\w+)' is not defined")


@dataclass(frozen=True)
class Plan:
    """What one process runs: a block of a document in a mode, or all its blocks of that mode."""

    document: Document
    blocks: tuple[Block, ...]
    mode: str
    together: bool = False


def plan(documents: list[Document], named: list[str], *, together: bool) -> list[Plan]:
    """Return what is to be run: each block in each of its modes, or on the backends that were named."""
    plans = []
    for document in documents:
        modes = [named or found for found in backends_of(document)]
        if together:
            for mode in dict.fromkeys(mode for each in modes for mode in each):
                blocks = tuple(block for block, each in zip(document.blocks, modes, strict=True) if mode in each)
                plans.append(Plan(document, blocks, mode, together=True))
        else:
            for block, each in zip(document.blocks, modes, strict=True):
                plans += [Plan(document, (block,), mode) for mode in each]
    return plans


class Mode:
    """A backend as blocks meet it: a process that nothing was imported in, beside one that tried whether the framework is here."""

    def __init__(
        self,
        name: str,
        python: str | None = None,
        device: AskedDevice = "auto",
        limit: float = 60.0,
        import_limit: float = IMPORT_LIMIT,
    ) -> None:
        self.name, self.adapter, self.limit = name, canireuse_adapters.adapter(name), limit
        self.environ = {name: os.environ.get(name, "") for name in AS_THEY_ARE if name in self.adapter.environ}
        self._lock = threading.Lock()
        self.tried = Host(self.bare(self.adapter.imports), python, device, limit, None, self.environ, import_limit)

    def bare(self, imports: str) -> type[Adapter]:
        """Return the adapter with these imports and without what is for specs alone: what it resets, and which versions it asks for."""
        return type(self.adapter.__name__, (self.adapter,), {"imports": imports, "reset": "", "requires": ()})

    def ready(self) -> str | None:
        """Try once whether the framework is here; return why not, if not."""
        with self._lock:
            absent = self.tried.ready()
            self.tried.stop()
            return absent

    @property
    def is_real(self) -> bool:
        """Whether the framework is an edition that needs nothing put in the place of its modules."""
        return bool(self.tried.edition)

    def new_host(self) -> Host:
        """Return a host for blocks, which begins with a fresh process; what importing took in the trial comes on top of the limit."""
        tried = self.tried
        limit = self.limit + tried.warm_up_seconds + GRACE
        adapter = self.bare("" if self.is_real else self.adapter.before_blocks)
        return Host(adapter, tried.python, tried.asked, limit, None, self.environ, tried.import_limit)

    def environment(self) -> records.Environment:
        """Return the record of where the blocks ran."""
        return environment_line(self.name, self.tried)


def no_matter(host: Host) -> None:
    """Take no note of a host."""


def run_plan(plan: Plan, mode: Mode, started: Callable[[Host], None] = no_matter) -> Iterator[records.Block]:
    """Run blocks in one process and yield the record of each; `started` is told of the host before it runs anything."""
    promised = promises_of(plan.document)
    absent = mode.ready()
    host = mode.new_host()
    started(host)
    outcomes: list[Outcome | None] = []
    try:
        for block in () if absent else plan.blocks:
            gone = bool(outcomes) and (host.process is None or host.process.poll() is not None)
            outcomes.append(
                None if gone else host.run_block(request(block, promised[block.number], mode), plan.document.file)
            )
    finally:
        host.stop()
    for at, block in enumerate(plan.blocks):
        record = begun(plan, block, mode)
        if absent:
            yield record.model_copy(update={"ended": "skipped", "reason": absent})
        elif (outcome := outcomes[at]) is None:
            last = next(other for other, one in zip(plan.blocks, outcomes[1:], strict=False) if one is None)
            reason = f"the process ended in the block at line {last.line}"
            missed = [judged(one, [], {}) for one in promised[block.number]]
            yield record.model_copy(update={"reason": reason, "promises": missed})
        else:
            yield record.model_copy(update=came_of(plan, block, outcome, outcomes, promised[block.number]))


def request(block: Block, promised: list[Promised], mode: Mode) -> dict[str, Any]:
    """Return what a host is told of a block."""
    return {
        "text": block.text,
        "line": block.line,
        "examples": [
            {"source": one.source, "line": one.line, "raises": one.raises is not None}
            for one in block.examples
            if not one.options.get(doctest.SKIP)
        ],
        "promised": [[one.line, one.first, one.column, one.below] for one in promised if one.kind != "answers"],
        "imported_as": {} if mode.is_real else dict(mode.adapter.imported_as),
        "limit": min(mode.limit + mode.tried.warm_up_seconds, threading.TIMEOUT_MAX),
    }


def begun(plan: Plan, block: Block, mode: Mode) -> records.Block:
    """Return the record of a block of which nothing has come yet."""
    way = {"edition": mode.tried.edition} if mode.is_real else {}
    device = mode.tried.device
    return records.Block(
        id=f"{plan.document.name}#{block.number}@{mode.name}{case_name(way)}"
        + ("+together" if plan.together else "")
        + ("" if device == "cpu" else f"@{device}"),
        document=plan.document.name, file=plan.document.file, title=plan.document.title, digest=plan.document.digest,
        number=block.number, line=block.line, last_line=block.last_line, mode=mode.name, way=way, device=device,
        environment=environment_id(mode.name, mode.tried), together=plan.together, ended="not reached", script=block.text,
    )  # fmt: skip


def came_of(
    plan: Plan, block: Block, outcome: Outcome, outcomes: list[Outcome | None], promised: list[Promised]
) -> dict[str, Any]:
    """Return what a record says of a block that ran; a promise in a function may be kept where a later block calls it."""
    ran = [one for one in outcomes if one]
    printed = [piece for one in ran for piece in one.printed]
    met: dict[int, Mapping[str, Any]] = {line: each for one in reversed(ran) for line, each in one.met.items()}
    ended = outcome.ending if outcome.ending != "finished" else "raised" if outcome.error else "completed"
    at_line = outcome.error["line"] if ended == "raised" and outcome.error else outcome.line
    if ended == "crash":
        at_line = crashed_at(outcome.output, plan.document.file)
    return {
        "ended": ended,
        "at_line": at_line,
        "error": outcome.error if ended == "raised" else None,
        "reason": reason_of(plan, block, outcome, ended),
        "output": merged(outcome.printed),
        "promises": [judged(one, printed, met) for one in promised],
        "warnings": outcome.warnings,
        "last_output": outcome.output,
        "seconds": outcome.seconds,
    }


def crashed_at(output: str, file: str) -> int | None:
    """Return the line of the document at which a process crashed, if Python's fault handler came to say so."""
    found = re.search(rf'File "{re.escape(file)}", line (\d+)', output)
    return int(found[1]) if found else None


def reason_of(plan: Plan, block: Block, outcome: Outcome, ended: str) -> str | None:
    """Return what to know of how a block ended, in words; None where the exception says all."""
    if ended == "timeout":
        return "it did not end within its time; give it more with --limit"
    if ended == "crash" and outcome.error:
        its = "its process " if outcome.error["type"] == "HostGone" else ""
        return f"{its}{outcome.error['message']}"
    if ended != "raised" or not outcome.error or plan.together or "NameError" not in outcome.error["bases"]:
        return None
    unknown = UNKNOWN_NAME.match(outcome.error["message"])
    before = [one for one in plan.document.blocks if one.number < block.number and unknown and unknown[1] in one.bound]
    if not before or not unknown:
        return None
    return f"{unknown[1]!r} is made in the block at line {before[-1].line}; run with --together"


def merged(printed: list[dict[str, Any]]) -> list[records.Printed]:
    """Return what was printed, pieces of one line and stream that follow each other as one."""
    pieces: list[records.Printed] = []
    for one in printed:
        line = one["lines"][0] if one["lines"] else None
        if pieces and (pieces[-1].line, pieces[-1].stream) == (line, one["stream"]):
            pieces[-1].text += one["text"]
        else:
            pieces.append(records.Printed(line=line, text=one["text"], stream=one["stream"]))
    return pieces
