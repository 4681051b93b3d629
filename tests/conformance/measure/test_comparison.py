"""Comparing times: on made-up data, of which it is known what is to be found."""

import math
import random

import pytest

from canireuse.measure.comparison import (
    FEWEST_PROCESSES,
    LEAST_FLOOR,
    Agreement,
    Ratio,
    agreement,
    curves,
    growth,
    ratio,
    ratio_between,
    timings,
)
from canireuse.results.records import Measurement

CASE = "facet/spec@plain"


def series(seconds, processes=5, rounds=7):
    """Return a series whose samples are those of a function of process and round."""
    return {process: {number: seconds(process, number) for number in range(rounds)} for process in range(processes)}


def noisy(generator, mean, between=0.01, within=0.02, processes=8, rounds=15):
    """Return a series of a mean, where processes differ a little, and rounds too."""
    levels = [mean * math.exp(generator.gauss(0, between)) for _ in range(processes)]
    return series(lambda process, _: levels[process] * math.exp(generator.gauss(0, within)), processes, rounds)


def measurement(label="loop", seconds=(1.0, 1.0), process=0, **more):
    return Measurement(
        case=CASE, label=label, process=process, rounds=list(range(len(seconds))), seconds=list(seconds), **more
    )


def test_a_known_ratio_is_found_and_its_interval_holds_it():
    found = ratio(series(lambda *_: 3.0), series(lambda *_: 2.0))
    assert found.value == pytest.approx(1.5)
    assert found.low == pytest.approx(1.5)
    assert found.high == pytest.approx(1.5)
    assert found.processes == 5


def test_pairing_by_round_takes_out_what_both_meet():
    drift = lambda process, number: (1 + process) * 2.0 ** (number % 4)  # noqa: E731
    found = ratio(
        series(lambda process, number: 1.1 * drift(process, number)),
        series(drift),
    )
    assert (found.low, found.value, found.high) == pytest.approx((1.1, 1.1, 1.1))


def test_only_rounds_that_both_have_are_paired():
    one = {0: {0: 2.0, 1: 100.0, 2: 2.0}, 1: {0: 7.0}, 3: {1: 2.0}}
    other = {0: {0: 1.0, 2: 1.0, 3: 50.0}, 2: {0: 1.0}, 3: {0: 1.0}}
    assert ratio(one, other) == Ratio(pytest.approx(2.0), None, None, 1)
    assert ratio({0: {0: 1.0}}, {1: {0: 1.0}}) is None


@pytest.mark.parametrize("processes", [1, FEWEST_PROCESSES - 1, FEWEST_PROCESSES])
def test_an_interval_needs_five_processes(processes):
    found = ratio(series(lambda *_: 3.0, processes), series(lambda *_: 2.0, processes))
    assert (found.low is None) is (found.high is None) is (processes < FEWEST_PROCESSES)
    assert found.differs(LEAST_FLOOR) is (processes >= FEWEST_PROCESSES)


def test_one_process_is_one_number_however_many_rounds_it_has():
    one, other = series(lambda *_: 2.0, rounds=3), series(lambda *_: 1.0, rounds=3)
    one[0], other[0] = dict.fromkeys(range(1000), 9.0), dict.fromkeys(range(1000), 1.0)
    assert ratio(one, other).value == pytest.approx(2.0)
    assert ratio(one, other).high == pytest.approx(9.0)


@pytest.mark.parametrize(
    ("low", "value", "high", "floor", "differs"),
    [
        (1.05, 1.1, 1.15, 0.02, True),
        (0.85, 0.9, 0.95, 0.02, True),
        (1.05, 1.1, 1.15, 0.12, False),  # within the floor
        (0.99, 1.1, 1.2, 0.02, False),  # the interval holds 1
        (1.005, 1.01, 1.015, 0.02, False),
        (None, 1.5, None, 0.02, False),
        (1.0, 1.1, 1.2, 0.02, False),
        (1 / 1.2, 1 / 1.09, 1 / 1.05, 0.1, False),  # a floor reaches as far down as up
        (1 / 1.2, 1 / 1.11, 1 / 1.05, 0.1, True),
    ],
)
def test_a_difference_leaves_1_out_and_is_beyond_the_floor(low, value, high, floor, differs):
    assert Ratio(value, low, high, 5).differs(floor) is differs


def test_the_floor_is_above_nineteen_of_twenty_comparisons_of_a_backend_with_itself():
    ratios = {(CASE, str(number), None): Ratio(1 + number / 1000, None, None, 5) for number in range(1, 101)}
    assert Agreement(ratios).floor == pytest.approx(0.095)
    assert Agreement({key: Ratio(1 / one.value, None, None, 5) for key, one in ratios.items()}).floor == pytest.approx(
        0.095
    )
    assert Agreement({}).floor == Agreement(dict(list(ratios.items())[:3])).floor == LEAST_FLOOR


