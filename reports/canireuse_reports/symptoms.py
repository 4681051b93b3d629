"""What people say whom something hit, and what each framework does there: where the page begins."""

import re
from collections import Counter
from dataclasses import dataclass

from canireuse.judge.verdict import RAN
from canireuse_reports.cases import CaseView
from canireuse_reports.view import SpecView, View

#: facet -> what somebody calls it who does not know the project's words; others go by their own name
TOPICS = {
    "calls": "Calling one layer several times",
    "checkpoints": "Saving and loading",
    "copies": "Copying models and layers",
    "creation": "Making variables",
    "devices": "Several devices and processes",
    "freezing": "Freezing weights",
    "gradients": "Gradients and training",
    "moves": "Moving and casting",
    "refusals": "Errors that should come, or should not",
    "scopes": "Names and scopes",
    "state": "State: statistics, counters, caches",
    "structure": "What a model lists as its weights",
    "ties": "Tied and shared weights",
    "tracing": "Compiled functions, loops, threads",
}
MODEL = "reference"
#: what in the text of an error is of one script alone: names in quotes, addresses, numbers, paths
OWN = re.compile(r"""['"`][^'"`\n]{0,60}['"`]|https?://\S+|\S*/\S+|[\[{(][^\])}]*[\])}]|\b\S*\d\S*""")
LONGEST = 160


@dataclass
class Who:
    """A backend that departs, by which ways, and how loudly."""

    backend: str
    title: str
    ways: str
    loudness: str | None


@dataclass
class Departure:
    """What happens instead and what to do, and who does it."""

    because: str
    who: list[Who]

    @property
    def backends(self) -> list[str]:
        """The backends of it, each once."""
        return list(dict.fromkeys(one.backend for one in self.who))


@dataclass
class Symptom:
    """A scenario as somebody tells it whom it hit."""

    spec: SpecView
    departures: list[Departure]
    #: backends that did as the contract says, each with the ways that ran so
    holds: list[Who]
    #: backends that have no words for it
    unsaid: dict[str, str]

    @property
    def departing(self) -> dict[str, Who]:
        """Who departs, each once, as silently as it does in any way."""
        table: dict[str, Who] = {}
        for one in (one for departure in self.departures for one in departure.who):
            if one.backend not in table or one.loudness == "silent":
                table[one.backend] = one
        return table

    @property
    def silent(self) -> list[str]:
        """The backends that depart and say nothing."""
        return [one.backend for one in self.departing.values() if one.loudness == "silent"]

    @property
    def rank(self) -> tuple[int, int]:
        """How many depart and say nothing, and how many depart: those that hurt most come first."""
        return len(self.silent), len(self.departing)


def symptom(spec: SpecView, titles: dict[str, str]) -> Symptom:
    """Return a scenario as a symptom: who departs and why, who does not and how that ran, who cannot say it."""
    found = Symptom(spec, [], [], {})
    by_because: dict[str, Departure] = {}
    for backend, cases in spec.by_backend.items():
        if backend == MODEL:
            continue
        ran = [case for case in cases if case.case.verdict in RAN]
        departing = [case for case in ran if case.case.verdict != "conforms"]
        told: dict[tuple[str, str | None], list[CaseView]] = {}
        for case in departing:
            unexplained = f"Not explained yet; {case.because}"
            because = case.because if case.case.verdict == "differs" else unexplained
            told.setdefault((because, case.loudness), []).append(case)
        for (because, loudness), own in told.items():
            who = Who(backend, titles[backend], spec.ways_of(own), loudness)
            by_because.setdefault(because, Departure(because, [])).who.append(who)
        if kept := [case for case in ran if case.case.verdict == "conforms"]:
            ran_by = "; ".join(dict.fromkeys(case.variant for case in kept if case.variant))
            found.holds.append(Who(backend, titles[backend], ran_by, None))
        elif all(case.case.verdict == "unsupported" for case in cases):
            found.unsaid[backend] = titles[backend]
    found.departures = sorted(by_because.values(), key=lambda one: -len(one.who))
    return found


def symptoms(view: View) -> dict[str, list[Symptom]]:
    """Return the symptoms by topic, in each those first on which most backends depart silently."""
    titles = {backend.backend: backend.title for backend in view.backends}
    topics: dict[str, list[Symptom]] = {}
    for spec in view.specs:
        if spec.line.symptom:
            topics.setdefault(TOPICS.get(spec.facet, spec.facet), []).append(symptom(spec, titles))
    for listed in topics.values():
        listed.sort(key=lambda one: one.rank, reverse=True)
    hurts = Counter({name: sum(one.rank[0] for one in listed) for name, listed in topics.items()})
    return {name: topics[name] for name, _ in hurts.most_common()}


def errors(view: View) -> list[tuple[str, list[str]]]:
    """Return the texts of errors that scripts ran into, each once, with the symptoms in whose cases they were seen."""
    seen: dict[str, dict[str, None]] = {}
    for spec in view.specs:
        for cases in spec.by_backend.values() if spec.line.symptom else ():
            for message in (message for case in cases for message in messages(case)):
                seen.setdefault(message, {})[spec.line.id] = None
    return [(message, list(ids)) for message, ids in seen.items()]


def messages(case: CaseView) -> list[str]:
    """Return what the errors of a case say, in a line each, without what is of its script alone."""
    told = [one.raw["error"] for one in case.case.expectations if isinstance(one.raw, dict) and "error" in one.raw]
    ended = case.case.error
    texts = [f"{one['type']}: {one['message']}" for one in [*told, *([ended] if ended else [])]]
    return [short for one in texts if (short := " ".join(OWN.sub(" ", one).split())[:LONGEST].strip(" .,:;"))]
