"""Records: what a run leaves behind, one JSON line each, and how they are read and merged.

A results file has a header, one line a case, and a footer; each line is flushed as it comes, so a
run that is killed loses at most the scripts in flight. Everything aligns by id, never by position.
"""

import datetime
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from canireuse.hosts import AskedDevice, Device
from canireuse.judge import Blame, Judged, Loudness, Verdict
from canireuse.problems import InputError, Problem, UsageError
from canireuse.step import Answer

SCHEMA_VERSION = 1
#: how much of a file is read to tell whether it begins with a header, in bytes
LONGEST_HEADER = 1 << 20


class Line(BaseModel):
    """A line of a results file."""

    model_config = ConfigDict(extra="forbid")


class Environment(Line):
    """Where the scripts of one backend ran."""

    kind: Literal["environment"] = "environment"
    id: str
    backend: str
    title: str
    about: str
    install: str = ""
    asked_device: AskedDevice
    device: Device
    device_name: str = ""
    python: str = ""
    platform: str = ""
    processors: int | None = None
    threads: dict[str, str] = {}
    packages: dict[str, str] = {}
    warm_up_seconds: float | None = None
    #: what waits for the work when times are taken, empty where a call returns when the work is done
    fence: str = ""
    #: why the backend could not be used, if it could not, and the last that it printed then
    absent: str | None = None
    last_output: str = ""


class Header(Line):
    """The first line."""

    kind: Literal["header"] = "header"
    schema_version: int = SCHEMA_VERSION
    canireuse: str
    started: str
    command: str


class SpecLine(Line):
    """A spec that cases refer to, so that a report needs results files alone."""

    kind: Literal["spec"] = "spec"
    id: str
    title: str
    about: str
    symptom: str | None = None
    sources: list[str]
    contract: str
    text: str
    digest: str
    #: label -> line in the text
    lines: dict[str, int]
    divergences: list[dict[str, Any]] = []


class Case(Line):
    """One spec on one backend, one way, one device: the verdict and all that led to it."""

    kind: Literal["case"] = "case"
    id: str
    spec: str
    backend: str
    way: dict[str, str] = {}
    device: Device
    environment: str
    verdict: Verdict
    blame: Blame | None = None
    loudness: Loudness | None = None
    reason: str | None = None
    expectations: list[Judged] = []
    script: str | None = None
    script_digest: str | None = None
    spec_digest: str
    idioms: list[str] = []
    #: labels of what the script compares with itself: the answer could not be another
    by_construction: list[str] = []
    warnings: list[dict[str, Any]] = []
    error: dict[str, Any] | None = None
    output: str = ""
    seconds: float | None = None


class Measurement(Line):
    """What one measured loop took in one process: every raw sample, in seconds a turn."""

    kind: Literal["measurement"] = "measurement"
    case: str
    label: str
    size: int | None = None
    #: the label that this one is compared with, at the same size
    against: str | None = None
    #: whether it was timed in the second host of a backend that is there twice
    twin: bool = False
    process: int
    #: the first turn, with whatever is traced, compiled or loaded then
    first: float | None = None
    #: how many turns a sample is the mean of
    loops: int | None = None
    #: what the fence took where there was nothing to wait for
    fence: float | None = None
    #: whether it was left out as too slow for the budget, and how long a turn was expected to take
    left_out: bool = False
    skipped: float | None = None
    #: the rounds, and the seconds a turn in each of them
    rounds: list[int] = []
    seconds: list[float] = []

    @property
    def id(self) -> str:
        """What a diff and a merge go by."""
        size = "" if self.size is None else f"-{self.size}"
        return f"{self.case}#{self.label}{size}{'+twin' if self.twin else ''}~{self.process}"


