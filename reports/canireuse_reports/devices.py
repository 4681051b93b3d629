"""CPU beside GPU: the loops that a backend was measured with on both."""

from dataclasses import dataclass

from canireuse.measure.comparison import Ratio, ratio_between
from canireuse.measure.quantities import count, ratio_mark, ratio_words
from canireuse_reports.charts import LogAxis, log_axis
from canireuse_reports.loops import Loop, Measured, name_of
from canireuse_reports.view import SpecView


@dataclass
class DeviceRow:
    """One loop on the CPU and on the GPU."""

    spec: SpecView
    on_cpu: Loop
    on_gpu: Loop
    ratio: Ratio
    floor: float
    #: whether another loop of the scenario is compared with it
    has_rival: bool

    @property
    def name(self) -> str:
        """The scenario, and the size where it has several."""
        size = self.on_cpu.timing.size
        return self.spec.slug.replace("-", " ") + (f", {count(size)}" if size else "")

    @property
    def label(self) -> str:
        """Which of its loops it is."""
        return self.on_cpu.timing.label

    @property
    def leads(self) -> bool:
        """Whether it is shown as a dot: what another loop is only compared with stands in the table."""
        return self.on_cpu.timing.against is not None or not self.has_rival

    @property
    def script(self) -> str:
        """Where its script is on the page."""
        return self.on_gpu.timing.case

    @property
    def samples(self) -> str:
        """Where its raw samples are on the page."""
        return self.on_gpu.id

    @property
    def state(self) -> str:
        """What the dot looks like: full for a difference that is seen, hollow otherwise."""
        return "seen" if self.ratio.differs(self.floor) else "unseen"

    @property
    def words(self) -> str:
        """How many times as long the GPU takes."""
        return ratio_words(self.ratio, self.floor)

    @property
    def mark(self) -> str:
        """What stands beside the dot."""
        return ratio_mark(self.ratio, self.floor)


@dataclass
class DeviceChart:
    """All loops of a backend that were measured on both devices."""

    id: str
    title: str
    every: list[DeviceRow]
    axis: LogAxis

    @property
    def rows(self) -> list[DeviceRow]:
        """Those that are shown as dots."""
        return [row for row in self.every if row.leads]


def device_charts(specs: list[SpecView], measured: Measured) -> list[DeviceChart]:
    """Return a chart for each backend, way by way, that was measured on CPU and GPU."""
    by_name: dict[str, list[DeviceRow]] = {}
    for spec in specs:
        for row in rows_of(spec, measured):
            by_name.setdefault(name_of(row.on_cpu.case), []).append(row)
    charts = []
    for name, rows in by_name.items():
        reach = [value for row in rows for value in (row.ratio.value, row.ratio.low, row.ratio.high) if value]
        charts.append(DeviceChart(f"devices:{name.replace(' ', '-')}", name, rows, log_axis([1.0, *reach])))
    return charts


def rows_of(spec: SpecView, measured: Measured) -> list[DeviceRow]:
    """Return each loop of a spec that was measured on both devices, of several sizes the largest, in the order of its cases."""
    loops = measured.loops_of(spec)
    rivals = {loop.timing.against for loop in loops}
    on_gpu = {place(loop): loop for loop in loops if loop.case.case.device == "gpu"}
    rows = []
    for loop in loops:
        other = on_gpu.get(place(loop))
        if loop.case.case.device == "cpu" and other is not None:
            # the two were in other processes, perhaps on other machines, so that no rounds are paired
            found = ratio_between(other.timing.series, loop.timing.series)
            if found:
                floor = max(measured.floor("cpu"), measured.floor("gpu"))
                rows.append(DeviceRow(spec, loop, other, found, floor, loop.timing.label in rivals))
    largest = {place(row.on_cpu)[:-1]: row for row in sorted(rows, key=lambda row: row.on_cpu.timing.size or 0)}
    return [row for row in rows if largest[place(row.on_cpu)[:-1]] is row]


def place(loop: Loop) -> tuple[object, ...]:
    """Return what a loop is found by on another device."""
    case = loop.case.case
    return (case.backend, tuple(case.way.items()), loop.timing.label, loop.timing.size)
