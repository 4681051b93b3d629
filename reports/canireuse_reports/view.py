"""What the page shows, worked out from results: no template computes and no markup is made here."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import canireuse_adapters
from canireuse.judge.verdict import RAN
from canireuse.judge.wording import in_words
from canireuse.results.deciding import MEANINGS as CLAIM_MEANINGS
from canireuse.results.deciding import VerdictWord
from canireuse.results.records import Case, Environment, Results, ScenarioLine, SpecLine
from canireuse.spec.model import Divergence
from canireuse_reports.blocks import RunDocument, run_documents
from canireuse_reports.cases import CONTRACTS, MARKS, CaseView, answers_of, because, environment_of
from canireuse_reports.documents import MARKS as CLAIM_MARKS
from canireuse_reports.documents import WORDS as CLAIM_WORDS
from canireuse_reports.documents import DocumentView, documents
from canireuse_reports.groups import Article, Badge, Row, articles, badges, by_backend, gather, rows, ways_of
from canireuse_reports.text import clock

MEANINGS = {
    "conforms": "every expectation of the contract held",
    "differs": "the backend answers otherwise by its nature, exactly as the spec declares",
    "fails": "something else was observed than the contract or the declared divergence says",
    "error": "the script raised where nobody expected it",
    "crash": "the process ended",
    "timeout": "no answer within the time limit",
    "unsupported": "the framework has no words for it, or nothing in its words that could come apart",
    "skipped": "the backend or the device was not there",
}
LOUDNESS = {
    "silent": "nobody tells the user: no error, no warning, another result",
    "warned": "a warning about it is given, and another result",
    "late": "an error comes later, at another place",
    "refused": "an error comes at the place itself",
}
#: how many specs of each contract the page leads with
LEAD = 3


@dataclass
class SpecView:
    """A spec with its cases."""

    line: SpecLine
    facet: str
    slug: str
    cases: list[CaseView]
    labels: list[tuple[str, str]]
    divergences: list[Divergence]

    @property
    def by_backend(self) -> dict[str, list[CaseView]]:
        """The cases of each backend, one a way and device."""
        return by_backend(self.cases)

    @property
    def rows(self) -> list[Row]:
        """The rows of its answers."""
        return rows(self.cases)

    @property
    def articles(self) -> list[Article]:
        """The scripts that ran, with those together that are alike."""
        return articles(self.cases)

    def ways_of(self, cases: list[CaseView]) -> str:
        """Return what sets cases of one backend apart from its others, empty if they are all."""
        return ways_of(cases, self.by_backend[cases[0].case.backend])

    def badges(self, backend: str) -> list[Badge]:
        """Return what the cell of a backend shows."""
        return badges(self.by_backend.get(backend, []))

    @property
    def unworded(self) -> list[Row]:
        """The cases that have no script, because the framework has no words or is not here, by what is said of it."""
        without = by_backend(case for case in self.cases if not case.case.script)
        told = (gather(cases, lambda case: (case.case.verdict, case.case.reason)) for cases in without.values())
        return [Row(group, self.ways_of(group)) for groups in told for group in groups]

    @property
    def disagree(self) -> bool:
        """Whether two backends that ran gave another answer to the same expectation."""
        ran = [case for case in self.cases if case.case.verdict in RAN]
        return any(
            len({case.answers[label].key for case in ran if label in case.answers and case.answers[label].observed}) > 1
            for label, _ in self.labels
        )

    @property
    def silent(self) -> dict[str, list[CaseView]]:
        """The cases that depart from the contract and say nothing, by backend."""
        table = {name: [case for case in cases if case.loudness == "silent"] for name, cases in self.by_backend.items()}
        return {name: cases for name, cases in table.items() if cases}

    @property
    def search_text(self) -> str:
        """What a search looks through: the words of the spec and of its divergences."""
        words = [
            self.line.id,
            *self.line.aliases,
            self.line.title,
            self.line.about,
            *self.line.sources,
            *(label for label, _ in self.labels),
        ]
        return " ".join([*words, *(divergence.because for divergence in self.divergences)]).lower()


@dataclass
class View:
    """The whole page."""

    started: list[str]
    versions: list[str]
    commands: list[str]
    complete: bool
    #: the cases that were planned and have no record
    missing: list[str]
    #: how many cases refer to a spec that the results do not hold
    orphans: int
    backends: list[Environment]
    environments: list[Environment]
    #: environment -> how many of its scripts ran in an earlier run, and when
    reused: dict[str, str]
    facets: dict[str, list[SpecView]]
    summary: dict[str, Counter[str]]
    by_facet: dict[str, dict[str, Counter[str]]]
    verdicts: list[str]
    documents: list[DocumentView]
    run_documents: list[RunDocument]
    untested: dict[str, dict[str, list[SpecView]]]
    scenarios: list[ScenarioLine]
    marks: dict[str, str]
    meanings: dict[str, str]
    loudness: dict[str, str]
    claim_marks: dict[VerdictWord, str]
    claim_words: dict[VerdictWord, str]
    claim_meanings: Mapping[VerdictWord, str]

    @property
    def specs(self) -> list[SpecView]:
        """Every spec, in the order of the page."""
        return [spec for specs in self.facets.values() for spec in specs]

    @property
    def ids(self) -> set[str]:
        """The ids of every spec."""
        return {spec.line.id for spec in self.specs}

    @property
    def out_of_reach(self) -> list[ScenarioLine]:
        """What users report and no run, or not all of it, is there for."""
        return [scenario for scenario in self.scenarios if scenario.not_tested]

    @property
    def cases(self) -> int:
        """How many cases there are."""
        return sum(len(spec.cases) for spec in self.specs)

    def silent_of(self, backend: str) -> list[SpecView]:
        """Return the specs on which a backend departs silently."""
        return [spec for spec in self.specs if backend in spec.silent]

    @property
    def lead(self) -> dict[str, list[SpecView]]:
        """The specs of each contract on which most backends depart silently."""
        silent = sorted((spec for spec in self.specs if spec.silent), key=lambda spec: -len(spec.silent))
        of = {title: [spec for spec in silent if spec.line.contract == name] for name, title in CONTRACTS.items()}
        return {title: specs[:LEAD] for title, specs in of.items() if specs}

    def ran(self, backend: str) -> int:
        """Return how many specs a backend observed anything of."""
        return sum(any(case.case.verdict in RAN for case in spec.by_backend.get(backend, [])) for spec in self.specs)

    def title(self, backend: str) -> str:
        """Return the title of a backend."""
        return next(environment.title for environment in self.backends if environment.backend == backend)

    def called(self, scenario: ScenarioLine) -> list[tuple[str, list[str]]]:
        """Return the backends here whose scripts make calls that a scenario's reports are about, with these calls."""
        return [(one.title, scenario.calls[one.backend]) for one in self.backends if one.backend in scenario.calls]

    def places(self, backend: str) -> list[Environment]:
        """Return every environment that a backend ran in."""
        return [environment for environment in self.environments if environment.backend == backend]


