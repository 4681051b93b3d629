"""A campaign: so many programs on one backend, what they hold, how many it can say, and what it disagrees on."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings

from canireuse.fuzz.agreement import Disagreement, Fight, Untold
from canireuse.fuzz.programs import programs
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
        @given(programs(*self.contracts))
        def each(program: Said) -> None:
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

    def one(self, fight: Fight, program: Said) -> None:
        """Run one program."""
        self.written += 1
        try:
            answered = fight.answered(program)
        except Untold:
            return
        self.compared += 1
        self.holds.update(held(answered))
        ran = 0
        for case in fight.cases(answered):
            if case.verdict == "unsupported":
                self.unsaid[case.reason or ""] += 1
                continue
            ran += 1
            found = fight.compared(answered, case)
            if isinstance(found, str):
                self.declared[found] += 1
            elif found:
                self.note(found, program)
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