def test_a_backend_is_not_called_different_from_itself():
    generator = random.Random(7)
    ratios = {(CASE, str(number), None): ratio(noisy(generator, 1.0), noisy(generator, 1.0)) for number in range(40)}
    third = [ratio(noisy(generator, 1.0), noisy(generator, 1.0)) for _ in range(40)]
    floor = Agreement(ratios).floor
    assert LEAST_FLOOR <= floor < 0.04
    assert sum(one.differs(floor) for one in third) <= 2  # comparisons that had no say in the floor


def test_ten_percent_are_found_and_intervals_of_three_percent_cover_them():
    generator = random.Random(11)
    ten = [ratio(noisy(generator, 1.1), noisy(generator, 1.0)) for _ in range(40)]
    three = [ratio(noisy(generator, 1.03), noisy(generator, 1.0)) for _ in range(40)]
    assert sum(one.differs(LEAST_FLOOR) for one in ten) == 40
    assert sum(one.low <= 1.1 <= one.high for one in ten) >= 34
    assert sum(one.low <= 1.03 <= one.high for one in three) >= 34


def test_an_interval_is_the_same_each_time_it_is_asked_for():
    generator = random.Random(3)
    one, other = noisy(generator, 1.0), noisy(generator, 1.2)
    assert ratio(one, other) == ratio(one, other)


def test_two_runs_are_compared_by_their_processes_which_have_nothing_in_common():
    generator = random.Random(5)
    one, other = noisy(generator, 2.0, processes=6), noisy(generator, 1.0, processes=9)
    found = ratio_between(one, {process + 100: rounds for process, rounds in other.items()})
    assert found.processes == 6
    assert found.low <= 2.0 <= found.high
    assert found.differs(LEAST_FLOOR)
    assert ratio_between(one, series(lambda *_: 1.0, processes=2)).low is None
    assert ratio_between(one, {}) is None
    assert ratio_between(one, {0: {}}) is None


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_slope_of_a_power_law_is_exact(power):
    found = growth([(size, 3e-6 * size**power) for size in (1000, 1, 10, 100)])
    assert found.slope == pytest.approx(power, abs=1e-9)
    assert (found.low, found.high) == pytest.approx((power, power), abs=1e-6)
    assert [size for size, _ in found.points] == [1, 10, 100, 1000]


def test_a_slope_needs_two_points_and_its_interval_three():
    assert growth([(10, 1.0)]) is None
    assert growth([(10, 1.0), (100, 10.0)]).slope == pytest.approx(1.0)
    assert growth([(10, 1.0), (100, 10.0)]).low is None


def test_the_interval_of_a_slope_is_wide_where_the_points_bend():
    bent = growth([(1, 1.0), (10, 1.2), (100, 30.0), (1000, 40.0)])
    assert bent.low < 0.2 < bent.slope < 1.0 < bent.high


def test_timings_gather_processes_and_keep_twins_apart():
    lines = [
        measurement(seconds=(1.0, 3.0), first=9.0, fence=0.1, loops=4, size=10),
        measurement(seconds=(5.0, 7.0), process=1, first=8.0, fence=0.3, loops=5, size=10),
        measurement(seconds=(100.0,), twin=True, size=10),
        measurement(seconds=(), process=2, left_out=True, skipped=12.0, size=10),
    ]
    found = timings(lines)
    assert list(found) == [(CASE, "loop", 10)]
    timing = found[CASE, "loop", 10]
    assert timing.key == (CASE, "loop", 10)
    assert timing.series == {0: {0: 1.0, 1: 3.0}, 1: {0: 5.0, 1: 7.0}}
    assert (timing.median, timing.minimum) == (4.0, 1.0)
    assert (timing.first, timing.fence, timing.loops) == (8.5, pytest.approx(0.2), [4, 5])
    assert (timing.left_out, timing.expected) == (1, 12.0)
    assert timings(lines, twins=True)[CASE, "loop", 10].samples == [100.0]


def test_what_was_never_timed_has_no_times():
    timing = timings([measurement(seconds=(), left_out=True)])[CASE, "loop", None]
    assert (timing.median, timing.minimum, timing.first, timing.fence) == (None, None, None, None)


def test_agreement_pairs_a_backend_with_its_twin():
    lines = [
        measurement(label, (value,) * 3, process, twin=twin)
        for process in range(5)
        for label in ("one", "two")
        for twin, value in ((False, 1.0), (True, 1.05))
    ]
    found = agreement([*lines, measurement("three")])
    assert {key[1] for key in found.ratios} == {"one", "two"}
    assert found.floor == pytest.approx(0.05)
    assert found.called_different == 0


def test_a_curve_has_its_points_in_order_of_size():
    found = curves(
        timings(
            [measurement(size=size) for size in (100, 1, 10)] + [measurement("other", size=5), measurement("plain")]
        )
    )
    assert {key: [timing.size for timing in points] for key, points in found.items()} == {(CASE, "loop"): [1, 10, 100]}
