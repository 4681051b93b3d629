"""Measuring: hosts take turns in an order drawn anew, within the budget, and nothing that went wrong is counted.

It is shown with hosts that are none, in a time of their own; `test_measuring_with_processes.py` has real ones.
"""

import time
from collections import Counter
from types import SimpleNamespace

import pytest

from canireuse.emit import Adapter, Script
from canireuse.measure import measuring
from canireuse.measure.loops import is_measured
from canireuse.measure.measuring import Measuring
from canireuse.measure.rounds import FEWEST_ROUNDS, FIRST_ROUNDS, MOST_PROCESSES, MOST_ROUNDS, PROCESSES
from canireuse.results import records
from canireuse.results.cases import Plan
from canireuse.run.outcome import Outcome

STEPS = """
    steps:
      - {variable: v, init: 1.0, as: v}
      - {measure: one, steps: [{read: v}]}
      - {measure: other, against: one, steps: [{read: v}]}
      - {expect: there, variables: 1}
"""

COUNTED = """
    steps:
      - {variable: v, init: 1.0, as: v}
      - {module: whole, members: {v: v}}
      - {expect: there, elements: whole, is: 1}
      - {expect: again, elements: whole, is: 1, against: there}
"""


class Plain(Adapter):
    """An adapter whose script is given word for word."""

    name = title = "plain"
    packages = ("pytest",)
    body = "pass"
    text = "import time\nfor _ in rounds():\n    for _ in measure('one'):\n        {body}\n    for _ in measure('other'):\n        {body}\nobserve('there', 1)\n"

    def translate(self, spec):
        return Script(self.text.format(body=self.body))

    @classmethod
    def probe(cls, device):
        return f"observe('device', {device!r})"


class World:
    """A time of its own, and a log of which host did which round."""

    def __init__(self):
        self.now = 100.0
        self.log = []
        self.up = Counter()
        self.settings = []


class Actor:
    """A host that is none: it says when it would have been asked, and how long that took."""

    device, limit = "cpu", 60.0
    environment = {"packages": {"pytest": "1"}}

    def __init__(self, world, case, *, importing=2.0, block=0.02, absent=None, observes=1, dies_in=None, first=0.1):
        self.world, self.case, self.adapter, self.importing, self.block = world, case, case.adapter, importing, block
        self.absent, self.observes, self.dies_in, self.first, self.edition = absent, observes, dies_in, first, ""
        self.number = self.world.up["ever"]
        self.world.up["ever"] += 1
        self.warm_up_seconds = importing

    @property
    def name(self):
        return f"{self.case.group}{self.number}"

    def start(self):
        self.world.up["now"] += 1

    def ready(self):
        self.world.now += self.importing
        return self.absent

    def stop(self):
        self.world.up["now"] -= 1

    def begin(self, script, filename, settings):
        self.world.now += self.first
        self.world.settings.append((self.case.group, settings))
        if "more" in filename:
            self.world.log.append((self.name, "counted", None))
            return Outcome("finished", observations={"there": self.observes, "again": self.observes})
        labels = [("one", None), ("other", None)]
        skip = [tuple(each) for each in settings["skip"]]
        self.labels = [each for each in labels if each not in skip]
        warm = [
            {"label": label, "size": size, "first": self.first, "loops": 10, "fence": 0.0}
            if (label, size) in self.labels
            else {"label": label, "size": size, "skipped": None}
            for label, size in labels
        ]
        return Outcome("waiting", waiting={"warm": warm})

    def turn(self, number, before):
        self.world.log.append((self.name, self.case.located.id, number))
        if number is None:
            return Outcome("finished", observations={"there": self.observes})
        if self.dies_in == number:
            return Outcome("crash", error={"message": "killed by SIGKILL"})
        self.world.now += len(self.labels) * self.block
        samples = [
            {"label": label, "size": size, "loops": 10, "seconds": self.block / 10} for label, size in self.labels
        ]
        return Outcome("waiting", waiting={"round": number, "samples": samples})


@pytest.fixture
def world(monkeypatch):
    world = World()
    clock = SimpleNamespace(monotonic=lambda: world.now, get_clock_info=time.get_clock_info)
    monkeypatch.setattr(measuring, "time", clock)
    return world


@pytest.fixture
def act(world, load_spec):
    """Return a function that measures specs with actors and returns what was written; each backend has its manners."""

    def measure(backends, specs=1, budget=100.0, ways=({},), seed=1, tell=lambda *_: None, more=()):
        located = [load_spec(STEPS, f"facet/spec-{number}") for number in range(specs)]
        located += [load_spec(text, f"facet/more-{number}") for number, text in enumerate(more)]
        adapters = {name: type(name.title(), (Plain,), {"name": name}) for name in backends}
        cases = [Plan(one, name, adapters[name], way) for one in located for name in backends for way in ways]
        written = []
        engine = Measuring(
            cases,
            lambda case, environ: Actor(world, case, **backends[case.backend]),
            written.append,
            budget,
            tell,
            seed,
        )
        engine.run()
        world.up["left"] = world.up["now"]
        world.outcomes = engine.outcomes
        return written

    return measure


