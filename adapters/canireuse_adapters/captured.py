"""Compiled functions of JAX: what one captures is a constant of it, so to be given the model and to capture it are two ways."""

from collections.abc import Mapping

from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Call, Function, Invoke, Measure, NameScope, Read, Repeat, walk

WAYS = {"function": ("argument", "captured")}


def changes_variables(step: Function) -> bool:
    """Return whether a function may change a variable, so that it hands on what they become."""
    return any(not is_read_only(one) or (isinstance(one, Call) and one.training) for one in walk(step.steps))


def is_read_only(step: Step) -> bool:
    """Return whether a step leaves every variable as it is, but for the statistics of a norm in training."""
    return step.binds == "tensor" or isinstance(step, NameScope | Read | Repeat)


def is_asked_again(spec: Spec) -> bool:
    """Return whether a compiled function that only reads variables is called again, so that it may have kept what they were."""
    steps = list(walk(spec.steps))
    calls = [step.invoke for step in steps if isinstance(step, Invoke)]
    reading = (
        step for step in steps if isinstance(step, Function) and step.traced is True and not changes_variables(step)
    )
    return not any(isinstance(step, Measure) for step in steps) and any(
        calls.count(one.function) > 1 for one in reading
    )


def is_captured(way: Mapping[str, str], step: Function) -> bool:
    """Return whether a function captures the variables that it reads, and is not given them."""
    return bool(step.traced) and way.get("function") == "captured" and not changes_variables(step)
