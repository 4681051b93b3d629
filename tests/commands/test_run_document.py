"""`canireuse run --document`: the table, the records, the exit code, and what it refuses."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from canireuse.commands import main
from canireuse.results import records
from canireuse.results.writer import check_replaced
from canireuse.spec.problems import UsageError
from tests.conformance.results.test_records import case, footer, header, write

DOCUMENTS = Path(__file__).parent.parent / "documents"
WELL = "```python\nprint(1)  # Output: 1\n```\n"
BROKEN = "```python\nprint(1)  # Output: 2\n```\n"


def command(*arguments):
    return [sys.executable, "-m", "canireuse", "run", *map(str, arguments)]


@dataclass
class Ran:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def canireuse(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command line in this process, in a folder of its own."""

    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setattr(sys, "argv", ["canireuse", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return Ran(left.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def run(canireuse):
    """Return a function that runs `canireuse run` so."""
    return lambda *arguments: canireuse("run", *arguments)


def page(folder, text, name="page.md"):
    (folder / name).write_text(text)
    return folder / name


def test_a_document_that_is_as_it_says(run, tmp_path):
    page(tmp_path, WELL)
    ran = run("--document", "page.md")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 of 1 blocks as they say; records: results.jsonl" in ran.stdout
    results = records.read([tmp_path / "results.jsonl"])
    assert results.complete
    assert results.footers[0].blocks == 1
    (block,) = results.blocks.values()
    assert results.environments[block.environment].python == sys.version.split()[0]


def test_what_is_told_of_blocks_that_are_not_as_they_say(run, tmp_path):
    ran = run("--document", DOCUMENTS / "endings.md", "--limit", "2", "-n", "2")
    assert ran.returncode == 1
    assert max(map(len, ran.stdout.splitlines())) <= 100
    row = next(line for line in ran.stdout.splitlines() if "ZeroDivisionError" in line and "│" in line)
    assert [part.strip() for part in row.strip("│").split("│")] == [
        "3",
        "27",
        "reference",
        "raised ZeroDivisionError",
        "28",
        "1",
        "·",
        "1",
        "no",
    ]
    for words in (
        "endings.md:28: block 3 as reference: raised ZeroDivisionError\n    | division by zero",
        "endings.md:21: a promise is broken\n        promised: 3\n        came:     2",
        "    not reached: 1 promise (33)",
        "'divide' is made in the block at line 27; run with --together",
        "endings.md:57: block 6 as reference: timeout\n    it did not end within its time; give it more with --limit",
        "its process exited with status 7",
        "3 of 10 blocks as they say; records: results.jsonl",
    ):
        assert words in ran.stdout, ran.stdout
    assert "block 4 as" not in ran.stdout  # raised, as it says


def test_several_files_and_folders(run, tmp_path):
    (tmp_path / "folder").mkdir()
    page(tmp_path / "folder", WELL, "inner.md")
    page(tmp_path, WELL, "one.md")
    page(tmp_path, BROKEN, "two.md")
    ran = run("--document", "one.md", "two.md", "--document", "folder", "--json")
    assert ran.returncode == 1
    assert json.loads(ran.stdout) == {
        "results": "results.jsonl",
        "exit_code": 1,
        "ended": {"completed": 3},
        "as_they_say": 2,
    }
    results = records.read([tmp_path / "results.jsonl"])
    assert sorted(block.file for block in results.blocks.values()) == ["inner.md", "one.md", "two.md"]
    assert "two.md" in ran.stderr


def test_together(run, tmp_path):
    ran = run("--document", DOCUMENTS / "together.md", "--together")
    assert ran.returncode == 1
    assert [block.ended for block in records.read([tmp_path / "results.jsonl"]).blocks.values()] == [
        "completed", "raised", "completed", "crash", "not reached",
    ]  # fmt: skip


def test_a_backend_that_was_named_and_is_not_here_fails_the_run(run, tmp_path):
    page(tmp_path, "```python\nimport torch\n```\n")
    nowhere = ("--python", "torch=/bin/false")
    ran = run("--document", "page.md", *nowhere)
    assert ran.returncode == 0, ran.stdout
    assert "skipped: torch: " in ran.stdout
    ran = run("--document", "page.md", "--backend", "torch", *nowhere)
    assert ran.returncode == 1
    assert "failed: torch was named with --backend and cannot run" in ran.stdout


def test_results_are_not_lost_to_fewer_blocks(run, tmp_path):
    page(tmp_path, WELL)
    page(tmp_path, WELL + WELL, "two.md")
    results = tmp_path / "results.jsonl"
    assert run("--document", "two.md").returncode == 0
    before = results.read_text()
    ran = run("--document", "page.md")
    assert ran.returncode == 4
    assert "results.jsonl holds 2 blocks, and this run has 1; nothing was run" in ran.stderr
    with pytest.raises(UsageError, match=r"results\.jsonl holds 2 blocks, and this run has none"):
        check_replaced(results, 1)
    assert results.read_text() == before
    assert run("--document", "page.md", "--replace").returncode == 0
    write(results, header(), case(), footer())
    ran = run("--document", "two.md")
    assert ran.returncode == 4
    assert "results.jsonl holds 1 cases, and this run has none" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--document", ""), "a document has the name ''"),
        (("--document", "no-such.md"), "no-such.md: the document cannot be read"),
        (("--document", "prose.md"), "there is no Python block in this document"),
        (("--document", "page.md", "--backend", "tf3"), "there is no backend 'tf3'"),
        (("--document", "page.md", "--python", "torch=nowhere"), "there is no such file"),
        (("--document", "page.md", "--measure"), "--measure is for specs, and documents were given"),
        (("--document", "page.md", "-k", "x"), "-k is for specs"),
        (("--document", "page.md", "--limit", "0"), "--limit is 0.0"),
        (("--document", "page.md", "-n", "many"), "-n 'many' is no number of processes"),
        (("--document", "page.md", "--results", "page.md"), "page.md is no results file; nothing was run"),
        (("--document", "page.md", "--results", "page.md/r.jsonl"), "no results can be written"),
        (("--together",), "--together is for documents, and none was given"),
    ],
)
def test_what_cannot_be_used_is_told_in_three_parts(run, tmp_path, arguments, words):
    page(tmp_path, WELL)
    page(tmp_path, "Text.\n", "prose.md")
    ran = run(*arguments)
    assert ran.returncode == 4, ran.stdout
    assert words in ran.stderr
    assert "expected: " in ran.stderr
    assert "to do: " in ran.stderr
    assert not (tmp_path / "results.jsonl").exists()


@pytest.mark.parametrize("seconds", ["inf", "1e300", "1e9"])
def test_limits_that_nothing_reaches(run, tmp_path, seconds):
    page(tmp_path, WELL)
    assert run("--document", "page.md", "--limit", seconds, "--import-limit", seconds).returncode == 0


def test_names_that_are_no_text_or_look_like_markup(run, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    (tmp_path / "folder" / "[").mkdir(parents=True)
    page(tmp_path / "folder" / "[", WELL, "x].md")
    page(tmp_path / "folder", WELL, os.fsdecode(b"b\xff.md"))
    ran = run("--document", "folder")
    assert ran.returncode == 0, ran.stderr
    found = records.read([tmp_path / "results.jsonl"]).blocks.values()
    assert sorted(block.file for block in found) == ["[/x].md", "b\\udcff.md"]
    assert run("--document", os.fsdecode(b"folder/b\xff.md"), "--results", "one.jsonl").returncode == 0


def test_help_says_whose_code_it_is(run):
    words = " ".join(run("--help").stdout.split())
    assert "there is no sandbox around them" in words
    assert "This runs whatever code stands in them, as you." in words


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_the_old_results_and_no_process(tmp_path, number):
    page(
        tmp_path,
        "```python\nimport os, pathlib, time\npathlib.Path(os.environ['PLACE']).write_text(str(os.getpid()))\ntime.sleep(600)\n```\n",
    )
    place = tmp_path / "pid"
    heard = lambda: signal.signal(number, signal.SIG_DFL)  # noqa: E731  # a runner in the background ignores it
    process = subprocess.Popen(
        command("--document", "page.md"),
        cwd=tmp_path,
        preexec_fn=heard,  # noqa: PLW1509  # nothing else is done before the program begins
        env={**os.environ, "PLACE": str(place)},
        stdout=subprocess.PIPE,
        text=True,
    )
    while not (place.exists() and place.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "interrupted: what had come is in results.jsonl.partial, results.jsonl is as it was" in told
    assert not (tmp_path / "results.jsonl").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(place.read_text()), 0)


def test_results_that_cannot_be_written_end_the_run(run, tmp_path):
    page(tmp_path, WELL)
    held = tmp_path / "results.jsonl.partial"
    with held.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ran = run("--document", "page.md")
    assert ran.returncode == 3
    assert "another run is writing to results.jsonl; nothing was run" in ran.stderr


def test_what_a_release_broke_is_the_difference_of_two_runs(canireuse, tmp_path):
    for name, text in (("old", WELL + WELL), ("new", WELL + BROKEN)):
        page(tmp_path, text)
        canireuse("run", "--document", "page.md", "--results", f"{name}.jsonl")
    ran = canireuse("diff", "old.jsonl", "new.jsonl")
    assert ran.returncode == 1
    assert "1 verdict changed" in ran.stdout
    assert "page.md#2@reference: completed → completed (broken at line 5)" in ran.stdout
    assert "promised '2', came '1'" in ran.stdout
