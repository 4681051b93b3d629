"""What the page shows, worked out from results: no template computes and no markup is made here."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import adapters
from conformance.claims import ClaimVerdict, in_words, judge_claims
from conformance.judge import UNKNOWN_ERROR, agrees
from conformance.records import Case, Environment, Results, SpecLine
from conformance.spec import Divergence

#: verdict -> mark beside the word
MARKS = {
    "conforms": "✓", "differs": "≠", "fails": "✗", "error": "!", "crash": "‼", "timeout": "⧖", "unsupported": "–", "skipped": "○",
}  # fmt: skip
MEANINGS = {
    "conforms": "every expectation of the contract held",
    "differs": "the backend answers otherwise by its nature, exactly as the spec declares",
    "fails": "something else was observed than the contract or the declared divergence says",
    "error": "the script raised where nobody expected it",
    "crash": "the process ended",
    "timeout": "no answer within the time limit",
    "unsupported": "the framework has no words for it",
    "skipped": "the backend or the device was not there",
}
LOUDNESS = {
    "silent": "nobody tells the user: no error, no warning, another result",
    "warned": "a warning is given, and another result",
    "late": "an error comes later, at another place",
    "refused": "an error comes at the place itself",
}
CLAIM_MARKS = {"refuted": "✗", "depends": "≠", "confirmed": "✓", "undecided": "?", "not checkable": "–"}
RAN = frozenset({"conforms", "differs", "fails"})


@dataclass
class Answer:
    """One observed answer in the table of a spec."""

    text: str
    departs: bool
    holds: bool


@dataclass
class CaseView:
    """A case with what the page says of it."""

    case: Case
    backend: Environment
    way: str
    mark: str
    answers: dict[str, Answer]

    @property
    def run_command(self) -> str:
        """The command that runs the case again."""
        device = "" if self.case.device == "cpu" else f" --device {self.case.device}"
        return f"canireuse run specs/{self.case.spec}.yaml --backend {self.case.backend}{device}"

    @property
    def show_command(self) -> str:
        """The command that prints the script so that it runs without canireuse."""
        return f"canireuse show {self.case.spec} --backend {self.case.backend} --standalone"


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
        table: dict[str, list[CaseView]] = {}
        for case in self.cases:
            table.setdefault(case.case.backend, []).append(case)
        return table

    @property
    def worded(self) -> list[CaseView]:
        """The cases that have a script."""
        return [case for case in self.cases if case.case.script]

    @property
    def unworded(self) -> list[CaseView]:
        """The cases that have none, because the framework has no words or is not here."""
        return [case for case in self.cases if not case.case.script]

    @property
    def disagree(self) -> bool:
        """Whether two backends that ran gave another answer to the same expectation."""
        ran = [case for case in self.cases if case.case.verdict in RAN]
        return any(
            len({case.answers[label].text for case in ran if label in case.answers}) > 1 for label, _ in self.labels
        )

    @property
    def silent(self) -> list[CaseView]:
        """The cases that depart from the contract and say nothing."""
        return [case for case in self.cases if case.case.loudness == "silent"]

    @property
    def search_text(self) -> str:
        """What a search looks through: the words of the spec and of its divergences."""
        words = [
            self.line.id,
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
    backends: list[Environment]
    environments: list[Environment]
    facets: dict[str, list[SpecView]]
    summary: dict[str, Counter[str]]
    by_facet: dict[str, dict[str, Counter[str]]]
    verdicts: list[str]
    documents: dict[str, list[ClaimVerdict]]
    claim_counts: Counter[str]
    untested: dict[str, dict[str, list[SpecView]]]
    marks: dict[str, str]
    meanings: dict[str, str]
    loudness: dict[str, str]
    claim_marks: dict[str, str]

    @property
    def specs(self) -> list[SpecView]:
        """Every spec, in the order of the page."""
        return [spec for specs in self.facets.values() for spec in specs]

    @property
    def cases(self) -> int:
        """How many cases there are."""
        return sum(len(spec.cases) for spec in self.specs)

    def silent_of(self, backend: str) -> list[SpecView]:
        """Return the specs on which a backend departs silently."""
        return [spec for spec in self.specs if any(case.case.backend == backend for case in spec.silent)]

    def because(self, spec: SpecView, backend: str) -> str:
        """Return what a spec says of a backend's divergence."""
        return next((divergence.because for divergence in spec.divergences if backend in divergence.backends), "")

    def words(self, answer: object) -> str:
        """Return an answer as a reader says it."""
        return in_words(answer)