def lines(written, **wanted):
    return [
        line
        for line in written
        if isinstance(line, records.Measurement) and all(getattr(line, name) == value for name, value in wanted.items())
    ]


def test_all_hosts_take_turns_round_by_round_in_an_order_drawn_anew(act, world):
    act({"a": {}, "b": {}, "c": {}}, budget=12.0)
    first_process = world.log[: world.log.index(next(entry for entry in world.log if entry[2] is None))]
    rounds = [[name for name, _, number in first_process if number == wanted] for wanted in range(FIRST_ROUNDS)]
    assert [number for _, _, number in first_process] == sorted(number for _, _, number in first_process)
    assert all(len(each) == len(set(each)) == 4 for each in rounds)  # three backends, and one of them twice
    assert len({tuple(each) for each in rounds}) > 1


def test_another_seed_is_another_order_and_the_same_seed_the_same(act, world):
    logs = []
    for seed in (1, 1, 2):
        world.log.clear()
        world.up.clear()
        act({"a": {}, "b": {}}, specs=3, seed=seed)
        logs.append(list(world.log))
    assert logs[0] == logs[1] != logs[2]


def test_one_backend_is_there_twice_the_one_that_is_up_soonest_of_those_that_say_most(act):
    written = act({"a": {"importing": 1.0}, "b": {}})
    how = written[-1]
    assert how.twin == "a"
    for process in range(how.processes):
        assert len(lines(written, twin=True, process=process, label="one")) == 1
        assert len(lines(written, twin=False, process=process, label="one")) == 2
    assert {line.case for line in lines(written, twin=True)} == {"facet/spec-0@a"}


def test_samples_are_kept_with_their_rounds(act):
    (line,) = lines(act({"a": {}}), process=0, label="other", twin=False)
    assert line.rounds == list(range(FIRST_ROUNDS))
    assert line.seconds == [0.002] * FIRST_ROUNDS
    assert (line.first, line.loops, line.fence, line.against, line.left_out) == (0.1, 10, 0.0, "one", False)


@pytest.mark.parametrize("observes", [2, None])
def test_samples_of_a_case_that_observes_something_else_are_thrown_away_and_told(act, observes):
    written = act({"good": {}, "wrong": {"observes": observes, "importing": 3.0}})
    assert {line.case for line in lines(written)} == {"facet/spec-0@good"}
    (told,) = written[-1].unreliable.items()
    assert told[0] == "facet/spec-0@wrong"
    assert told[1].startswith("fails when it was measured: there: expected 1")


def test_the_first_process_tells_what_every_case_did(act, world):
    act({"good": {}, "wrong": {"observes": 2, "importing": 3.0}, "away": {"absent": "it cannot be imported"}})
    assert {key: outcome.observations for key, outcome in world.outcomes.items()} == {
        ("facet/spec-0", "good"): {"there": 1},
        ("facet/spec-0", "wrong"): {"there": 2},
    }


def test_what_is_counted_is_counted_once_and_not_by_the_twin(act, world):
    written = act({"a": {}, "b": {"importing": 3.0}}, more=[COUNTED])
    assert [name[0] for name, spec, _ in world.log if spec == "counted"] in (["a", "b"], ["b", "a"])
    assert {spec for spec, _ in world.outcomes} == {"facet/spec-0", "facet/more-0"}
    assert written[-1].processes > 1
    assert act({"a": {}}, specs=0, more=[COUNTED])[-1].processes == 1


@pytest.mark.parametrize(
    ("text", "asked"), [(STEPS, True), (COUNTED, True), (COUNTED.replace(", against: there", ""), False)]
)
def test_a_spec_is_measured_if_it_times_or_compares_what_it_counts(load_spec, text, asked):
    assert is_measured(load_spec(text)) is asked


def test_a_host_that_dies_in_the_middle_of_a_round_stops_nobody_else_and_does_not_come_again(act, world):
    written = act({"good": {}, "dies": {"dies_in": 1, "importing": 3.0}})
    (why,) = written[-1].unreliable.values()
    assert list(written[-1].unreliable) == ["facet/spec-0@dies"]
    assert why.startswith("crash when it was measured: killed by SIGKILL")
    assert {line.case for line in lines(written)} == {"facet/spec-0@good"}
    assert len(lines(written, twin=False, label="one")) == written[-1].processes >= PROCESSES
    assert sum(name.startswith("dies") for name, _, _ in world.log) == 2
    assert world.up["left"] == 0


