"""How training is worded alike: an optimizer outlives the function that takes its steps."""

from conformance.vocabulary import Function, Train, walk


def training_of(step: Function) -> Train | None:
    """Return the one training step inside a function, whose optimizer is made before it; None if there are more or none."""
    found = [one for one in walk(step.steps) if isinstance(one, Train)]
    return found[0] if len(found) == 1 else None
