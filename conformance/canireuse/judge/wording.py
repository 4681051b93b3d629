"""Wording: what was observed, as a sentence that is true on its own, without the label and the contract's answer beside it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict

from canireuse.judge.verdict import INCONCLUSIVE, UNKNOWN_ERROR
from canireuse.run.limits import said
from canireuse.spec.model import UNOBSERVED, Spec
from canireuse.spec.step import Block, OddFlag, RaiseKind, Step
from canireuse.spec.vocabulary import Expect, Reenter, ScopeOptions

#: kind of refusal -> what the refusal says
REFUSALS: Mapping[str, str] = {
    "already_exists": "the name already exists",
    "not_found": "there is no such variable",
    "shape_mismatch": "the shape is another",
    "dtype_mismatch": "the dtype is another",
    "bad_argument": "the argument is not accepted",
    "uninitialized": "the variable has no value yet",
    "not_trainable": "it is not trainable",
    "created_again": "a later call would create a variable again",
    "sharing_refused": "it refuses to share",
    UNKNOWN_ERROR: "an error of a kind that is not known",
}
#: kind of observation that is yes or no -> the sentence for each
YES_OR_NO: Mapping[str, tuple[str, str]] = {
    "same": ("{} are one variable", "{} are two variables"),
    "distinct": ("{} are one variable", "{} are two variables"),
    "identical": ("{} are one object", "{} are two objects"),
    "offers": ("the package has {}", "the package has no {}"),
    "alive": ("what {} stood for is still there", "what {} stood for is gone"),
}
#: kind of observation that counts -> what it counts, one and several, behind the number
COUNTED: Mapping[str, tuple[str, str]] = {
    "variables": ("variable is listed{}", "variables are listed{}"),
    "trainable": ("trainable variable is listed{}", "trainable variables are listed{}"),
    "frozen": ("variable is listed as frozen{}", "variables are listed as frozen{}"),
    "by_path": ("entry is in a dictionary by path{}", "entries are in a dictionary by path{}"),
    "collection": ("variable is in the collection {}", "variables are in the collection {}"),
    "traces": ("trace of {} was made", "traces of {} were made"),
    "slots": ("variable has state in {}", "variables have state in {}"),
    "elements": ("number is in the parameters of {}", "numbers are in the parameters of {}"),
    "parameter_bytes": ("byte is taken by the parameters of {}", "bytes are taken by the parameters of {}"),
    "slot_bytes": ("byte is taken by the state of {}", "bytes are taken by the state of {}"),
    "checkpoint_bytes": ("byte is taken by {}", "bytes are taken by {}"),
    "penalties": ("regularization term is listed{}", "regularization terms are listed{}"),
}
#: any other kind of observation -> the sentence with the answer
OTHERS: Mapping[str, str] = {
    "value": "{} is {}",
    "name": "{} is named {}",
    "shape": "{} has the shape {}",
    "dtype": "{} has the dtype {}",
    "names": "the variables{} are named {}",
    "paths": "{} is listed under {}",
    "penalty": "the regularization terms{} add up to {}",
}
#: options of a step that belong to its words, because they are what it may be refused for
TELLING = ("shape", "dtype", "reuse", "trainable", "to")

#: what is said of a scope below the step that switches it to reuse
SWITCHED = " after `reuse_variables`"


class Observed(BaseModel):
    """What one expectation looks at: the kind of observation, and its object in words."""

    model_config = ConfigDict(extra="forbid")
    kind: str
    of: str = ""


def observed_in(spec: Spec) -> dict[str, Observed]:
    """Return what each expectation of a spec looks at, by label."""
    return dict(looked_at(spec.steps, ()))


def looked_at(steps: Sequence[Step], scopes: tuple[str, ...]) -> Iterator[tuple[str, Observed]]:
    """Yield label and object of each expectation among steps that stand in scopes."""
    for step in steps:
        if isinstance(step, Expect):
            yield step.expect, Observed(kind=step.kind, of=object_of(step))
        elif step.expect is not None:
            yield step.expect, Observed(kind="refusal", of=words_of(step, scopes))
        if isinstance(step, Block):
            yield from looked_at(step.steps, below(step, scopes))
        if step.verb == "reuse_variables" and scopes:
            scopes = (*scopes[:-1], f"{scopes[-1].removesuffix(SWITCHED)}{SWITCHED}")


def object_of(step: Expect) -> str:
    """Return in words what an observation is of."""
    inside = f" inside `{step.inside}`" if step.inside else ""
    looked = getattr(step, step.kind)
    if step.kind in {"same", "distinct", "identical"}:
        return " and ".join(f"`{place}`" for place in looked)
    if step.kind in step.stated:
        return inside
    return f"`{looked}`{inside}"


def below(step: Block, scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes that the steps of a block stand in."""
    if not isinstance(step, ScopeOptions):
        return scopes
    reuse = "" if step.reuse is None else f" (reuse: {as_yaml(step.reuse)})"
    around = () if isinstance(step, Reenter) else scopes  # a scope that is entered by its object is where it was
    return (*around, f"`{getattr(step, step.verb)}`{reuse}")


