"""Comparing times: ratios with intervals, the floor under which no difference is seen, and how costs grow.

Two loops are compared round by round within a process, since a round meets the same state of the machine; a
process gives one number, the median of the logarithms of its ratios; and the interval comes from a bootstrap
over the processes, because what differs between runs of a program is mostly what differs between
processes (Kalibera and Jones, Rigorous benchmarking in reasonable time, 2013). Times are in seconds.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from canireuse.results.records import Measurement

#: from so many processes on, the bootstrap of their median holds the true one in 94 of 100 runs
BOOTSTRAPPED = 5
#: of fewer, the interval is Student's, from the standard error that the bootstrap gives; of fewer than this there is none
FEWEST_PROCESSES = 3
#: a load above this, on the way into measuring, is that of other work
HIGHEST_LOAD = 1.5
CONFIDENCE = 0.95
RESAMPLES = 5000
#: a floor is no less, even where a backend happened to agree with itself better: between runs of one program, ratios vary by a
#: percent whatever their intervals say (`benchmarks/measuring.py false-alarms`), and what one run calls different shall come again
LEAST_FLOOR = 0.03

#: a measured loop: the case, its label, and its size
Key = tuple[str, str, int | None]
#: seconds a turn, by process and round
Series = Mapping[int, Mapping[int, float]]


@dataclass
class Timing:
    """What one measured loop took, over all processes."""

    case: str
    label: str
    size: int | None
    against: str | None
    twin: bool = False
    series: dict[int, dict[int, float]] = field(default_factory=dict)
    #: the first turn of each process, and what the fence took around nothing
    firsts: list[float] = field(default_factory=list)
    fences: list[float] = field(default_factory=list)
    #: how many turns a sample is the mean of, by process
    loops: list[int] = field(default_factory=list)
    #: processes in which it was left out as too slow for the budget, and how long a turn was expected to take
    left_out: int = 0
    expected: float | None = None

    @property
    def key(self) -> Key:
        """What it is found by."""
        return (self.case, self.label, self.size)

    @property
    def samples(self) -> list[float]:
        """All samples."""
        return [seconds for rounds in self.series.values() for seconds in rounds.values()]

    @property
    def median(self) -> float | None:
        """The median over processes of the median over rounds; None if nothing was timed."""
        medians = [statistics.median(rounds.values()) for rounds in self.series.values() if rounds]
        return statistics.median(medians) if medians else None

    @property
    def minimum(self) -> float | None:
        """The least sample: what the machine needs where nothing interferes."""
        return min(self.samples, default=None)

    @property
    def first(self) -> float | None:
        """The median over processes of the first turn."""
        return statistics.median(self.firsts) if self.firsts else None

    @property
    def fence(self) -> float | None:
        """The median of what the fence took around nothing."""
        return statistics.median(self.fences) if self.fences else None


@dataclass(frozen=True)
class Ratio:
    """How many times as long one takes as the other; an interval needs three processes."""

    value: float
    low: float | None
    high: float | None
    processes: int

    def differs(self, floor: float) -> bool:
        """Return whether a difference is seen: the interval leaves 1 out, and the value is beyond the floor."""
        if self.low is None or self.high is None:
            return False
        return not self.low <= 1.0 <= self.high and abs(math.log(self.value)) > math.log1p(floor)


def timings(measurements: Iterable[Measurement], *, twins: bool = False) -> dict[Key, Timing]:
    """Return the timings of all measured loops, or those of the twin: a backend's second host."""
    found: dict[Key, Timing] = {}
    for one in measurements:
        if one.twin is not twins:
            continue
        timing = found.setdefault(
            (one.case, one.label, one.size), Timing(one.case, one.label, one.size, one.against, one.twin)
        )
        timing.left_out += one.left_out
        if one.skipped:
            timing.expected = one.skipped
        if one.first is not None:
            timing.firsts.append(one.first)
        if one.fence is not None:
            timing.fences.append(one.fence)
        if one.loops is not None:
            timing.loops.append(one.loops)
        if one.seconds:
            timing.series[one.process] = dict(zip(one.rounds, one.seconds, strict=True))
    return found


def ratio(one: Series, other: Series) -> Ratio | None:
    """Return how many times as long `one` takes as `other`, paired by process and round; None if they have no round in common."""
    logs = [
        statistics.median(math.log(rounds[number] / other[process][number]) for number in sorted(common))
        for process, rounds in sorted(one.items())
        if (common := rounds.keys() & other.get(process, {}).keys())
    ]
    return ratio_of(logs) if logs else None


