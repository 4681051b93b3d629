"""What a spec's text says of costs: which observation is compared with which, and where a first call is timed."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

from pydantic import ValidationError

from canireuse.measure.quantities import count, share
from canireuse.results.records import SpecLine
from canireuse.spec import yaml
from canireuse.spec.answers import agrees
from canireuse.spec.model import Spec
from canireuse.spec.problems import InputError
from canireuse.spec.vocabulary import Expect, Invoke, Measure, walk
from canireuse_reports.cases import CaseView
from canireuse_reports.groups import gather, ways_of
from canireuse_reports.view import SpecView

#: kind of a cost -> what it is of
COSTS = {
    "elements": "parameters",
    "parameter_bytes": "bytes of parameters",
    "slot_bytes": "bytes of the optimizer's state",
    "checkpoint_bytes": "bytes of the checkpoint",
    "traces": "traces of a compiled function",
}


@lru_cache(maxsize=1000)
def parsed(name: str, text: str) -> Spec | None:
    """Return the spec that a text states; None if this version of the vocabulary cannot read it."""
    try:
        return Spec.model_validate(yaml.parse(Path(name), text)[0])
    except (InputError, ValidationError, ValueError):
        return None


def spec_of(line: SpecLine) -> Spec | None:
    """Return the spec of a line of results."""
    return parsed(line.id, line.text)


def times_first_call(line: SpecLine, label: str) -> bool:
    """Return whether the first turn of a loop is the first call of what it calls: nothing called it before the clock ran."""
    spec = spec_of(line)
    if spec is None:
        return False
    steps = [*walk(spec.steps)]
    loops = [step for step in steps if isinstance(step, Measure)]
    timed = {id(inside) for loop in loops for inside in walk(loop.steps)}
    untimed = takewhile(lambda step: not (isinstance(step, Measure) and step.measure == label), steps)
    before = {step.invoke for step in untimed if isinstance(step, Invoke) and id(step) not in timed}
    called = {
        step.invoke for loop in loops if loop.measure == label for step in walk(loop.steps) if isinstance(step, Invoke)
    }
    return bool(called) and not called & before


@dataclass
class Saving:
    """A cost of the shared kind beside that of the separate kind, as they were observed, and as the contract has them."""

    part: float
    whole: float
    asked: tuple[float, float]
    #: how far the spec lets them be from what it asks for
    close: float

    @property
    def figures(self) -> str:
        """Both numbers."""
        return f"{count(self.part)} of {count(self.whole)}"

    @property
    def share(self) -> str:
        """The part as a fraction of the whole."""
        return share(self.part, self.whole)

    @property
    def expected(self) -> str:
        """The fraction that the contract asks for."""
        return share(*self.asked)

    @property
    def departs(self) -> bool:
        """Whether the fraction is another than the contract's."""
        return not agrees(self.asked[0] / self.asked[1], self.part / self.whole, self.close)


@dataclass
class Savings:
    """What a spec observed of costs: a row a case, a column a cost."""

    spec: SpecView
    columns: list[str]
    rows: list[tuple[CaseView, str, list[Saving | None]]]

    @property
    def sentence(self) -> str:
        """Where the fractions are the contract's, and where they are not."""
        apart = list(dict.fromkeys(name for _, name, row in self.rows if any(one and one.departs for one in row)))
        expected = list(dict.fromkeys(one.expected for _, _, row in self.rows for one in row if one))
        asked = " and ".join(expected)
        if apart:
            return f"The contract asks for {asked}; another fraction was observed on {', '.join(apart)}."
        return f"The contract asks for {asked}, and every row has it, as closely as the spec asks."


def savings(specs: list[SpecView]) -> list[Savings]:
    """Return the costs that specs compare, with what was observed of them."""
    found = []
    for spec in specs:
        read = spec_of(spec.line) if "against:" in spec.line.text else None
        compared = list(comparisons(read)) if read else []
        rows = [row for own in spec.by_backend.values() for row in rows_of(own, compared) if any(row[2])]
        if rows:
            found.append(Savings(spec, [COSTS.get(one.kind, one.expect or "") for one, _ in compared], rows))
    return found


def rows_of(
    cases: list[CaseView], compared: list[tuple[Expect, Expect]]
) -> Iterator[tuple[CaseView, str, list[Saving | None]]]:
    """Yield the rows of a backend: its ways that observed the same are one."""
    found = {case.case.id: [saving(case, *pair) for pair in compared] for case in cases}
    observed = [case for case in cases if any(found[case.case.id])]
    for alike in gather(observed, lambda case: tuple(map(str, found[case.case.id]))):
        name = f"{alike[0].case.backend} {ways_of(alike, observed)}".strip()
        yield alike[0], name, found[alike[0].case.id]


def comparisons(spec: Spec) -> Iterator[tuple[Expect, Expect]]:
    """Yield each expectation of a cost that names another, with that one."""
    expectations = {step.expect: step for step in walk(spec.steps) if isinstance(step, Expect)}
    for one in expectations.values():
        if one.against in expectations:
            yield one, expectations[one.against]


def saving(case: CaseView, part: Expect, whole: Expect) -> Saving | None:
    """Return what a case observed of two costs; None if it lacks one of them."""
    judged = {one.label: one for one in case.case.expectations}
    found = [judged[label] for label in (part.expect, whole.expect) if label in judged]
    numbers = [value for one in found for value in (one.observed, one.contract) if isinstance(value, int | float)]
    if len(numbers) != 4 or not all(numbers):  # noqa: PLR2004  # two costs, each observed and asked for
        return None
    return Saving(numbers[0], numbers[2], (numbers[1], numbers[3]), max(part.close, whole.close))
