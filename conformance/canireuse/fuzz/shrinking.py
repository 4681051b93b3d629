"""Shrinking: a program without the steps that a disagreement does not need."""

from collections.abc import Iterator

from canireuse.fuzz.agreement import Disagreement, Fight, Untold
from canireuse.fuzz.writing import Said
from canireuse.spec.problems import InputError


def shrunk(fight: Fight, found: Disagreement, program: Said) -> Disagreement:
    """Return the disagreement with as few steps as it takes: none can be left out without that it is another, or none."""
    steps, again = program["steps"], True
    while again:
        again = False
        for fewer in without(steps):
            smaller = disagreement(fight, {**program, "steps": fewer}, found)
            if smaller:
                steps, found, again = fewer, smaller, True
                break
    return found


def without(steps: list[Said]) -> Iterator[list[Said]]:
    """Yield steps with fewer of them: halves first, then each one left out, the last first, then what stands inside one.

    Variables stay initialized where they were: looked at before, a layer has none on some frameworks, which is another matter.
    """
    size = len(steps) // 2
    while size >= 1:
        for start in range(len(steps) - size, -1, -size):
            kept = [step for step in steps[start : start + size] if "initialize" in step]
            if len(kept) < size:
                yield steps[:start] + kept + steps[start + size :]
        size //= 2
    for at, step in enumerate(steps):
        if "steps" in step:
            yield from ([*steps[:at], {**step, "steps": fewer}, *steps[at + 1 :]] for fewer in without(step["steps"]))
            if "init" not in step:  # variables start from it, and from random numbers without it
                yield steps[:at] + step["steps"] + steps[at + 1 :]


def disagreement(fight: Fight, program: Said, like: Disagreement) -> Disagreement | None:
    """Return a disagreement of the same kind on a program, None if there is none there."""
    try:
        answered = fight.answered(program)
    except (InputError, Untold):
        return None
    for case in fight.cases(answered, like.case.way):
        found = fight.compared(answered, case)
        if isinstance(found, Disagreement) and found.signature == like.signature:
            return found
    return None
