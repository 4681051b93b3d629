"""The command line of the planted faults hands on what it is given."""

import sys

import pytest

from benchmarks.planted import __main__ as command
from benchmarks.planted.faults import frozen


@pytest.fixture
def put(monkeypatch):
    """Return a function that runs the command, and the arguments with which faults were then put."""

    def run(*words):
        given = []

        class Recorded:
            def __init__(self, *arguments):
                given.extend(arguments)

            def run(self):
                given.append("ran")

        monkeypatch.setattr(command, "Putting", Recorded)
        monkeypatch.setattr(sys, "argv", ["planted", *words])
        command.main()
        return given

    return run


def test_run_puts_the_faults_of_a_backend_and_says_when_to_stop(put, tmp_path):
    backend, faults, _, path, enough, most, noticed, ran = put(
        "run", "torch", str(tmp_path / "out.jsonl"), "--enough", "3", "--most", "7"
    )
    assert (backend, path, enough, most, ran) == ("torch", tmp_path / "out.jsonl", 3, 7, "ran")
    assert faults == frozen("torch")
    assert not noticed


@pytest.mark.parametrize(("words", "on"), [(["--on", "tf2"], "tf2"), (["--left"], "tf1")])
def test_what_is_left_is_put_alone(put, tmp_path, monkeypatch, words, on):
    monkeypatch.setattr(command.kept, "noticed", lambda backend: {f"{backend}-001"})
    backend, faults, *_, noticed, _ = put("run", "tf1", str(tmp_path / "out.jsonl"), *words)
    assert (backend, faults, noticed) == (on, frozen("tf1"), {"tf1-001"})


def test_a_part_that_is_not_there_is_refused(put):
    with pytest.raises(SystemExit):
        put("plough")
