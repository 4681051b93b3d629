"""Recording: the controller of a run writes each record as it comes and sums up at the end."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
from rich.console import Console

from canireuse import VERSION
from canireuse.measure.comparison import FEWEST_PROCESSES, HIGHEST_LOAD
from canireuse.results import cases, records
from canireuse.results.records import ScenarioLine
from canireuse.results.writer import Writer, check_place, check_replaced, command_line
from canireuse.runner.items import CaseItem
from canireuse.runner.session import Session
from canireuse.runner.summary import FEW_BACKENDS, absent_lines, holes, printable, some, summary_table, unsupported
from canireuse.spec.claims import Document, documents_beside
from canireuse.spec.model import Located
from canireuse.spec.problems import UsageError
from canireuse.spec.reading import SCENARIOS
from canireuse.spec.scenarios import load_scenarios

DEFAULT_RESULTS = Path("results.jsonl")
#: how a run ends that was stopped before its end
BROKEN_OFF = frozenset({pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR})


class Recorder:
    """Writes the results file of a run; the one that is there stays until the run has ended."""

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self.config, self.session = config, session
        self.path: Path = config.getoption("--results") or DEFAULT_RESULTS
        if not config.option.collectonly:
            check_place(self.path)
        if self.path.is_symlink():  # what it leads to is replaced, not the link
            self.path = self.path.resolve()
        self.specs = sorted(session.specs.values(), key=lambda located: located.id)
        #: the claims and reported scenarios beside the specs; what is wrong in them is told before anything runs
        self.beside: list[records.Line] = []
        if not config.option.collectonly:
            self.beside = [*claim_lines(documents_beside(self.specs)), *scenario_lines(self.specs)]
        self.cases: list[records.Case] = []
        self.environments: dict[str, records.Environment] = {}
        self.writer = None if config.option.collectonly else Writer(self.path)
        if self.writer and session.left:
            self.writer.go_on(session.came, session.left)
        #: the names of the cases that have no record yet, by node id; None before they are planned
        self.planned: dict[str, str] | None = None
        #: whether the header and the specs are written
        self.begun = False
        #: why the results could not be written, if they could not
        self.unwritten = ""
        self.stopped = False
        self.measured: records.Measuring | None = None
        self.started = time.perf_counter()

    def write(self, *lines: records.Line) -> None:
        """Write lines, first the header, the specs and the claims about them; end the run if that cannot be done."""
        assert self.writer
        try:
            if not self.begun:
                self.begun = True
                if not self.writer.goes_on:
                    self.writer.write(self.header())
                for line in (*map(cases.spec_line, self.specs), *self.beside):
                    self.writer.write(line)
            for line in lines:
                self.writer.write(line)
        except OSError as error:
            self.fail(error)

    def header(self) -> records.Header:
        """Return the first line."""
        shard = self.session.asked.shard
        return records.Header(
            canireuse=VERSION, started=records.now(), command=command_line(), state=self.session.state, shard=shard
        )

    def fail(self, error: OSError) -> NoReturn:
        """End the run because the results cannot be written."""
        self.unwritten, self.stopped = error.strerror or str(error), True
        pytest.exit(self.where, pytest.ExitCode.INTERNAL_ERROR)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Plan the cases, where this process collects."""
        self.plan([item.nodeid for item in session.items if isinstance(item, CaseItem)])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Keep the cases of one host on one worker, unless another way of scheduling was asked for."""
        if config.option.dist != "load":
            return None
        from canireuse.runner.scheduling import Scheduling  # there is no xdist in every run

        return Scheduling(config, log)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Plan the cases, where workers collect."""
        self.plan(ids)

    @property
    def missing(self) -> list[str]:
        """The cases that were planned and have no record."""
        return list((self.planned or {}).values())

    def plan(self, nodes: list[str]) -> None:
        """Note which cases are to have a record; raise UsageError if their file would replace one with more, unless that was asked for."""
        if self.planned is not None:  # each worker collects, and one that takes the place of another
            return
        parts = {node: node.partition("::") for node in nodes}
        files = {file: (self.config.rootpath / file).resolve() for file in {file for file, _, _ in parts.values()}}
        self.planned = {
            node: f"{located.id}@{name}"
            for node, (file, _, name) in parts.items()
            if (located := self.session.specs.get(files[file]))  # workers collect tests of other kinds too
        }
        came = {f"{one.spec}@{cases.planned_name(one)}" for one in self.session.came.cases.values()}
        if stray := sorted(came.difference(self.planned.values())):
            raise pytest.UsageError(
                f"the run that was stopped cannot be resumed: it had {some(stray, 'case')} that this one has not\n    expected: the same specs, backends and options\n    to do: give those, or run anew, without --resume"
            )
        if self.planned and self.writer and not self.config.getoption("--replace"):
            try:
                check_replaced(self.path, len(self.planned))
            except UsageError as error:
                raise pytest.UsageError(str(error)) from None

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Write the record that a report carries, the first of each case that was planned."""
        if not hasattr(report, "canireuse_case") or report.outcome == "rerun":  # a plugin runs it again
            return
        if not (self.planned or {}).pop(report.nodeid, None):
            return
        record = records.Case.model_validate(report.canireuse_case)
        environment = records.Environment.model_validate(report.canireuse_environment)
        self.cases.append(record)
        if environment.id not in self.environments:
            self.environments[environment.id] = environment
            self.write(environment)
        self.write(record)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Close the file with the footer; leave that of a run that was stopped beside its place, without one."""
        if self.writer is None or not (self.writer.begun or self.missing):
            return
        absent = [one for one in self.environments.values() if one.absent and one.backend in self.session.named]
        if absent and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self.stopped = bool(session.exitstatus in BROKEN_OFF or session.shouldstop or session.shouldfail)
        if self.stopped:
            return
        try:
            self.write(self.footer())
            self.writer.close()
        except (OSError, pytest.exit.Exception) as error:
            self.unwritten, self.stopped = self.unwritten or getattr(error, "strerror", None) or str(error), True
        if self.missing or self.unwritten:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def footer(self) -> records.Footer:
        """Return the last line: what was recorded, and what was planned and has no record."""
        verdicts = Counter(case.verdict for case in self.cases)
        return records.Footer(
            cases=len(self.cases), seconds=time.perf_counter() - self.started, verdicts=dict(sorted(verdicts.items())),
            missing=self.missing,
        )  # fmt: skip

    def pytest_unconfigure(self) -> None:
        """Let go of the results file, whatever happened; what is in its place stays."""
        if self.writer:
            with suppress(OSError):
                self.writer.close(keep=False)

    def pytest_canireuse_progress(self, text: str, share: float) -> None:
        """Print it under pytest's own words."""
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            reporter.write_line(f"measuring, {share:.0%}: {text}")

    @property
    def where(self) -> str:
        """Where the records are, in words."""
        if self.stopped and self.writer:
            why = f"the results could not be written ({self.unwritten})" if self.unwritten else "stopped before its end"
            come = f"what had come is in {self.writer.partial}, " if self.writer.has_lines else ""
            return f"{why}: {come}{self.path} is as it was"
        lines = [*(how_measured(self.measured) if self.measured else ()), *self.reused, f"records: {self.path}"]
        if self.missing:
            lines.append(f"the records are incomplete: {some(self.missing, 'planned case')} without a record")
        return "\n".join(lines)

    @property
    def reused(self) -> list[str]:
        """How many scripts ran in earlier runs, and when, in a sentence; why no results can be kept, if they cannot."""
        ran = [case.reused for case in self.cases if case.reused]
        scripts = sum(case.script is not None for case in self.cases)
        known = self.session.recall.store
        told = (
            [f"{len(ran)} of {scripts} scripts ran before, the first {min(ran)}; --again runs them too"] if ran else []
        )
        return told + ([f"results are not kept for later runs: {known.unusable}"] if known.unusable else [])

    @property
    def absent(self) -> list[str]:
        """Which backends and which cases were skipped, and why, in words: each reason once, however many cases there are."""
        unloadable = (f"skipped: {why}" for why in self.session.unloadable.values())
        return [
            *unloadable,
            *absent_lines(self.environments.values(), self.session.named),
            *map(printable, holes(self.cases)),
            *map(printable, unsupported(self.cases) if 0 < len(self.session.named) <= FEW_BACKENDS else ()),
        ]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table of verdicts under pytest's own words."""
        if self.writer and self.writer.begun:
            console = Console(file=terminalreporter._tw._file)
            if self.cases:
                console.print(summary_table(self.cases))
            console.print("\n".join([*self.absent, self.where]), markup=False, highlight=False, soft_wrap=True)


