"""Which specs ask what something costs, and the loops in them that are timed."""

from canireuse.spec.model import Located
from canireuse.spec.vocabulary import Expect, Measure, walk


def measured_loops(located: Located) -> list[Measure]:
    """Return the measured loops of a spec."""
    return [step for step in walk(located.spec.steps) if isinstance(step, Measure)]


def is_measured(located: Located) -> bool:
    """Return whether a spec asks what something costs: it has measured loops, or compares one count with another."""
    compares = any(isinstance(step, Expect) and step.against for step in walk(located.spec.steps))
    return compares or bool(measured_loops(located))
