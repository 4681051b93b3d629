"""The porting guide: for two backends, what results say to somebody who carries code from one to the other.

Nothing is known here but results: what both were observed to do, and the scripts that did it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from canireuse.judge.verdict import RAN, Loudness
from canireuse.spec.problems import UsageError
from canireuse_reports.cases import CaseView
from canireuse_reports.view import SpecView, View

#: how a difference is told, the one that bites first in front; None is a row that no contract covers
BITES: tuple[Loudness | None, ...] = ("silent", "warned", "late", "refused", None)
TOLD: dict[Loudness | None, str] = {
    "silent": "nobody tells you",
    "warned": "you get a warning, and another result",
    "late": "an error comes later, at another place",
    "refused": "an error comes at the place itself",
    None: "where no contract says who is right",
}
#: how many lessons a guide begins with
BITE_FIRST = 5
MODEL = "reference"


@dataclass
class Pair:
    """A scenario that both backends ran: a case of each, and how they compare."""

    spec: SpecView
    source: CaseView
    target: CaseView
    #: label, what the source answers, what the target answers, where they part
    answers: list[tuple[str, str, str]] = field(default_factory=list)
    #: the ways of the target that answer so, empty if all do
    by: str = ""
    #: the ways of the target that answer as the source does, where others do not
    safe: str = ""

    @property
    def explained(self) -> tuple[str, str]:
        """Return what the spec says of the difference, and the title of the backend of which it says it."""
        for case in (self.target, self.source):
            if case.case.verdict == "differs" and case.because:
                return case.because, case.environment.title
        return "", ""

    @property
    def because(self) -> str:
        """What the spec says of it: why the target departs, or else what the source did otherwise."""
        return self.explained[0]

    @property
    def same_words(self) -> bool:
        """Whether the two scripts are one text."""
        return self.source.case.script == self.target.case.script

    @property
    def length(self) -> int:
        """How much there is to read in the two scripts."""
        return len(self.source.case.script or "") + len(self.target.case.script or "")


@dataclass
class Lesson:
    """One explanation, and the scenarios that it explains."""

    because: str
    #: the title of the backend of which it speaks
    of: str
    pairs: list[Pair]

    def order(self, target: str) -> tuple[bool, bool, int]:
        """Return what to sort by: what is explained first, then what the target does otherwise than all, then what hits most.

        What people wrote in about counts more, and so does what no way of the target avoids.
        """
        weights = (1 + 2 * (pair.spec.line.symptom is not None) + 2 * (not pair.safe) for pair in self.pairs)
        return not self.because, self.of != target, -sum(weights)


@dataclass
class Guide:
    """What carries over from one backend to another, and what does not."""

    source: str
    target: str
    source_title: str
    target_title: str
    same: list[Pair] = field(default_factory=list)
    #: facet -> the scenarios, the shortest scripts first
    spelled: dict[str, list[Pair]] = field(default_factory=dict)
    #: how a difference is told -> what is to be learned, each with its scenarios
    differs: dict[Loudness | None, list[Lesson]] = field(default_factory=dict)
    #: reason -> the scenarios that the source can say and the target cannot; what concerns most comes first
    missing: dict[str, list[SpecView]] = field(default_factory=dict)
    #: scenarios that only the target has words for
    new: list[SpecView] = field(default_factory=list)
    #: scenarios of which one of the two could not be judged
    unknown: list[SpecView] = field(default_factory=list)

    @property
    def differing(self) -> dict[Loudness | None, int]:
        """How many scenarios behave differently, by how it is told."""
        return {told: sum(len(lesson.pairs) for lesson in lessons) for told, lessons in self.differs.items()}

    @property
    def counts(self) -> dict[str, int]:
        """How many scenarios are of each kind."""
        return {
            "the same word for word": len(self.same),
            "the same in other words": sum(map(len, self.spelled.values())),
            "with another behaviour": sum(self.differing.values()),
            "not at all": sum(map(len, self.missing.values())),
        }

    @property
    def lead(self) -> str:
        """What comes of it all, in sentences."""
        counts = {words: count for words, count in self.counts.items() if count}
        parts = [f"{count} {words}" for words, count in counts.items()]
        listed = " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]])) or "none"
        silent = self.differing.get("silent", 0)
        sentences = [
            f"Of {sum(self.counts.values())} scenarios that {self.source_title} ran, {self.target_title} has {listed}.",
            f"Of those with another behaviour {silent} say nothing of it: no error, no warning, another result."
            if silent
            else "",
            f"It has words for {len(self.new)} more." if self.new else "",
            f"{len(self.unknown)} could not be compared." if self.unknown else "",
        ]
        return " ".join(filter(None, sentences))

    @property
    def bites(self) -> list[Lesson]:
        """What bites first: the explained differences that nobody tells."""
        return [lesson for lesson in self.differs.get("silent", []) if lesson.because][:BITE_FIRST]

    @property
    def file(self) -> str:
        """The name of its page."""
        return "port-{}-{}.html".format(*(re.sub(r"[^A-Za-z0-9_-]", "_", name) for name in (self.source, self.target)))

    def pairs(self) -> list[Pair]:
        """Return every scenario that both ran."""
        lessons = [lesson.pairs for lessons in self.differs.values() for lesson in lessons]
        return [pair for pairs in (self.same, *self.spelled.values(), *lessons) for pair in pairs]


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
    differing: dict[Loudness | None, list[Pair]] = {}
    for spec in view.specs:
        place(made, differing, spec)
    made.differs = {told: lessons(differing[told], made.target_title) for told in BITES if told in differing}
    made.missing = dict(sorted(made.missing.items(), key=lambda item: -len(item[1])))
    for pairs in made.spelled.values():
        pairs.sort(key=lambda pair: pair.length)
    return made


def lessons(pairs: Iterable[Pair], target: str) -> list[Lesson]:
    """Return scenarios by what explains them, what bites first in front."""
    table: dict[tuple[str, str], Lesson] = {}
    for pair in pairs:
        table.setdefault(pair.explained, Lesson(*pair.explained, [])).pairs.append(pair)
    for lesson in table.values():
        lesson.pairs.sort(key=lambda pair: pair.spec.line.symptom is None)
    return sorted(table.values(), key=lambda lesson: lesson.order(target))


def place(made: Guide, differing: dict[Loudness | None, list[Pair]], spec: SpecView) -> None:
    """Put a scenario where it belongs in the guide."""
    sources, targets = (spec.by_backend.get(name, []) for name in (made.source, made.target))
    ran = [case for case in sources if case.case.verdict in RAN]
    if not ran:
        if any(case.case.verdict in RAN for case in targets):
            made.new.append(spec)
        return
    there = [case for case in targets if case.case.verdict in RAN]
    if there:
        put_pair(made, differing, [compare(spec, ran[0], case) for case in there])
    elif targets and all(case.case.verdict == "unsupported" for case in targets):
        made.missing.setdefault(targets[0].because, []).append(spec)
    else:
        made.unknown.append(spec)


def put_pair(made: Guide, told: dict[Loudness | None, list[Pair]], pairs: list[Pair]) -> None:
    """Put the comparison with each way of the target where it belongs: the ways that differ count, if some do."""
    differing = [pair for pair in pairs if pair.answers]
    if not differing:
        if pairs[0].same_words:
            made.same.append(pairs[0])
        else:
            made.spelled.setdefault(pairs[0].spec.facet, []).append(pairs[0])
        return
    worst = min(differing, key=lambda pair: BITES.index(loudness(pair)))
    spec = worst.spec
    alike = [pair.target for pair in differing if pair.answers == worst.answers]
    safe = [pair.target for pair in pairs if not pair.answers]
    worst.by, worst.safe = spec.ways_of(alike), spec.ways_of(safe) if safe else ""
    told.setdefault(loudness(worst), []).append(worst)


def loudness(pair: Pair) -> Loudness | None:
    """Return how somebody who comes from the source is told that the target answers otherwise."""
    told = pair.target.case.loudness or pair.source.case.loudness
    return told if pair.spec.line.contract != "none" else None


def compare(spec: SpecView, source: CaseView, target: CaseView) -> Pair:
    """Return what two cases of a scenario answered, where it is not the same."""
    here, there = ({label: one for label, one in case.answers.items() if one.observed} for case in (source, target))
    apart = [
        (label, here[label].text, there[label].text)
        for label, _ in spec.labels
        if label in here and label in there and here[label].key != there[label].key
    ]
    return Pair(spec, source, target, apart)


def pairs_of(view: View, wanted: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """Return the ordered pairs of backends that are asked for.

    A word is `all`, `none`, `FROM:TO`, or `FROM` for every pair from there; of no word it is those from
    TensorFlow 1, if it ran. The reference model is no framework, and left out unless it is named.
    """
    names = [backend.backend for backend in view.backends if backend.backend != MODEL and view.ran(backend.backend)]
    every = [(source, target) for source in names for target in names if target != source]
    if wanted is None:
        return [pair for pair in every if pair[0] == "tf1"]
    found = []
    for word in wanted:
        source, between, target = word.partition(":")
        if word == "all":
            found += every
        elif between:
            found.append((source, target))
        elif source in names:
            found += [pair for pair in every if pair[0] == source]
        elif word != "none":
            raise UsageError(
                f"there is no porting guide {word!r}\n    expected: all, none, FROM:TO, or FROM; a backend is one of {', '.join(names) or 'none, as none ran'}\n    to do: write it as in `canireuse report --port tf1:torch`"
            )
    return list(dict.fromkeys(found))