def order(names: Iterable[str]) -> list[str]:
    """Return backends in the project's order, unknown ones last."""
    known = canireuse_adapters.ORDER
    return sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name))


def spec_view(line: SpecLine, cases: list[Case], backends: Iterable[str], results: Results) -> SpecView:
    """Return a spec with its cases in the order of backends, those of one by device and way."""
    facet, _, slug = line.id.rpartition("/")
    by_way = sorted(cases, key=lambda case: (case.device, *case.way.values()))
    ordered = [case for name in backends for case in by_way if case.backend == name]
    divergences = [Divergence.model_validate(one) for one in line.divergences]
    views = []
    for case in ordered:
        environment = environment_of(case, results)
        why = because(case, divergences, environment.packages)
        way = " ".join(case.way.values())
        loudness = case.loudness if line.contract in CONTRACTS else None
        views.append(CaseView(case, environment, way, MARKS[case.verdict], answers_of(case), why, loudness))
    contract = {one.label: in_words(one.contract) for case in cases for one in case.expectations}
    labels = [(label, contract.get(label, "")) for label in line.lines]
    return SpecView(line, facet, slug, views, labels, divergences)


def tally(
    specs: Iterable[SpecView], backends: Iterable[str]
) -> tuple[dict[str, Counter[str]], dict[str, dict[str, Counter[str]]]]:
    """Return how many cases have each verdict: by backend, and by facet and backend."""
    summary: dict[str, Counter[str]] = {name: Counter() for name in backends}
    by_facet: dict[str, dict[str, Counter[str]]] = {}
    for spec in specs:
        for shown in spec.cases:
            name, verdict = shown.case.backend, shown.case.verdict
            summary[name][verdict] += 1
            by_facet.setdefault(spec.facet, {}).setdefault(name, Counter())[verdict] += 1
    return summary, by_facet


