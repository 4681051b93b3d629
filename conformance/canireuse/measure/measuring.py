"""Measuring: the loops of specs are timed in hosts of their own, process after process, round after round.

What is compared must have met the same machine: all backends are up at once and one of them works at a
time; each does one block of turns, in an order drawn anew for every round. One backend is there twice,
under two names: what it differs from itself is the floor under which no difference is seen. As the
processes are what varies, there are several of each backend, and they are the unit of the intervals.
"""

import contextlib
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

from canireuse.emit import Script
from canireuse.emit.asking import AdapterFault
from canireuse.judge.verdict import judge
from canireuse.measure.loops import measured_loops
from canireuse.measure.machine import governor, level, load_average, processor
from canireuse.measure.rounds import FIRST_ROUNDS, LATER, PATIENCE, SLOW, SPEND, rounds_that_fit
from canireuse.results import records
from canireuse.results.cases import Plan, script_of, way_on
from canireuse.run.hosts import Host
from canireuse.run.outcome import AskedDevice, Outcome

DEFAULT_BUDGET = 280.0
#: a block of turns lasts at least this long, in seconds: some ten thousand times what the clock can tell
BLOCK = 0.005
#: what a process takes that need not wait for what was too slow, as a part of what the first one takes
WITHOUT_SLOW = 0.75
#: how many scripts get to their first rounds at a time, each on a core of its own
SIDE_BY_SIDE = 2
PASSED = frozenset({"conforms", "differs"})


@dataclass
class Entrant:
    """A host that takes part in the rounds; the twin is a backend's second host."""

    group: str
    host: Host
    twin: bool = False


