"""Where two runs of one backend answer differently: a table for the docs, from results files alone.

`python -m canireuse_reports.versions tf1 OLD.jsonl NEW.jsonl` prints it; `docs/tensorflow-1.15.md` was made so.
"""

import sys
from pathlib import Path

from canireuse.judge.verdict import Judged
from canireuse.results.records import Case, Results, read
from canireuse.spec.answers import agrees


def environment(results: Results, backend: str) -> str:
    """Return what a backend ran on, in words."""
    found = next(line for line in results.environments.values() if line.backend == backend)
    packages = ", ".join(f"{name} {version}" for name, version in found.packages.items())
    return f"{packages}, Python {found.python}"


def same(one: Judged, other: Judged) -> bool:
    """Return whether two answers are alike; two that both hold the contract's are, whatever the digits."""
    return agrees(one.observed, other.observed, 1e-5) or (
        one.holds and other.holds and not one.is_declared and not other.is_declared
    )


def differences(old: Case, new: Case) -> list[tuple[str, str, str]]:
    """Return label, old answer and new answer where they differ; a case that was not run is one row."""
    answers = [{one.label: one for one in case.expectations} for case in (old, new)]
    if not all(answers):
        return [("", told(old), told(new))] if old.verdict != new.verdict else []
    return [
        (label, str(one.observed), str(answers[1][label].observed))
        for label, one in answers[0].items()
        if label in answers[1] and not same(one, answers[1][label])
    ]


def told(case: Case) -> str:
    """Return what came of a case, with the reason if there is one."""
    return f"{case.verdict}: {case.reason}" if case.reason else case.verdict


def cases_of(backend: str, results: Results) -> dict[tuple[str, ...], Case]:
    """Return a backend's cases by spec and way, whatever the edition."""
    return {
        (case.spec, *(name for verb, name in case.way.items() if verb != "edition")): case
        for case in results.cases.values()
        if case.backend == backend
    }


def page(backend: str, old: Results, new: Results) -> str:
    """Return the page: how many cases ran, how many scripts are the same text, and each difference."""
    older, newer = cases_of(backend, old), cases_of(backend, new)
    pairs = {name: (older[name], newer[name]) for name in sorted(older.keys() & newer.keys())}
    ran = [(one, other) for one, other in pairs.values() if one.script and other.script]
    rows = [(name, *row) for name, (one, other) in pairs.items() for row in differences(one, other)]
    lines = [
        "# TensorFlow 1.15 beside `tf.compat.v1`",
        "",
        "Made by `python -m canireuse_reports.versions tf1 OLD NEW` from two results files; do not edit.",
        "",
        f"- old: {environment(old, backend)}",
        f"- new: {environment(new, backend)}",
        f"- {len(ran)} cases ran on both, {sum(one.script == other.script for one, other in ran)} of them with the same script, byte for byte",
        f"- {len({row[0] for row in rows})} cases differ, in {len(rows)} answers",
        "",
        "| spec | way | expectation | old | new |",
        "|---|---|---|---|---|",
        *(f"| `{spec}` | {', '.join(way)} | {' | '.join(row)} |" for (spec, *way), *row in rows),
        "",
        "To make the old results:",
        "",
        "```",
        "python3.7 -m venv .venv-tf115",
        ".venv-tf115/bin/python -m pip install tensorflow==1.15.5 'protobuf<3.21' 'numpy<1.19'",
        "canireuse run --backend tf1 --python tf1=.venv-tf115/bin/python --results results-tf115.jsonl",
        "```",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    name, *paths = sys.argv[1:]
    sys.stdout.write(page(name, *(read([Path(path)]) for path in paths)))
