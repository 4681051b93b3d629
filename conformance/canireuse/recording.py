"""Recording: the controller of a run writes each record as it comes and sums up at the end."""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from canireuse import cases, records
from canireuse.claims import claim_lines
from canireuse.comparison import FEWEST_PROCESSES
from canireuse.measuring import HIGHEST_LOAD, load_average
from canireuse.problems import UsageError
from canireuse.runner import CaseItem, State
from canireuse.scenarios import scenario_lines
from canireuse.summary import absent_lines, summary_table

DEFAULT_RESULTS = Path("results.jsonl")


class Recorder:
    """Writes the results file of a run; the one that is there stays until the run has ended."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        self.config, self.state = config, state
        self.path: Path = config.getoption("--results") or DEFAULT_RESULTS
        self.cases: list[records.Case] = []
        self.environments: dict[str, records.Environment] = {}
        self.writer: records.Writer | None = None
        self.stopped = False
        self.measured: records.Measuring | None = None
        if not config.option.collectonly:
            records.check_place(self.path)
        if self.path.is_symlink():  # what it leads to is replaced, not the link
            self.path = self.path.resolve()
        self.started, self.load = time.perf_counter(), load_average()

    def open(self) -> records.Writer:
        """Begin the file with the header, the specs and the claims about them."""
        if self.writer is None:
            from canireuse import VERSION

            self.writer = records.Writer(self.path)
            self.writer.write(records.Header(canireuse=VERSION, started=records.now(), command=command_line()))
            for located in sorted(self.state.specs.values(), key=lambda located: located.id):
                self.writer.write(cases.spec_line(located))
            for line in (*claim_lines(self.state.specs.values()), *scenario_lines(self.state.specs.values())):
                self.writer.write(line)
        return self.writer

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Refuse to lose results, where this process collects."""
        if planned := sum(isinstance(item, CaseItem) for item in session.items):
            self.check_replaced(planned)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Refuse to lose results, where workers collect."""
        if ids:
            self.check_replaced(len(ids))

    def check_replaced(self, planned: int) -> None:
        """Raise UsageError if the run has fewer cases than the file that it would replace, unless that was asked for."""
        if not (self.config.option.collectonly or self.config.getoption("--replace")):
            try:
                records.check_replaced(self.path, planned)
            except UsageError as error:
                raise pytest.UsageError(str(error)) from None

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Write the record that a report carries."""
        if not hasattr(report, "canireuse_case"):
            return
        writer = self.open()
        environment = records.Environment.model_validate(report.canireuse_environment)
        if environment.id not in self.environments:
            self.environments[environment.id] = environment
            writer.write(environment)
        record = records.Case.model_validate(report.canireuse_case)
        self.cases.append(record)
        writer.write(record)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Close the file with the footer; leave that of a run that was stopped beside its place, without one."""
        if self.writer is None:
            return
        absent = [one for one in self.environments.values() if one.absent and one.backend in self.state.named]
        if absent and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        broken_off = exitstatus in {pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR}
        if self.state.measuring and not (broken_off or session.shouldstop or session.shouldfail):
            self.state.stop()  # the hosts that ran the cases make room
            try:
                self.measured = self.state.measuring.rest()
            except KeyboardInterrupt:
                session.exitstatus, broken_off = pytest.ExitCode.INTERRUPTED, True
        if broken_off or session.shouldstop or session.shouldfail:
            self.writer.close(keep=False)
            self.stopped = True
            return
        verdicts = Counter(case.verdict for case in self.cases)
        self.writer.write(
            records.Footer(
                cases=len(self.cases),
                seconds=time.perf_counter() - self.started,
                verdicts=dict(sorted(verdicts.items())),
            )
        )
        self.writer.close()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Measure in the first processes before anything else runs: they also tell what the cases with measured loops do."""
        if self.state.measures and not session.config.option.collectonly:
            planned = [item.case for item in session.items if isinstance(item, CaseItem)]
            self.state.measure(planned, write=self.write, tell=self.tell, load=self.load)

    def write(self, line: records.Line) -> None:
        """Write a line; the file is begun with the first."""
        self.open().write(line)

    def tell(self, text: str, share: float) -> None:
        """Tell plugins how far the measuring has come."""
        self.config.hook.pytest_canireuse_progress(text=text, share=share)

    def pytest_canireuse_progress(self, text: str, share: float) -> None:
        """Print it under pytest's own words."""
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            reporter.write_line(f"measuring, {share:.0%}: {text}")

    @property
    def where(self) -> str:
        """Where the records are, in words."""
        if self.stopped and self.writer:
            return f"stopped before its end: what had come is in {self.writer.partial}, {self.path} is as it was"
        return "\n".join([*(how_measured(self.measured) if self.measured else ()), f"records: {self.path}"])

    @property
    def absent(self) -> list[str]:
        """Which backends were skipped, and why, in words: each once, however many cases there are."""
        unloadable = (f"skipped: {why}" for why in self.state.unloadable.values())
        return [*unloadable, *absent_lines(self.environments.values(), self.state.named)]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table of verdicts under pytest's own words."""
        if self.cases:
            console = Console(file=terminalreporter._tw._file)
            console.print(summary_table(self.cases))
            console.print("\n".join([*self.absent, self.where]), markup=False, highlight=False, soft_wrap=True)


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


def command_line() -> str:
    """Return the command that was given, with the program's name alone."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
