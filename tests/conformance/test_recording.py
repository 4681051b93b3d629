"""Recording a run that measures: what is timed, what is told, and what an interrupt leaves."""

import os
import subprocess
import sys

import pytest

from canireuse import records

STEPS = """
    steps:
      - {variable: v, init: 1.0, as: v}
      - {measure: one, steps: [{read: v}]}
      - {measure: other, against: one, steps: [{read: v}, {read: v}]}
      - {expect: there, variables: 1}
"""


@pytest.fixture
def specs(tmp_path, write_spec):
    """Write a spec that is measured, one without a measured loop, and one that fails."""
    write_spec(STEPS, "facet/measured")
    write_spec("steps:\n  - {variable: v, init: 1.0, as: v}\n  - {expect: there, variables: 1}\n", "facet/plain")
    write_spec(STEPS.replace("variables: 1", "variables: 2"), "facet/fails")
    (tmp_path / "pytest.ini").write_text("[pytest]\ncanireuse_specs = specs\n")
    return tmp_path


def call(folder, *command):
    command = [sys.executable, *command, "--backend", "reference"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)


RUN = "from canireuse.commands import main; main()"
PYTEST = "import pytest; raise SystemExit(pytest.main())"
SOON = "from canireuse import measuring; measuring.MOST_PROCESSES, measuring.MOST_ROUNDS = 2, 8\n"


@pytest.mark.parametrize(
    ("main", "arguments"), [(RUN, ("run", "specs")), (PYTEST, ("specs",)), (PYTEST, ("specs", "-n", "1"))]
)
def test_what_has_passed_and_has_measured_loops_is_timed(specs, main, arguments):
    ran = call(specs, "-c", SOON + main, *arguments, "--measure", "--budget", "60")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    results = records.read([specs / "results.jsonl"])
    assert results.complete
    assert len(results.cases) == 3
    assert {line.case for line in results.measurements.values()} == {"facet/measured@reference"}
    assert {(line.label, line.against) for line in results.measurements.values()} == {("one", None), ("other", "one")}
    assert {line.twin for line in results.measurements.values()} == {False, True}
    (how,) = results.measurings
    assert how.unreliable == {"facet/fails@reference": "fails when it was measured: there: expected 2, observed 1"}
    assert how.budget == 60
    assert how.processes == len(how.rounds) == 2
    said = ran.stdout + ran.stderr
    assert "process 1: importing frameworks" in said
    assert "measuring, 0%" in said
    assert main == RUN or "process 1: facet/measured" in said  # the display of `canireuse run` tells a part


def test_without_the_option_nothing_is_timed(specs):
    ran = call(specs, "-m", "canireuse", "run", "specs")
    results = records.read([specs / "results.jsonl"])
    assert (results.measurements, results.measurings) == ({}, [])
    assert "measuring" not in ran.stdout


def test_where_nothing_has_measured_loops_nothing_is_timed(specs):
    ran = call(specs, "-m", "canireuse", "run", "specs/facet/plain.yaml", "--measure")
    assert ran.returncode == 0, ran.stdout
    results = records.read([specs / "results.jsonl"])
    assert results.complete
    assert (results.measurements, results.measurings) == ({}, [])


PATCH = """
import os, pathlib, signal
from canireuse import measuring

process = measuring.Measuring.process
turn = measuring.Host.turn


def in_the_second_process(self, number, rounds):
    self.number = number
    measuring.now = number
    return process(self, number, rounds)


def interrupt(host, number, before):
    if measuring.now == 1 and number == 1:
        with open('pids', 'a') as file:
            file.write(f'{host.process.pid}\\n')
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a runner in the background ignores it
        os.kill(os.getpid(), signal.SIGINT)
    return turn(host, number, before)


measuring.Measuring.process = in_the_second_process
measuring.Host.turn = interrupt
"""


@pytest.mark.parametrize("main", [RUN, PYTEST], ids=["canireuse", "pytest"])
def test_an_interrupt_while_times_are_taken_leaves_the_old_results_and_no_process(specs, main):
    (specs / "results.jsonl").write_text("what was there before")
    arguments = ("run", "specs/facet/measured.yaml") if "commands" in main else ("specs/facet/measured.yaml",)
    ran = call(specs, "-c", PATCH + main, *arguments, "--replace", "--measure", "--budget", "60")
    said = ran.stdout + ran.stderr
    assert ran.returncode == 2, said
    assert "Traceback" not in said
    assert "stopped before its end: what had come is in" in said
    assert (specs / "results.jsonl").read_text() == "what was there before"
    cut_off = records.read([specs / "results.jsonl.partial"])
    assert not cut_off.complete
    assert len(cut_off.cases) == 1
    assert {line.process for line in cut_off.measurements.values()} == {0}
    assert cut_off.measurings == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((specs / "pids").read_text().split()[0]), 0)
