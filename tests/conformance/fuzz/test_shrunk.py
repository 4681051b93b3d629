"""Shrunk programs on which a backend and the reference model disagreed once: each runs, and disagrees no more, or as a spec declares.

Below `shrunk/` is a file for each backend, in which a program has the sentence `was` on what disagreed, and `now`: `mended`, `refused`
by the adapter, which has no words for it, or the spec that declares what the backend observes otherwise.
"""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml

import canireuse_adapters
from canireuse.fuzz.agreement import Disagreement, Fight

FOLDER = Path(__file__).with_name("shrunk")
CASES = [
    pytest.param(path.stem, one, id=f"{path.stem}-{at}")
    for path in sorted(FOLDER.glob("*.yaml"))
    for at, one in enumerate(yaml.safe_load(path.read_text(encoding="utf-8")))
]


@pytest.fixture(scope="module")
def fights():
    """Return a function that returns the fight of a backend."""
    begun = {}

    def fight(backend):
        first = canireuse_adapters.adapter(backend).packages[0]
        try:
            version(first)
        except PackageNotFoundError:
            pytest.skip(f"{first} is not installed")
        if backend not in begun:
            begun[backend] = Fight(backend)
        return begun[backend]

    yield fight
    for one in begun.values():
        one.stop()


@pytest.mark.parametrize(("backend", "one"), CASES)
def test_a_shrunk_program_disagrees_no_more_or_as_declared(fights, backend, one):
    fight = fights(backend)
    program = fight.answered(
        {
            "title": "A program that was random",
            "about": one["was"],
            "sources": ["convention: a random program"],
            "contract": one["contract"],
            "steps": one["steps"],
        }
    )
    cases = [*fight.cases(program)]
    found = [fight.compared(program, case) for case in cases]
    assert not [each for each in found if isinstance(each, Disagreement)]
    assert {*found} <= {None} if one["now"] in {"mended", "refused"} else one["now"] in found
    assert all(case.verdict == "unsupported" for case in cases) is (one["now"] == "refused")
