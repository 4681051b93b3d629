"""The porting guide: for two backends, what results say to somebody who carries code from one to the other.

Nothing is known here but results: what both were observed to do, and the scripts that did it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from conformance.judge import Loudness
from conformance.problems import UsageError
from reports.cases import RAN, CaseView
from reports.view import SpecView, View

#: how a difference is told, the one that bites first in front; None is a row that no contract covers
BITES: tuple[Loudness | None, ...] = ("silent", "warned", "late", "refused", None)


@dataclass
class Pair:
    """A scenario that both backends ran: a case of each, and how they compare."""

    spec: SpecView
    source: CaseView
    target: CaseView
    #: label, what the source answers, what the target answers, where they part
    answers: list[tuple[str, str, str]] = field(default_factory=list)
    #: the ways of the target that answer as the source does, where others do not
    safe_ways: list[str] = field(default_factory=list)

    @property
    def because(self) -> str:
        """What the spec says of it: why the target departs, or else what the source did otherwise."""
        return self.target.because or self.source.because

    @property
    def same_words(self) -> bool:
        """Whether the two scripts are one text."""
        return self.source.case.script == self.target.case.script


@dataclass
class Guide:
    """What carries over from one backend to another, and what does not."""

    source: str
    target: str
    source_title: str
    target_title: str
    same: list[Pair] = field(default_factory=list)
    spelled: dict[str, list[Pair]] = field(default_factory=dict)
    #: how a difference is told -> the scenarios
    differs: dict[Loudness | None, list[Pair]] = field(default_factory=dict)
    #: reason -> the scenarios that the source can say and the target cannot
    missing: dict[str, list[SpecView]] = field(default_factory=dict)
    #: scenarios that only the target has words for
    new: list[SpecView] = field(default_factory=list)
    #: scenarios of which one of the two could not be judged
    unknown: list[SpecView] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How many scenarios are of each kind."""
        return {
            "as it is": len(self.same),
            "spelled differently": sum(map(len, self.spelled.values())),
            "behaves differently": sum(map(len, self.differs.values())),
            "no equivalent": sum(map(len, self.missing.values())),
        }


def guide(view: View, source: str, target: str) -> Guide:
    """Return the guide for an ordered pair of backends; raise UsageError for one that the results do not hold."""
    known = [backend.backend for backend in view.backends]
    for name in (source, target):
        if name not in known:
            raise UsageError(
                f"the results hold no run of {name!r}\n    expected: one of {', '.join(known) or 'none is there'}\n    to do: run it with `canireuse run --backend {source},{target}`"
            )
    if source == target:
        raise UsageError(
            f"{source!r} is ported to itself\n    expected: two backends\n    to do: name another, as in `canireuse port tf1 torch`"
        )
    made = Guide(source, target, view.title(source), view.title(target))
    for spec in view.specs:
        place(made, spec)
    made.differs = {kind: made.differs[kind] for kind in BITES if kind in made.differs}
    for pairs in made.differs.values():  # what people wrote in about comes first
        pairs.sort(key=lambda pair: (pair.spec.line.symptom is None, pair.spec.line.contract == "none"))
    return made


def place(made: Guide, spec: SpecView) -> None:
    """Put a scenario where it belongs in the guide."""
    sources, targets = (spec.by_backend.get(name, []) for name in (made.source, made.target))
    ran = [case for case in sources if case.case.verdict in RAN]
    if not ran:
        if any(case.case.verdict in RAN for case in targets):
            made.new.append(spec)
        return
    there = [case for case in targets if case.case.verdict in RAN]
    if there:
        put_pair(made, [compare(spec, ran[0], case) for case in there])
    elif targets and all(case.case.verdict == "unsupported" for case in targets):
        made.missing.setdefault(targets[0].because, []).append(spec)
    else:
        made.unknown.append(spec)


def put_pair(made: Guide, pairs: list[Pair]) -> None:
    """Put the comparison with each way of the target where it belongs: the ways that differ count, if some do."""
    differing = [pair for pair in pairs if pair.answers]
    if not differing:
        if pairs[0].same_words:
            made.same.append(pairs[0])
        else:
            made.spelled.setdefault(pairs[0].spec.facet, []).append(pairs[0])
        return
    worst = min(differing, key=lambda pair: BITES.index(loudness(pair)))
    worst.safe_ways = [pair.target.variant for pair in pairs if not pair.answers and pair.target.variant]
    made.differs.setdefault(loudness(worst), []).append(worst)


def loudness(pair: Pair) -> Loudness | None:
    """Return how somebody who comes from the source is told that the target answers otherwise."""
    told = pair.target.case.loudness or pair.source.case.loudness
    return told if pair.spec.line.contract != "none" else None


def compare(spec: SpecView, source: CaseView, target: CaseView) -> Pair:
    """Return what two cases of a scenario answered, where it is not the same."""
    apart = [
        (label, source.answers[label].text, target.answers[label].text)
        for label, _ in spec.labels
        if label in source.answers
        and label in target.answers
        and source.answers[label].key != target.answers[label].key
    ]
    return Pair(spec, source, target, apart)


def pairs_of(view: View, sources: Iterable[str]) -> list[tuple[str, str]]:
    """Return the ordered pairs from each of some backends to every other that ran."""
    names = [backend.backend for backend in view.backends if view.ran(backend.backend)]
    return [(source, target) for source in sources if source in names for target in names if target != source]
