"""Leaving out: a program without the words that a backend refuses, on which the reference model is asked anew.

A backend that cannot say a word, or refuses it as a spec declares, would have nothing compared of what comes after. Without the
word all that comes after is written on what is there then, so that the rest is a program of its own.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from canireuse.emit import Script
from canireuse.fuzz.agreement import Disagreement, Fight, Untold, located
from canireuse.fuzz.programs import Drawn
from canireuse.fuzz.writing import Said
from canireuse.results.records import Case
from canireuse.spec.model import UNOBSERVED, Located
from canireuse.spec.vocabulary import walk


@dataclass(frozen=True)
class Tried:
    """What came of a program, or of what is left of it."""

    said: Said
    program: Located
    case: Case
    #: the disagreement, the spec that declares it, or None
    found: Disagreement | str | None
    #: the word that the backend refuses, which is left out next; None if it refuses none
    refused: int | None


def tried(fight: Fight, drawn: Drawn) -> Iterator[Tried]:
    """Yield what a backend does with a program in each of its ways, and then with what is left of it, until it refuses nothing.

    A way begins with what the ones before it left of the program, where a script of theirs ended as a spec declares. Raise Untold
    where the reference model says nothing that could be compared.
    """

    @cache
    def left(without: frozenset[int]) -> tuple[Said, Located]:
        said = drawn.said(without)
        return said, fight.answered(said)

    ended, done = frozenset[int](), set[tuple[str, frozenset[int]]]()
    for planned in [*fight.planned(left(ended)[1])]:
        for one, without in in_one_way(fight, drawn, left, ended, planned.way):
            if (one.case.id, without) in done:
                break
            done.add((one.case.id, without))
            yield one
            if one.refused is not None and one.case.verdict != "unsupported":
                ended |= {one.refused}


def in_one_way(
    fight: Fight,
    drawn: Drawn,
    left: Callable[[frozenset[int]], tuple[Said, Located]],
    without: frozenset[int],
    way: Mapping[str, str],
) -> Iterator[tuple[Tried, frozenset[int]]]:
    """Yield what a backend does in one way with what is left of a program, and each time without what it refused before."""
    with suppress(Untold):
        while True:
            said, program = left(without)
            case = next(fight.cases(program, way), None)
            if case is None:
                return
            one = judged(fight, drawn, without, said, program, case)
            yield one, without
            if one.refused is None:
                return
            without |= {one.refused}


def judged(fight: Fight, drawn: Drawn, without: Collection[int], said: Said, program: Located, case: Case) -> Tried:
    """Return what a case is, with the word that is refused."""
    found = fight.compared(program, case)
    refused = None
    if case.verdict == "unsupported":
        refused = unsaid(fight, drawn, without, case)
    elif isinstance(found, str) and (step := last_refused(fight, program, case)) is not None:
        refused = drawn.word_of(step, without)
    return Tried(said, program, case, found, refused)


def unsaid(fight: Fight, drawn: Drawn, without: Collection[int], case: Case) -> int | None:
    """Return the word from which on a backend cannot say the program for its reason; None if that is no word's."""
    low, high = 0, len(drawn)
    while low < high:
        middle = (low + high) // 2
        if refusal(fight, located(drawn.said(without, middle)), case) == case.reason:
            high = middle
        else:
            low = middle + 1
    return low - 1 if low and low - 1 not in without else None


def refusal(fight: Fight, program: Located, case: Case) -> str | None:
    """Return why a backend cannot say a program in the way of a case; None if it can."""
    script = next((fight.script(one) for one in fight.planned(program, case.way)), None)
    return None if script is None or isinstance(script, Script) else str(script)


def last_refused(fight: Fight, program: Located, case: Case) -> int | None:
    """Return the number of the step in which a script ended as a spec declares: the last such one before what it did not observe."""
    unseen = {one.label for one in case.expectations if one.observed == UNOBSERVED}
    steps = [*walk(program.spec.steps)]
    first = next((at for at, step in enumerate(steps) if step.expect in unseen), 0)
    ends = [one for one in fight.known if one.error and first and one.covers(program, case, str(steps[first].expect))]
    return next((at for at in range(first - 1, -1, -1) if any(one.is_said_by(steps[at]) for one in ends)), None)