def unsaid(specs: Iterable[SpecView]) -> dict[str, dict[str, list[SpecView]]]:
    """Return by backend and reason the specs that it has no words for, or did not run."""
    table: dict[str, dict[str, list[SpecView]]] = {}
    for spec in specs:
        for case in (shown.case for shown in spec.cases if shown.case.verdict in {"unsupported", "skipped"}):
            listed = table.setdefault(case.backend, {}).setdefault(case.reason or case.verdict, [])
            if spec not in listed:
                listed.append(spec)
    return {name: table[name] for name in order(table)}


def reused(results: Results) -> dict[str, str]:
    """Return for each environment in which scripts had run before how many did, and when."""
    told = {}
    for name in results.environments:
        scripts = [
            case.reused for case in results.cases.values() if case.environment == name and case.script is not None
        ]
        if ran := sorted(filter(None, scripts)):
            when = clock(ran[0]) + (f" to {clock(ran[-1])}" if ran[-1] != ran[0] else "")
            told[name] = (
                f"{len(ran)} of its {len(scripts)} scripts had run before, and nothing that they depend on had changed: {when}."
            )
    return told


def view(results: Results) -> View:
    """Return what the page shows of the results."""
    found = [environment_of(case, results) for case in results.cases.values()]
    environments = {one.id: one for one in [*results.environments.values(), *found]}
    by_backend = {one.backend: one for one in environments.values()}
    backends = {name: by_backend[name] for name in order(by_backend)}
    cases_of: dict[str, list[Case]] = {}
    for case in results.cases.values():
        cases_of.setdefault(case.spec, []).append(case)
    specs = [
        spec_view(results.specs[name], cases_of[name], backends, results)
        for name in sorted(cases_of)
        if name in results.specs
    ]
    facets: dict[str, list[SpecView]] = {}
    for spec in specs:
        facets.setdefault(spec.facet, []).append(spec)
    summary, by_facet = tally(specs, backends)
    return View(
        started=[clock(header.started) for header in results.headers],
        versions=sorted({header.canireuse for header in results.headers}),
        commands=[header.command for header in results.headers],
        complete=results.complete,
        missing=results.missing,
        orphans=sum(case.spec not in results.specs for case in results.cases.values()),
        backends=list(backends.values()),
        environments=list(environments.values()),
        reused=reused(results),
        facets=facets,
        summary=summary,
        by_facet=by_facet,
        verdicts=[verdict for verdict in MARKS if any(counter[verdict] for counter in summary.values())],
        documents=documents(results),
        run_documents=run_documents(results),
        untested=unsaid(specs),
        scenarios=sorted(results.scenarios.values(), key=lambda scenario: scenario.id),
        marks=MARKS,
        meanings=MEANINGS,
        loudness=LOUDNESS,
        claim_marks=CLAIM_MARKS,
        claim_words=CLAIM_WORDS,
        claim_meanings=CLAIM_MEANINGS,
    )