@dataclass
class Run:
    """A script that is being measured on a host, and what was timed so far."""

    entrant: Entrant
    case: Plan
    script: Script
    outcome: Outcome
    loops: dict[tuple[str, int | None], dict[str, Any]] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether the script waits for a round."""
        return self.outcome.ending == "waiting"

    def collect(self) -> None:
        """Take over what was timed since the last time."""
        waiting = self.outcome.waiting
        for sample in waiting.get("warm", ()):
            self.loops[sample["label"], sample["size"]] = {**sample, "rounds": [], "seconds": []}
        for sample in waiting.get("samples", ()):
            loop = self.loops[sample["label"], sample["size"]]
            loop["loops"] = sample["loops"]
            loop["rounds"].append(waiting["round"])
            loop["seconds"].append(sample["seconds"])


class Measuring:
    """Times the measured loops of cases, within a budget of seconds; no time is kept of a case that does not pass.

    `bring_up` makes a host for a case, with environment variables beside the adapter's; `write` takes each record as it comes,
    `tell` what is being done and which share of the budget is gone. The first process of each backend also tells
    what each case did: `outcomes`, by spec and name, on `hosts`, by group.
    """

    def __init__(
        self,
        cases: Iterable[Plan],
        bring_up: Callable[[Plan, Mapping[str, str]], Host],
        write: Callable[[records.Line], None],
        budget: float = DEFAULT_BUDGET,
        tell: Callable[[str, float], object] = lambda *_: None,
        seed: int | None = None,
        device: AskedDevice = "cpu",
        load: list[float] | None = None,
    ) -> None:
        #: the load of the machine before this run began to work itself
        self.load = load_average() if load is None else load
        #: what is measured yet; a case that cannot be said, or went wrong, is not measured again
        self.cases = list(cases)
        self.environ = level(device)
        self.bring_up, self.write, self.tell, self.budget = bring_up, write, tell, budget
        self.seed = random.SystemRandom().randrange(2**32) if seed is None else seed
        self.random = random.Random(self.seed)  # noqa: S311  # an order is no secret
        #: cores on which scripts get to their first rounds, side by side; in the rounds, all are on the last of them
        cores: list[int | None] = [*sorted(os.sched_getaffinity(0))] if hasattr(os, "sched_getaffinity") else [None]
        self.cores = cores[-SIDE_BY_SIDE:]
        self.core = cores[-1]
        self.slow: dict[tuple[str, str], list[tuple[str, int | None]]] = defaultdict(list)
        #: what a turn takes, as the first process found out
        self.known: dict[tuple[str, str], list[tuple[str, int | None, float]]] = defaultdict(list)
        self.twin: str | None = None
        self.unreliable: dict[str, str] = {}
        self.hosts: dict[str, Host] = {}
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        #: how many rounds each process had
        self.rounds: list[int] = []
        self.left = budget

    def run(self) -> records.Measuring:
        """Measure until the budget is spent; write and return how it was done."""
        self.first()
        return self.rest()

    def first(self) -> None:
        """Measure in one process of each backend, which shows how long everything takes."""
        self.deadline = time.monotonic() + self.left
        self.next = self.one_more(FIRST_ROUNDS)
        self.cases = [case for case in self.cases if measured_loops(case.located)]  # what is counted is counted
        self.left = self.deadline - time.monotonic()

    def rest(self) -> records.Measuring:
        """Measure in further processes, whenever that comes; write and return how all was done."""
        self.deadline = time.monotonic() + self.left
        while self.next and self.cases:
            self.next = self.one_more(self.next)
        how = records.Measuring(
            budget=self.budget, seconds=self.spent, processes=len(self.rounds), rounds=self.rounds, block=BLOCK,
            core=self.core, twin=self.twin, seed=self.seed, environ=self.environ, processor=processor(), load_before=self.load,
            load_after=load_average(), clock_resolution=time.get_clock_info("perf_counter").resolution,
            governor=governor(self.core), unreliable=self.unreliable,
        )  # fmt: skip
        self.write(how)
        return how

    def one_more(self, rounds: int) -> int:
        """Measure in one more process of each backend; return how many rounds the next is to have, none if none fits."""
        self.turning, begun = 0.0, time.monotonic()
        whole = self.process(len(self.rounds), rounds)
        fixed = time.monotonic() - begun - self.turning
        self.rounds.append(rounds)
        part = WITHOUT_SLOW if len(self.rounds) == 1 else 1.0
        return self.next_rounds(fixed * part, self.turning / rounds) if whole else 0

    def next_rounds(self, fixed: float, per_round: float) -> int:
        """Return how many rounds the next process is to have, given what one takes; none if no further process fits."""
        return rounds_that_fit(len(self.rounds), 0.97 * (self.deadline - time.monotonic()), fixed, per_round)

    def process(self, number: int, rounds: int) -> bool:
        """Bring every backend up, time every spec, and take all down; return whether time sufficed for all."""
        self.tell(f"process {number + 1}: importing frameworks", self.share)
        with contextlib.ExitStack() as hosts:
            entrants = self.line_up(hosts)
            for spec in self.shuffled(list({case.located.id: case for case in self.cases})):
                if self.late:
                    return False
                self.tell(f"process {number + 1}: {spec}", self.share)
                cases = [case for case in self.cases if case.located.id == spec]
                timed = any(measured_loops(case.located) for case in cases)
                for wave in waves(cases, [entrant for entrant in entrants if timed or not entrant.twin]):
                    self.spec(number, rounds, wave)
        return True

    @property
    def late(self) -> bool:
        """Whether the budget is spent."""
        return time.monotonic() > self.deadline

    @property
    def spent(self) -> float:
        """How many seconds of the budget are gone."""
        return self.budget - (self.deadline - time.monotonic())

    @property
    def share(self) -> float:
        """Which share of the budget is gone, at most 1."""
        return min(1.0, self.spent / self.budget)

    def line_up(self, hosts: contextlib.ExitStack) -> list[Entrant]:
        """Return a host for each group of cases, all up; and the twin. They are stopped with `hosts`, come what may."""
        first = {case.group: case for case in reversed(self.cases)}

        def enter(group: str, *, twin: bool = False) -> Entrant:
            entrant = Entrant(group, self.bring_up(first[group], self.environ), twin)
            hosts.callback(entrant.host.stop)
            entrant.host.core = self.core
            with contextlib.suppress(OSError):  # `ready` says so
                entrant.host.start()  # they import side by side
            return entrant

        entrants = [enter(group) for group in first]
        if self.twin in first:
            entrants.append(enter(self.twin, twin=True))
        present = [entrant for entrant in entrants if entrant.host.ready() is None]
        if not self.hosts:
            self.hosts = {entrant.group: entrant.host for entrant in entrants}
            self.cases = [case for case in self.cases if can_say(case, self.hosts[case.group])]
        if self.twin is None and present:
            self.twin = self.choose_twin(present)
            twin = enter(self.twin, twin=True)
            present += [twin] if twin.host.ready() is None else []
        return present

    def choose_twin(self, entrants: list[Entrant]) -> str:
        """Return the group that is there twice: the one that comes up soonest of those that can say most of the specs."""
        said = {entrant.group: sum(case.group == entrant.group for case in self.cases) for entrant in entrants}
        able = [entrant for entrant in entrants if said[entrant.group] >= 0.8 * max(said.values())]
        return min(able, key=lambda entrant: entrant.host.warm_up_seconds).group

    def spec(self, process: int, rounds: int, wave: list[tuple[Entrant, Plan]]) -> None:
        """Time one spec: every host gets to its first round, then one at a time they do rounds in a new order each."""
        free: SimpleQueue[int | None] = SimpleQueue()
        for core in self.cores if all(entrant.host.device == "cpu" for entrant, _ in wave) else self.cores[-1:]:
            free.put(core)
        pool = ThreadPoolExecutor(free.qsize())
        try:
            started = [pool.submit(self.begin, process, rounds, free, *one) for one in self.shuffled(wave)]
            runs = [run for future in started if (run := future.result())]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        while any(run.waits for run in runs):
            begun = time.monotonic()
            for number in range(rounds):
                if self.late:
                    break
                for run in self.shuffled([run for run in runs if run.waits]):
                    run.outcome = run.entrant.host.turn(number, run.outcome)
                    run.collect()
            self.turning += time.monotonic() - begun
            for run in self.shuffled([run for run in runs if run.waits]):
                run.outcome = run.entrant.host.turn(None, run.outcome)
                run.collect()
        for run in runs:
            self.keep(process, run)

    def shuffled(self, some: list[Any]) -> list[Any]:
        """Return the same in an order drawn anew."""
        return self.random.sample(some, len(some))

    def begin(
        self, process: int, rounds: int, free: SimpleQueue[int | None], entrant: Entrant, case: Plan
    ) -> Run | None:
        """Start a script on a core that is free; it comes back at its first round, with the first turns behind it."""
        if self.late:
            return None
        settings = {
            "block": BLOCK, "spend": max(self.budget / SPEND, 1.6 * BLOCK * rounds),
            "patience": min(self.budget / (PATIENCE if process == 0 else LATER), entrant.host.limit / 10),
            "skip": self.slow[case.group, case.located.id], "known": self.known[case.group, case.located.id],
        }  # fmt: skip
        script, name = script_of(case, entrant.host), f"<{case.located.id}@{case.name}>"
        assert isinstance(script, Script)  # `can_say` found it
        entrant.host.core = core = free.get()
        try:
            run = Run(entrant, case, script, entrant.host.begin(script, name, settings))
        finally:
            free.put(core)
            entrant.host.core = self.core
        run.collect()
        return run

    def keep(self, process: int, run: Run) -> None:
        """Write what was timed, if what the script observed is what it is to observe."""
        case, host = run.case, run.entrant.host
        if process == 0 and not run.entrant.twin:
            self.outcomes[case.located.id, case.name] = replace(run.outcome, seconds=None)  # it waited for the others
        packages = host.environment["packages"]
        try:
            verdict = judge(
                case.located.spec, case.backend, case.adapter, case.way, run.outcome, packages, run.script.one_place
            )
            why_not = "" if verdict.verdict in PASSED else f"{verdict.verdict} when it was measured: {verdict.reason}"
        except AdapterFault as fault:
            why_not = str(fault)
        case_id = records.case_id(case.located.id, case.backend, way_on(case, host), host.device)
        if why_not:
            self.unreliable[case_id] = why_not
            self.cases = [other for other in self.cases if other is not case]
            return
        against = {(loop.measure, loop.size): loop.against for loop in measured_loops(case.located)}
        for (label, size), loop in run.loops.items():
            if process == 0 and loop.get("first", 0.0) > self.budget / SLOW:
                self.slow[case.group, case.located.id].append((label, size))
            if process == 0 and not run.entrant.twin and loop["seconds"]:
                self.known[case.group, case.located.id].append((label, size, loop["seconds"][-1]))
            self.write(
                records.Measurement(
                    case=case_id, label=label, size=size, against=against[label, size], twin=run.entrant.twin, process=process,
                    first=loop.get("first"), loops=loop.get("loops"), fence=loop.get("fence"), skipped=loop.get("skipped"),
                    left_out="skipped" in loop, rounds=loop["rounds"], seconds=loop["seconds"],
                )
            )  # fmt: skip


def can_say(case: Plan, host: Host) -> bool:
    """Return whether there is a script of a case; whoever runs the case hears why there is none."""
    return host.absent is None and case.fault is None and isinstance(script_of(case, host), Script)


def waves(cases: list[Plan], entrants: list[Entrant]) -> Iterator[list[tuple[Entrant, Plan]]]:
    """Yield the cases of a spec so that each host has one of them at a time."""
    queues = [(entrant, [case for case in cases if case.group == entrant.group]) for entrant in entrants]
    for number in range(max((len(queue) for _, queue in queues), default=0)):
        yield [(entrant, queue[number]) for entrant, queue in queues if number < len(queue)]
