"""Measuring with processes: what dies, hangs or is interrupted, and the core on which they stay."""

import os
import signal

import pytest

from canireuse.measure import measuring, rounds
from canireuse.measure.measuring import Measuring
from canireuse.results.cases import Plan
from canireuse.run.hosts import Host
from tests.conformance.measure.test_measuring import STEPS, Plain, lines


class Edition(Plain):
    """An adapter of a framework of which two editions are told apart."""

    name = "edition"

    @classmethod
    def edition(cls, versions):
        return "old" if versions else ""


class Dies(Plain):
    """Is killed in its third turn of all: the rounds have begun."""

    name = "dies"
    body = "import os, signal; seen = globals().setdefault('seen', []); seen.append(1); time.sleep(0.02); len(seen) > 6 and os.kill(os.getpid(), signal.SIGKILL)"


class Hangs(Plain):
    """Comes back from its rounds, and then no more."""

    name = "hangs"
    text = Plain.text.replace("observe(", "time.sleep(100)\nobserve(")


@pytest.fixture
def hosts():
    made = []
    yield made
    for host in made:
        host.stop()


def real(load_spec, hosts, adapters, budget, monkeypatch, tell=lambda *_: None):
    monkeypatch.setattr(measuring, "BLOCK", 0.001)
    monkeypatch.setattr(rounds, "MOST_PROCESSES", 2)
    monkeypatch.setattr(rounds, "MOST_ROUNDS", 8)
    located = load_spec(STEPS)

    def bring_up(case, environ):
        hosts.append(Host(case.adapter, device="cpu", limit=2.0))
        return hosts[-1]

    written = []
    cases = [Plan(located, adapter.name, adapter, {}) for adapter in adapters]
    Measuring(cases, bring_up, written.append, budget, tell, seed=1).run()
    return written


def test_processes_are_measured_and_what_dies_or_hangs_is_told(load_spec, hosts, monkeypatch):
    written = real(load_spec, hosts, [Plain, Edition, Dies, Hangs], 60.0, monkeypatch)
    how = written[-1]
    assert set(how.unreliable) == {"facet/spec@dies", "facet/spec@hangs"}
    assert "SIGKILL" in how.unreliable["facet/spec@dies"]
    assert "timeout" in how.unreliable["facet/spec@hangs"]
    assert {line.case for line in lines(written)} == {"facet/spec@plain", "facet/spec@edition+old"}
    assert how.processes == 2
    for line in lines(written):
        assert line.rounds == list(range(how.rounds[line.process]))
        assert all(0 < seconds < 0.01 for seconds in line.seconds)
        assert line.loops > 1
    assert all(host.process is None for host in hosts)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not say where a process runs")
def test_hosts_stay_on_one_core_of_those_that_may_be_used(load_spec, hosts, monkeypatch):
    class Says(Plain):
        text = "import os\n" + Plain.text.replace(
            "observe('there', 1)", "observe('there', len(os.sched_getaffinity(0)))"
        )

        @classmethod
        def probe(cls, device):
            return "import os\nassert len(os.sched_getaffinity(0)) == 1\nobserve('device', 'cpu')"

    written = real(load_spec, hosts, [Says], 60.0, monkeypatch)
    assert written[-1].core in os.sched_getaffinity(0)
    assert written[-1].unreliable == {}
    assert lines(written)


def test_an_interrupt_in_the_middle_of_a_round_leaves_no_process(load_spec, hosts, monkeypatch):
    pids, turn = [], Host.turn

    def interrupted(host, number, before):
        if number == 2:
            pids.extend(each.process.pid for each in hosts)
            signal.raise_signal(signal.SIGINT)
        return turn(host, number, before)

    monkeypatch.setattr(Host, "turn", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a runner in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            real(load_spec, hosts, [Plain, Edition], 60.0, monkeypatch)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(pids) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
