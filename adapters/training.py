"""How training is worded alike: one step stands by itself, several in a loop; an optimizer outlives the function that steps."""

from collections.abc import Iterator
from contextlib import contextmanager

from conformance.translation import Adapter
from conformance.vocabulary import Function, Train, walk


@contextmanager
def turns(adapter: Adapter, times: int) -> Iterator[None]:
    """Write what stands inside once, or in a loop if it is to run more often."""
    if times == 1:
        yield
        return
    with adapter.block(f"for _ in range({times}):"):
        yield


def training_of(step: Function) -> Train | None:
    """Return the one training step inside a function, whose optimizer is made before it; None if there are more or none."""
    found = [one for one in walk(step.steps) if isinstance(one, Train)]
    return found[0] if len(found) == 1 else None
