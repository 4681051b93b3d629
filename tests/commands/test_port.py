"""`canireuse port` and `canireuse report --port`: what they print, write and refuse."""

import sys
from dataclasses import dataclass

import pytest

from canireuse.commands import main
from canireuse.results.writer import Writer
from tests.reports.conftest import results  # noqa: F401  # the fixture


@dataclass
class Ran:
    exit_code: int
    output: str


@pytest.fixture
def canireuse(results, tmp_path, monkeypatch, capsys):  # noqa: F811  # the fixture
    """Return a function that runs a command in this process, on results made in code."""
    writer = Writer(tmp_path / "results.jsonl")
    lines = (results.headers, results.environments.values(), results.specs.values(), results.cases.values())
    for line in (line for group in (*lines, results.footers) for line in group):
        writer.write(line)
    writer.close()
    monkeypatch.chdir(tmp_path)

    def call(*arguments, columns=140):
        monkeypatch.setattr(sys, "argv", ["canireuse", *arguments])
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return Ran(ended.value.code, told.out + told.err)

    return call


@pytest.mark.parametrize("columns", [40, 80, 140])
def test_a_guide_is_printed_at_any_width(canireuse, columns):
    ran = canireuse("port", "tf1", "torch", columns=columns)
    assert ran.exit_code == 0, ran.output
    assert "From TensorFlow 1 graph mode to PyTorch" in " ".join(ran.output.split())
    assert max(map(len, ran.output.splitlines()[:-3])) <= columns


def test_an_explanation_and_the_ways_are_printed(canireuse):
    ran = canireuse("port", "reference", "torch")
    text = " ".join(ran.output.split())
    assert "Behaves differently, and nobody tells you (1 scenario)" in text
    assert "tie it again." in text
    assert "shared: yes -> no by assign; as before by load_state_dict" in text


def test_all_lists_every_scenario(canireuse):
    short, whole = canireuse("port", "reference", "tf1").output, canireuse("port", "reference", "tf1", "--all").output
    assert "scopes/all-agree" in whole
    assert "scopes/all-agree" not in short


@pytest.mark.parametrize("columns", [80, 160])
def test_two_scripts_are_printed(canireuse, columns):
    ran = canireuse("port", "reference", "tf1", "--scripts", "scopes/reuse-finds", columns=columns)
    assert ran.exit_code == 0, ran.output
    assert ran.output.count("import torch") == 2
    assert any(line.count("import torch") == 2 for line in ran.output.splitlines()) == (columns > 100)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("port", "tf1", "nnx"), "the results hold no run of 'nnx'"),
        (("port", "pytorch", "tf1"), "the results hold no run of 'pytorch'"),
        (("port", "tf1", "tf1"), "'tf1' is ported to itself"),
        (("port", "tf1", "torch", "--scripts", "ties/kept-on-save"), "is no scenario that both tf1 and torch ran"),
        (("port", "tf1", "torch", "--scripts", "no/such"), "is no scenario that both tf1 and torch ran"),
        (("port", "tf1", "torch", "--results", "no-such.jsonl"), "cannot be read"),
        (("report", "--port", "nnx"), "there is no porting guide 'nnx'"),
        (("report", "--port", "tf1:nnx"), "the results hold no run of 'nnx'"),
        (("report", "--port", "tf1:tf1"), "ported to itself"),
    ],
)
def test_a_guide_that_cannot_be_is_told(canireuse, arguments, words):
    ran = canireuse(*arguments)
    assert ran.exit_code == 4
    assert words in ran.output
    assert "Traceback" not in ran.output


@pytest.mark.parametrize(
    ("words", "count"),
    [((), 2), (("--port", "none"), 0), (("--port", "all"), 6), (("--port", "torch:tf1", "--port", "tf1:torch"), 2)],
)
def test_report_writes_the_guides_that_are_asked_for(canireuse, tmp_path, words, count):
    ran = canireuse("report", *words)
    assert ran.exit_code == 0, ran.output
    assert len(list((tmp_path / "report").glob("port-*.html"))) == count
    assert (f"porting guides: {count}" in ran.output) == bool(count)