def ratio_of(logs: Sequence[float]) -> Ratio:
    """Return the ratio that the logarithms of several processes tell."""
    value = math.exp(statistics.median(logs))
    if len(logs) < FEWEST_PROCESSES:
        return Ratio(value, None, None, len(logs))
    low, high = bootstrap([list(logs)])
    return Ratio(value, math.exp(low), math.exp(high), len(logs))


def ratio_between(one: Series, other: Series) -> Ratio | None:
    """Return how many times as long `one` takes as `other` where they come from two runs, whose processes have nothing in common."""
    logs = [
        [math.log(statistics.median(rounds.values())) for rounds in each.values() if rounds] for each in (one, other)
    ]
    if not all(logs):
        return None
    value = math.exp(statistics.median(logs[0]) - statistics.median(logs[1]))
    fewest = min(map(len, logs))
    if fewest < FEWEST_PROCESSES:
        return Ratio(value, None, None, fewest)
    low, high = bootstrap(logs)
    return Ratio(value, math.exp(low), math.exp(high), fewest)


def bootstrap(samples: list[list[float]]) -> tuple[float, float]:
    """Return the interval of the median of a sample, or of the difference of the medians of two, from a bootstrap over processes."""
    import numpy as np
    from scipy import stats

    fewest = min(map(len, samples))
    middle = np.median if fewest >= BOOTSTRAPPED else np.mean

    def difference(*some: "np.typing.NDArray[np.float64]", axis: int = -1) -> "np.typing.NDArray[np.float64]":
        found = [middle(each, axis=axis) for each in some]
        return found[0] if len(found) == 1 else found[0] - found[1]

    result = stats.bootstrap(
        samples, difference, confidence_level=CONFIDENCE, n_resamples=RESAMPLES, method="percentile", vectorized=True,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    if fewest >= BOOTSTRAPPED:
        return float(result.confidence_interval.low), float(result.confidence_interval.high)
    # the percentiles of so few are no more than the least and the greatest: their spread is told by the standard error
    medians = [float(np.median(each)) for each in samples]
    center = medians[0] - sum(medians[1:])
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, fewest - 1) * result.standard_error) * math.sqrt(
        fewest / (fewest - 1)
    )
    return center - reach, center + reach


@dataclass(frozen=True)
class Agreement:
    """How well a backend agrees with itself under two names."""

    #: for each measured loop, the ratio of the backend to its twin
    ratios: Mapping[Key, Ratio]

    @property
    def floor(self) -> float:
        """The difference, as a fraction, under which none is seen: nineteen of twenty comparisons of the backend with itself are below."""
        distances = sorted(abs(math.log(ratio.value)) for ratio in self.ratios.values())
        if not distances:
            return LEAST_FLOOR
        return max(LEAST_FLOOR, math.expm1(distances[math.ceil(0.95 * len(distances)) - 1]))

    @property
    def called_different(self) -> int:
        """How many of the comparisons of the backend with itself would be called different."""
        return sum(ratio.differs(self.floor) for ratio in self.ratios.values())


def agreement(measurements: Iterable[Measurement]) -> Agreement:
    """Return how well the backend that was there twice agrees with itself."""
    measurements = list(measurements)
    usual, twins = timings(measurements), timings(measurements, twins=True)
    found = {key: ratio(usual[key].series, twin.series) for key, twin in twins.items() if key in usual}
    return Agreement({key: one for key, one in found.items() if one is not None})


@dataclass(frozen=True)
class Growth:
    """A power law through the points of a curve: time goes with the size to the power of `slope`."""

    slope: float
    low: float | None
    high: float | None
    points: Sequence[tuple[int, float]]


def growth(points: Iterable[tuple[int, float]]) -> Growth | None:
    """Return how times grow with a size, fitted in logarithms; None of fewer than two points, no interval of fewer than three."""
    points = sorted(points)
    if len(points) < 2:  # noqa: PLR2004  # a line has two points
        return None
    from scipy import stats

    fit = stats.linregress([math.log(size) for size, _ in points], [math.log(seconds) for _, seconds in points])
    if len(points) == 2:  # noqa: PLR2004
        return Growth(float(fit.slope), None, None, points)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(points) - 2) * fit.stderr)
    reach = 0.0 if math.isnan(reach) else reach  # all times are equal
    return Growth(float(fit.slope), float(fit.slope) - reach, float(fit.slope) + reach, points)


def curves(found: Mapping[Key, Timing]) -> dict[tuple[str, str], list[Timing]]:
    """Return the loops that were timed at several sizes, by case and label, in order of size."""
    grouped: dict[tuple[str, str], list[Timing]] = defaultdict(list)
    for (case, label, size), timing in found.items():
        if size is not None:
            grouped[case, label].append(timing)
    return {
        key: sorted(points, key=lambda timing: timing.size or 0) for key, points in grouped.items() if len(points) > 1
    }