def words_of(step: Step, scopes: tuple[str, ...]) -> str:
    """Return a step in words: its verb, what it is about, and the scope it stands in; of a block the last step inside that acts."""
    if isinstance(step, Block) and step.steps:
        acting = [inner for inner in step.steps if not isinstance(inner, Expect)]
        return words_of((acting or step.steps)[-1], below(step, scopes))
    about = getattr(step, step.verb, None)
    options = [f"{name} {as_yaml(value)}" for name in TELLING if (value := getattr(step, name, None)) is not None]
    words = " ".join([step.verb, *([as_yaml(about)] if about is not None else []), *options])
    return " in ".join([f"`{words}`", *([", in it ".join(scopes)] if scopes else [])])


def as_yaml(value: Any) -> str:
    """Return a value of a step as the spec writes it."""
    if isinstance(value, OddFlag):
        ((kind, value),) = value.model_dump(exclude_none=True).items()
        return f"the {kind} {value}"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def sentence(observed: Observed, answer: Any, raw: Any = None) -> str:  # noqa: PLR0911  # a form of sentence each
    """Return an answer as a sentence; of an error the framework's own message, where `raw` has it."""
    if not observed.kind:
        return f"these results have no words for what {observed.of} looks at"
    if answer == UNOBSERVED:
        return f"{subject(observed)} was not reached"
    if observed.kind == "refusal" or (isinstance(answer, str) and answer in REFUSALS):
        return refusal(observed, answer, raw)
    if answer == INCONCLUSIVE:
        return f"a write does not show whether {observed.of} are one variable or two"
    if observed.kind in YES_OR_NO and isinstance(answer, bool):
        return YES_OR_NO[observed.kind][not answer].format(observed.of)
    if observed.kind in COUNTED:
        return f"{in_words(answer)} {COUNTED[observed.kind][answer != 1].format(observed.of)}"
    if observed.kind == "names" and answer == []:
        return f"no variable is listed{observed.of}"
    return OTHERS.get(observed.kind, "{} gives {}").format(observed.of, in_words(answer))


def subject(observed: Observed) -> str:
    """Return what an observation does, to say that it was refused or not reached: the step itself, or the look at its object."""
    if observed.kind == "refusal":
        return observed.of
    return f"reading {observed.of if observed.of.startswith('`') else f'what is listed{observed.of}'}"


def refusal(observed: Observed, answer: Any, raw: Any) -> str:
    """Return whether a step is refused, with the message or the kind of the error."""
    if answer == "nothing":
        return f"{observed.of} is accepted"
    error = raw.get("error") if isinstance(raw, dict) else None
    return f"{subject(observed)} is refused: {said(error) if error else REFUSALS.get(answer, in_words(answer))}"


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
