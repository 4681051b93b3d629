"""Measured loops as the page shows them: their figures, their raw samples, and why one has none."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from canireuse.measure.comparison import LEAST_FLOOR, Agreement, Key, Timing, agreement, curves, timings
from canireuse.measure.quantities import count, number, percent, plural, raw, seconds, span, unit_of
from canireuse.measure.rounds import PATIENCE
from canireuse.results.records import Measurement, Results
from canireuse_reports.cases import CaseView
from canireuse_reports.view import SpecView, View

#: a turn may take longer than was foreseen
MARGIN = 1.2


def name_of(case: CaseView) -> str:
    """Return the name of a row: the backend, its way, and the device where it is no CPU."""
    return f"{case.case.backend} {case.variant}".strip()


@dataclass
class Loop:
    """A measured loop of a case."""

    case: CaseView
    timing: Timing

    @property
    def id(self) -> str:
        """Where its raw samples are on the page."""
        size = "" if self.timing.size is None else f":{self.timing.size}"
        return f"samples:{self.case.case.id}:{self.timing.label}{size}{'+twin' if self.timing.twin else ''}"

    @property
    def name(self) -> str:
        """The backend, the label, the size, and whether it is the second host of the backend."""
        size = "" if self.timing.size is None else f", size {count(self.timing.size)}"
        return f"{name_of(self.case)}, {self.timing.label}{size}{', under its second name' if self.timing.twin else ''}"

    @property
    def measured(self) -> bool:
        """Whether there are samples."""
        return self.timing.median is not None

    @property
    def median(self) -> str:
        """The median, in words."""
        return seconds(self.timing.median)

    @property
    def minimum(self) -> str:
        """The least sample, in words."""
        return seconds(self.timing.minimum)

    @property
    def first(self) -> str:
        """The first turn, in words."""
        return seconds(self.timing.first)

    @property
    def facts(self) -> str:
        """What its figures are made of."""
        timing = self.timing
        told = [f"median {self.median}, minimum {self.minimum}"] if self.measured else []
        told += [f"{span(timing.loops)} turns a sample"] if timing.loops else []
        samples, processes = plural(len(timing.samples), "sample"), plural(len(timing.series), "process")
        told += [f"{samples} in {processes}"] if self.measured else []
        told += [f"first turn {self.first}"] if timing.firsts else []
        told += [f"the fence around nothing {seconds(timing.fence)}"] if timing.fence is not None else []
        left_out = f"left out of {plural(timing.left_out, 'process')} as too slow for the budget"
        return "; ".join(told + ([left_out] if timing.left_out else []))

    @property
    def unit(self) -> str:
        """The unit of the raw samples."""
        return unit_of(self.timing.median or 1.0)[1]

    @property
    def raw(self) -> list[tuple[int, str]]:
        """The raw samples of each process."""
        factor, _ = unit_of(self.timing.median or 1.0)
        return [(process, raw(list(rounds.values()), factor)) for process, rounds in sorted(self.timing.series.items())]


@dataclass
class Itself:
    """How well a backend agrees with itself: the A/A row."""

    name: str
    device: str
    agreement: Agreement

    @property
    def compared(self) -> int:
        """How many comparisons there were."""
        return len(self.agreement.ratios)

    @property
    def called(self) -> str:
        """How many of them would be called different."""
        if not any(ratio.low is not None for ratio in self.agreement.ratios.values()):
            return "none can be called different, as there are no intervals"
        called = self.agreement.called_different
        return f"{count(called) if called else 'none'} of them would be called different"

    @property
    def extremes(self) -> str:
        """The least and the greatest of the ratios."""
        values = [ratio.value for ratio in self.agreement.ratios.values()]
        return f"{number(min(values))} to {number(max(values))}"

    @property
    def floor(self) -> str:
        """The floor, in words."""
        return percent(self.agreement.floor)


@dataclass
class Measured:
    """Everything that was measured, by what it is found by."""

    specs: list[SpecView]
    usual: Mapping[Key, Timing]
    twins: Mapping[Key, Timing]
    itself: list[Itself]
    floors: dict[str, float] = field(default_factory=dict)

    @cached_property
    def curves(self) -> dict[tuple[str, str], list[Timing]]:
        """The loops that were timed at several sizes, by case and label, in order of size."""
        return curves(self.usual)

    @cached_property
    def cases(self) -> dict[str, CaseView]:
        """The cases that the page shows, by id."""
        return {case.case.id: case for spec in self.specs for case in spec.cases}

    def loop(self, key: Key, *, twin: bool = False) -> Loop:
        """Return a measured loop."""
        return Loop(self.cases[key[0]], (self.twins if twin else self.usual)[key])

    def floor(self, device: str) -> float:
        """Return the floor of a device: of several backends that were there twice it is the highest."""
        return self.floors.get(device, LEAST_FLOOR)

    def loops_of(self, spec: SpecView) -> list[Loop]:
        """Return the measured loops of a spec, in the order of its cases."""
        by_case: dict[str, list[Key]] = {}
        for key in self.usual:
            by_case.setdefault(key[0], []).append(key)
        return [self.loop(key) for case in spec.cases for key in by_case.get(case.case.id, [])]

    def why_not(self, loop: Loop) -> str:
        """Return why there are no samples of a loop, and what would give some."""
        timing = loop.timing
        beside = [one for one in self.usual.values() if (one.case, one.size) == (timing.case, timing.size)]
        slowest = max(beside, key=lambda one: one.expected or 0.0)
        if not slowest.expected:
            return "not measured: its first turn took more than this run's budget allows; try a larger `--budget`"
        of = "" if slowest.label == timing.label else f" of {slowest.label}, beside which it stands,"
        return (
            f"not measured: a turn{of} would take about {seconds(slowest.expected, 2)}, more than this run's budget allows; "
            f"`--budget {round_up(MARGIN * PATIENCE * slowest.expected)}`"
        )


def round_up(value: float) -> int:
    """Return the next whole number that has two digits and zeros after them."""
    step: int = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return step * math.ceil(round(value / step, 6))


def against_itself(measurements: Iterable[Measurement], cases: Mapping[str, CaseView]) -> list[Itself]:
    """Return how well each backend agrees with itself that was there twice, by device."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for one in measurements:
        case = cases[one.case].case
        name = " ".join([case.backend, *filter(None, [case.way.get("engine")])])
        groups.setdefault((name, case.device), []).append(one)
    found = [Itself(name, device, agreement(some)) for (name, device), some in groups.items()]
    return [one for one in found if one.agreement.ratios]


def measured(results: Results, shown: View) -> Measured:
    """Return what was measured in the cases that the page shows."""
    cases = {case.case.id: case for spec in shown.specs for case in spec.cases}
    known = [one for one in results.measurements.values() if one.case in cases]
    itself = against_itself(known, cases)
    floors: dict[str, float] = {}
    for one in itself:
        floors[one.device] = max(floors.get(one.device, 0.0), one.agreement.floor)
    return Measured(shown.specs, timings(known), timings(known, twins=True), itself, floors)
