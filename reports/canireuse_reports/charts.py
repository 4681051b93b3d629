"""The geometry of charts: logarithmic axes, and where things lie on them, in percent of the plot.

Widths are in percent and heights in pixels, so that a chart fits any column and its words keep their size.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from canireuse.measure.quantities import number, seconds

#: how many ticks a narrow plot has room for
MOST_TICKS = 5
#: air beside the outermost values, as a share of the axis
PADDING = 0.06
#: mantissas of ticks within a decade, and steps between ticks where the axis spans less than one
MANTISSAS: tuple[Sequence[float], ...] = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
NARROW = 4.0


@dataclass(frozen=True)
class LogAxis:
    """A logarithmic axis from the least to the greatest value, with its ticks."""

    low: float
    high: float
    ticks: Sequence[float]

    def at(self, value: float) -> float:
        """Return where a value lies, in percent of the axis."""
        return round(100 * math.log(value / self.low) / math.log(self.high / self.low), 2)

    def from_above(self, value: float) -> float:
        """Return where a value lies on an axis that points up, in percent from its upper end."""
        return round(100 - self.at(value), 2)

    def labels(self, words: str = "number") -> list[tuple[float, str]]:
        """Return the ticks, each with its place and its words: a number, or a time."""
        return [(tick, plain(seconds(tick) if words == "seconds" else number(tick))) for tick in self.ticks]


def plain(text: str) -> str:
    """Return the words of a tick without zeros that say nothing."""
    figure, _, unit = text.partition(" ")
    figure = figure.rstrip("0").rstrip(".") if "." in figure else figure.replace(",000", "k")
    return f"{figure} {unit}".strip()


def log_axis(values: Iterable[float], least: float = 1.5, air: float = PADDING, most: int = MOST_TICKS) -> LogAxis:
    """Return an axis that holds the values with `air` at both ends, and spans at least a factor of `least`."""
    found = [value for value in values if value > 0]
    low, high = (min(found), max(found)) if found else (1.0, 1.0)
    missing = max(1.0, least / (high / low))
    low, high = low / math.sqrt(missing), high * math.sqrt(missing)
    beside = (high / low) ** air
    low, high = low / beside, high * beside
    return LogAxis(low, high, ticks(low, high, most))


def decades(low: float, high: float, every: int, mantissas: Sequence[float]) -> list[float]:
    """Return the ticks within bounds that lie at mantissas of every so many decades."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [
        float(f"{one * 10.0**exponent:.6g}") for exponent in exponents if exponent % every == 0 for one in mantissas
    ]
    return [tick for tick in found if low <= tick <= high]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return the most ticks for which there is room, at round values."""
    choices = [decades(low, high, 1, mantissas) for mantissas in MANTISSAS]
    choices += [decades(low, high, every, (1,)) for every in (2, 3, 4)]
    if high / low < NARROW and low > STEPS[0]:
        choices += [
            [round(step * place, 4) for place in range(math.ceil(low / step), math.floor(high / step) + 1)]
            for step in STEPS
        ]
    return max((choice for choice in choices if len(choice) <= most), key=len, default=[])


def fitted(points: Sequence[tuple[int, float]], slope: float) -> list[tuple[int, float]]:
    """Return the two ends of the power law that was fitted to points: it goes through their logarithmic middle."""
    middle = [sum(math.log(point[axis]) for point in points) / len(points) for axis in (0, 1)]
    ends = (points[0][0], points[-1][0])
    return [(size, math.exp(middle[1] + slope * (math.log(size) - middle[0]))) for size in ends]
