"""The display of `canireuse run`: progress while it runs, failures, and the summary table."""

import os
from contextlib import suppress
from typing import IO, Any

import pytest
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from canireuse.results.records import Case
from canireuse.runner.summary import FAILING, alike, explain, some, summary_table


class Patient(Console):
    """A console that falls silent when nobody reads it any more or its disk is full: the run goes on, for its records."""

    def print(self, *words: Any, **how: Any) -> None:
        """Print, as long as that can be done."""
        try:
            super().print(*words, **how)
        except OSError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Print nothing from here on, and leave nothing for the end that could not be written then either."""
        self.quiet = True
        self._buffer.clear()
        with suppress(OSError, ValueError):  # a stream without a file
            give_up(self.file)


def give_up(stream: IO[str]) -> None:
    """Have what is still to be written to a stream go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class Display:
    """Stands in for pytest's terminal reporter; where there is no terminal it prints a line a backend."""

    def __init__(self, *, as_json: bool) -> None:
        self.console = Patient(stderr=as_json, highlight=False, soft_wrap=True)
        self.cases: list[Case] = []
        #: the cases that failed, those that did in the same way together
        self.failed: dict[tuple[str, ...], list[str]] = {}
        self.expected = 0
        self.progress: Progress | None = None
        self.begun: set[str] = set()
        self.told = 0.0
        self.measuring: TaskID | None = None
        #: whether a worker ended early
        self.broken = False
        #: whether the run came as far as to tell its end
        self.ended = False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Begin the bar when the number of cases is known."""
        self.begin(len(session.items))

    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Begin the bar under xdist, where only the workers collect."""
        self.begin(len(ids))

    def begin(self, count: int) -> None:
        """Show the bar once."""
        if self.progress is not None or not count:
            return
        self.expected = count
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        self.progress.start()
        self.task = self.progress.add_task("importing frameworks", total=count)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object) -> None:
        """Tell why a worker ended that did not come to its end."""
        if error:
            self.broken = True
            self.console.print(f"a worker ended: {error}", markup=False)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count a case; tell a failure at once, and those that are like it at the end."""
        if hasattr(report, "canireuse_case"):
            case = Case.model_validate(report.canireuse_case)
            self.cases.append(case)
            if case.verdict in FAILING:
                same = self.failed.setdefault(alike(case), [])
                same.append(case.id)
                if len(same) == 1:
                    self.console.print(explain(case), markup=False)
            if self.progress:
                self.progress.update(self.task, advance=1, description=case.backend)
            if not self.console.is_terminal and case.backend not in self.begun:  # with workers, backends take turns
                self.console.print(f"{len(self.cases)}/{self.expected} cases: {case.backend} ...")
                self.begun.add(case.backend)
        elif report.failed:
            self.console.print(str(report.longrepr), markup=False)

    def pytest_canireuse_progress(self, text: str, share: float) -> None:
        """Show a bar of the budget; where there is no terminal, print a line for each step of a tenth."""
        if self.progress is None or not self.console.is_terminal:
            if share >= self.told:
                self.console.print(f"measuring, {share:.0%} of the budget: {text} ...")
                self.told = share + 0.05
            return
        if self.measuring is None:
            self.measuring = self.progress.add_task("", total=100)
        self.progress.update(
            self.measuring, completed=round(100 * share), description=f"measuring, % of the budget: {text}"
        )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell what could not be collected."""
        if report.failed:
            self.console.print(str(report.longrepr), markup=False)

    def pytest_internalerror(self, excrepr: Any) -> None:
        """Tell a failure of canireuse itself."""
        self.console.print(str(excrepr), markup=False)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Show the table and say where the records are."""
        self.ended = True
        if self.progress:
            self.progress.stop()
        if self.broken and not self.expected:  # that no case was selected would not be true
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
            return
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            self.console.print("interrupted")
        for first, *others in self.failed.values():
            if others:
                self.console.print(f"as {first}: {some(others, 'more case')}", markup=False)
        recorder: Any = session.config.pluginmanager.get_plugin("canireuse-recorder")
        if self.cases:
            self.console.print(summary_table(self.cases))
        if recorder and recorder.writer and recorder.writer.begun:
            self.console.print("\n".join([*recorder.absent, recorder.where]), markup=False)
        elif exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            self.console.print("no case was selected")