class Measuring(Line):
    """How the measurements of a file were made; times are in seconds."""

    kind: Literal["measuring"] = "measuring"
    budget: float
    seconds: float
    processes: int
    rounds: list[int]
    block: float
    core: int | None = None
    #: the environment variables of its hosts, beside those of each adapter
    environ: dict[str, str] = {}
    #: the backend that was there twice
    twin: str | None = None
    seed: int
    processor: str = ""
    governor: str = ""
    load_before: list[float] = []
    load_after: list[float] = []
    clock_resolution: float
    #: cases whose samples were thrown away, with the reason
    unreliable: dict[str, str] = {}


class Decision(Line):
    """An observation that decides a claim, and the answer that the claim asserts of it."""

    spec: str
    expect: str
    asserts: Answer
    #: the backend that decides where the document stands, if it is not the document's own
    backend: str | None = None


class ClaimLine(Line):
    """A claim of a document, as the claims file states it; its verdict is computed from cases."""

    kind: Literal["claim"] = "claim"
    id: str
    document: str
    title: str
    stands: str
    where: str
    line: int
    claim: str
    decided_by: list[Decision] = []
    not_checkable: str | None = None


class ScenarioLine(Line):
    """Something that users report, the specs that put it to runs, and why not every part of it is tested."""

    kind: Literal["scenario"] = "scenario"
    id: str
    scenario: str
    expects: str
    sources: list[str] = []
    specs: list[str] = []
    not_tested: str | None = None


class Footer(Line):
    """The last line; a file without one was cut off."""

    kind: Literal["footer"] = "footer"
    cases: int
    seconds: float
    verdicts: dict[str, int]


AnyLine = Annotated[
    Header | Environment | SpecLine | ClaimLine | ScenarioLine | Case | Measurement | Measuring | Footer,
    Field(discriminator="kind"),
]
LINE: TypeAdapter[Any] = TypeAdapter(AnyLine)


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def case_id(spec: str, backend: str, way: dict[str, str], device: str) -> str:
    """Return the id of a case: what a permalink, a diff and a merge go by."""
    ways = "".join(f"+{name.replace(' ', '-')}" for name in way.values())
    return f"{spec}@{backend}{ways}" + ("" if device == "cpu" else f"@{device}")


class Results(BaseModel):
    """Everything that one or several results files hold."""

    headers: list[Header] = []
    environments: dict[str, Environment] = {}
    specs: dict[str, SpecLine] = {}
    claims: dict[str, ClaimLine] = {}
    scenarios: dict[str, ScenarioLine] = {}
    cases: dict[str, Case] = {}
    measurements: dict[str, Measurement] = {}
    measurings: list[Measuring] = []
    footers: list[Footer] = []

    @property
    def complete(self) -> bool:
        """Whether every file that was read had its footer."""
        return len(self.headers) == len(self.footers)


def check_place(path: Path) -> None:
    """Make the folder of a results file; raise UsageError if the file could not be written there."""
    why_not = ""
    if os.path.lexists(path) and not path.is_file():
        why_not = "it is a folder" if path.is_dir() else "it is no regular file"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        why_not = error.strerror or str(error)
    if why_not:
        raise UsageError(
            f"no results can be written to {path}: {why_not}\n    expected: a file in a folder that can be written to\n    to do: name another with --results"
        )


def cases_in(path: Path) -> int | None:
    """Return how many cases a file holds, whole or cut off; None if it is no results file."""
    with path.open("rb") as file:
        try:
            Header.model_validate_json(file.readline(LONGEST_HEADER))
        except ValidationError:
            return None
        return sum(line.startswith((b'{"kind":"case"', b'{"kind": "case"')) for line in file)


def check_replaced(path: Path, planned: int) -> None:
    """Raise UsageError if a file that is there would be replaced by one with fewer cases, or is no results file at all."""
    if not path.is_file() or not path.stat().st_size:
        return
    there = cases_in(path)
    if there is None or there > planned:
        held = "is no results file" if there is None else f"holds {there} cases, and this run has {planned}"
        raise UsageError(
            f"{path} {held}; nothing was run\n    expected: a new file, or one with no more cases than this run\n    to do: name another with --results, or replace this one with --replace"
        )


