"""Cases of one backend put together: what they have in common is shown once, and their ways in few words."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from canireuse.judge.verdict import Verdict
from canireuse_reports.cases import CaseView

#: how many lines may be another in a script that is told by those lines alone
FEW = 2
#: up to how many words say which ways are meant; of more it is said which are not, if these are fewer
MANY = 2
#: the parts of a way that say where it ran, and not how the thing was done
PLACES = ("engine", "device")


def ways_of(chosen: Sequence[CaseView], among: Sequence[CaseView]) -> str:
    """Return what sets some cases apart from the others of their backend, in as few words as say it.

    Of a part that does not matter (every engine of a way answers alike) nothing is said.
    """
    wanted = {case.case.id for case in chosen}
    others = [case for case in among if case.case.id not in wanted]
    if not others:
        return ""
    words, spared = cover(chosen, among), cover(others, among)
    return "; ".join(words) if len(words) <= MANY or len(words) <= len(spared) else f"all but {'; '.join(spared)}"


def cover(chosen: Sequence[CaseView], among: Sequence[CaseView]) -> list[str]:
    """Return the fewest parts of ways that some cases have and no other: single parts first, then several."""
    names = list(dict.fromkeys(name for case in among for name in case.parts))
    names = [name for name in names if len({case.parts.get(name) for case in among}) > 1]
    wanted, told, words = {case.case.id for case in chosen}, set[str](), []
    for size in range(1, len(names) + 1):
        for some in combinations(names, size):
            for values in dict.fromkeys(tuple(case.parts.get(name) for name in some) for case in chosen):
                alike = {case.case.id for case in among if tuple(case.parts.get(name) for name in some) == values}
                if alike <= wanted and not alike <= told:
                    told |= alike
                    words.append(", ".join(value for value in values if value))
    return list(filter(None, words))


def count_of(cases: Sequence[CaseView]) -> str:
    """Return how many ways cases of one backend are, where it is more than one; engines are no ways of their own."""
    devices = {case.parts["device"] for case in cases}
    ways = {tuple(part for name, part in case.parts.items() if name not in PLACES) for case in cases}
    counts = {"way": len(ways), "device": len(devices)}
    return ", ".join(f"{count} {name}s" for name, count in counts.items() if count > 1)


@dataclass
class Badge:
    """Cases of one backend with one verdict, as loud: one badge of a cell."""

    cases: list[CaseView]
    #: which ways they are, or how many, if they are all
    ways: str

    @property
    def verdict(self) -> Verdict:
        """The verdict of them all."""
        return self.cases[0].case.verdict

    @property
    def loudness(self) -> str | None:
        """How loud their departure is."""
        return self.cases[0].loudness


@dataclass
class Row:
    """Cases of one backend that answered alike: one row of the answers."""

    cases: list[CaseView]
    ways: str


@dataclass
class Variation:
    """A script that is told by the lines that it has otherwise, and the cases of which it is."""

    cases: list[CaseView]
    lines: list[tuple[int, str]]
    ways: str = ""


@dataclass
class Article:
    """Cases of one backend and one device with one script, or nearly one, and one outcome."""

    cases: list[CaseView]
    ways: str = ""
    variations: list[Variation] = field(default_factory=list)
    #: whether it is the first of its backend and device, which tells how to run them all again
    leads: bool = False

    @property
    def first(self) -> CaseView:
        """The case whose script is shown whole."""
        return self.cases[0]


def by_backend(cases: Iterable[CaseView]) -> dict[str, list[CaseView]]:
    """Return cases by their backend, in their order."""
    table: dict[str, list[CaseView]] = {}
    for case in cases:
        table.setdefault(case.case.backend, []).append(case)
    return table


def gather(cases: Sequence[CaseView], key: Callable[[CaseView], object]) -> list[list[CaseView]]:
    """Return cases of a backend, those together of which `key` says the same."""
    table: dict[object, list[CaseView]] = {}
    for case in cases:
        table.setdefault(key(case), []).append(case)
    return list(table.values())


def badges(cases: Sequence[CaseView]) -> list[Badge]:
    """Return the badges of a cell: one a verdict and loudness."""
    groups = gather(cases, lambda case: (case.case.verdict, case.loudness))
    return [Badge(group, ways_of(group, cases) or count_of(group)) for group in groups]


def rows(cases: Iterable[CaseView]) -> list[Row]:
    """Return the rows of the answers of a spec: one a backend and set of answers."""
    made = []
    for own in by_backend(case for case in cases if case.answers).values():
        groups = gather(own, lambda case: tuple((label, *vars(one).values()) for label, one in case.answers.items()))
        made += [Row(group, ways_of(group, own)) for group in groups]
    return made


def articles(cases: Iterable[CaseView]) -> list[Article]:
    """Return the scripts of a spec: those that are one text, or nearly, and had one outcome are one article."""
    made, led = [], set[tuple[str, str]]()
    for own in by_backend(case for case in cases if case.case.script).values():
        for alike in gather(own, outcome):
            here: list[Article] = []
            for case in alike:
                if not any(join(article, case) for article in here):
                    here.append(Article([case]))
            for article in here:
                place = article.first.case.backend, article.first.case.device
                article.ways, article.leads = ways_of(article.cases, own), place not in led
                led.add(place)
                for variation in article.variations:
                    variation.ways = ways_of(variation.cases, article.cases)
            made += here
    return made


def outcome(case: CaseView) -> tuple[object, ...]:
    """Return what an article says of a case beside its script."""
    answers = tuple((label, *vars(one).values()) for label, one in case.answers.items())
    warnings = tuple((one.get("category"), one.get("line")) for one in (*case.case.warnings, *case.case.other_warnings))
    of = case.case
    place = (of.device, of.verdict, case.loudness, of.reason, of.blame, tuple(of.idioms), bool(of.output))
    return (*place, warnings, answers)


def join(article: Article, case: CaseView) -> bool:
    """Add a case to an article if its script is the same, or another in a few lines of as many; return whether."""
    text, whole = case.case.script or "", article.first.case.script or ""
    if text != whole:
        ours, theirs = text.split("\n"), whole.split("\n")
        lines = [
            (number, one) for number, (one, other) in enumerate(zip(ours, theirs, strict=False), 1) if one != other
        ]
        if len(ours) != len(theirs) or len(lines) > FEW:
            return False
        known = next((one for one in article.variations if one.lines == lines), None)
        if known:
            known.cases.append(case)
        else:
            article.variations.append(Variation([case], lines))
    article.cases.append(case)
    return True
