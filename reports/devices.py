"""CPU beside GPU: the loops that a backend was measured with on both."""

from dataclasses import dataclass

from conformance.comparison import Ratio, ratio_between
from reports.charts import LogAxis, log_axis
from reports.loops import Loop, Measured
from reports.quantities import ratio_mark, ratio_words
from reports.view import SpecView


@dataclass
class DeviceRow:
    """One loop on the CPU and on the GPU."""

    spec: SpecView
    on_cpu: Loop
    on_gpu: Loop
    ratio: Ratio
    floor: float

    @property
    def name(self) -> str:
        """The backend with its way."""
        return f"{self.on_cpu.case.case.backend} {self.on_cpu.case.variant}".strip()

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
    """A scenario's loop on both devices, one row a backend."""

    id: str
    spec: SpecView
    label: str
    size: int | None
    rows: list[DeviceRow]
    axis: LogAxis


def device_charts(specs: list[SpecView], measured: Measured) -> list[DeviceChart]:
    """Return the loops of each spec that were measured on CPU and GPU; of several sizes the largest that both have."""
    charts = []
    for spec in specs:
        by_label: dict[str, list[DeviceRow]] = {}
        for row in rows_of(spec, measured):
            by_label.setdefault(row.on_cpu.timing.label, []).append(row)
        for label, rows in by_label.items():
            size = max((row.on_cpu.timing.size or 0) for row in rows) or None
            shown = [row for row in rows if row.on_cpu.timing.size == size]
            reach = [value for row in shown for value in (row.ratio.value, row.ratio.low, row.ratio.high) if value]
            axis = log_axis([1.0, *reach])
            charts.append(DeviceChart(f"{spec.line.id}:{label}:devices", spec, label, size, shown, axis))
    return charts


def rows_of(spec: SpecView, measured: Measured) -> list[DeviceRow]:
    """Return each loop of a spec that was measured on both devices, in the order of its cases."""
    loops = measured.loops_of(spec)
    on_gpu = {place(loop): loop for loop in loops if loop.case.case.device == "gpu"}
    rows = []
    for loop in loops:
        other = on_gpu.get(place(loop))
        if loop.case.case.device == "cpu" and other is not None:
            # the two were in other processes, perhaps on other machines, so that no rounds are paired
            found = ratio_between(other.timing.series, loop.timing.series)
            if found:
                floor = max(measured.floor("cpu"), measured.floor("gpu"))
                rows.append(DeviceRow(spec, loop, other, found, floor))
    return rows


def place(loop: Loop) -> tuple[object, ...]:
    """Return what a loop is found by on another device."""
    case = loop.case.case
    return (case.backend, tuple(case.way.items()), loop.timing.label, loop.timing.size)
