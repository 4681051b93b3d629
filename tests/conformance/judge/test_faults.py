"""Faults of real environments: each is given the blame that a person gave it."""

import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import yaml

import canireuse_adapters
from canireuse.commands.places import load_specs
from canireuse.emit.since import lacking
from canireuse.judge.verdict import judge
from canireuse.run.hosts import why_not_imported
from canireuse.run.outcome import Outcome
from canireuse.spec.model import Divergence

HERE = Path(__file__).parent
FAULTS = [json.loads(line) for line in (HERE / "faults.jsonl").read_text(encoding="utf-8").splitlines()]
WRITTEN = yaml.safe_load((HERE / "faults.yaml").read_text(encoding="utf-8"))
#: faults that get another blame than the one that a person gave, with the reason why; one of fifty at most
MISSED: dict[str, str] = {
    "since/function-of-optax": "No script says `optax.partition` any more, so that no table has since when it is there.",
}


@cache
def spec(name):
    return load_specs((name,))[0].spec


def told(fault):
    """Return verdict, blame and reason that a run would give, from what was recorded."""
    adapter, outcome = canireuse_adapters.adapter(fault["backend"]), Outcome(**fault["outcome"])
    packages = {name: version for name, version in fault["environment"]["packages"].items() if version}
    if fault["at"] == "import":
        outcome.environment = {"packages": packages}
        return "skipped", "environment", why_not_imported(adapter, fault["way"].get("engine"), 60, outcome)
    try:
        if late := lacking(fault["script"], adapter.table("since"), packages):
            return "unsupported", None, late
    except SyntaxError:
        pass
    asked = spec(fault["spec"])
    if then := fault.get("divergences"):
        asked = asked.model_copy(update={"divergences": [Divergence.model_validate(one) for one in then]})
    judged = judge(asked, fault["backend"], adapter, fault["way"], outcome, packages)
    return judged.verdict, judged.blame, judged.reason


@pytest.mark.parametrize("fault", FAULTS, ids=[fault["id"] for fault in FAULTS])
def test_a_fault_gets_the_blame_that_a_person_gave_it(fault, request):
    if fault["id"] in MISSED:
        request.node.add_marker(pytest.mark.xfail(reason=MISSED[fault["id"]], strict=True))
    verdict, blame, reason = told(fault)
    right = fault["right"]
    assert verdict in ([right["verdict"]] if isinstance(right["verdict"], str) else right["verdict"]), reason
    assert blame == right["blame"], reason
    assert not [name for name in right["names"] if name.lower() not in reason.lower()], reason


def test_there_are_as_many_faults_as_ever():
    """The list grows; what was taken out would no longer be told rightly, and nobody would know."""
    assert [fault["id"] for fault in FAULTS] == [fault["id"] for fault in WRITTEN]
    assert len(FAULTS) >= 112
    assert [fault["id"] for fault in FAULTS].index(
        "spec/stale-divergence"
    ) >= 19  # written down before any was recorded
    assert sum(fault["environment"]["name"] != "usual" for fault in FAULTS) >= 77
    blamed = Counter(fault["right"]["blame"] for fault in FAULTS)
    assert min(blamed[who] for who in ("adapter", "backend", "environment", None)) >= 10
    assert len(MISSED) <= len(FAULTS) / 50


def test_each_says_what_was_written_down():
    """A blame is changed where it was written down, and recorded from there."""
    for fault, written in zip(FAULTS, WRITTEN, strict=True):
        assert fault["right"] == {key: written["right"][key] for key in ("verdict", "blame", "names", "because")}, (
            fault["id"]
        )
