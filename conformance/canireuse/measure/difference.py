"""The difference between two results: verdicts that changed, and times that changed beyond the floor.

Cases align by id, never by position; a case that only one side holds is told apart from one that changed.
"""

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canireuse.measure.comparison import Key, Ratio, Timing, agreement, ratio_between, timings
from canireuse.results.records import Block, Case, Results

#: of so many times, the middle one tells about the machine
ENOUGH = 10


@dataclass(frozen=True)
class VerdictChange:
    """A case that was judged otherwise, or a block of a document that came to something else."""

    case: str
    old: str
    new: str
    reason: str | None


@dataclass(frozen=True)
class TimeChange:
    """A measured loop, and how many times as long it takes in the new results; `changed` says whether that is beyond the floor."""

    case: str
    label: str
    size: int | None
    old: float
    new: float
    ratio: Ratio
    changed: bool

    @property
    def name(self) -> str:
        """The loop as it is called in a table."""
        return f"{self.case}#{self.label}" + ("" if self.size is None else f" at {self.size}")


@dataclass(frozen=True)
class Difference:
    """What two results do not have in common."""

    verdicts: list[VerdictChange]
    gone: list[str]
    added: list[str]
    times: list[TimeChange]
    floor: float
    #: what else changed between the runs, in words: a time that changed with it has more than one explanation
    surroundings: list[str]

    @property
    def changed(self) -> bool:
        """Whether a verdict or a time changed."""
        return bool(self.verdicts) or any(time.changed for time in self.times)


def difference(old: Results, new: Results) -> Difference:
    """Return how new results differ from old ones; what became part of another spec on one side is compared with that."""
    merged = {alias: spec.id for each in (old, new) for spec in each.specs.values() for alias in spec.aliases}
    old, new = under_ids(old, merged), under_ids(new, merged)
    before, after = judgements(old), judgements(new)
    floor = max(agreement(each.measurements.values()).floor for each in (old, new))
    timed = list(times(old, new, floor))
    return Difference(
        verdicts=[
            VerdictChange(name, before[name][0], *after[name])
            for name in before
            if name in after and before[name][0] != after[name][0]
        ],
        gone=[name for name in before if name not in after],
        added=[name for name in after if name not in before],
        times=timed,
        floor=floor,
        surroundings=[*surroundings(old, new), *the_machine(timed, floor)],
    )


def under_ids(results: Results, merged: Mapping[str, str]) -> Results:
    """Return results with the cases of merged specs under the ids of those that they became part of, where these have none of their own."""

    def renamed(case: str) -> str:
        spec, at, rest = case.partition("@")
        other = merged.get(spec, spec) + at + rest
        return case if other in results.cases else other

    cases = {renamed(name): case for name, case in results.cases.items()}
    timed = [one.model_copy(update={"case": renamed(one.case)}) for one in results.measurements.values()]
    return results.model_copy(update={"cases": cases, "measurements": {one.id: one for one in timed}})


def judged(case: Case) -> str:
    """Return the verdict of a case, and how loudly it departs from the contract if it does."""
    return f"{case.verdict} ({case.loudness})" if case.loudness else case.verdict


def judgements(results: Results) -> dict[str, tuple[str, str | None]]:
    """Return how each case was judged and how each block of a document came out, with the reason."""
    return {name: (judged(case), case.reason) for name, case in results.cases.items()} | {
        name: (outcome(block), words(block)) for name, block in results.blocks.items()
    }


def outcome(block: Block) -> str:
    """Return how a block ended, and which of its promises are broken."""
    broken = [str(promise.line) for promise in block.promises if not promise.kept and promise.came is not None]
    ended = f"raised {block.error['type']} at line {block.at_line}" if block.error else block.ended
    return ended + (f" (broken at line {', '.join(broken)})" if broken else "")


def words(block: Block) -> str | None:
    """Return what an exception says, else why a block ended as it did, else what came instead of its first broken promise."""
    said = block.error["message"] if block.error else block.reason
    broken = (one for one in block.promises if not one.kept and one.came is not None)
    return said or next((f"promised {one.promised!r}, came {one.came!r}" for one in broken), None)


def times(old: Results, new: Results, floor: float) -> Iterator[TimeChange]:
    """Yield how each loop that both sides have timed compares."""
    before, after = (timings(each.measurements.values()) for each in (old, new))
    for key in before:
        change = time_change(key, before[key], after[key], floor) if key in after else None
        if change:
            yield change


def time_change(key: Key, before: Timing, after: Timing, floor: float) -> TimeChange | None:
    """Return how a loop compares, None if one side has no samples of it."""
    ratio = ratio_between(after.series, before.series)
    if ratio is None or before.median is None or after.median is None:
        return None
    return TimeChange(*key, before.median, after.median, ratio, ratio.differs(floor))


def surroundings(old: Results, new: Results) -> Iterator[str]:
    """Yield what changed beside verdicts and times: packages, interpreters, devices, threads, how it was measured, the scripts."""
    for name, was in old.environments.items():
        now = new.environments.get(name)
        if now is None:
            continue
        for package in sorted(was.packages.keys() | now.packages.keys()):
            one, other = was.packages.get(package, "none"), now.packages.get(package, "none")
            if one != other:
                yield f"{name}: {package} {one} → {other}"
        for what in ("python", "platform", "device_name", "processors", "threads"):
            if getattr(was, what) != getattr(now, what):
                yield f"{name}: {what} {getattr(was, what)} → {getattr(now, what)}"
    for what in ("processor", "governor", "block", "environ"):
        before, after = ([getattr(one, what) for one in each.measurings] for each in (old, new))
        if before and after and any(one not in before for one in after):
            yield f"measured with {what} {told(before)} → {told(after)}"
    common = [case for case in old.cases if case in new.cases]
    rewritten = [case for case in common if old.cases[case].script_digest != new.cases[case].script_digest]
    if rewritten:
        yield f"{len(rewritten)} of {len(common)} scripts, such as that of {rewritten[0]}"


def the_machine(timed: list[TimeChange], floor: float) -> Iterator[str]:
    """Yield that most times changed alike, if they did: then it is the machine, more likely than the programs."""
    if len(timed) < ENOUGH:
        return
    middle = statistics.median(change.ratio.value for change in timed)
    if abs(math.log(middle)) > math.log1p(floor):
        yield f"the machine, it seems: half of all times are beyond {middle:.3f} times what they were"


def told(values: list[Any]) -> str:
    """Return values as they are, each once."""
    return ", ".join(dict.fromkeys(map(str, values)))
