"""Deciding: what the results say to each claim of a document, computed and never written by hand.

The verdict is of the mode in which the document stands: `tf.compat.v1` in a graph (and TensorFlow 1.15 where that ran) for a
document about TensorFlow 1, TensorFlow 2 for one about that. What the same calls do in today's eager mode stands beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel

from canireuse.judge.verdict import RAN, Judged
from canireuse.judge.wording import Observed, sentence
from canireuse.results.block_evidence import of_block
from canireuse.results.evidence import Evidence
from canireuse.results.records import Case, ClaimLine, DocumentLine, Results
from canireuse.spec.answers import agrees
from canireuse.spec.claims import Decision, Instead, Remark, Shown
from canireuse.spec.model import TOLERANCE, UNOBSERVED

#: where a document stands -> the backend that today's users would try its calls on
EAGER: Mapping[str, str] = {"tf1": "tf1-eager"}
VerdictWord = Literal["refuted", "depends", "confirmed", "undecided", "not checkable"]
#: what each verdict means, where its reader stands
MEANINGS: Mapping[VerdictWord, str] = {
    "refuted": "false where the document stands",
    "depends": "true under a condition, which is named",
    "confirmed": "true where the document stands",
    "undecided": "a run that decides it is not in these results, or did not get so far",
    "not checkable": "no run could decide it",
}
NO_RUN = "no run of the deciding specs is in these results"


class Correction(BaseModel):
    """What to write instead, and the observation that shows what it does, if these results have it."""

    write: str
    shown: list[Evidence]

    @property
    def holds(self) -> bool:
        """Whether it was run, and did each time what it is written for."""
        return bool(self.shown) and all(piece.agrees for piece in self.shown)


class ClaimVerdict(BaseModel):
    """The verdict on a claim, why, and the evidence."""

    claim: ClaimLine
    document: DocumentLine
    verdict: VerdictWord
    why: str
    evidence: list[Evidence] = []
    #: what the same calls do in today's eager mode, where they were observed there
    eager: list[Evidence] = []
    instead: Correction | None = None

    @property
    def by_blocks(self) -> bool:
        """Whether the document's own blocks decided it, run as printed."""
        return any(piece.block for piece in self.evidence)

    @property
    def against(self) -> list[Evidence]:
        """The observations that the claim gets wrong."""
        return [piece for piece in self.evidence if piece.agrees is False]


class Told(BaseModel):
    """A remark on a whole document, with the observations that bear it out."""

    remark: str
    evidence: list[Evidence]


class Observations:
    """The cases of some results, found by spec and backend."""

    def __init__(self, results: Results) -> None:
        self.specs = results.specs
        self.cases: dict[tuple[str, str], list[Case]] = {}
        for case in results.cases.values():
            self.cases.setdefault((case.spec, case.backend), []).append(case)
        self.versions = {name: environment.framework for name, environment in results.environments.items()}

    def of(self, shown: Shown, backend: str) -> Iterator[Evidence]:
        """Yield what the cases of a backend say to an observation."""
        for case in self.cases.get((shown.spec, backend), []):
            judged = next((one for one in case.expectations if one.label == shown.expect), None)
            observed = judged if case.verdict in RAN else None
            looked = self.looked_at(shown)
            python = f" --python {backend}=PYTHON" if "edition" in case.way else ""
            yield Evidence(
                case_id=case.id, spec=shown.spec, label=shown.expect, version=self.versions.get(case.environment, ""),
                way=" ".join(name for verb, name in case.way.items() if verb != "edition"), when=getattr(shown, "when", None) or "",
                asserted=shown.asserts, observed=observed.observed if observed else case.verdict,
                agrees=as_claimed(shown.asserts, observed) if observed and is_answer(observed) else None,
                claimed=sentence(looked, shown.asserts),
                found=sentence(looked, observed.observed, observed.raw) if observed else f"not observed: {case.reason or case.verdict}",
                command=f"canireuse run {shown.spec} --backend {backend}{python}",
                **self.otherwise(shown),
            )  # fmt: skip

    def looked_at(self, shown: Shown) -> Observed:
        """Return what an observation is of, in words; of a spec that is not in the results, by its label."""
        known = self.specs[shown.spec].observes if shown.spec in self.specs else {}
        return known.get(shown.expect, Observed(kind="", of=f"`{shown.expect}`"))

    def otherwise(self, shown: Shown) -> dict[str, str]:
        """Return the run in which a decider came out otherwise, and what it observed, if the results have it."""
        if not isinstance(shown, Decision):
            return {}
        if not shown.otherwise.startswith("@"):
            return {"otherwise": shown.otherwise}
        backend = shown.otherwise.removeprefix("@").partition("+")[0]
        ran = {case.id: case for case in self.cases.get((shown.spec, backend), [])}.get(shown.spec + shown.otherwise)
        judged = next((one for one in ran.expectations if one.label == shown.expect), None) if ran else None
        return {
            "otherwise": f"{shown.spec}{shown.otherwise}",
            "found_otherwise": sentence(self.looked_at(shown), judged.observed, judged.raw) if judged else "",
        }