class Writer:
    """Writes a results file beside its place and moves it there at the end; the old file stays till then.

    A run that is killed leaves `NAME.partial` with all that had come.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, path.with_name(path.name + ".partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.partial.open("w", encoding="utf-8")

    def write(self, line: Line) -> None:
        """Write one line and flush it."""
        self._file.write(line.model_dump_json() + "\n")
        self._file.flush()

    def close(self, *, keep: bool = True) -> None:
        """Put the file in its place, or leave it as the partial file it is."""
        self._file.close()
        if keep:
            self.partial.replace(self.path)


def now() -> str:
    """Return the time in ISO 8601, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def read(paths: Iterable[Path]) -> Results:
    """Read and merge results files.

    Raises InputError, with line numbers, for a line that is no record, a file without header, and
    for files that contradict each other: one case twice, or one spec in two versions.
    """
    results, problems = Results(), []
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            advice = "make one with `canireuse run --results FILE`"
            problems.append(Problem(path, 0, 0, f"the file cannot be read: {error}", "a results file", advice))
            continue
        if lines == [""]:
            problems.append(Problem(path, 1, 1, "the file is empty", "a header, cases and a footer", "run again"))
            continue
        problem = next(filter(None, (read_line(results, path, *line) for line in enumerate(lines, 1))), None)
        problems += [problem] if problem else []
    if problems:
        raise InputError(problems)
    return results


def read_line(results: Results, path: Path, number: int, text: str) -> Problem | None:
    """Add a line of a file to the results; return what is wrong with it, if anything is."""
    try:
        line = LINE.validate_json(text)
    except ValidationError as error:
        happened, expected = f"this line is no record: {error.errors()[0]['msg']}", "a JSON line of the results schema"
        return Problem(path, number, 1, happened, expected, "make the file anew with this version of canireuse")
    if number == 1 and not isinstance(line, Header):
        return Problem(path, 1, 1, "the first line is no header", "the header of a results file", "give the whole file")
    clash = add(results, line)
    if clash is None:
        return None
    expected, advice = "files of one set of specs, each case once", "merge only files of one state of `specs/`"
    return Problem(path, number, 1, clash, expected, advice)


def add(results: Results, line: Line) -> str | None:
    """Add a line to the results; return how it contradicts what is there, if it does."""
    if isinstance(line, Header) and line.schema_version != SCHEMA_VERSION:
        return f"schema version {line.schema_version}, this is {SCHEMA_VERSION}"
    if isinstance(line, SpecLine) and line.id in results.specs and results.specs[line.id].digest != line.digest:
        return f"the spec {line.id} is here in two versions"
    if isinstance(line, Measuring):  # what went wrong in one process was timed in the others before it
        kept = {name: one for name, one in results.measurements.items() if one.case not in line.unreliable}
        results.measurements = kept
    if isinstance(line, Header | Footer | Measuring):
        several: list[Any] = getattr(results, f"{line.kind}s")
        several.append(line)
        return None
    known: dict[str, Any] = getattr(results, f"{line.kind}s")  # type: ignore[attr-defined]
    if isinstance(line, Measurement) and line.id in known:
        return f"the measurement {line.id} is here twice"
    if isinstance(line, Case) and line.id in known:
        return contradiction(known[line.id], line)
    known[line.id] = line  # type: ignore[attr-defined]
    return None


def contradiction(one: Case, other: Case) -> str | None:
    """Return how two records of a case contradict each other; one that was run twice, for its times, says the same twice."""
    if (one.script_digest, one.spec_digest) != (other.script_digest, other.spec_digest):
        return f"the case {one.id} is here twice, with two scripts"
    if one.verdict != other.verdict or one.expectations != other.expectations:
        return f"the case {one.id} is here twice, and observed two things ({one.verdict}, {other.verdict})"
    return None
