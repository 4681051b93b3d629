"""Claims: what the documents say, and whether it is so, computed from results and never by hand.

A claim is judged where its document stands (TF1 graph mode, or TF2) and, for TF1, also where today's
users would try it: the same calls in TensorFlow 2's default eager mode.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from canireuse import yaml
from canireuse.answers import agrees
from canireuse.judge import UNKNOWN_ERROR, Judged
from canireuse.loader import CLAIMS, SUFFIX, misfits
from canireuse.problems import InputError, Problem, suggestion
from canireuse.records import Case, ClaimLine, Decision, Results
from canireuse.spec import Located
from canireuse.step import Answer, RaiseKind

#: where a document stands -> the backend that decides there, and the one where users would try it today
MODES: dict[str, dict[str, str]] = {"tf1": {"stands": "tf1", "eager": "tf1-eager"}, "tf2": {"stands": "tf2"}}
WORDS = {"stands": "where the document stands", "eager": "in TensorFlow 2's eager mode"}
NO_RUN = "no run of the deciding specs is in these results"
ClaimVerdictWord = Literal["confirmed", "refuted", "depends", "not checkable", "undecided"]


class Claim(BaseModel):
    """One statement of a document, in our words, and the observations that decide it."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(pattern=r"^[a-z0-9-]+$")
    where: str = Field(min_length=3, description="Section, paragraph or example of the document.")
    line: int = Field(ge=1, description="The line of the document.")
    claim: str = Field(min_length=15, description="The statement, in our own words.")
    decided_by: list[Decision] = []
    not_checkable: str | None = Field(None, min_length=10, description="Why no run can decide it.")

    @model_validator(mode="after")
    def check_one(self) -> "Claim":
        """Refuse a claim that is both decided and not checkable, or neither."""
        if bool(self.decided_by) == bool(self.not_checkable):
            raise ValueError("a claim has either `decided_by` or `not_checkable`")
        return self


class Document(BaseModel):
    """A file below `specs/claims/`: the claims of one document."""

    model_config = ConfigDict(extra="forbid")
    document: str = Field(description="The document's id.")
    title: str
    stands: Literal["tf1", "tf2"] = Field(description="The mode in which the document stands.")
    claims: list[Claim] = Field(min_length=1)


class Evidence(BaseModel):
    """One observation that speaks for a claim or against it."""

    case_id: str
    spec: str
    label: str
    mode: str
    way: str
    #: the framework and its version, as in `tensorflow 2.21.0`
    version: str
    asserted: object
    observed: object
    agrees: bool | None
    command: str


class ClaimVerdict(BaseModel):
    """The verdict on a claim, why, and the evidence."""

    claim: ClaimLine
    verdict: ClaimVerdictWord
    why: str
    evidence: list[Evidence] = []


def load_claims(folder: Path) -> list[tuple[Path, Document, yaml.Places]]:
    """Load every claims file of a folder; raise InputError with the problems of all."""
    loaded, problems = [], []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            data, places, _ = yaml.read(path)
            loaded.append((path, Document.model_validate(data), places))
        except InputError as error:
            problems += error.problems
        except ValidationError as invalid:
            fitting = "a claim that fits `conformance/canireuse/schemas/claims.schema.json`"
            problems += misfits(path, data, places, invalid, fitting)
    if problems:
        raise InputError(problems)
    return loaded


def check_claims(documents: Sequence[tuple[Path, Document, yaml.Places]], specs: Iterable[Located]) -> None:
    """Raise InputError for an id that stands twice and a decision that names an unknown spec or label."""
    known = {located.id: located.spec.expectations for located in specs}
    seen: dict[str, Path] = {}
    problems = []
    for path, document, places in documents:
        for index, claim in enumerate(document.claims):
            if claim.id in seen:
                line, column = places["claims", index, "id"]
                happened = f"the id {claim.id!r} stands in {seen[claim.id]} too"
                problems.append(Problem(path, line, column, happened, "each id once", "choose another id"))
            seen[claim.id] = path
            for number, decision in enumerate(claim.decided_by):
                line, column = places["claims", index, "decided_by", number]
                if decision.spec not in known:
                    happened, expected = f"there is no spec {decision.spec!r}", "the id of a spec"
                    advice = suggestion(decision.spec, known, "write the spec first")
                    problems.append(Problem(path, line, column, happened, expected, advice))
                elif decision.expect not in known[decision.spec]:
                    labels = known[decision.spec]
                    happened, expected = (
                        f"{decision.spec} has no label {decision.expect!r}",
                        f"one of {', '.join(labels)}",
                    )
                    advice = suggestion(decision.expect, labels, "correct it")
                    problems.append(Problem(path, line, column, happened, expected, advice))
    if problems:
        raise InputError(problems)


def claim_lines(specs: Iterable[Located]) -> list[ClaimLine]:
    """Return the claims that the given specs decide, and the uncheckable ones beside them, checked."""
    specs = list(specs)
    folders = {located.path.resolve().parent.parent / CLAIMS for located in specs}
    lines = []
    here = {located.id for located in specs}
    for folder in sorted(folders):
        for _, document, _ in load_claims(folder):
            for claim in document.claims:
                if all(decision.spec in here for decision in claim.decided_by):
                    of = {"document": document.document, "title": document.title, "stands": document.stands}
                    lines.append(ClaimLine(**of, **dict(claim)))  # reads better than a nested comprehension
    return lines


