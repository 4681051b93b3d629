"""The reference model against TensorFlow 1 itself: the two answer alike, observation by observation."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from canireuse.emit import Adapter, Unsupported
from canireuse.judge.verdict import answer_of, declared_answers
from canireuse.program.loader import load_all
from canireuse.run.hosts import Host
from canireuse.spec.answers import agrees
from canireuse.spec.model import UNOBSERVED, Spec
from canireuse.spec.vocabulary import Expect, walk
from canireuse_adapters.reference import Reference
from canireuse_adapters.tf1 import TF1

SPECS = [located for located in load_all([Path(__file__).parents[2] / "specs"]) if located.spec.contract != "none"]

pytestmark = [
    pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed; `pip install tensorflow`"),
    pytest.mark.xdist_group("tf1"),
]


@pytest.fixture(scope="module")
def hosts():
    found = {adapter: Host(adapter, device="cpu") for adapter in (Reference, TF1)}
    for host in found.values():
        host.start()
    for host in found.values():
        assert host.ready() is None
    yield found
    for host in found.values():
        host.stop()


def answers(adapter: type[Adapter], host: Host, spec: Spec, way: dict[str, str]) -> dict:
    try:
        script = adapter("cpu", way, host.environment["packages"]).translate(spec)
    except Unsupported as reason:
        pytest.skip(f"{adapter.title}: {reason}")
    outcome = host.run(script, "<spec>")
    assert outcome.ending == "finished"
    return {
        label: answer_of(outcome.observations[label], adapter, refusal=isinstance(contract, str))
        for label, contract in spec.expectations.items()
        if label in outcome.observations
    }


@pytest.mark.parametrize("located", SPECS, ids=lambda located: located.id)
def test_both_answer_alike(located, hosts):
    spec = located.spec
    tolerances = {step.expect: step.close for step in walk(spec.steps) if isinstance(step, Expect)}
    way = TF1.ways_of(spec)[0]
    declared = declared_answers(spec, "tf1", way, hosts[TF1].environment["packages"])
    model, framework = (answers(adapter, hosts[adapter], spec, way) for adapter in (Reference, TF1))
    reached = {label for label, contract in spec.expectations.items() if contract != UNOBSERVED}
    assert set(model) == reached
    assert not set(framework) - reached - set(declared)
    compared = [label for label in reached if label not in declared]
    apart = {
        label: (model[label], framework.get(label))
        for label in compared
        if not agrees(model[label], framework.get(label), tolerances.get(label, 1e-5))
    }
    assert not apart
