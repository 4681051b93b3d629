"""The display of a run while times are taken."""

import errno
import io
import subprocess
import sys

import pytest
from rich.console import Console

from canireuse.results import records
from canireuse.runner.progress import Display, Patient


@pytest.fixture
def display():
    """Return a display, and where it writes; there is no terminal."""
    display = Display(as_json=False)
    display.console = Console(file=io.StringIO(), width=100)
    return display


def tell(display, steps=1000):
    for step in range(steps + 1):
        display.pytest_canireuse_progress(text=f"process 1: facet/spec-{step}", share=step / steps)
    return display.console.file.getvalue()


def test_without_a_terminal_there_is_a_line_now_and_then(display):
    lines = tell(display).splitlines()
    assert lines[0] == "measuring, 0% of the budget: process 1: facet/spec-0 ..."
    assert 10 <= len(lines) <= 21
    assert lines[-1].startswith("measuring, 100%") or lines[-1].startswith("measuring, 9")


def test_on_a_terminal_there_is_a_second_bar_of_the_budget():
    display = Display(as_json=False)
    display.console = Console(file=io.StringIO(), width=100, force_terminal=True)
    display.begin(3)
    tell(display, 10)
    cases, budget = display.progress.tasks
    assert (cases.completed, cases.total) == (0, 3)
    assert (budget.completed, budget.total) == (100, 100)
    assert "facet/spec-10" in budget.description
    display.progress.stop()
    assert "measuring" in display.console.file.getvalue()


class Gone(io.StringIO):
    """A stream that nobody reads, or whose disk is full."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.ENOSPC, "full")])
def test_where_nothing_can_be_printed_the_run_goes_on(error):
    console = Patient(file=Gone(error))
    console.print("a line")
    console.print("another")
    assert console.quiet


@pytest.mark.parametrize("words", ["| head -1", "> /dev/full"])
def test_a_run_that_nobody_reads_leaves_its_records(write_spec, tmp_path, words):
    path = write_spec("steps:\n  - {variable: v, init: 1.0, as: v}\n  - {expect: there, variables: 1}\n")
    command = f"{sys.executable} -m canireuse run {path} --backend reference {words}"
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert records.read([tmp_path / "results.jsonl"]).complete
