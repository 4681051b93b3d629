"""Blocks of steps that PyTorch needs as functions: which names such a function has to be given."""

from collections.abc import Iterator, Sequence

from canireuse import expression
from canireuse.step import Step
from canireuse.vocabulary import Compute, walk


def texts(step: Step) -> Iterator[str]:
    """Yield the expressions of a step."""
    if isinstance(step, Compute):
        yield step.compute.partition("=")[2]
    for name in (*step.expressions, "returns", "given"):
        value = getattr(step, name, None)
        for text in value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]:
            if isinstance(text, str):
                yield text


def read_in(text: str) -> list[str]:
    """Return the places that an expression reads."""
    return [place for place, _ in expression.places(expression.parse(text))]


def places_of(step: Step) -> list[str]:
    """Return the places that a step itself uses."""
    places = [place for text in texts(step) for place in read_in(text)]
    for name in step.uses:
        value = getattr(step, name)
        places += [value] if isinstance(value, str) else list(value or [])
    return places


def carried_into(steps: Sequence[Step], bound: Sequence[str] = ()) -> list[str]:
    """Return the names that steps read before they bind them: a function of these steps takes them as arguments."""
    before, after = set(bound), {step.binding for step in walk(steps)}
    carried = []
    for step in walk(steps):
        used = {place.partition(".")[0] for place in places_of(step)}
        carried += sorted(name for name in used if name in after and name not in before and name not in carried)
        if step.binding:
            before.add(step.binding)
    return carried
