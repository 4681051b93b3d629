"""What all tests share: small worlds of specs written from strings."""

import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from canireuse.program.loader import load
from canireuse.spec.model import Located

# Tests run their scripts; those of known results name a folder of their own.
os.environ["CANIREUSE_CACHE"] = ""

# A loaded machine is slow, and no test of these is about time.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

HEAD = """\
# yaml-language-server: $schema=../../conformance/canireuse/schemas/spec.schema.json
title: {title}
about: >
  A spec of a test; it says long enough why it is here.
sources: ["convention: made up by a test of this project"]
contract: by-name
"""


@pytest.fixture
def write_spec(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a spec from its steps (and what follows them) and returns the path."""

    def write(steps: str, name: str = "facet/spec", title: str | None = None) -> Path:
        path = tmp_path / "specs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = HEAD.format(title=title or f"A small spec called {name}") + textwrap.dedent(steps).lstrip("\n")
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def load_spec(write_spec: Callable[..., Path]) -> Callable[..., Located]:
    """Return a function that writes a spec from its steps and loads it."""
    return lambda steps, name="facet/spec": load(write_spec(steps, name))
