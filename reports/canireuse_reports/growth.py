"""How times grow with a size, and first calls apart from those after them."""

from collections import Counter
from dataclasses import dataclass

from canireuse.measure.comparison import Growth, growth
from canireuse.measure.quantities import count, growth_words, number, seconds
from canireuse_reports.cases import CaseView
from canireuse_reports.charts import LogAxis, fitted, log_axis
from canireuse_reports.costs import times_first_call
from canireuse_reports.loops import Loop, Measured, name_of
from canireuse_reports.view import SpecView

#: spec -> what its size is a number of; of others it is a number of steps
SIZES = {
    "performance/calls-in-a-compiled-function": "calls",
    "performance/recurrence-large": "time steps",
    "performance/recurrence-small": "time steps",
    "performance/scopes-in-scopes": "scopes",
    "performance/variables-by-name": "variables",
}
#: air above and below the curves, where their names stand
ROOM_FOR_WORDS = 0.16
#: a time takes more room below an axis than a number
TICKS_OF_TIMES = 3
FIRST = "first call"
STEADY = "later calls"


@dataclass
class Curve:
    """One line of a chart: a time at each size, and the power law through them."""

    name: str
    loops: list[Loop]
    first: bool
    growth: Growth | None
    #: which of the lines of a chart it is: each has a mark and a dash of its own
    place: int = 0

    @property
    def points(self) -> list[tuple[int, float]]:
        """The sizes and times."""
        return points(self.loops, first=self.first)

    @property
    def fit(self) -> list[tuple[int, float]]:
        """The ends of the power law."""
        return fitted(self.growth.points, self.growth.slope) if self.growth else []

    @property
    def power(self) -> str:
        """Its name, and the power in short."""
        return f"{self.name}: power {self.growth.slope:.2f}" if self.growth else self.name

    @property
    def extent(self) -> tuple[float, float]:
        """The least and the greatest time: names stand beyond them."""
        times = [time for _, time in self.points]
        return min(times), max(times)

    @property
    def slope(self) -> str:
        """The power, in words."""
        return growth_words(self.growth)

    @property
    def cells(self) -> dict[int, Loop]:
        """The loop at each size."""
        return {loop.timing.size or 0: loop for loop in self.loops}


@dataclass
class Multiple:
    """The curves of one backend, one way, one device."""

    name: str
    case: CaseView
    curves: list[Curve]

    @property
    def drawn(self) -> list[Curve]:
        """The curves that have points; what ends highest comes first, so that its words stand above."""
        return sorted(
            (curve for curve in self.curves if curve.points), key=lambda curve: curve.points[-1][1], reverse=True
        )

    @property
    def raw(self) -> str:
        """Where its raw samples begin."""
        return self.curves[0].loops[0].id

    @property
    def words(self) -> str:
        """What the chart shows."""
        told = []
        for curve in self.curves:
            if curve.points:
                ends = [f"{seconds(time)} at {count(size)}" for size, time in (curve.points[0], curve.points[-1])]
                power = f", to the power of {number(curve.growth.slope)}" if curve.growth else ""
                told.append(f"{curve.name}: {' to '.join(ends)}{power}")
        return "; ".join(told)


@dataclass
class GrowthChart:
    """How the times of a scenario grow: one small chart a backend, all to the same scales."""

    id: str
    counts: str
    sizes: list[int]
    multiples: list[Multiple]
    across: LogAxis
    up: LogAxis

    @property
    def sentence(self) -> str:
        """To which powers times grow, over all rows, without an order among them."""
        powers: dict[str, list[float]] = {}
        for curve in (curve for one in self.multiples for curve in one.curves):
            if curve.growth:
                powers.setdefault(curve.name, []).append(curve.growth.slope)
        told = [f"{name} {min(some):.2f} to {max(some):.2f}" for name, some in powers.items()]
        return f"Powers of the number of {self.counts} with which times grow: {'; '.join(told)}." if told else ""

    @property
    def has_first(self) -> bool:
        """Whether first calls are among the curves."""
        return any(curve.first for one in self.multiples for curve in one.curves)


