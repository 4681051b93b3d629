"""Recording a run that measures: what is timed, what is told, and what an interrupt leaves."""

import os
import resource
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from canireuse.results import records
from canireuse.runner.recording import Recorder
from tests.conformance.results.test_records import case

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
SOON = "from canireuse.measure import rounds; rounds.MOST_PROCESSES, rounds.MOST_ROUNDS = 2, 8\n"


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
from canireuse.measure import measuring

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


#: what stands around `cases.run_case`, in the controller or in its workers
AROUND = """
import os, signal
from canireuse.results import cases
from canireuse.results import records
ran = cases.run_case

def run_case(case, *arguments):
    record = ran(case, *arguments)
    if case.located.id == "facet/plain":
        {}
    return record

cases.run_case = run_case
"""


@pytest.fixture
def around(specs):
    """Return a function that runs pytest with some statement after the script of one of three specs."""

    def run(statement, *arguments, **settings):
        (specs / "conftest.py").write_text(AROUND.format(statement))
        command = [sys.executable, "-m", "pytest", "specs", "--backend", "reference", *arguments]
        return subprocess.run(command, cwd=specs, capture_output=True, text=True, timeout=100, check=False, **settings)

    return run


@pytest.mark.parametrize(
    ("statement", "arguments"),
    [
        ("raise RuntimeError('a fault of canireuse')", ()),
        ("raise RuntimeError('a fault of canireuse')", ("-n", "2")),
        ("os._exit(1)", ("-n", "2")),  # the worker ends
        ("import pytest; pytest.skip('not today')", ()),
    ],
)
def test_a_case_without_a_record_is_named_and_the_run_fails(around, specs, statement, arguments):
    ran = around(statement, *arguments)
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "the records are incomplete: 1 planned case (facet/plain@reference) without a record" in ran.stdout
    results = records.read([specs / "results.jsonl"])
    assert set(results.cases) == {"facet/fails@reference", "facet/measured@reference"}
    assert results.missing == ["facet/plain@reference"]
    assert not results.complete


def test_a_full_disk_ends_the_run_with_a_sentence(around, specs):
    old = specs / "results.jsonl"
    assert around("pass").returncode == 1
    before = old.read_text()
    for arguments in ((), ("-n", "2")):
        ran = around(
            "pass", *arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 11, 1 << 11))
        )
        assert ran.returncode == 3, ran.stdout + ran.stderr
        assert (
            "the results could not be written (File too large): what had come is in results.jsonl.partial" in ran.stdout
        )
        assert "Traceback" not in ran.stdout + ran.stderr
        assert old.read_text() == before


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_the_run_with_a_sentence(around, specs, name):
    old = specs / "results.jsonl"
    assert around("pass").returncode == 1
    before = old.read_text()
    # what a test runner in the background ignores, its children would
    heard = lambda: signal.signal(getattr(signal, name), signal.SIG_DFL)  # noqa: E731
    ran = around(f"os.kill(os.getpid(), signal.{name})", preexec_fn=heard)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert "stopped before its end: what had come is in results.jsonl.partial, results.jsonl is as it was" in ran.stdout
    assert old.read_text() == before
    assert records.read([specs / "results.jsonl.partial"]).cases


def test_two_runs_do_not_write_into_one_file(around, specs):
    ran = around(
        "import subprocess, sys; inner = subprocess.run([sys.executable, '-m', 'pytest', 'specs', '--noconftest'], capture_output=True, text=True)\n"
        "        open('inner', 'w').write(f'{inner.returncode} {inner.stderr}')"
    )
    assert ran.returncode == 1
    assert (specs / "inner").read_text().startswith("3 ")
    assert "another run is writing to results.jsonl; nothing was run" in (specs / "inner").read_text()
    results = records.read([specs / "results.jsonl"])
    assert results.complete
    assert len(results.cases) == 3


@pytest.mark.parametrize(
    ("place", "text"), [("claims/odd.yaml", "hello: 1\n"), ("reported/scenarios.yaml", "scenarios: [1\n")]
)
def test_what_is_wrong_beside_the_specs_is_told_before_anything_runs(around, specs, place, text):
    path = specs / "specs" / place
    path.parent.mkdir()
    path.write_text(text)
    ran = around("pass")
    assert ran.returncode == 4, ran.stdout + ran.stderr
    assert "nothing was run" in ran.stderr
    assert f"{path}:" in ran.stderr
    assert not (specs / "results.jsonl.partial").exists()


def test_a_signal_while_specs_are_loaded_stops_the_hosts_that_were_started(specs, monkeypatch, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    ends = """
import os, signal, time
from canireuse.runner.session import Session

def load(self, paths):
    deadline = time.monotonic() + 20
    while not list(os.scandir(os.environ["TMPDIR"])):
        assert time.monotonic() < deadline, "no host was started"
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)

Session.load = load
"""
    ran = call(specs, "-c", ends + RUN, "run", "specs")
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert "interrupted before anything ran" in ran.stdout
    assert not list(folder.iterdir())


def test_of_a_case_that_a_plugin_runs_again_the_last_run_is_recorded():
    recorder, written = object.__new__(Recorder), []
    recorder.planned, recorder.cases, recorder.environments = {"a::torch": "a@torch"}, [], {}
    recorder.write = lambda *lines: written.extend(lines)
    for outcome, verdict in (("rerun", "error"), ("passed", "conforms")):
        environment = records.Environment(
            id="torch@cpu", backend="torch", title="t", about="a", asked_device="cpu", device="cpu"
        )
        record = case().model_copy(update={"verdict": verdict})
        report = SimpleNamespace(
            nodeid="a::torch", outcome=outcome, canireuse_case=record, canireuse_environment=environment
        )
        recorder.pytest_runtest_logreport(report)
    assert [line.verdict for line in written if isinstance(line, records.Case)] == ["conforms"]
    assert not recorder.missing