def claim_lines(documents: Iterable[Document]) -> Iterator[records.Line]:
    """Yield the records of documents and of their claims."""
    for document in documents:
        yield records.DocumentLine(
            id=document.document, title=document.title, stands=document.stands, digest=document.digest,
            remarks=document.remarks, claims_nothing=document.claims_nothing,
        )  # fmt: skip
        for claim in document.claims:
            yield records.ClaimLine(document=document.document, **dict(claim))


def how_measured(measured: records.Measuring) -> Iterator[str]:
    """Yield what to know of the times: how many processes there were, and what makes them doubtful."""
    rounds = f"{min(measured.rounds)} to {max(measured.rounds)}"
    yield f"measured in {measured.seconds:.0f} s: {measured.processes} processes of each backend, {rounds} rounds in each"
    if measured.processes < FEWEST_PROCESSES:
        yield f"    no intervals: they need {FEWEST_PROCESSES} processes; give more time with --budget, or name fewer backends"
    if measured.load_before and measured.load_before[0] > HIGHEST_LOAD:
        yield f"    the load was {measured.load_before[0]} before: other work disturbed the times; measure with nothing else running"
    for case, reason in measured.unreliable.items():
        yield f"    no times of {case}: {reason}"


def scenario_lines(specs: Iterable[Located]) -> list[ScenarioLine]:
    """Return the scenarios that stand beside the given specs, each with those of its specs that are given."""
    specs = list(specs)
    here = {located.id for located in specs}
    paths = {located.path.resolve().parent.parent / SCENARIOS for located in specs}
    return [
        ScenarioLine(**{**dict(scenario), "specs": [spec for spec in scenario.specs if spec in here]})
        for path in sorted(path for path in paths if path.is_file())
        for scenario in load_scenarios(path)[0].scenarios
    ]
