"""Which places and names steps use, bind and keep to themselves, as the steps say it."""

import ast
from collections.abc import Iterable, Iterator, Sequence

from canireuse.spec import expression
from canireuse.spec.step import OddFlag, Step
from canireuse.spec.vocabulary import Compute, Save, walk


def texts_of(step: Step) -> Iterator[str]:
    """Yield the expressions of a step."""
    if isinstance(step, Compute):
        yield step.compute.partition("=")[2]
    for field in (*step.expressions, "returns", "given"):
        value = vars(step).get(field)
        for text in value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]:
            if isinstance(text, str):
                yield text


def places_in(text: str) -> list[str]:
    """Return the places that an expression reads."""
    return [place for place, _ in expression.places(expression.parse(text))]


def places_of(step: Step) -> list[str]:
    """Return the places that a step itself uses; those of what stands inside it are not among them."""
    places = [place for text in texts_of(step) for place in places_in(text)]
    for field in step.uses:
        value = vars(step).get(field)
        places += [value] if isinstance(value, str) else value.values() if isinstance(value, dict) else value or []
    flag = vars(step).get("reuse")
    return places + ([flag.tensor] if isinstance(flag, OddFlag) and flag.tensor else [])


def free_names(steps: Sequence[Step], bound: Iterable[str] = ()) -> list[str]:
    """Return the names that steps read before they bind them: what a function of these steps takes as arguments."""
    before, after = set(bound), {step.binding for step in walk(steps)}
    free: list[str] = []
    for step in walk(steps):
        used = {place.partition(".")[0] for place in places_of(step)}
        free += sorted(name for name in used if name in after and name not in before and name not in free)
        if step.binding:
            before.add(step.binding)
    return free


def is_place(text: str) -> bool:
    """Return whether a text is a place and nothing more."""
    try:
        return isinstance(expression.parse(text), ast.Name | ast.Attribute)
    except expression.ExpressionError:
        return False


def names_bound(steps: Sequence[Step]) -> frozenset[str]:
    """Return every name that steps bind anywhere."""
    return frozenset(name for step in walk(steps) for name in (step.binding, *(step.own_names or ())) if name)


def words_saved(steps: Sequence[Step]) -> frozenset[str]:
    """Return the words of all checkpoints, which are names in scripts."""
    return frozenset(step.to for step in walk(steps) if isinstance(step, Save))
