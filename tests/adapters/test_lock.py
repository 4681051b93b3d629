"""The lock of all scripts and refusals: it holds what the adapters say, and refuses what it must."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.lock import PACKAGES, ROOT, differences, diffs, lines_of, main, read, report, tracked_lines, written
from tests.adapters.translations import translations

CASE = {"spec": "ties/one", "backend": "torch", "way": {"copy": "pickle"}, "device": "cpu"}
SCRIPT = {
    **CASE,
    "script": "a = f('x', [1, 2])\nobserve('one', a is a)\n",
    "idioms": ["A loop stands for a call."],
    "one_place": ["one"],
}
REFUSAL = {**CASE, "spec": "ties/two", "refusal": "It has no words for this."}
NAME = "ties/one@torch+pickle"


def test_the_tracked_file_holds_what_the_adapters_say():
    became = differences(tracked_lines(), lines_of(translations(ROOT)))
    assert not became, report(became)


def test_the_tracked_file_is_sorted_and_has_a_gpu_where_it_differs():
    lines = [line.rsplit(" ", 2) for line in tracked_lines()]
    held = {name: rest for name, *rest in lines}
    assert list(held) == sorted(held)
    assert len(held) == len(lines)
    gpu = [name for name in held if name.endswith("@gpu")]
    assert gpu
    assert not [name for name in gpu if held[name] == held[name.removesuffix("@gpu")]]


def test_the_file_has_the_id_of_a_spec_once_and_is_read_as_it_was_written():
    lines = lines_of([SCRIPT, REFUSAL, {**SCRIPT, "device": "gpu"}, {**SCRIPT, "spec": "ties/one-more"}])
    text = written(lines)
    assert [line for line in text.splitlines() if not line.startswith("@")] == ["ties/one-more", "ties/one", "ties/two"]
    assert read(text) == lines
    assert read("") == []


@pytest.mark.parametrize(
    ("now", "became"),
    [
        ([SCRIPT, REFUSAL], {}),
        ([{**SCRIPT, "script": SCRIPT["script"].replace("2", "3")}, REFUSAL], {NAME: "was changed: script"}),
        ([{**SCRIPT, "idioms": ["A loop stands for two calls."]}, REFUSAL], {NAME: "was changed: script"}),
        ([{**SCRIPT, "one_place": []}, REFUSAL], {NAME: "was changed: script"}),
        ([{**REFUSAL, "spec": "ties/one"}, REFUSAL], {NAME: "was changed: script, now refusal"}),
        ([SCRIPT, {**REFUSAL, "refusal": "Nor this."}], {"ties/two@torch+pickle": "was changed: refusal"}),
        ([REFUSAL], {NAME: "is gone"}),
        ([SCRIPT, REFUSAL, {**SCRIPT, "device": "gpu"}], {f"{NAME}@gpu": "is new"}),
        ([{**SCRIPT, "way": {"restore": "pickle"}}, REFUSAL], {NAME: "was changed: script"}),
    ],
)
def test_whatever_differs_is_told(now, became):
    assert differences(lines_of([SCRIPT, REFUSAL]), lines_of(now)) == became


def test_a_script_that_is_formatted_otherwise_is_the_same():
    formatted = '# A comment.\n\na = f(\n    "x",\n    [1, 2],\n)\n\nobserve("one", (a is a))\n'
    again = {**SCRIPT, "script": formatted}
    assert lines_of([again]) == lines_of([SCRIPT])
    assert not list(diffs({NAME: SCRIPT}, {NAME: again}))


def test_the_report_has_the_first_ids_the_count_and_the_commands():
    text = report({f"ties/{number:02}@torch": "is gone" for number in range(30)})
    assert text.startswith("30 of the scripts and refusals differ from tests/adapters/scripts.lock:")
    assert "ties/19@torch is gone" in text
    assert "ties/20@torch" not in text
    assert "and 10 more" in text
    assert "--diff HEAD" in text
    assert "--update" in text


def test_a_diff_has_all_that_the_digest_is_of_and_ids_that_match():
    changed = {**SCRIPT, "script": "a = 1\n", "idioms": [], "one_place": []}
    (diff,) = diffs({NAME: SCRIPT}, {NAME: changed}, ["ties/*@torch*"])
    assert diff.splitlines() == [
        f"--- a/{NAME}",
        f"+++ b/{NAME}",
        "@@ -1,4 +1 @@",
        "-a = f('x', [1, 2])",
        "-observe('one', a is a)",
        "-# idiom: A loop stands for a call.",
        "-# one place, not observed: one",
        "+a = 1",
    ]
    assert not list(diffs({NAME: SCRIPT}, {NAME: changed}, ["*@nnx*"]))
    assert "-refused: It has no words for this." in next(diffs({NAME: REFUSAL}, {}))


def test_a_revision_without_the_packages_is_refused_in_three_parts(capsys):
    assert main(["--diff", "no-such-revision"]) == 2
    told = capsys.readouterr().err
    assert "no-such-revision" in told
    assert "expected:" in told
    assert "to do:" in told


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_revision_is_said_by_its_own_packages(tmp_path):
    """In a small checkout of its own: the tracked file is written, holds, and what changes is told and shown."""
    spec = Path("specs", "scopes", "reuse-true-finds-existing.yaml")
    kept = ["pyproject.toml", "constraints.txt", spec, "tests/adapters/lock.py", "tests/adapters/translations.py"]
    for name in kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = os.pathsep.join(str((tmp_path / name).parent) for name in PACKAGES)

    def lock(*arguments):
        command = [sys.executable, "-m", "tests.adapters.lock", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
        )

    assert lock("--update").returncode == 0
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qm", "."],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    same = lock()
    assert (same.returncode, same.stdout, same.stderr) == (0, "", "")
    with (tmp_path / "adapters/canireuse_adapters/reference.py").open("a", encoding="utf-8") as file:
        file.write("\nReference.head = dict.fromkeys(('cpu', 'gpu'), 'sooner()')\n")
    changed, shown = lock(), lock("--diff", "HEAD", "scopes/*@reference")
    assert changed.returncode == shown.returncode == 1
    assert "scopes/reuse-true-finds-existing@reference was changed: script" in changed.stdout
    assert [line for line in shown.stdout.splitlines() if line[:1] in {"-", "+"}] == [
        "--- a/scopes/reuse-true-finds-existing@reference",
        "+++ b/scopes/reuse-true-finds-existing@reference",
        "+sooner()",
    ]
    assert shown.stderr == "cases that differ from HEAD: 1\n"
    assert lock("--diff", "HEAD", "*@torch").returncode == 0
    trees = subprocess.run(["git", "-C", str(tmp_path), "worktree", "list"], capture_output=True, text=True, check=True)
    assert len(trees.stdout.splitlines()) == 1
