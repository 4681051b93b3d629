"""Counter-specs: one line is changed and no more, and every one that stands in the files is used and runs."""

from pathlib import Path

import pytest

from canireuse.spec.claims import load_claims, observations
from tests.claims.counters import Counter, counters

SPEC = """\
title: A spec of a test
steps:
  - variable: w
    init: 1.0
    as: w
  - variable: v
    init: 1.0
    as: v
divergences: []
"""


def counter(**more):
    return Counter(**{"id": "other", "spec": "a/b"} | more)


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({"line": "init: 1.0", "nth": 2, "becomes": "init: 2.0"}, ["    init: 1.0", "    init: 2.0"]),
        ({"line": "init: 1.0", "nth": 1, "becomes": None}, ["    init: 1.0"]),
        ({"line": "as: w", "then": "init: 3.0"}, ["    init: 1.0", "    init: 3.0", "    init: 1.0"]),
    ],
)
def test_one_line_is_changed_with_its_indentation(change, lines):
    changed = counter(**change).apply(SPEC)
    assert [line for line in changed.splitlines() if "init" in line] == lines
    assert changed.startswith("title: Counter-spec other\nsteps:\n")
    assert changed.endswith("divergences: []\n")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"line": "init: 1.0", "becomes": "init: 2.0"}, "2 times"),
        ({"line": "init: 9.0", "becomes": "init: 2.0"}, "0 times"),
        ({"line": "init: 1.0", "nth": 3, "becomes": "init: 2.0"}, "2 times"),
    ],
)
def test_a_line_that_is_not_there_or_there_several_times_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        counter(**change).apply(SPEC)


@pytest.mark.parametrize(
    "change",
    [{"line": "as: w"}, {"line": "as: w", "becomes": "a", "then": "b"}, {"line": "as: w", "then": "a: 1\nb: 2"}],
)
def test_what_changes_nothing_or_more_than_one_line_is_refused(change):
    with pytest.raises(ValueError, match=r"becomes|one line"):
        counter(**change)


def test_every_counter_spec_is_used():
    specs = Path(__file__).parent.parent.parent / "specs"
    used = {
        getattr(shown, "otherwise", "")
        for _, document, _ in load_claims(specs / "claims")
        for _, shown in observations(document)
    }
    assert set(counters()) - used == set()
