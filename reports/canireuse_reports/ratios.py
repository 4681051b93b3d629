"""Ratios of measured loops: one row a backend, in the order of backends and never by speed."""

from collections import Counter
from dataclasses import dataclass

from canireuse.measure.comparison import FEWEST_PROCESSES, Ratio, ratio
from canireuse.measure.quantities import SMALL, interval, number, percent, plural, ratio_mark, ratio_words
from canireuse_reports.charts import MOST_TICKS, LogAxis, log_axis
from canireuse_reports.loops import Loop, Measured, name_of
from canireuse_reports.view import SpecView

#: small fractions take more room below an axis than other numbers
TICKS_OF_FRACTIONS = 3


@dataclass
class RatioRow:
    """One backend, one way, one device: how many times as long one loop takes as the other."""

    name: str
    loop: Loop
    other: Loop
    ratio: Ratio | None
    floor: float
    #: why there is no ratio
    missing: str = ""
    #: whether it is a backend against itself
    itself: bool = False

    @property
    def differs(self) -> bool:
        """Whether a difference is seen."""
        return self.ratio is not None and self.ratio.differs(self.floor)

    @property
    def has_interval(self) -> bool:
        """Whether enough processes were measured to tell a difference from none."""
        return self.ratio is not None and self.ratio.low is not None

    @property
    def state(self) -> str:
        """What the dot looks like: full for a difference that is seen, hollow otherwise."""
        return "itself" if self.itself else "seen" if self.differs else "unseen"

    @property
    def script(self) -> str:
        """Where its script is on the page."""
        return self.loop.timing.case

    @property
    def samples(self) -> str:
        """Where its raw samples are on the page, empty if there are none."""
        return self.loop.id if self.ratio else ""

    @property
    def words(self) -> str:
        """What the ratio says."""
        return self.missing if self.ratio is None else ratio_words(self.ratio, self.floor)

    @property
    def brief(self) -> str:
        """The same in a narrow column."""
        if self.ratio is None:
            return "not measured"
        return f"{ratio_mark(self.ratio, self.floor)} {interval(self.ratio.low, self.ratio.high)}".strip()

    @property
    def mark(self) -> str:
        """What stands beside the dot."""
        return "left out" if self.ratio is None else ratio_mark(self.ratio, self.floor)

    @property
    def reach(self) -> list[float]:
        """What the axis has to hold."""
        band = [1 / (1 + self.floor), 1 + self.floor]
        found = self.ratio and (self.ratio.value, self.ratio.low, self.ratio.high)
        return band + [value for value in found or () if value is not None]


@dataclass
class RatioChart:
    """The ratios of a scenario: one loop against another, at one size of those that were measured."""

    id: str
    label: str
    against: str
    size: int | None
    rows: list[RatioRow]
    axis: LogAxis
    #: all sizes, and the rows of each backend by size, where there are several
    sizes: list[int]
    table: list[tuple[RatioRow, dict[int, RatioRow]]]

    @property
    def told(self) -> list[RatioRow]:
        """The rows of backends, with a ratio."""
        return [row for row in self.rows if not row.itself and row.ratio]

    @property
    def sentence(self) -> str:
        """What the chart says, over all rows, without an order among them."""
        told = self.told
        if not told:
            return "No backend has measured both."
        seen, open_rows = [row for row in told if row.differs], [row for row in told if not row.has_interval]
        unseen = len(told) - len(seen) - len(open_rows)
        few = f"with fewer than {FEWEST_PROCESSES} processes no difference is called"
        if len(open_rows) == len(told):
            return f"{between(told)} times as long; {few}."
        parts = [f"a difference is seen in {plural(len(seen), 'row')} ({between(seen)} times as long)"] if seen else []
        parts += [f"no difference is seen in {plural(unseen, 'row')}"] if unseen else []
        parts += [f"{between(open_rows)} times as long in {plural(len(open_rows), 'row')}, {few}"] if open_rows else []
        return f"{'; '.join(parts)}."

    @property
    def floors(self) -> str:
        """The floors of its rows, in words."""
        return " and ".join(dict.fromkeys(percent(row.floor) for row in self.rows))


def between(rows: list[RatioRow]) -> str:
    """Return the range that ratios span."""
    values = [row.ratio.value for row in rows if row.ratio]
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"


def ratio_row(loop: Loop, measured: Measured) -> RatioRow:
    """Return the row of a loop that is compared with another."""
    timing = loop.timing
    other = measured.loop((timing.case, timing.against or "", timing.size))
    found = ratio(timing.series, other.timing.series)
    lacking = next((one for one in (loop, other) if not one.measured), None)
    missing = measured.why_not(lacking) if lacking else "" if found else "not measured in a round with the other"
    return RatioRow(name_of(loop.case), loop, other, found, measured.floor(loop.case.case.device), missing)


def itself_rows(loops: list[Loop], measured: Measured) -> list[RatioRow]:
    """Return the A/A rows: backends that were there twice, each against itself."""
    rows = []
    for loop in loops:
        key = loop.timing.key
        found = next((one.agreement.ratios[key] for one in measured.itself if key in one.agreement.ratios), None)
        if found:
            floor = measured.floor(loop.case.case.device)
            name = f"A/A: {name_of(loop.case)}"
            rows.append(RatioRow(name, loop, measured.loop(key, twin=True), found, floor, itself=True))
    return rows


def ratio_charts(spec: SpecView, measured: Measured) -> list[RatioChart]:
    """Return the ratios of a spec, a chart for each loop that is compared with another."""
    by_label: dict[str, list[Loop]] = {}
    for loop in measured.loops_of(spec):
        if comparable(loop, measured):
            by_label.setdefault(loop.timing.label, []).append(loop)
    return [ratio_chart(spec, loops, measured) for loops in by_label.values()]


def ratio_chart(spec: SpecView, loops: list[Loop], measured: Measured) -> RatioChart:
    """Return the ratios of loops of one label, at the largest of the sizes at which most backends have an interval."""
    rows = [ratio_row(loop, measured) for loop in loops]
    sizes = sorted({loop.timing.size for loop in loops if loop.timing.size is not None})
    with_interval = Counter(row.loop.timing.size for row in rows if row.has_interval)
    with_ratio = Counter(row.loop.timing.size for row in rows if row.ratio)
    size = max(sizes, key=lambda one: (with_interval[one], with_ratio[one], one)) if sizes else None
    shown = [row for row in rows if row.loop.timing.size == size]
    shown += itself_rows([row.loop for row in shown], measured)
    by_case: dict[str, dict[int, RatioRow]] = {}
    for row in rows:
        if row.loop.timing.size is not None:
            by_case.setdefault(row.loop.timing.case, {})[row.loop.timing.size] = row
    table = [(next(iter(found.values())), found) for found in by_case.values()]
    first = loops[0].timing
    reach = [1.0, *(value for row in shown for value in row.reach)]
    axis = log_axis(reach, most=TICKS_OF_FRACTIONS if min(reach) < SMALL else MOST_TICKS)
    name = f"{spec.line.id}:{first.label}"
    return RatioChart(name, first.label, first.against or "", size, shown, axis, sizes, table)


def comparable(loop: Loop, measured: Measured) -> bool:
    """Return whether a loop is compared with one that is there."""
    timing = loop.timing
    return timing.against is not None and (timing.case, timing.against, timing.size) in measured.usual
