"""The tables that map tests upstream to specs name specs that there are, and leave no row without an answer."""

import re
from pathlib import Path

from canireuse.spec.reading import spec_files

ROOT = Path(__file__).parent.parent
ROWS = [
    line.split("|")[1:-1]
    for line in (ROOT / "docs" / "upstream-tests.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]


def test_every_spec_that_is_named_is_there():
    known = spec_files([ROOT / "specs"])
    named = {name for row in ROWS for name in re.findall(r"`([a-z]+/[a-z0-9-]+)`", row[-1])}
    assert len(named) > 100
    assert not named - known.keys()


def test_every_row_names_a_spec_or_says_why_there_is_none():
    silent = [row[0] for row in ROWS if not re.search(r"`[a-z]+/[a-z0-9-]+`|not covered: .{3,}", row[-1])]
    assert not silent
    assert len(ROWS) > 300