def judge_claims(results: Results) -> list[ClaimVerdict]:
    """Return the verdict on every claim of the results, in the order of documents and lines."""
    observations = Observations(results)
    ordered = sorted(results.claims.values(), key=lambda claim: (claim.document, claim.line, claim.id))
    return [judge_claim(claim, results.documents[claim.document], observations, results) for claim in ordered]


def remarks_on(document: DocumentLine, results: Results) -> list[Told]:
    """Return the remarks on a document that the results bear out, each with what was observed."""
    observations = Observations(results)
    told = [
        Told(remark=remark.remark, evidence=list(seen(remark, document, observations))) for remark in document.remarks
    ]
    return [one for one in told if one.evidence and all(piece.agrees for piece in one.evidence)]


def seen(remark: Remark, document: DocumentLine, observations: Observations) -> Iterator[Evidence]:
    """Yield what was observed of what a remark says."""
    for shown in remark.shown_by:
        yield from observations.of(shown, shown.backend or document.stands)


def judge_claim(claim: ClaimLine, document: DocumentLine, observations: Observations, results: Results) -> ClaimVerdict:
    """Return the verdict on one claim; what is said of an example is decided by its block, where that was run as printed."""
    if claim.not_checkable:
        return ClaimVerdict(claim=claim, document=document, verdict="not checkable", why=claim.not_checkable)
    groups = [of_block(printed, document, document.stands, results) for printed in claim.printed]
    if not groups or not all(map(is_decided, groups)):
        groups = [list(observations.of(one, one.backend or document.stands)) for one in claim.decided_by]
    evidence = [piece for group in groups for piece in group]
    # a block that does the same in every mode cannot come out otherwise; the scenario that says the same can
    known = next(map(observations.otherwise, claim.decided_by), {})
    evidence = [piece if piece.otherwise else piece.model_copy(update=known) for piece in evidence]
    verdict, why = verdict_of(evidence)
    open_yet = [one for one, group in zip(claim.decided_by, groups, strict=False) if not is_decided(group)]
    if open_yet and (verdict in {"confirmed", "depends"} or any(one.when for one in claim.decided_by)):
        verdict, why = "undecided", unseen(open_yet) if evidence else NO_RUN
    return ClaimVerdict(
        claim=claim, document=document, verdict=verdict, why=why, evidence=evidence,
        eager=[one for one in today(claim, document, observations, results) if one.agrees is not None and one.observed != UNOBSERVED],
        instead=correction(claim.instead, document, observations),
    )  # fmt: skip


def is_decided(group: Sequence[Evidence]) -> bool:
    """Return whether any of the runs of one decider observed what it decides."""
    return any(piece.agrees is not None for piece in group)


