"""Records: what a run leaves behind, one JSON line each, and how they are read and merged.

A results file has a header, one line a case, and a footer; each line is flushed as it comes, so a
run that is killed loses at most the scripts in flight. Everything aligns by id, never by position.
"""

import datetime
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from canireuse.emit.asking import case_name
from canireuse.judge.blame import Blame
from canireuse.judge.verdict import Judged, Loudness, Verdict, check_told
from canireuse.judge.wording import Observed
from canireuse.run.outcome import AskedDevice, Device
from canireuse.spec.claims import Claim, Remark, Stands, Unclaimed
from canireuse.spec.problems import InputError, Problem

SCHEMA_VERSION = 3
#: an error, of which at least the class and the message are told
Told = Annotated[dict[str, Any], AfterValidator(check_told)]


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
    #: what results in it are known by, empty where nothing can be told of it
    identity: str = ""
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

    @property
    def framework(self) -> str:
        """The framework and its version, as in `tensorflow 2.21.0`; empty where nothing is known of it."""
        return " ".join(next(iter(self.packages.items()), ()))


class Header(Line):
    """The first line."""

    kind: Literal["header"] = "header"
    schema_version: int = SCHEMA_VERSION
    canireuse: str
    started: str
    command: str
    #: the digest of the engine, the adapters and the features whose run this is: one that goes on has the same
    state: str = ""
    #: which part of the specs it is, as in `2/8`
    shard: str = ""


class SpecLine(Line):
    """A spec that cases refer to, so that a report needs results files alone."""

    kind: Literal["spec"] = "spec"
    id: str
    title: str
    about: str
    symptom: str | None = None
    #: ids of specs that were merged into this one
    aliases: list[str] = []
    sources: list[str]
    contract: str
    text: str
    digest: str
    #: label -> line in the text
    lines: dict[str, int]
    divergences: list[dict[str, Any]] = []
    #: label -> what is observed, in words that any answer completes
    observes: dict[str, Observed] = {}


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
    #: the script's text, which a file has once, on a line of its own
    script: Annotated[str | None, Field(exclude=True)] = None
    script_digest: str | None = None
    spec_digest: str
    idioms: list[str] = []
    #: labels that the script does not observe: two names of the spec are one place in its words, and there is nothing to compare
    one_place: list[str] = []
    #: the warnings about the departure, and the others
    warnings: list[dict[str, Any]] = []
    other_warnings: list[dict[str, Any]] = []
    error: Told | None = None
    output: str = ""
    #: why it ran a second time, on a new host, if it did
    again: str = ""
    #: when its script ran, if that was in an earlier run; empty if it ran in this one
    reused: str = ""
    seconds: float | None = None


class ScriptLine(Line):
    """The text of a script that cases after it ran, named by its digest."""

    kind: Literal["script"] = "script"
    digest: str
    text: str

    @property
    def id(self) -> str:
        """What cases refer to it by."""
        return self.digest


PromiseKind = Literal["prints", "raises", "answers"]
Ended = Literal["completed", "raised", "timeout", "crash", "skipped", "not reached"]


class Promise(Line):
    """A promise of a block, at its line of the document: what it says will come, and what came, None if it was not reached."""

    line: int
    kind: PromiseKind
    promised: str
    came: str | None = None
    kept: bool = False


class Printed(Line):
    """What a block printed at a line of its document, None where no line was running; `below` is past Python."""

    line: int | None
    text: str
    stream: Literal["stdout", "stderr", "below"] = "stdout"


class Block(Line):
    """A block of a document in one mode: how it ended, what it printed, and what came of its promises.

    All lines are those of the document. `mode` is the backend; `way` says more of it, as for a case.
    """

    kind: Literal["block"] = "block"
    id: str
    document: str
    #: the document's path below the folder that was given
    file: str
    title: str
    #: of the document
    digest: str
    number: int
    line: int
    last_line: int
    mode: str
    way: dict[str, str] = {}
    device: Device
    environment: str
    together: bool = False
    ended: Ended
    #: where it ended, if it did not complete
    at_line: int | None = None
    error: Told | None = None
    reason: str | None = None
    output: list[Printed] = []
    promises: list[Promise] = []
    warnings: list[dict[str, Any]] = []
    #: the last that was printed below Python, of a block that did not complete
    last_output: str = ""
    script: str
    seconds: float | None = None

    @property
    def as_it_says(self) -> bool:
        """Whether it completed with every promise kept, or ended in the exception that a promise of it foretells."""
        if self.ended == "completed":
            return all(promise.kept for promise in self.promises)
        return self.raised_as_promised and all(one.kept for one in self.promises if one.came is not None)

    @property
    def raised_as_promised(self) -> bool:
        """Whether it ended in an exception that one of its promises foretells."""
        if self.ended != "raised" or self.error is None:
            return False
        came = raised(self.error)
        return any(one.kind == "raises" and one.kept and one.came == came for one in self.promises)


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


