"""The frozen faults are what would be drawn from the pinned versions, without a framework being imported."""

import importlib.metadata
import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.planted import faults

ROOT = Path(__file__).parents[3]
PINNED = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
PACKAGES = {
    "tf1": "tensorflow",
    "tf2": "tensorflow",
    "keras": "keras",
    "linen": "flax",
    "nnx": "flax",
    "torch": "torch",
}


def here(package):
    """Return the version of a package without what a build adds to it; none if it is not here."""
    try:
        return importlib.metadata.version(package).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


@pytest.mark.parametrize("backend", faults.TARGETS)
def test_what_is_frozen_is_what_would_be_drawn(backend):
    package = PACKAGES[backend]
    if here(package) != PINNED[package]:
        pytest.skip(f"{package} {PINNED[package]} is pinned, and {here(package)} is here")
    assert faults.frozen(backend) == [*faults.freeze(backend)]


def test_each_backend_has_a_hundred_faults_of_many_kinds_in_each_of_its_files():
    frozen = faults.frozen()
    assert Counter(fault["backend"] for fault in frozen) == dict.fromkeys(faults.TARGETS, faults.MANY)
    assert len({fault["id"] for fault in frozen}) == len(frozen)
    for backend, modules in faults.TARGETS.items():
        own = faults.frozen(backend)
        assert {fault["module"] for fault in own} == {*modules}
        assert max(Counter(fault["operator"] for fault in own).values()) < faults.MANY / 5
    assert faults.FROZEN.stat().st_size < 2**20
