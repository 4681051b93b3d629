"""The stopwatch of a host: it turns the measured loops of a script and reads the clock around them.

It runs beside `host.py`, in any interpreter from Python 3.7 on. A script says

    for _ in rounds():
        for _ in measure('shared', fence=...):
            ...

and what turns inside is an iterator of C: between the clock and the framework there is no Python of
this project, only the loop that the script itself states. A `fence` waits until the framework has
done what it was told; it is called once at the end of a block of turns, before the clock is read.
"""

import gc
import math
import os
import time
from itertools import chain, repeat

#: for so many blocks a loop turns before the clock starts: the first milliseconds after another process had the core are slower
WARM = 2
#: a block of turns is never more than this many: a body that does nothing must end as well
MOST_TURNS = 1 << 24


def nothing():
    """Wait for nothing: the fence of what has ended when it returns."""


def pin(core):
    """Keep every thread of this process on one core, where the system can."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        return
    threads = [int(name) for name in os.listdir("/proc/self/task")] if os.path.isdir("/proc/self/task") else [0]
    for thread in threads:
        try:
            os.sched_setaffinity(thread, {core})
        except OSError:  # it ended meanwhile
            continue


class Untimed:
    """Turns each measured loop once, at the first size that it has: what a run without measuring does."""

    def __init__(self):
        self.seen = set()

    def rounds(self):
        """Return one round."""
        return range(1)

    def measure(self, label, size=None, fence=nothing):
        """Return one turn the first time a label comes, none later."""
        turns = 0 if label in self.seen else 1
        self.seen.add(label)
        return range(turns)


class Stopwatch:
    """Times the measured loops of one script, a round whenever it is told to.

    `ask(message)` sends a message and returns the answer to it. `block` is how long a block of turns
    lasts at least, `patience` how long the first turn of a loop may be expected to take, both in seconds;
    `spend` is what the rounds of one loop may take together. `skip` holds [label, size] of loops that
    are not to be turned at all, `known` [label, size, seconds] of what a turn took in another process.
    """

    clock = staticmethod(time.perf_counter)

    def __init__(self, ask, block, patience, spend, skip, known=()):
        self.known = {(label, size): turn for label, size, turn in known}
        self.ask, self.block, self.patience, self.spend = ask, block, patience, spend
        self.skipped = dict.fromkeys((label, size) for label, size in skip)
        self.warming = True
        self.loops, self.turn, self.spent = {}, {}, {}
        self.sizes, self.samples = {}, []

    def rounds(self):
        """Yield once for the first turns and the calibration, then once for each round that is asked for."""
        gc.collect()
        self.warming, self.samples = True, []
        yield 0
        self.warming = False
        message = {"warm": self.samples}
        while True:
            self.samples, self.resting = [], set()
            number = self.ask(message)["round"]
            if number is None:
                return
            yield number
            message = {"round": number, "samples": self.samples}

    def measure(self, label, size=None, fence=nothing):
        """Return the turns of a measured loop: as many as this round takes."""
        key = (label, size)
        if self.warming:
            foreseen = self.foresee(label, size)
            if not self.too_slow(key, foreseen):
                return chain.from_iterable(self.warm(key, fence, foreseen))
            self.skipped[key] = foreseen
            self.samples.append({"label": label, "size": size, "skipped": foreseen})
        if key in self.skipped or self.rests(key):
            return ()
        return chain.from_iterable(self.timed(key, fence))

    def rests(self, key):
        """Return whether a loop has had its share, or one before it, on which it may rely, rests in this round."""
        share = self.spent[key] + self.loops[key] * self.turn[key]
        if key[1] in self.resting or (self.spent[key] and share > self.spend):
            self.resting |= {key[1]} - {None}
            return True
        return False

    def foresee(self, label, size):
        """Return how long a turn at a size will take, by the smaller size before; None if nothing tells."""
        smaller, took = self.sizes.get(label, (None, None))
        return took * size / smaller if size and smaller else None

    def too_slow(self, key, foreseen):
        """Return whether a loop is left out: it is too slow, or another of its size was left out, on which it may rely."""
        sizes = {size for _, size in self.skipped if size is not None}
        return key in self.skipped or key[1] in sizes or (foreseen or 0.0) > self.patience

    def warm(self, key, fence, foreseen):
        """Time the first turn, look for the number of turns that fills a block, and time the fence around nothing."""
        started = self.clock()
        yield repeat(None, 1)
        fence()
        first = took = self.clock() - started
        loops, known = 1, self.known.get(key)
        if known is None:
            # a long first turn that was foreseen holds nothing but the work; a second one would tell no more
            counted = foreseen is not None and took >= self.block and first <= 2 * foreseen
        else:
            # quick turns are counted out in every process: what hangs on their number must not be alike in all of them
            loops, took, counted = max(1, int(self.block / max(known, 1e-9))), known, known >= self.block
        while not counted:
            started = self.clock()
            yield repeat(None, loops)
            fence()
            took = self.clock() - started
            counted = took >= self.block or loops >= MOST_TURNS
            loops = loops if counted else self.more(loops, took)
        label, size = key
        self.loops[key], self.turn[key], self.spent[key] = loops, took / loops, 0.0
        self.sizes[label] = (size, took / loops)
        self.samples.append({"label": label, "size": size, "first": first, "loops": loops, "fence": self.empty(fence)})

    def more(self, loops, took):
        """Return how many turns to try next, where so many took less than a block."""
        return min(MOST_TURNS, max(loops + 1, min(10 * loops, int(1.1 * loops * self.block / max(took, 1e-9)))))

    def empty(self, fence):
        """Return the seconds that the fence takes where there is nothing to wait for: the least of some."""
        least = float("inf")
        for _ in range(5):
            started = self.clock()
            fence()
            least = min(least, self.clock() - started)
        return least

    def warming_turns(self, key):
        """Return how many turns warm the processor: at least one."""
        return max(1, min(WARM * self.loops[key], math.ceil(WARM * self.block / max(self.turn[key], 1e-9))))

    def timed(self, key, fence):
        """Time one block, after as much work as warms a processor that others had: without it, the first turns count as slow."""
        loops = self.loops[key]
        if self.turn[key] < 10 * self.block:
            yield repeat(None, self.warming_turns(key))
            fence()
        while True:
            started = self.clock()
            yield repeat(None, loops)
            fence()
            took = self.clock() - started
            if took >= self.block / 2 or loops >= MOST_TURNS:
                break
            loops = self.more(loops, took)  # something held the calibration up, so that it counted too few turns
        self.loops[key], self.turn[key] = loops, took / loops
        self.spent[key] += took
        self.samples.append({"label": key[0], "size": key[1], "loops": loops, "seconds": took / loops})
