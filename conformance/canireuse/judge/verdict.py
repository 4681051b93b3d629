"""The judge: from a spec and an outcome to a verdict, with whom to blame and how loud it was.

Only the judge compares. It compares strictly: a missing observation, one nobody asked for, an answer
of another type, and a divergence that is no longer observed all fail.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Literal

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import BaseModel, ConfigDict, field_validator

from canireuse.emit import Adapter, asking
from canireuse.judge.blame import WORDED_WRONGLY, Blame, ended, environments_fault, is_worded_wrongly, script_error
from canireuse.run.limits import said
from canireuse.run.outcome import Outcome
from canireuse.spec.answers import agrees
from canireuse.spec.model import TOLERANCE, UNOBSERVED, Divergence, Spec, package_of
from canireuse.spec.step import Answer

Verdict = Literal["conforms", "differs", "fails", "unsupported", "error", "crash", "timeout", "skipped"]
#: the verdicts on scripts that came to their observations
RAN = frozenset({"conforms", "differs", "fails"})
Loudness = Literal["refused", "late", "warned", "silent"]

#: What an exception is called in an answer when no kind is declared for it.
UNKNOWN_ERROR = "unknown_error"
#: What a write probe answers when it shows neither sharing nor its absence.
INCONCLUSIVE = "inconclusive"


def check_told(error: Any) -> Any:
    """Return what is recorded of an error; raise ValueError if its class or its message is missing."""
    if not isinstance(error, dict) or not all(isinstance(error.get(part), str) for part in ("type", "message")):
        raise ValueError("an error has a `type` and a `message`, each a text")
    return error


class Judged(BaseModel):
    """One expectation: what the contract says, what this backend is declared to say, what it said."""

    model_config = ConfigDict(extra="forbid")
    label: str
    contract: Answer
    #: the declared divergence, if there is one; then this is what is checked
    declared: Answer = None
    is_declared: bool = False
    observed: Answer = None
    #: the observation as the script gave it, where the answer was drawn from it
    raw: Any = None
    holds: bool

    @field_validator("raw")
    @classmethod
    def check_raw(cls, raw: Any) -> Any:
        """Refuse an error of which nothing could be told."""
        if isinstance(raw, dict) and "error" in raw:
            check_told(raw["error"])
        return raw


class Judgement(BaseModel):
    """The verdict on one case."""

    model_config = ConfigDict(extra="forbid")
    verdict: Verdict
    blame: Blame | None = None
    loudness: Loudness | None = None
    reason: str | None = None
    expectations: list[Judged] = []
    #: the warnings about the departure, and the others
    warnings: list[dict[str, Any]] = []
    other_warnings: list[dict[str, Any]] = []


def judge(
    spec: Spec,
    backend: str,
    adapter: type[Adapter],
    way: Mapping[str, str],
    outcome: Outcome,
    packages: Mapping[str, str],
    one_place: Collection[str] = (),
) -> Judgement:
    """Return the verdict on what a script did, given what the contract and the divergences say.

    What the script lists as `one_place` neither holds nor is missing, unless a divergence declares an answer to it.
    Raises AdapterFault if the adapter cannot tell the kind of an error.
    """
    declared = declared_answers(spec, backend, way, packages)
    tolerances = spec.tolerances
    expectations = [
        judge_one(label, contract, declared, outcome, adapter, tolerances.get(label, TOLERANCE))
        for label, contract in spec.expectations.items()
        if label not in one_place or label in declared
    ]
    judgement = Judgement(verdict="conforms", expectations=expectations, other_warnings=outcome.warnings)
    if fault := environments_fault(outcome, adapter, packages):
        return judgement.model_copy(update=fault)
    if outcome.ending != "finished":
        return judgement.model_copy(update=ended(outcome))
    if outcome.error and not (UNOBSERVED in declared.values() and may_stop(outcome)):
        return judgement.model_copy(update=script_error(outcome.error))
    judged = {one.label for one in expectations}
    stray = [label for label in outcome.observations if label not in judged]
    if stray or outcome.repeated:
        reason = f"observed what the spec does not ask for, what the script says it leaves out, or twice: {', '.join(stray + outcome.repeated)}"
        return judgement.model_copy(update={"verdict": "fails", "blame": "adapter", "reason": reason})
    departs = [
        one for one in expectations if not agrees(one.contract, one.observed, tolerances.get(one.label, TOLERANCE))
    ]
    broken = [one for one in expectations if not one.holds]
    if not departs:
        return judgement.model_copy(update={"verdict": "fails", **why_it_fails(broken)}) if broken else judgement
    return judgement.model_copy(update=departure(spec, backend, way, packages, outcome, departs, broken))


def departure(
    spec: Spec,
    backend: str,
    way: Mapping[str, str],
    packages: Mapping[str, str],
    outcome: Outcome,
    departs: list[Judged],
    broken: list[Judged],
) -> dict[str, Any]:
    """Return what a record says of a departure: verdict, loudness, and which warnings are about it."""
    declared: set[str] = set()
    others: set[str] = set()
    for divergence in spec.divergences:
        if divergence.warns is not None:
            here = backend in divergence.backends and applies(divergence, way, packages)
            (declared if here else others).add(divergence.warns)
    about = [warning for warning in outcome.warnings if any(text in warning["message"] for text in declared)]
    told: dict[str, Any] = {
        "loudness": how_loud(departs, outcome, warned=bool(about)),
        "warnings": about,
        "other_warnings": [warning for warning in outcome.warnings if warning not in about],
    }
    if broken:
        return {"verdict": "fails", **told, **why_it_fails(broken)}
    for text in sorted(declared):
        if not any(text in warning["message"] for warning in about):
            reason = f"the declared warning is stale: nothing warned of {text!r}"
            return {"verdict": "fails", "blame": "spec", "reason": reason, **told}
    for text in sorted(others - declared):
        if any(text in warning["message"] for warning in outcome.warnings):
            reason = f"this warned of {text!r} too, which only another divergence declares"
            return {"verdict": "fails", "blame": "spec", "reason": reason, **told}
    return {"verdict": "differs", **told}


def declared_answers(
    spec: Spec, backend: str, way: Mapping[str, str], packages: Mapping[str, str]
) -> dict[str, Answer]:
    """Return the answers declared for a backend where it departs from the contract."""
    answers: dict[str, Answer] = {}
    for divergence in spec.divergences:
        if backend in divergence.backends and applies(divergence, way, packages):
            answers.update(divergence.answers)
    return answers


def applies(divergence: Divergence, way: Mapping[str, str], packages: Mapping[str, str]) -> bool:
    """Return whether a divergence is about this way and these versions."""
    if divergence.ways is not None and not any(
        Counter(one.split("+")) <= Counter(way.values()) for one in divergence.ways
    ):
        return False
    if divergence.versions is None:
        return True
    package = package_of(divergence.versions)
    return package in packages and Version(packages[package]) in SpecifierSet(
        divergence.versions.removeprefix(package), prereleases=True
    )


def judge_one(
    label: str,
    contract: Answer,
    declared: Mapping[str, Answer],
    outcome: Outcome,
    adapter: type[Adapter],
    tolerance: float,
) -> Judged:
    """Judge one expectation; one without observation holds only if that was declared."""
    wanted = declared.get(label, contract)
    if label in outcome.observations:
        raw = outcome.observations[label]
        observed = answer_of(raw, adapter, refusal=isinstance(contract, str))
    else:
        raw, observed = None, UNOBSERVED
    holds = agrees(wanted, observed, tolerance)
    if label in declared:  # an answer that the contract has as well is no divergence; nor is silence without a refusal
        holds &= not agrees(contract, observed, tolerance) and (observed != UNOBSERVED or was_refused(outcome))
    return Judged(
        label=label, contract=contract, declared=declared.get(label), is_declared=label in declared,
        observed=observed, raw=raw if isinstance(raw, dict) else None, holds=holds,
    )  # fmt: skip


def was_refused(outcome: Outcome) -> bool:
    """Return whether an error was observed, or ended the script: what comes later may then be unobserved."""
    return bool(outcome.error) or observed_error(outcome)


def observed_error(outcome: Outcome) -> bool:
    """Return whether one of the observations is an error."""
    return any(isinstance(raw, dict) and "error" in raw for raw in outcome.observations.values())


def may_stop(outcome: Outcome) -> bool:
    """Return whether a script's error can be the backend's doing: an unbound name is, after an observed refusal."""
    return outcome.error is not None and (outcome.error["type"] not in WORDED_WRONGLY or observed_error(outcome))


def answer_of(raw: Any, adapter: type[Adapter], *, refusal: bool) -> Answer:
    """Return the answer that an observation gives: of an error its kind, of a write what it showed."""
    if isinstance(raw, dict):
        if "error" in raw:
            return asking.kind_of(adapter, raw["error"]) or UNKNOWN_ERROR
        if raw.keys() == {"before", "after", "written"}:
            return what_a_write_shows(raw["before"], raw["after"], raw["written"])
        if raw.keys() == {"cut", "last"}:
            return f"{raw['cut']} characters, too many to be kept: ...{raw['last'][-60:]}"
        return str(raw.get("float", raw.get("repr", raw)))
    if isinstance(raw, list):  # what JSON has no number for stands inside of lists too
        return [answer_of(one, adapter, refusal=False) for one in raw]
    return "nothing" if raw is None and refusal else raw


def what_a_write_shows(before: Any, after: Any, written: Any) -> Answer:
    """Return whether a write was read through the other name, or that this write cannot tell."""
    moved, equal = not agrees(before, after, 1e-6), agrees(written, after, 1e-6)
    if moved and equal:
        return True
    if not moved and not equal:
        return False
    return INCONCLUSIVE


def why_it_fails(broken: list[Judged]) -> dict[str, Any]:
    """Return blame and reason of broken expectations."""
    first = broken[0]
    if first.observed == UNOBSERVED:
        return {"blame": "adapter", "reason": f"{first.label}: the script never observed it"}
    if first.observed == INCONCLUSIVE:
        return {"blame": "spec", "reason": f"{first.label}: the write shows neither sharing nor its absence"}
    if first.is_declared and first.observed == first.contract:
        return {
            "blame": "spec",
            "reason": f"{first.label}: the declared divergence is stale; the contract's answer was observed",
        }
    seen = f" ({said(first.raw['error'])})" if first.raw and is_error(first) else ""
    wanted = f"declared {first.declared!r}" if first.is_declared else f"expected {first.contract!r}"
    reason = f"{first.label}: {wanted}, observed {first.observed!r}{seen}"
    if first.observed == UNKNOWN_ERROR and first.raw:
        return {"blame": "adapter" if is_worded_wrongly(first.raw["error"]) else "backend", "reason": reason}
    return {"blame": "spec" if first.is_declared else "backend", "reason": reason}


def is_error(one: Judged) -> bool:
    """Return whether an error was observed."""
    return isinstance(one.raw, dict) and "error" in one.raw


def how_loud(departs: list[Judged], outcome: Outcome, *, warned: bool) -> Loudness:
    """Return how a user would notice the departures: by an error there or later, a warning about them, or not at all.

    The first of them decides. It is refused if the call of its own step ends in an error; an error that comes after it
    was silent is late, and so is that of a script which trips over what an earlier step left behind.
    """
    first = departs[0]
    if is_error(first):
        return "refused"
    if first.observed == UNOBSERVED and outcome.error:
        return "late" if is_worded_wrongly(outcome.error) else "refused"
    if outcome.error or any(is_error(one) and one.contract == "nothing" for one in departs):
        return "late"
    return "warned" if warned else "silent"
