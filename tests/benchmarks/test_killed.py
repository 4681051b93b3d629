"""A few runs that are killed at random moments; `python benchmarks/killed.py` kills more."""

import random
import sys

import pytest

from benchmarks.killed import Killing


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_a_run_that_is_killed_is_resumed_and_leaves_nothing(tmp_path, write_spec):
    for name in ("one", "two", "three"):
        write_spec(
            "steps:\n  - variable: w\n    init: [1.0]\n    as: w\n  - expect: value\n    value: w\n    is: [1.0]\n",
            f"facet/{name}",
        )
    killing = Killing(tmp_path, ["--backend", "reference", "specs"])
    drawn = random.Random(0)
    assert [killing.kill_and_resume(drawn) for _ in range(3)] == [""] * 3
    assert killing.kill_a_merge(drawn) == ""
    assert killing.when.total() > 0