def test_an_absent_backend_takes_no_turn_and_its_process_is_stopped(act, world):
    written = act({"here": {}, "away": {"absent": "it cannot be imported"}})
    assert {line.case for line in lines(written)} == {"facet/spec-0@here"}
    assert not [name for name, _, _ in world.log if name.startswith("away")]
    assert world.up["left"] == 0


def test_where_no_backend_is_here_nothing_is_measured(act):
    (how,) = act({"away": {"absent": "it cannot be imported"}})
    assert how.twin is None


def test_two_ways_of_a_backend_wait_for_each_other_on_their_host(act, world):
    written = act({"a": {}, "b": {"importing": 3.0}}, ways=({"restore": "whole"}, {"restore": "pickle"}))
    assert {line.case for line in lines(written, process=0)} == {
        f"facet/spec-0@{backend}+{way}" for backend in "ab" for way in ("whole", "pickle")
    }
    busy = set()
    for name, _, number in world.log:
        busy.add(name)
        if number is None:
            busy.remove(name)
    assert not busy


@pytest.mark.parametrize("budget", [20.0, 60.0, 270.0, 1000.0])
@pytest.mark.parametrize("specs", [1, 8])
def test_processes_and_rounds_fit_the_budget_and_make_use_of_it(act, world, budget, specs):
    began = world.now
    how = act({"a": {}, "b": {}, "c": {}}, specs=specs, budget=budget)[-1]
    assert how.seconds == pytest.approx(world.now - began)
    assert how.seconds <= budget + 0.1  # the turn in which it ends
    assert len(how.rounds) == how.processes
    assert how.rounds[0] == FIRST_ROUNDS
    assert all(FEWEST_ROUNDS <= rounds <= MOST_ROUNDS for rounds in how.rounds[1:])
    assert how.processes <= MOST_PROCESSES
    if budget == 1000:
        assert how.processes == MOST_PROCESSES
    if budget in {60, 270} and specs == 8:
        assert how.seconds >= 0.7 * budget


def test_a_budget_that_is_too_small_ends_soon_with_what_there_is(act, world):
    began = world.now
    written = act({name: {} for name in "abcd"}, specs=10, budget=10.5)
    assert written[-1].processes == 1
    assert world.now - began < 10.5 + 5 * (0.1 + 0.04)
    assert act({name: {} for name in "abcd"}, budget=1.0)[-1].processes == 1
    assert world.up["left"] == 0


def test_a_round_that_takes_long_is_the_last_when_the_budget_is_spent(act, world):
    began = world.now
    written = act({"slow": {"block": 3.0}}, budget=20.0)
    assert world.now - began < 20.0 + 2 * 2 * 3.0
    assert 0 < len(lines(written, process=0, label="one", twin=False)[0].rounds) < FIRST_ROUNDS


def test_what_is_slow_to_begin_with_is_left_out_of_later_processes(act):
    written = act({"slow": {"first": 5.0}, "quick": {"importing": 1.0}}, budget=200.0)
    slow = [line for line in lines(written, label="one") if line.case.endswith("@slow")]
    assert [line.left_out for line in slow] == [False] + [True] * (len(slow) - 1)
    assert len(slow) > 1
    assert not any(line.left_out for line in lines(written) if line.case.endswith("@quick"))


@pytest.mark.parametrize("budget", [30.0, 100_000.0])
def test_a_loop_may_not_take_so_long_that_its_host_would_be_given_up(act, world, budget):
    act({"a": {}}, budget=budget)
    assert all(0 < settings["patience"] <= Actor.limit / 10 for _, settings in world.settings)


def test_what_is_being_done_is_told_with_the_share_of_the_budget(act):
    told = []
    act({"a": {}}, specs=2, tell=lambda text, share: told.append((text, share)))
    assert told[0] == ("process 1: importing frameworks", 0.0)
    assert {text for text, _ in told[1:3]} == {"process 1: facet/spec-0", "process 1: facet/spec-1"}
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert told[-1][1] <= 1.0


@pytest.mark.parametrize("moment", ["importing", "facet/spec"])
def test_an_interrupt_leaves_no_host(act, world, moment):
    def tell(text, share):
        if moment in text and "process 2" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        act({"a": {}, "b": {}}, tell=tell)
    assert world.up["now"] == 0


def test_an_interrupt_among_the_imports_leaves_no_host(act, world, monkeypatch):
    def ready(actor):
        if actor.case.backend == "b":
            raise KeyboardInterrupt

    monkeypatch.setattr(Actor, "ready", ready)
    with pytest.raises(KeyboardInterrupt):
        act({"a": {}, "b": {}, "c": {}})
    assert world.up["ever"] == 3
    assert world.up["now"] == 0