def order(names: Iterable[str]) -> list[str]:
    """Return backends in the project's order, unknown ones last."""
    known = adapters.ORDER
    return sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name))


def answers_of(case: Case) -> dict[str, Answer]:
    """Return the observed answers of a case by label; of an error nobody knows its own words."""
    answers = {}
    for one in case.expectations if case.verdict in RAN else []:
        error = one.raw.get("error") if isinstance(one.raw, dict) else None
        text = in_words(one.observed)
        if one.observed == UNKNOWN_ERROR and error:
            text = f"an error ({error['type']}: {error['message'].splitlines()[0][:120] if error['message'] else ''})"
        answers[one.label] = Answer(
            text, not agrees(one.contract, one.observed, 1e-5) and not (one.holds and not one.is_declared), one.holds
        )
    return answers


def spec_view(line: SpecLine, cases: list[Case], backends: dict[str, Environment]) -> SpecView:
    """Return a spec with its cases in the order of backends."""
    facet, _, slug = line.id.rpartition("/")
    ordered = [case for name in backends for case in cases if case.backend == name]
    views = [
        CaseView(case, backends[case.backend], " ".join(case.way.values()), MARKS[case.verdict], answers_of(case))
        for case in ordered
    ]
    contract = {one.label: in_words(one.contract) for case in cases for one in case.expectations}
    labels = [(label, contract.get(label, "")) for label in line.lines]
    return SpecView(line, facet, slug, views, labels, [Divergence.model_validate(one) for one in line.divergences])


def view(results: Results) -> View:
    """Return what the page shows of the results."""
    by_backend = {environment.backend: environment for environment in results.environments.values()}
    backends = {name: by_backend[name] for name in order(by_backend)}
    cases_of: dict[str, list[Case]] = {}
    for case in results.cases.values():
        cases_of.setdefault(case.spec, []).append(case)
    specs = [
        spec_view(results.specs[name], cases_of[name], backends) for name in sorted(cases_of) if name in results.specs
    ]
    facets: dict[str, list[SpecView]] = {}
    untested: dict[str, dict[str, list[SpecView]]] = {}
    summary: dict[str, Counter[str]] = {name: Counter() for name in backends}
    by_facet: dict[str, dict[str, Counter[str]]] = {}
    for spec in specs:
        facets.setdefault(spec.facet, []).append(spec)
        for shown in spec.cases:
            name, verdict = shown.case.backend, shown.case.verdict
            summary[name][verdict] += 1
            by_facet.setdefault(spec.facet, {}).setdefault(name, Counter())[verdict] += 1
            if verdict in {"unsupported", "skipped"}:
                listed = untested.setdefault(name, {}).setdefault(shown.case.reason or verdict, [])
                if spec not in listed:
                    listed.append(spec)
    documents: dict[str, list[ClaimVerdict]] = {}
    for claim in judge_claims(results):
        documents.setdefault(claim.claim.document, []).append(claim)
    return View(
        started=[header.started for header in results.headers],
        versions=sorted({header.canireuse for header in results.headers}),
        commands=[header.command for header in results.headers],
        complete=results.complete,
        backends=list(backends.values()),
        environments=list(results.environments.values()),
        facets=facets,
        summary=summary,
        by_facet=by_facet,
        verdicts=[verdict for verdict in MARKS if any(counter[verdict] for counter in summary.values())],
        documents=documents,
        claim_counts=Counter(claim.verdict for claims in documents.values() for claim in claims),
        untested={name: untested[name] for name in order(untested)},
        marks=MARKS,
        meanings=MEANINGS,
        loudness=LOUDNESS,
        claim_marks=CLAIM_MARKS,
    )