def unseen(deciders: Sequence[Decision]) -> str:
    """Return in words which deciding observations are not in the results."""
    return "not observed where the document stands: " + ", ".join(f"{one.spec} ({one.expect})" for one in deciders)


def today(claim: ClaimLine, document: DocumentLine, observations: Observations, results: Results) -> Iterator[Evidence]:
    """Yield what today's users of TensorFlow 2 see of the same calls; of what an example prints, only the example itself tells."""
    if document.stands not in EAGER:
        return
    if claim.printed:
        for printed in claim.printed:
            yield from of_block(printed, document, "tf2", results)
        return
    for decision in claim.decided_by:
        if not decision.backend:
            yield from observations.of(decision, EAGER[document.stands])


def correction(instead: Instead | None, document: DocumentLine, observations: Observations) -> Correction | None:
    """Return what to write instead, with the observation that shows it."""
    if instead is None:
        return None
    return Correction(write=instead.write, shown=list(observations.of(instead, instead.backend or document.stands)))


def verdict_of(evidence: Sequence[Evidence]) -> tuple[VerdictWord, str]:
    """Return the verdict that evidence gives, and why; a claim holds under a condition if all that was observed there agrees."""
    if not any(piece.agrees is not None for piece in evidence):
        return "undecided", "the deciding specs were not observed where the document stands" if evidence else NO_RUN
    held = held_under(evidence)
    if not held:
        return "undecided", "a part of what decides it was not observed in any version"
    holds, fails = ([condition for condition, agreed in held.items() if agreed is wanted] for wanted in (True, False))
    if holds and fails:
        return "depends", f"it holds {' and '.join(holds)}, and not {' nor '.join(fails)}"
    if holds:
        return "confirmed", "observed as claimed"
    return "refuted", "; ".join(dict.fromkeys(piece.found for piece in evidence if piece.agrees is False))


def held_under(evidence: Sequence[Evidence]) -> dict[str, bool]:
    """Return whether all that was observed is as claimed, apart for each way and condition, and each version if they part.

    What was observed in no particular way, or under no condition, counts in each. A version in which a part of what decides
    it was not observed is no place where it holds.
    """
    by_version = {
        version: held_in([piece for piece in evidence if piece.version == version])
        for version in sorted({piece.version for piece in evidence if piece.agrees is not None})
    }
    alike = next(iter(by_version.values()))
    if all(held == alike for held in by_version.values()):
        return alike
    return {
        " and ".join(filter(None, [f"with {version}", words])): agreed
        for version, held in by_version.items()
        for words, agreed in held.items()
    }


def held_in(evidence: Sequence[Evidence]) -> dict[str, bool]:
    """Return whether all that was observed with one version is as claimed, apart for each way and condition."""
    observed = [piece for piece in evidence if piece.agrees is not None]
    seen = {(piece.spec, piece.label) for piece in observed}
    whole = all((piece.spec, piece.label) in seen for piece in evidence)
    held = {}
    for way in sorted({piece.way for piece in observed if piece.way}) or [""]:
        for when in sorted({piece.when for piece in observed if piece.when}) or [""]:
            words = ([f"with {way}"] if way else []) + ([f"when {when}"] if when else [])
            agreed = all(piece.agrees for piece in observed if piece.way in {"", way} and piece.when in {"", when})
            if whole or not agreed:
                held[" and ".join(words)] = agreed
    return held


def is_answer(judged: Judged) -> bool:
    """Return whether something was observed; that nothing was is an answer only where the spec says so of this backend."""
    return judged.observed != UNOBSERVED or judged.holds


def as_claimed(asserts: object, judged: Judged) -> bool:
    """Return whether an answer is what a claim asserts; within the expectation's own tolerance if that is the contract's."""
    if not judged.is_declared and agrees(asserts, judged.contract, TOLERANCE):
        return judged.holds
    return agrees(asserts, judged.observed, TOLERANCE)
