"""One case as the page shows it: its verdict, what it answered, and what the spec says of that."""

from dataclasses import dataclass

from canireuse.judge.verdict import RAN, UNKNOWN_ERROR, Judged, applies
from canireuse.judge.wording import in_words
from canireuse.results.records import Case, Environment, Results
from canireuse.spec.answers import agrees
from canireuse.spec.model import Divergence

#: verdict -> mark beside the word
MARKS = {
    "conforms": "✓", "differs": "≠", "fails": "✗", "error": "!", "crash": "‼", "timeout": "…", "unsupported": "–", "skipped": "○",
}  # fmt: skip
#: what stands where a script had nothing to compare
ONE_PLACE = "one place: there are no two to compare"
CONTRACTS = {"sharing": "One variable, many uses", "by-name": "Reuse by name"}


@dataclass
class Answer:
    """One observed answer in the table of a spec."""

    text: str
    departs: bool
    holds: bool
    #: whether it was observed: what is one place counts neither way
    observed: bool = True

    @property
    def key(self) -> str:
        """What the answer is compared by: within the tolerance of an expectation digits do not count."""
        return self.text if self.departs or not self.holds else ""


@dataclass
class CaseView:
    """A case with what the page says of it."""

    case: Case
    environment: Environment
    way: str
    mark: str
    answers: dict[str, Answer]
    #: what the spec says of the departure, or else the reason of the verdict
    because: str
    #: how loud a departure is; None for a row that the contract does not cover, as there is nothing to depart from
    loudness: str | None

    @property
    def parts(self) -> dict[str, str]:
        """What sets the case apart from others of its backend: each part of its way, and the device."""
        return {**self.case.way, "device": self.case.device.upper()}

    @property
    def variant(self) -> str:
        """The way and the device, where they set the case apart from others of its backend."""
        return ", ".join(part for part in (self.way, "GPU" if self.case.device == "gpu" else "") if part)

    @property
    def run_command(self) -> str:
        """The command that runs the case again."""
        device = "" if self.case.device == "cpu" else f" --device {self.case.device}"
        return f"canireuse run specs/{self.case.spec}.yaml --backend {self.case.backend}{device}"

    @property
    def show_command(self) -> str:
        """The command that prints the script so that it runs without canireuse."""
        device = "" if self.case.device == "cpu" else f" --device {self.case.device}"
        return f"canireuse show {self.case.spec} --backend {self.case.backend}{device} --standalone"


def answers_of(case: Case) -> dict[str, Answer]:
    """Return the observed answers of a case by label; of an error nobody knows its own words."""
    answers = {}
    for one in case.expectations if case.verdict in RAN else []:
        error = one.raw.get("error") if isinstance(one.raw, dict) else None
        text = in_words(one.observed)
        if one.observed == UNKNOWN_ERROR and error:
            text = f"an error ({error['type']}: {error['message'].splitlines()[0][:120] if error['message'] else ''})"
        answers[one.label] = Answer(text, departs(one), one.holds)
    return answers | {label: Answer(ONE_PLACE, departs=False, holds=True, observed=False) for label in case.one_place}


def departs(one: Judged) -> bool:
    """Return whether an answer is another than the contract's; one that held within its own tolerance is not."""
    return not (one.holds and not one.is_declared) and not agrees(one.contract, one.observed, 1e-5)


def because(case: Case, divergences: list[Divergence], packages: dict[str, str]) -> str:
    """Return what the spec says of a case's departure, or else the reason of its verdict."""
    declared = [one.because for one in divergences if case.backend in one.backends and applies(one, case.way, packages)]
    return " ".join(map(str.strip, declared)) if case.verdict == "differs" else case.reason or ""


def environment_of(case: Case, results: Results) -> Environment:
    """Return where a case ran; results that do not say it still name the backend."""
    unknown = Environment(
        id=case.environment, backend=case.backend, title=case.backend, asked_device=case.device, device=case.device,
        about="These results do not say where it ran.", device_name=case.device,
    )  # fmt: skip
    return results.environments.get(case.environment, unknown)
