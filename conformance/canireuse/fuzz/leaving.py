"""Leaving out: a program without the words that a backend refuses or departs by, on which the reference model is asked anew.

A backend that cannot say a word, or departs by it as a spec declares, would have nothing compared of what comes after: it goes on
with other objects, or not at all. Without the word all that comes after is written on what is there then, so that the rest is a
program of its own.
"""

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from canireuse.emit import Script
from canireuse.fuzz.agreement import Disagreement, Fight, Known, Untold, broken, located
from canireuse.fuzz.programs import Drawn
from canireuse.fuzz.writing import Said
from canireuse.results.records import Case
from canireuse.spec.model import Located
from canireuse.spec.vocabulary import walk


@dataclass(frozen=True)
class Tried:
    """What came of a program, or of what is left of it."""

    said: Said
    program: Located
    case: Case
    #: the disagreement, the spec that declares it, or None
    found: Disagreement | str | None
    #: the word that the backend refuses or departs by, which is left out next; None if there is none
    refused: int | None
    #: whether the word ends a script in every way of the backend
    ends: bool = False


def tried(fight: Fight, drawn: Drawn) -> Iterator[Tried]:
    """Yield what a backend does with a program in each of its ways, and then with what is left of it, until it refuses nothing.

    A way begins with what the ones before it left of the program, where a script of theirs ended as a spec declares of all ways.
    Raise Untold where the reference model says nothing that could be compared.
    """

    @cache
    def left(without: frozenset[int]) -> tuple[Said, Located]:
        said = drawn.said(without)
        return said, fight.answered(said)

    ended, done = frozenset[int](), set[tuple[str, frozenset[int]]]()
    for planned in [*fight.planned(left(ended)[1])]:
        without = ended
        with suppress(Untold):
            while True:
                said, program = left(without)
                # what is left may have fewer ways
                one_way = next(fight.planned(program, planned.way), None)
                if one_way is None or (one_way.name, without) in done:
                    break
                done.add((one_way.name, without))
                one = judged(fight, drawn, without, said, program, next(fight.cases(program, planned.way)))
                yield one
                if one.refused is None:
                    break
                without |= {one.refused}
                ended |= {one.refused} if one.ends else set()


def judged(fight: Fight, drawn: Drawn, without: Collection[int], said: Said, program: Located, case: Case) -> Tried:
    """Return what a case is, with the word that is refused."""
    found = fight.compared(program, case)
    if case.verdict == "unsupported":
        return Tried(said, program, case, found, unsaid(fight, drawn, without, case))
    if not isinstance(found, str):
        return Tried(said, program, case, found, None)
    step, known = departed(fight, program, case)
    return Tried(
        said, program, case, found, drawn.word_of(step, without), ends=known.error is not None and known.ways is None
    )


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


def departed(fight: Fight, program: Located, case: Case) -> tuple[int, Known]:
    """Return the number of the step by which a case departs as a spec declares, the last such one before what it first observes otherwise, and the departure."""
    labels = {one.label for one in broken(case)}
    steps = [*walk(program.spec.steps)]
    first = next(at for at, step in enumerate(steps) if step.expect in labels)
    covering = [one for one in fight.known if one.covers(program, case, str(steps[first].expect))]
    return next((at, one) for at in range(first, -1, -1) for one in covering if one.departs_by(steps[at], program))