class DocumentLine(Line):
    """A document whose claims are judged, as its claims file describes it."""

    kind: Literal["document"] = "document"
    id: str
    title: str
    #: the mode in which it stands
    stands: Stands
    #: the SHA-256 of the text that was read
    digest: str | None = None
    remarks: list[Remark] = []
    claims_nothing: list[Unclaimed] = []


class ClaimLine(Line, Claim):
    """A claim of a document, as the claims file states it; its verdict is computed from cases."""

    kind: Literal["claim"] = "claim"
    document: str


class ScenarioLine(Line):
    """Something that users report, the specs that put it to runs, and why not every part of it is tested."""

    kind: Literal["scenario"] = "scenario"
    id: str
    scenario: str
    expects: str
    sources: list[str] = []
    specs: list[str] = []
    #: backend -> the calls that the reports are about
    calls: dict[str, list[str]] = {}
    not_tested: str | None = None


class Footer(Line):
    """The last line; a file without one was cut off."""

    kind: Literal["footer"] = "footer"
    cases: int
    seconds: float
    verdicts: dict[str, int]
    blocks: int = 0
    #: the cases and blocks that were planned and have no record, by spec, backend and way
    missing: list[str] = []


AnyLine = Annotated[
    Header
    | Environment
    | SpecLine
    | DocumentLine
    | ClaimLine
    | ScenarioLine
    | ScriptLine
    | Case
    | Block
    | Measurement
    | Measuring
    | Footer,
    Field(discriminator="kind"),
]
LINE: TypeAdapter[Any] = TypeAdapter(AnyLine)


def raised(error: Mapping[str, Any]) -> str:
    """Return an exception as the end of its traceback has it, without its module."""
    return f"{error['type']}: {error['message']}" if error["message"] else str(error["type"])


def now(ago: datetime.timedelta = datetime.timedelta()) -> str:
    """Return the time, or that of some time ago, in ISO 8601, UTC, to the second."""
    return (datetime.datetime.now(datetime.UTC) - ago).isoformat(timespec="seconds")


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def case_id(spec: str, backend: str, way: dict[str, str], device: str) -> str:
    """Return the id of a case: what a permalink, a diff and a merge go by."""
    return f"{spec}@{backend}{case_name(way)}" + ("" if device == "cpu" else f"@{device}")


class Results(BaseModel):
    """Everything that one or several results files hold."""

    headers: list[Header] = []
    environments: dict[str, Environment] = {}
    specs: dict[str, SpecLine] = {}
    documents: dict[str, DocumentLine] = {}
    claims: dict[str, ClaimLine] = {}
    scenarios: dict[str, ScenarioLine] = {}
    scripts: dict[str, ScriptLine] = {}
    cases: dict[str, Case] = {}
    blocks: dict[str, Block] = {}
    measurements: dict[str, Measurement] = {}
    measurings: list[Measuring] = []
    footers: list[Footer] = []
    #: the files that were cut off in a line, or lack lines, each with what there is to know of that
    cut: list[str] = []

    @property
    def missing(self) -> list[str]:
        """The cases that were planned and have no record."""
        return [case for footer in self.footers for case in footer.missing]

    @property
    def complete(self) -> bool:
        """Whether every file that was read had its footer, and a record of each case that was planned."""
        return len(self.headers) == len(self.footers) and not self.missing and not self.cut


def read(paths: Iterable[Path]) -> Results:
    """Read and merge results files.

    A file that was cut off is read up to there, and `Results.cut` says so. Raises InputError, with line numbers, for a
    line that is no record, a file without header, and for files that contradict each other: one case twice, or one spec
    in two versions.
    """
    results, problems = Results(), []
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            advice = "make one with `canireuse run --results FILE`"
            problems.append(Problem(path, 0, 0, f"the file cannot be read: {error}", "a results file", advice))
            continue
        if not content:
            problems.append(Problem(path, 1, 1, "the file is empty", "a header, cases and a footer", "run again"))
            continue
        problems += read_file(results, path, content)
    if problems:
        raise InputError(problems)
    return results


