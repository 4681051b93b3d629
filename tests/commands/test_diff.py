"""`canireuse diff` tells what changed, and its exit code says whether anything did."""

import json
import subprocess
import sys

import pytest


def results(path, *, slower=1.0, verdict="conforms"):
    """Write the results of one case with one measured loop in six processes."""
    lines = [
        {"kind": "header", "canireuse": "0", "started": "2026-01-01T00:00:00+00:00", "command": "run"},
        {"kind": "case", "id": "f/s@torch", "spec": "f/s", "backend": "torch", "device": "cpu", "environment": "torch@cpu", "verdict": verdict, "spec_digest": "0", "reason": "because"},
        *({"kind": "measurement", "case": "f/s@torch", "label": "work", "size": 10, "process": process, "loops": 5, "first": 1.0, "fence": 0.0, "rounds": [0, 1], "seconds": [slower * (1 + process / 1000)] * 2} for process in range(6)),
        {"kind": "footer", "cases": 1, "seconds": 1.0, "verdicts": {verdict: 1}},
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


def diff(*arguments):
    command = [sys.executable, "-m", "canireuse", "diff", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def old(tmp_path):
    return results(tmp_path / "old.jsonl")


def test_the_same_results_do_not_differ(old):
    ended = diff(old, old)
    assert ended.returncode == 0
    assert "no verdict changed" in ended.stdout
    assert "0 of 1 times changed" in ended.stdout


def test_a_slower_loop_is_told_with_its_interval(old, tmp_path):
    ended = diff(old, results(tmp_path / "new.jsonl", slower=1.25))
    assert ended.returncode == 1
    assert "slower: 1.250 times as long" in ended.stdout
    assert "f/s@torch#work at 10: 1.00 s → 1.25 s" in ended.stdout


def test_another_verdict_is_told_with_its_reason(old, tmp_path):
    ended = diff(old, results(tmp_path / "new.jsonl", verdict="fails"))
    assert ended.returncode == 1
    assert "f/s@torch: conforms → fails" in ended.stdout
    assert "because" in ended.stdout


def test_json_says_the_same(old, tmp_path):
    ended = diff(old, results(tmp_path / "new.jsonl", slower=0.5), "--json")
    found = json.loads(ended.stdout)
    assert (ended.returncode, found["changed"], found["verdicts"]) == (1, True, [])
    assert found["times"][0]["ratio"]["value"] == pytest.approx(0.5)


def test_a_file_that_cannot_be_read_is_no_difference(old, tmp_path):
    ended = diff(old, tmp_path / "missing.jsonl")
    assert ended.returncode == 4
    assert "to do:" in ended.stderr
