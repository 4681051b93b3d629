"""Known results: a second run runs what changed, what failed, and nothing else, and its records are those of the first."""

import os
import subprocess
import sys

import pytest

from canireuse.results import known, records
from canireuse.runner.session import Asked, Session, part_that_has

ONE, TWO, FAILING = "facet/one", "facet/two", "facet/fails"
STEPS = """
steps:
  - variable: weight
    init: [1.0, 2.0]
    as: weight
  - expect: its-value
    value: weight
    is: [1.0, 2.0]
"""
#: what may differ between two records of a case
VOLATILE = {"seconds", "output", "reused"}


@pytest.fixture
def folder(tmp_path, write_spec, monkeypatch):
    """Return a folder with three specs, one of which fails, and an interpreter that notes what it is given to run."""
    for name in (ONE, TWO, FAILING):
        write_spec(STEPS.replace("is: [1.0", "is: [9.0") if name == FAILING else STEPS, name)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nbasename "$1" >> {tmp_path}/started\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("CANIREUSE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def run(folder, *words, program=("canireuse", "run")):
    """Run the specs; return their records, those that ran before, and how many hosts were started."""
    started = folder / "started"
    started.unlink(missing_ok=True)
    results = folder / "results.jsonl"
    options = [
        "--backend",
        "reference",
        "--python",
        f"reference={folder / 'python'}",
        "--results",
        str(results),
        "--replace",
    ]
    ran = subprocess.run(
        [sys.executable, "-m", *program, str(folder / "specs"), *options, *words],
        cwd=folder, capture_output=True, text=True, timeout=200, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert ran.returncode in {0, 1}, ran.stdout + ran.stderr
    cases = records.read([results]).cases
    told = {name: case.model_dump(exclude=VOLATILE) for name, case in cases.items()}
    before = {case.spec for case in cases.values() if case.reused}
    return told, before, started.read_text().split().count("host.py")


@pytest.fixture
def without_failing(folder):
    """Return the folder without the spec that fails."""
    (folder / "specs" / f"{FAILING}.yaml").unlink()
    return folder


@pytest.mark.parametrize("words", [(), ("-n", "2")])
def test_nothing_runs_where_nothing_changed(without_failing, words):
    first, before, hosts = run(without_failing, *words)
    assert (before, hosts > 0) == (set(), True)
    second, before, hosts = run(without_failing, *words)
    assert (before, hosts) == ({ONE, TWO}, 0)
    assert second == first


def test_under_pytest_too(without_failing):
    program = ("pytest", "-o", f"canireuse_specs={without_failing / 'specs'}", "-q")
    first, _, hosts = run(without_failing, program=program)
    assert hosts == 1
    assert run(without_failing, program=program) == (first, {ONE, TWO}, 0)
    assert run(without_failing) == (first, {ONE, TWO}, 0)


@pytest.mark.parametrize("words", [(), ("-n", "2")])
def test_what_failed_runs_again(folder, words):
    first, _, _ = run(folder, *words)
    second, before, hosts = run(folder, *words)
    assert (second, before, hosts > 0) == (first, {ONE, TWO}, True)


def test_a_changed_spec_runs_and_no_other(without_failing):
    run(without_failing)
    path = without_failing / "specs" / f"{TWO}.yaml"
    path.write_text(path.read_text().replace("[1.0, 2.0]", "[1.0, 3.0]"))
    assert run(without_failing)[1:] == ({ONE}, 1)


def test_a_spec_whose_script_is_as_before_is_translated_and_not_run(without_failing):
    run(without_failing)
    path = without_failing / "specs" / f"{TWO}.yaml"
    path.write_text(path.read_text().replace("title: ", "title: Once more, ", 1))
    told, before, _ = run(without_failing)
    assert before == {ONE, TWO}
    assert told[f"{TWO}@reference"]["spec_digest"] == records.digest(path.read_text())


def test_all_runs_again_if_that_is_asked_for_and_counts_from_then(without_failing):
    first, _, _ = run(without_failing)
    assert run(without_failing, "--again") == (first, set(), 1)
    assert run(without_failing) == (first, {ONE, TWO}, 0)


def test_a_part_whose_specs_are_known_starts_no_host(without_failing):
    part = f"{part_that_has(ONE, 2)}/2"
    assert run(without_failing, "--shard", part)[1:] == (set(), 1)
    told, before, hosts = run(without_failing, "--shard", part)
    assert {one["spec"] for one in told.values()} == before
    assert ONE in before
    assert hosts == 0


def test_a_selection_keeps_what_it_ran(without_failing):
    assert run(without_failing, "-k", "one")[1:] == (set(), 1)
    assert run(without_failing)[1:] == ({ONE}, 1)
    assert run(without_failing, "-k", "two")[1:] == ({TWO}, 0)


def test_another_environment_runs_on_its_own(without_failing, monkeypatch):
    run(without_failing)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert run(without_failing)[1:] == (set(), 1)


def test_where_nothing_can_be_kept_the_run_says_so_and_goes_on(without_failing):
    (without_failing / "cache").write_text("")
    assert run(without_failing)[1:] == (set(), 1)
    assert run(without_failing)[1:] == (set(), 1)


def test_an_engine_that_changed_judges_anew_what_scripts_did_before(without_failing, monkeypatch):
    run(without_failing)
    monkeypatch.setattr(known, "files_digest", lambda places: "another")
    python = f"reference={without_failing / 'python'}"
    (without_failing / "started").unlink()
    session = Session(Asked(["reference"], pythons=[python]))
    session.look_up([without_failing / "specs"])
    session.load([without_failing / "specs"])
    planned = list(session.plan(session.specs.values()))
    assert [case.known for case in planned] == [None, None]
    assert all(session.run(case).reused for case in planned)
    session.stop()
    assert (without_failing / "started").read_text().split() == ["installed.py"]