def read_file(results: Results, path: Path, content: bytes) -> list[Problem]:
    """Add the lines of a file to the results up to where it was cut off; return the first that is wrong, if one is."""
    *lines, last = content.split(b"\n")
    cases = blocks = 0
    for number, text in enumerate([*lines, last] if last else lines, 1):
        try:
            line = LINE.validate_json(text)
        except ValidationError as error:
            if text is last and number > 1:
                results.cut.append(f"{path}:{number}: the file was cut off in this line; it is read up to there")
                break
            happened = f"this line is no record: {error.errors()[0]['msg']}"
            advice = "make the file anew with this version of canireuse"
            return [Problem(path, number, 1, happened, "a JSON line of the results schema", advice)]
        if number == 1 and not isinstance(line, Header):
            happened, expected = "the first line is no header", "the header of a results file"
            return [Problem(path, 1, 1, happened, expected, "give the whole file")]
        if clash := add(results, line):
            expected, advice = "files of one set of specs, each case once", "merge only files of one state of `specs/`"
            return [Problem(path, number, 1, clash, expected, advice)]
        cases += isinstance(line, Case)
        blocks += isinstance(line, Block)
        if isinstance(line, Footer):
            for noun, recorded, here in (("cases", line.cases, cases), ("blocks", line.blocks, blocks)):
                if recorded != here:
                    results.cut.append(f"{path}:{number}: {recorded} {noun} were recorded, and {here} are in the file")
    return []


def add(results: Results, line: Line) -> str | None:
    """Add a line to the results, if it fits; return how it contradicts what is there, if it does."""
    if clash := next(clashes(results, line), None):
        return clash
    if isinstance(line, Measuring):  # what went wrong in one process was timed in the others before it
        kept = {name: one for name, one in results.measurements.items() if one.case not in line.unreliable}
        results.measurements = kept
    if isinstance(line, Case) and line.script is None and line.script_digest:
        line.script = results.scripts[line.script_digest].text
    held: Any = getattr(results, f"{line.kind}s")  # type: ignore[attr-defined]
    if isinstance(line, Header | Footer | Measuring):
        held.append(line)
    elif not isinstance(line, Case | Block) or line.id not in held:
        held[line.id] = line  # type: ignore[attr-defined]
    return None


def clashes(results: Results, line: Line) -> Iterator[str]:
    """Yield how a line contradicts what is there."""
    if isinstance(line, Header) and line.schema_version != SCHEMA_VERSION:
        yield f"schema version {line.schema_version}, this is {SCHEMA_VERSION}"
    if isinstance(line, SpecLine) and line.id in results.specs and results.specs[line.id].digest != line.digest:
        yield f"the spec {line.id} is here in two versions"
    if isinstance(line, DocumentLine | ClaimLine):
        held = (results.documents if isinstance(line, DocumentLine) else results.claims).get(line.id)
        if held not in (None, line):
            yield f"the {line.kind} {line.id} is here in two versions"
    if isinstance(line, ClaimLine) and line.document not in results.documents:
        yield f"the claim {line.id} is of a document that no line before it describes"
    if isinstance(line, Measurement) and line.id in results.measurements:
        yield f"the measurement {line.id} is here twice"
    yield from filter(None, [clash_of_runs(results, line)])


def clash_of_runs(results: Results, line: Line) -> str | None:
    """Return how what ran contradicts what is there."""
    match line:
        case ScriptLine() if digest(line.text) != line.digest:
            return f"the script {line.digest[:12]} has another digest than its name says"
        case Environment():
            return two_environments(results.environments.get(line.id), line)
        case Case():
            return without_script(results, line) or contradiction(results.cases.get(line.id), line)
        case Block():
            return block_contradiction(results.blocks.get(line.id), line)
    return None


def two_environments(one: Environment | None, other: Environment) -> str | None:
    """Return what sets two environments of one id apart, if versions do: their cases are not those of one backend."""
    if one is None:
        return None
    here, there = ({"Python": line.python, **line.packages} for line in (one, other))
    apart = [
        f"{name} {here.get(name)} and {there.get(name)}"
        for name in {**here, **there}
        if here.get(name) != there.get(name)
    ]
    if not apart or one.absent or other.absent:
        return None
    return f"the environment {one.id} is here twice, and is not the same: {', '.join(apart)}"


def without_script(results: Results, line: Case) -> str | None:
    """Return what is wrong with a case whose script no line before it has."""
    if line.script is None and line.script_digest and line.script_digest not in results.scripts:
        return f"the script of {line.id} does not stand before it"
    return None


def contradiction(one: Case | None, other: Case) -> str | None:
    """Return how two records of a case contradict each other; one that was run twice, for its times, says the same twice."""
    if one is None:
        return None
    if (one.script_digest, one.spec_digest) != (other.script_digest, other.spec_digest):
        return f"the case {one.id} is here twice, with two scripts"
    if one.verdict != other.verdict or one.expectations != other.expectations:
        return f"the case {one.id} is here twice, and observed two things ({one.verdict}, {other.verdict})"
    return None


def block_contradiction(one: Block | None, other: Block) -> str | None:
    """Return how two records of a block contradict each other."""
    if one is None:
        return None
    if one.digest != other.digest:
        return f"the document {one.document} is here in two versions"
    if (one.ended, one.promises, one.error) != (other.ended, other.promises, other.error):
        return f"the block {one.id} is here twice, and ended in two ways ({one.ended}, {other.ended})"
    return None
