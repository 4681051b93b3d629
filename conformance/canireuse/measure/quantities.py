"""Quantities in words: seconds with their unit, ratios, intervals, counts; as many digits as say something."""

import math
from collections.abc import Sequence

from canireuse.measure.comparison import Growth, Ratio

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))

#: a ratio below this is easier to read as a fraction
SMALL = 0.01


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, never with an exponent."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    rounded = float(f"{value:.{digits - 1}e}")  # 0.997 has the digits of 1.00
    places = digits - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(0, places)}f}"


def unit_of(value: float) -> tuple[float, str]:
    """Return the unit in which a time has one to three digits before the point, and its name."""
    return next((unit for unit in UNITS if value >= unit[0] * 0.9995), UNITS[-1])


def seconds(value: float | None, digits: int = 3) -> str:
    """Return a time with its unit, empty if there is none."""
    if value is None:
        return ""
    factor, unit = unit_of(value)
    return f"{number(value / factor, digits)} {unit}"


def raw(samples: Sequence[float], factor: float) -> str:
    """Return samples in a unit, to four significant digits."""
    return " ".join(number(one / factor, 4).replace(",", "") for one in samples)


def count(value: float) -> str:
    """Return a whole number with its thousands set apart, any other as it is."""
    return f"{value:,.0f}" if float(value).is_integer() else number(value, 6)


def span(values: Sequence[int]) -> str:
    """Return the least and the greatest of some whole numbers, as one where they are the same."""
    low, high = min(values), max(values)
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def percent(fraction: float) -> str:
    """Return a fraction as a percentage."""
    return f"{number(100 * fraction, 2)}%"


def plural(amount: int, word: str) -> str:
    """Return an amount with its noun."""
    ending = "es" if word.endswith("s") else "s"
    return f"{amount} {word}{'' if amount == 1 else ending}"


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """Return an interval in brackets, empty if there is none."""
    return "" if low is None or high is None else f"[{number(low, digits)}, {number(high, digits)}]"


def few_processes(processes: int) -> str:
    """Return why there is no interval."""
    return f"measured in {plural(processes, 'process')}: no interval"


def ratio_words(ratio: Ratio, floor: float) -> str:
    """Return what a ratio says: how many times as long, or that no difference is seen."""
    if ratio.low is None:
        return f"{number(ratio.value)} times as long; {few_processes(ratio.processes)}"
    told = interval(ratio.low, ratio.high)
    return f"{number(ratio.value)} times as long {told}" if ratio.differs(floor) else f"no difference seen {told}"


def times(value: float) -> str:
    """Return a ratio in few characters: a small one as a fraction."""
    return f"{number(value)}×" if value >= SMALL else f"1/{number(1 / value)}"


def ratio_mark(ratio: Ratio, floor: float) -> str:
    """Return what stands beside the dot of a ratio; what is not called different has no figure there."""
    if ratio.low is None:
        return f"({times(ratio.value)})"
    return times(ratio.value) if ratio.differs(floor) else "none seen"


def growth_words(growth: Growth | None) -> str:
    """Return to which power of the size a time grows."""
    if growth is None:
        return "one size: no slope"
    told = interval(growth.low, growth.high) or "(two sizes: no interval)"
    return f"{number(growth.slope)} {told}"


def share(part: float, whole: float) -> str:
    """Return a part as a fraction with the numerator one."""
    if part == whole:
        return "the same"
    return f"1/{number(whole / part, 4).rstrip('0').rstrip('.')}" if part else "0"
