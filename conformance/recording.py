"""Recording: the controller of a run writes each record as it comes and sums up at the end."""

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from conformance import cases, records
from conformance.claims import claim_lines
from conformance.scenarios import scenario_lines
from conformance.summary import summary_table

if TYPE_CHECKING:
    from conformance.plugin import State

DEFAULT_RESULTS = Path("results.jsonl")


class Recorder:
    """Writes the results file of a run; the one that is there stays until the run has ended."""

    def __init__(self, config: pytest.Config, state: "State") -> None:
        self.config, self.state = config, state
        self.path: Path = config.getoption("--results") or DEFAULT_RESULTS
        self.cases: list[records.Case] = []
        self.environments: dict[str, records.Environment] = {}
        self.writer: records.Writer | None = None
        self.stopped = False
        if not config.option.collectonly:
            records.check_place(self.path)
        self.started = time.perf_counter()

    def open(self) -> records.Writer:
        """Begin the file with the header, the specs and the claims about them."""
        if self.writer is None:
            from conformance import VERSION

            self.writer = records.Writer(self.path)
            self.writer.write(records.Header(canireuse=VERSION, started=records.now(), command=command_line()))
            for located in sorted(self.state.specs.values(), key=lambda located: located.id):
                self.writer.write(cases.spec_line(located))
            for line in (*claim_lines(self.state.specs.values()), *scenario_lines(self.state.specs.values())):
                self.writer.write(line)
        return self.writer

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
        broken_off = exitstatus in {pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR}
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

    @property
    def where(self) -> str:
        """Where the records are, in words."""
        if self.stopped and self.writer:
            return f"stopped before its end: what had come is in {self.writer.partial}, {self.path} is as it was"
        return f"records: {self.path}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table of verdicts under pytest's own words."""
        if self.cases:
            console = Console(file=terminalreporter._tw._file)
            console.print(summary_table(self.cases))
            console.print(self.where, markup=False, highlight=False, soft_wrap=True)


def command_line() -> str:
    """Return the command that was given, with the program's name alone."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