def judge_claims(results: Results) -> list[ClaimVerdict]:
    """Return the verdict on every claim of the results, in the order of documents and lines."""
    by_place: dict[tuple[str, str], list[Case]] = {}
    for case in results.cases.values():
        by_place.setdefault((case.spec, case.backend), []).append(case)
    versions = {
        name: " ".join(next(iter(environment.packages.items()), ()))
        for name, environment in results.environments.items()
    }
    ordered = sorted(results.claims.values(), key=lambda claim: (claim.document, claim.line, claim.id))
    return [judge_claim(claim, by_place, versions) for claim in ordered]


def judge_claim(
    claim: ClaimLine, by_place: Mapping[tuple[str, str], list[Case]], versions: Mapping[str, str]
) -> ClaimVerdict:
    """Return the verdict on one claim."""
    if claim.not_checkable:
        return ClaimVerdict(claim=claim, verdict="not checkable", why=claim.not_checkable)
    evidence = [
        piece
        for mode, backend in MODES[claim.stands].items()
        for decision in claim.decided_by
        for piece in gather(
            decision, mode, decision.backend if decision.backend and mode == "stands" else backend, by_place, versions
        )
    ]
    held = {
        f"{words}{with_what}": agreed
        for mode, words in WORDS.items()
        for with_what, agreed in held_with([piece for piece in evidence if piece.mode == mode]).items()
    }
    if not any(piece.mode == "stands" and piece.agrees is not None for piece in evidence):
        why = "the deciding specs were not observed where the document stands" if evidence else NO_RUN
        return ClaimVerdict(claim=claim, verdict="undecided", why=why, evidence=evidence)
    holds, not_held = ([where for where, agreed in held.items() if agreed is wanted] for wanted in (True, False))
    if holds and not_held:
        why = f"it holds {' and '.join(holds)}, and not {' nor '.join(not_held)}"
        return ClaimVerdict(claim=claim, verdict="depends", why=why, evidence=evidence)
    if holds:
        why = f"observed as claimed {' and '.join(holds)}"
        return ClaimVerdict(claim=claim, verdict="confirmed", why=why, evidence=evidence)
    first = next(piece for piece in evidence if piece.agrees is False)
    why = f"claimed: {in_words(first.asserted)}; observed: {in_words(first.observed)}, {' and '.join(not_held)}"
    return ClaimVerdict(claim=claim, verdict="refuted", why=why, evidence=evidence)


def held_with(evidence: Sequence[Evidence]) -> dict[str, bool]:
    """Return whether all that was observed is as claimed, apart for each version and each way if there are several.

    A decision whose spec has no ways counts in each way.
    """
    observed = [piece for piece in evidence if piece.agrees is not None]
    versions = sorted({piece.version for piece in observed})
    held = {}
    for version in versions:
        there = [piece for piece in observed if piece.version == version]
        for way in sorted({piece.way for piece in there if piece.way}) or [""]:
            words = " and ".join(filter(None, [version if len(versions) > 1 else "", way]))
            held[f" with {words}" if words else ""] = all(piece.agrees for piece in there if piece.way in {"", way})
    return held


def as_claimed(asserts: Answer, judged: Judged) -> bool:
    """Return whether an answer is what a claim asserts; within the expectation's own tolerance if that is the contract's."""
    if not judged.is_declared and agrees(asserts, judged.contract, 1e-5):
        return judged.holds
    return agrees(asserts, judged.observed, 1e-5)


def in_words(answer: object) -> str:
    """Return an answer as a reader would say it: kinds of refusal as errors, numbers to six digits."""
    if answer == "nothing":
        return "no error"
    if isinstance(answer, str) and answer in {*get_args(RaiseKind), UNKNOWN_ERROR}:
        return f"an error ({answer.replace('_', ' ')})"
    if isinstance(answer, list):
        return f"[{', '.join(map(in_words, answer))}]"
    if isinstance(answer, float):
        return f"{answer:.6g}" if not answer.is_integer() else f"{answer:.1f}"
    return ("yes" if answer else "no") if isinstance(answer, bool) else str(answer)


def gather(
    decision: Decision,
    mode: str,
    backend: str,
    by_place: Mapping[tuple[str, str], list[Case]],
    versions: Mapping[str, str],
) -> list[Evidence]:
    """Return what the cases of one backend say to one decision; `agrees` is None where nothing was observed."""
    pieces = []
    for case in by_place.get((decision.spec, backend), []):
        judged = next((one for one in case.expectations if one.label == decision.expect), None)
        observed = judged if case.verdict in {"conforms", "differs", "fails"} else None
        python = f" --python {backend}=PYTHON" if "edition" in case.way else ""
        pieces.append(
            Evidence(
                case_id=case.id, spec=decision.spec, label=decision.expect, mode=mode,
                way=" ".join(name for verb, name in case.way.items() if verb != "edition"),
                version=versions.get(case.environment, ""), asserted=decision.asserts,
                observed=judged.observed if judged else case.verdict,
                agrees=as_claimed(decision.asserts, observed) if observed else None,
                command=f"canireuse run specs/{decision.spec}.yaml --backend {backend}{python}",
            )
        )  # fmt: skip
    return pieces
