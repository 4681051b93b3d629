"""Resuming and parts: a run that was stopped is gone on with, and comes out as if nothing had happened; so do parts that are joined."""

import json
import os
import subprocess
import sys

import pytest

from canireuse.results import records
from canireuse.runner.session import part_of, part_that_has
from canireuse.spec.problems import UsageError

NAMES = [f"facet/{name}" for name in ("one", "two", "three", "four", "five")]
STEPS = """
steps:
  - variable: weight
    init: [1.0, 2.0]
    as: weight
  - expect: its-value
    value: weight
    is: [1.0, 2.0]
"""


def call(folder, *words, program="canireuse"):
    """Run a command in the folder; nothing is known from earlier runs."""
    return subprocess.run(
        [sys.executable, "-m", program, *words], cwd=folder, capture_output=True, text=True, timeout=200, check=False,
        env={**os.environ, "CANIREUSE_CACHE": ""},
    )  # fmt: skip


def run(folder, *words, results="r.jsonl"):
    return call(folder, "run", "specs", "--backend", "reference", "--results", results, *words)


def told(path):
    """Return the records of a file, but for times."""
    results = records.read([path])
    assert results.complete
    assert len(results.headers) == len(results.footers) == 1
    return {name: case.model_dump(exclude={"seconds", "output"}) for name, case in results.cases.items()}, results.specs


