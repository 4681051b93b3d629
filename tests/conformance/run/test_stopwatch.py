"""The stopwatch: what it times, with a clock that goes on only when the work, the fence or the clock itself takes time."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from canireuse.run import stopwatch
from canireuse.run.stopwatch import MOST_TURNS, WARM, Stopwatch, Untimed, nothing

STOPWATCH = Path(stopwatch.__file__)


class World:
    """A clock, the work that takes time by it, and a log of what happened in which order."""

    def __init__(self):
        self.now = 0.0
        self.log = []
        self.messages = []

    def clock(self):
        self.log.append("clock")
        return self.now

    def work(self, seconds, name="turn"):
        self.log.append(name)
        self.now += seconds

    def fence(self, seconds=0.0):
        return lambda: self.work(seconds, "fence")


@pytest.fixture
def world():
    return World()


def watch(world, rounds=2, **settings):
    """Return a stopwatch that is told to do so many rounds of each group of loops."""
    numbers = iter(())

    def ask(message):
        nonlocal numbers
        world.messages.append(message)
        if "warm" in message:
            numbers = iter(range(rounds))
        return {"round": next(numbers, None)}

    settings = {"block": 1.0, "patience": 100.0, "spend": 1000.0, "skip": [], **settings}
    timed = Stopwatch(ask, **settings)
    timed.clock = world.clock
    return timed


def loop(world, timed, seconds, **given):
    """Turn one measured loop in all rounds, and return how many turns each of them had."""
    turns = []
    for _ in timed.rounds():
        turns.append(0)
        for _ in timed.measure("loop", **given):
            turns[-1] += 1
            world.work(seconds(sum(turns)) if callable(seconds) else seconds)
    return turns


def warm(world):
    return [sample for message in world.messages for sample in message.get("warm", ())]


def samples(world):
    return [(message["round"], sample) for message in world.messages for sample in message.get("samples", ())]


def test_the_first_turn_is_told_apart(world):
    loop(world, watch(world), lambda turn: 5.0 if turn == 1 else 0.125)
    assert warm(world)[0]["first"] == 5.0
    assert [sample["seconds"] for _, sample in samples(world)] == [0.125, 0.125]


@pytest.mark.parametrize("seconds", [2.0, 1.0, 0.5, 0.0625, 2**-10, 2**-16])
def test_as_many_turns_as_fill_a_block_and_not_many_more(world, seconds):
    loop(world, watch(world), seconds)
    loops = warm(world)[0]["loops"]
    assert loops * seconds >= 1.0
    assert loops == 1 or loops * seconds <= 2.5
    assert {sample["loops"] for _, sample in samples(world)} == {loops}


def test_work_that_takes_no_time_ends_as_well(world, monkeypatch):
    monkeypatch.setattr(stopwatch, "MOST_TURNS", 1000)
    loop(world, watch(world, rounds=1), 0.0)
    assert warm(world)[0]["loops"] == 1000
    assert MOST_TURNS > 1000


def test_a_calibration_that_was_held_up_is_made_good(world):
    turns = loop(world, watch(world), lambda turn: 50.0 if turn in {1, 2} else 0.001)
    assert warm(world)[0]["loops"] == 1
    assert [sample["seconds"] for _, sample in samples(world)] == pytest.approx([0.001, 0.001])
    assert all(sample["loops"] > 300 for _, sample in samples(world))
    loops = samples(world)[1][1]["loops"]
    assert turns[2] == pytest.approx(WARM * 1000 + loops, abs=1)


@pytest.mark.parametrize(
    ("known", "seconds", "turned", "loops"),
    [
        (0.25, 0.25, 1 + 4, 4),
        (0.25, 0.5, 1 + 4, 4),  # it had been quicker there: still a block
        (0.25, 0.125, 1 + 4 + 8, 8),  # counted out anew
        (20.0, 20.0, 1, 1),  # a second turn would tell no more
    ],
)
def test_quick_turns_are_counted_out_in_every_process_and_slow_ones_in_the_first(world, known, seconds, turned, loops):
    turns = loop(world, watch(world, known=[["loop", None, known]]), lambda turn: 3.0 if turn == 1 else seconds)
    assert turns[0] == turned
    assert warm(world)[0]["loops"] == loops
    assert warm(world)[0]["first"] == 3.0


def test_the_fence_is_called_once_a_block_and_before_the_clock_is_read(world):
    timed = watch(world, rounds=3)
    loop(world, timed, 0.25, fence=world.fence(0.5))
    text = " ".join(world.log)
    blocks = re.findall(r"clock ((?:turn )+)fence(?= clock)", text)
    assert re.fullmatch(r"(clock (turn )+fence clock |(clock fence clock ){5}|(turn )+fence )+", text + " ")
    assert blocks[-1].count("turn") == warm(world)[0]["loops"] == 2  # two turns and the fence fill a block
    assert [sample["seconds"] for _, sample in samples(world)] == [0.5, 0.5, 0.5]  # (2 * 0.25 + 0.5) / 2


def test_turns_before_the_clock_starts_warm_the_processor_unless_a_turn_is_long(world):
    turns = loop(world, watch(world, rounds=1), 0.125)
    loops = warm(world)[0]["loops"]
    assert turns[1] == 8 * WARM + loops
    assert re.search(rf"clock(?: clock)*(?: turn){{{8 * WARM}}} clock(?: turn){{{loops}}} clock$", " ".join(world.log))
    single = World()
    assert loop(single, watch(single, rounds=1), 5.0)[1] == 1 + 1
    slow = World()
    turns = loop(slow, watch(slow, rounds=1), 20.0)
    assert turns == [2, 1]


def test_the_fence_around_nothing_is_the_least_of_some(world):
    takes = iter([0.5, 0.5, 0.25, 0.125, 0.5, 0.75, 0.25, *[0.5] * 20])
    loop(world, watch(world), 1.0, fence=lambda: world.work(next(takes), "fence"))
    assert warm(world)[0]["fence"] == 0.125


def test_between_the_clock_and_the_work_only_an_iterator_of_c_turns(world):
    timed = watch(world, rounds=1)
    entered = []

    def trace(frame, event, _):
        if event == "call" and Path(frame.f_code.co_filename) == STOPWATCH:
            entered.append(len(world.log))

    for number in timed.rounds():
        turns = timed.measure("loop")
        if number == 0 and not timed.warming:
            sys.setprofile(trace)
        for _ in turns:
            world.work(0.001)
    sys.setprofile(None)
    starts = [at for at, what in enumerate(world.log) if what == "clock"]
    assert not [at for at in entered if starts[-2] + 1 < at < starts[-1]]
    assert starts[-1] - starts[-2] > 900


def test_sizes_go_on_until_one_would_take_too_long(world):
    timed = watch(world, rounds=1, patience=50.0)
    for _ in timed.rounds():
        for size in (1, 10, 100, 1000):
            for _ in timed.measure("grows", size=size):
                world.work(0.1 * size, f"at {size}")
    assert "at 100" in world.log
    assert "at 1000" not in world.log
    told = {sample["size"]: sample for sample in warm(world)}
    assert told[1000] == {"label": "grows", "size": 1000, "skipped": pytest.approx(100.0)}
    assert world.log.count("at 100") == 2  # the first turn was as long as foreseen: no second one to calibrate
    assert "skipped" not in told[100]


def test_what_may_rely_on_a_loop_that_is_left_out_is_left_out_too(world):
    timed = watch(world, rounds=2, skip=[["makes", 10]])
    for _ in timed.rounds():
        for size in (1, 10):
            for label in ("makes", "finds"):
                for _ in timed.measure(label, size=size):
                    world.work(1.0, f"{label} {size}")
    assert {"makes 1", "finds 1"} <= set(world.log)
    assert not {"makes 10", "finds 10"} & set(world.log)
    assert [(one["label"], one["size"]) for one in warm(world) if "skipped" in one] == [("makes", 10), ("finds", 10)]


def test_a_loop_without_size_is_left_out_alone(world):
    timed = watch(world, rounds=1, skip=[["slow", None]])
    for _ in timed.rounds():
        for label in ("slow", "fast"):
            for _ in timed.measure(label):
                world.work(1.0, label)
    assert "slow" not in world.log
    assert "fast" in world.log


def test_a_loop_that_had_its_share_rests_and_with_it_what_may_rely_on_it(world):
    timed = watch(world, rounds=4, spend=25.0)
    for _ in timed.rounds():
        for label, seconds in (("quick", 1.0), ("makes", 10.0), ("finds", 1.0)):
            for _ in timed.measure(label, size=None if label == "quick" else 10):
                world.work(seconds)
    rounds = {
        label: [number for number, one in samples(world) if one["label"] == label]
        for label in ("quick", "makes", "finds")
    }
    assert rounds == {"quick": [0, 1, 2, 3], "makes": [0, 1], "finds": [0, 1]}


def test_even_the_slowest_gets_one_round(world):
    loop(world, watch(world, rounds=3, spend=0.001), 30.0)
    assert [number for number, _ in samples(world)] == [0]


def test_groups_of_loops_are_timed_one_after_the_other(world):
    timed = watch(world, rounds=2)
    for label in ("one", "two"):
        for _ in timed.rounds():
            for _ in timed.measure(label):
                world.work(1.0)
    assert [list(message) for message in world.messages] == 2 * [["warm"], ["round", "samples"], ["round", "samples"]]
    assert [sample["label"] for _, sample in samples(world)] == ["one", "one", "two", "two"]


def test_without_measuring_each_loop_turns_once_at_its_first_size():
    loops, turned = Untimed(), []
    for _ in loops.rounds():
        for size in (1, 10):
            for label in ("makes", "finds"):
                turned += [(label, size) for _ in loops.measure(label, size=size, fence=nothing)]
    assert turned == [("makes", 1), ("finds", 1)]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system does not say where a process runs")
def test_every_thread_stays_on_the_core_and_one_that_may_not_be_had_is_no_error():
    program = (
        "import os, threading, stopwatch\nevent = threading.Event()\nthread = threading.Thread(target=event.wait)\nthread.start()\n"
        "stopwatch.pin(None)\ncore = max(os.sched_getaffinity(0))\nstopwatch.pin(core)\n"
        "print(all(os.sched_getaffinity(int(each)) == {core} for each in os.listdir('/proc/self/task')))\n"
        "stopwatch.pin(100000)\nevent.set()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=STOPWATCH.parent, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "True\n"


def test_it_can_be_read_by_python_3_7():
    by_pyenv = Path.home().glob(".pyenv/versions/3.7.*/bin/python3.7")  # pyenv's own shim does not start it
    found = [*by_pyenv, *filter(None, [shutil.which("python3.7")])]
    if not found:
        pytest.skip("there is no Python 3.7")
    program = "import stopwatch; print([list(stopwatch.Untimed().measure('a')), stopwatch.Stopwatch(print, 1, 1, 1, [['a', 1]]).skipped])"
    ran = subprocess.run([found[0], "-c", program], cwd=STOPWATCH.parent, capture_output=True, text=True, check=True)
    assert ran.stdout == "[[0], {('a', 1): None}]\n"
