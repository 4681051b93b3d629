"""A campaign: so many programs on one backend, what they hold, how many it can say, and what it disagrees on."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings

from canireuse.fuzz.agreement import Disagreement, Fight, Untold
from canireuse.fuzz.leaving import tried
from canireuse.fuzz.programs import Drawn, drawn
from canireuse.fuzz.shrinking import shrunk
from canireuse.fuzz.writing import Contract, Said
from canireuse.spec.model import Located
from canireuse.spec.vocabulary import Expect, walk

#: backends whose scopes are the contract's, and which are asked for all of it; the others for what is shared alone
BY_NAME = frozenset({"reference", "tf1"})


@dataclass
class Campaign:
    """What became of random programs on a backend."""

    backend: str
    examples: int
    seed: int
    #: programs that were written, that could be compared, that the backend said in one way at least, and cases that ran
    written: int = 0
    compared: int = 0
    said: int = 0
    ran: int = 0
    #: verb or group of verbs -> the programs in which it stands
    holds: Counter[str] = field(default_factory=Counter)
    #: reason -> the cases that the backend could not say
    unsaid: Counter[str] = field(default_factory=Counter)
    #: reason -> the words that were left out, since the backend cannot say them
    left_out: Counter[str] = field(default_factory=Counter)
    #: spec -> the cases that depart as it declares
    declared: Counter[str] = field(default_factory=Counter)
    #: kind of disagreement -> the smallest program, and how many there were
    found: dict[tuple[str, ...], tuple[Disagreement, Said]] = field(default_factory=dict)
    times: Counter[tuple[str, ...]] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """What the programs are about."""
        return ("sharing", "by-name") if self.backend in BY_NAME else ("sharing",)

    def run(self, tell: Callable[[str], None] = lambda _: None) -> list[Disagreement]:
        """Run the programs; return what is not declared, one of each kind, shrunk."""
        fight, started = Fight(self.backend), time.perf_counter()

        @seed(self.seed)
        @settings(
            max_examples=self.examples,
            database=None,
            phases=[Phase.generate],
            deadline=None,
            suppress_health_check=[*HealthCheck],
        )
        @given(drawn(*self.contracts))
        def each(program: Drawn) -> None:
            kinds = len(self.found)
            self.one(fight, program)
            if len(self.found) > kinds:
                tell(f"program {self.written}: {[*self.found.values()][-1][0].case.reason}")
            if self.written % 200 == 0:
                tell(
                    f"{self.written} programs, {time.perf_counter() - started:.0f} s, {sum(self.times.values())} disagreements of {len(self.found)} kinds"
                )

        try:
            each()
            self.seconds = time.perf_counter() - started
            return [shrunk(fight, *found) for found in self.found.values()]
        finally:
            fight.stop()

    def one(self, fight: Fight, program: Drawn) -> None:
        """Run one program, and what is left of it without what the backend refuses."""
        self.written += 1
        ran = compared = 0
        with suppress(Untold):
            for each in tried(fight, program):
                if not compared:
                    self.holds.update(held(each.program))
                compared = 1
                if each.case.verdict == "unsupported":
                    (self.unsaid if each.refused is None else self.left_out)[each.case.reason or ""] += 1
                    continue
                ran += 1
                if isinstance(each.found, str):
                    self.declared[each.found] += 1
                elif each.found:
                    self.note(each.found, each.said)
        self.compared += compared
        self.ran += ran
        self.said += bool(ran)

    def note(self, found: Disagreement, program: Said) -> None:
        """Note a disagreement; of each kind the smallest is kept."""
        kind = found.signature
        self.times[kind] += 1
        if kind not in self.found or len(found.located.text) < len(self.found[kind][0].located.text):
            self.found[kind] = found, program


def held(program: Located) -> set[str]:
    """Return the verbs of a program, and the groups that are to be in many programs."""
    verbs = {step.verb for step in walk(program.spec.steps)}
    groups = {"a tie": {"tie"}, "an optimizer": {"optimizer", "train"}, "a copy or restore": {"copy", "restore"}}
    kinds = {f"expect {step.kind}" for step in walk(program.spec.steps) if isinstance(step, Expect)}
    return verbs | kinds | {name for name, one in groups.items() if one & verbs}