@pytest.fixture
def folder(tmp_path, write_spec):
    """Return a folder with five specs and the results of a run of them."""
    for name in NAMES:
        write_spec(STEPS, name)
    ran = run(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return tmp_path


def stop(folder, cases, cut=0, **header):
    """Leave of the results what a run would have left that was stopped after so many cases; return the records of the whole."""
    whole = told(folder / "r.jsonl")
    lines = (folder / "r.jsonl").read_text().splitlines(keepends=True)
    lines[0] = json.dumps({**json.loads(lines[0]), **header}, separators=(",", ":")) + "\n"
    ends = [number for number, line in enumerate(lines, 1) if line.startswith('{"kind":"case"')]
    left = "".join(lines[: ends[cases - 1] + 1])
    (folder / "r.jsonl.partial").write_text(left[: len(left) - cut])
    (folder / "r.jsonl").unlink()
    return whole


@pytest.mark.parametrize("words", [(), ("-n", "2")])
@pytest.mark.parametrize("cut", [0, 7])
def test_a_run_that_was_stopped_is_gone_on_with(folder, words, cut):
    whole = stop(folder, 3, cut)
    before = (folder / "r.jsonl.partial").read_text().rpartition("\n")[0]
    ran = run(folder, "--resume", *words)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert told(folder / "r.jsonl") == whole
    assert (folder / "r.jsonl").read_text().startswith(before)
    assert not (folder / "r.jsonl.partial").exists()


def test_what_a_whole_file_lacks_is_added(folder):
    whole = stop(folder, 3)
    left = (folder / "r.jsonl.partial").read_text()
    footer = records.Footer(cases=3, seconds=1.0, verdicts={"conforms": 3}, missing=["facet/two@reference"])
    (folder / "r.jsonl.partial").unlink()
    (folder / "r.jsonl").write_text(left + footer.model_dump_json() + "\n")
    assert run(folder, "--resume").returncode == 0
    assert told(folder / "r.jsonl") == whole


def refused(folder, *words):
    """Have a run refused, and return why; nothing that was there is lost."""
    left = (folder / "r.jsonl.partial").read_bytes()
    ran = run(folder, "--resume", *words)
    assert ran.returncode == 4
    assert (folder / "r.jsonl.partial").read_bytes() == left
    return ran.stdout + ran.stderr


def test_a_run_of_another_state_of_canireuse_is_not_resumed(folder):
    stop(folder, 3, state="another")
    assert "another version of canireuse" in refused(folder)


def test_a_run_in_another_environment_is_not_resumed(folder):
    stop(folder, 3)
    partial = folder / "r.jsonl.partial"
    identity = next(iter(records.read([partial]).environments.values())).identity
    partial.write_text(partial.read_text().replace(identity, "0" * len(identity)))
    assert "the environment reference@cpu is another one now" in refused(folder)


def test_a_run_of_another_text_of_a_spec_is_not_resumed(folder):
    stop(folder, 3)
    path = folder / "specs" / "facet" / "two.yaml"
    path.write_text(path.read_text() + "\n")
    assert "the spec facet/two is another one now" in refused(folder)


def test_a_run_of_other_cases_is_not_resumed(folder):
    stop(folder, 5)
    assert "that this one has not" in refused(folder, "--shard", f"{3 - part_that_has('facet/one', 2)}/2")
    assert "that this one has not" in refused(folder, "-k", "two or three")


def test_where_nothing_was_stopped_there_is_nothing_to_resume(folder):
    ran = run(folder, "--resume")
    assert ran.returncode == 4
    assert "there is no run to resume" in ran.stdout + ran.stderr
    told(folder / "r.jsonl")


def test_a_measured_run_is_not_resumed(folder):
    stop(folder, 3)
    assert "--resume with --measure" in refused(folder, "--measure")


@pytest.mark.parametrize("words", [(), ("-n", "2")])
def test_parts_that_are_joined_are_the_whole(folder, words):
    parts = [f"{part}.jsonl" for part in (1, 2, 3)]
    for part, path in enumerate(parts, 1):
        assert run(folder, "--shard", f"{part}/3", *words, results=path).returncode in {0, 5}
    here = [path for path in parts if (folder / path).exists()]
    joined = call(folder, "merge", *here, "--output", "all.jsonl")
    assert told(folder / "all.jsonl") == told(folder / "r.jsonl")
    assert joined.returncode == (0 if len(here) == 3 else 1)
    fewer = call(folder, "merge", here[0], "--output", "some.jsonl")
    assert fewer.returncode == 1
    assert "not here" in fewer.stderr


def test_a_part_is_told_by_the_id_alone():
    parts = {name: part_that_has(name, 8) for name in NAMES}
    assert parts == {name: part_that_has(name, 8) for name in reversed(NAMES)}
    counts = [sum(part_that_has(f"a/{number}", 8) == part for number in range(800)) for part in range(1, 9)]
    assert min(counts) > 60


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2", "1/0"])
def test_what_is_no_part_is_refused(shard):
    with pytest.raises(UsageError, match="is no part"):
        part_of(shard)


def change(folder, source, target, old, new):
    text = (folder / source).read_text()
    assert old in text
    (folder / target).write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"python":"', '"python":"2.', "the environment reference@cpu is here twice, and is not the same: Python"),
        ('"verdict":"conforms"', '"verdict":"error"', "is here twice, and observed two things"),
        ('"schema_version":', '"schema_version":1', "schema version"),
    ],
)
def test_what_does_not_belong_together_is_not_joined(folder, old, new, why):
    change(folder, "r.jsonl", "other.jsonl", old, new)
    joined = call(folder, "merge", "r.jsonl", "other.jsonl", "--output", "all.jsonl")
    assert joined.returncode == 4
    assert why in joined.stderr
    assert not (folder / "all.jsonl").exists()


def test_a_run_that_was_stopped_is_not_joined(folder):
    stop(folder, 3)
    joined = call(folder, "merge", "r.jsonl.partial", "--output", "all.jsonl")
    assert joined.returncode == 4
    assert "of a run that was stopped" in joined.stderr


def test_joining_replaces_no_larger_file(folder):
    run(folder, "-k", "two", results="few.jsonl")
    before = (folder / "r.jsonl").read_text()
    assert call(folder, "merge", "few.jsonl", "--output", "r.jsonl").returncode == 4
    assert (folder / "r.jsonl").read_text() == before
