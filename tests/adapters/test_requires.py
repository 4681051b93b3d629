"""What adapters say of versions: the minimum agrees with what pip is asked for, and no entry of `since` is stale."""

import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import canireuse_adapters
from canireuse.commands.places import load_specs
from canireuse.emit import Unsupported
from canireuse.emit.since import said_by
from canireuse.results.cases import plan

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
#: the edition of TensorFlow 1 runs on Pythons on which this package is not installed, so that no extra asks for it
OLDER = {"tf1": {"tensorflow": ">=1.15"}}
BACKENDS = [name for name in canireuse_adapters.names() if name != "reference"]


@cache
def specs():
    return load_specs(())


def specifiers(texts):
    return {one.name: str(one.specifier) for one in map(Requirement, texts) if one.specifier}


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_required_is_what_the_extra_asks_for(backend):
    asked = specifiers(EXTRAS[backend.removesuffix("-eager")])
    assert specifiers(canireuse_adapters.adapter(backend).requires) == asked | OLDER.get(backend, {})


@pytest.mark.parametrize("backend", BACKENDS)
def test_versions_of_what_is_required_are_recorded(backend):
    adapter = canireuse_adapters.adapter(backend)
    named = {Requirement(text).name for text in (*adapter.requires, *adapter.table("since").values())}
    assert named | set(adapter.distributions.values()) <= set(adapter.packages)


@pytest.mark.parametrize("backend", [name for name in BACKENDS if canireuse_adapters.adapter(name).table("since")])
def test_each_entry_is_what_some_script_says(backend):
    stale = set(canireuse_adapters.adapter(backend).table("since"))
    for case in plan(specs(), [backend]):
        if not stale:
            break
        try:
            script = case.adapter("cpu", case.way).translate(case.located.spec)
        except Unsupported:
            continue
        stale -= said_by(script.text, sorted(stale))
    assert not stale