@dataclass
class FirstRow:
    """The first call of a backend beside its later ones."""

    name: str
    loop: Loop

    @property
    def script(self) -> str:
        """Where its script is on the page."""
        return self.loop.timing.case

    @property
    def samples(self) -> str:
        """Where its raw samples are on the page."""
        return self.loop.id

    @property
    def mark(self) -> str:
        """How many later calls last as long as the first."""
        first, steady = self.loop.timing.first or 0.0, self.loop.timing.median or 1.0
        return f"{number(first / steady, 2)}×"

    @property
    def words(self) -> str:
        """Both times."""
        return f"first call {self.loop.first}, later calls {self.loop.median}"


@dataclass
class FirstChart:
    """First calls and later ones of a scenario, at one size of those that were measured."""

    id: str
    label: str
    size: int | None
    rows: list[FirstRow]
    axis: LogAxis


def points(loops: list[Loop], *, first: bool) -> list[tuple[int, float]]:
    """Return the sizes and times of loops: those of the first turn, or the medians."""
    found = [(loop.timing.size or 0, loop.timing.first if first else loop.timing.median) for loop in loops]
    return [(size, time) for size, time in found if time is not None]


def growth_chart(spec: SpecView, measured: Measured) -> GrowthChart | None:
    """Return how the times of a spec grow; None if it has no loop of several sizes."""
    multiples = []
    for case in spec.cases:
        drawn = []
        for (name, label), timed in measured.curves.items():
            if name == case.case.id:
                drawn += curves_of(spec, [Loop(case, timing) for timing in timed], label)
        for place, curve in enumerate(drawn):
            curve.place = place
        if any(curve.points for curve in drawn):
            multiples.append(Multiple(name_of(case), case, drawn))
    if not multiples:
        return None
    every = [point for one in multiples for curve in one.curves for point in curve.points]
    times = [time for _, time in every]
    times += [time for one in multiples for curve in one.curves for _, time in curve.fit]
    sizes = sorted({loop.timing.size or 0 for one in multiples for curve in one.curves for loop in curve.loops})
    counts = SIZES.get(spec.line.id, "steps")
    across = log_axis([size for size, _ in every])
    return GrowthChart(spec.line.id, counts, sizes, multiples, across, log_axis(times, air=ROOM_FOR_WORDS))


def curves_of(spec: SpecView, loops: list[Loop], label: str) -> list[Curve]:
    """Return the curve of a loop; where its first turn is a first call, that one's too."""
    steady = growth(points(loops, first=False))
    if not times_first_call(spec.line, label):
        return [Curve(label, loops, first=False, growth=steady)]
    # the smallest size is turned first, and pays too for what a process sets up once
    first = Curve(FIRST, loops, first=True, growth=growth(points(loops, first=True)[1:]))
    return [first, Curve(STEADY, loops, first=False, growth=steady)]


def first_chart(spec: SpecView, measured: Measured) -> FirstChart | None:
    """Return first calls beside later ones, at the largest of the sizes that most backends have; None if none was timed."""
    loops = [loop for loop in measured.loops_of(spec) if times_first_call(spec.line, loop.timing.label)]
    loops = [loop for loop in loops if loop.measured and loop.timing.first]
    if not loops:
        return None
    having = Counter(loop.timing.size for loop in loops)
    size = max(having, key=lambda one: (having[one], one or 0))
    rows = [FirstRow(name_of(loop.case), loop) for loop in loops if loop.timing.size == size]
    times = [time for row in rows for time in (row.loop.timing.first, row.loop.timing.median) if time]
    return FirstChart(spec.line.id, loops[0].timing.label, size, rows, log_axis(times, most=TICKS_OF_TIMES))
