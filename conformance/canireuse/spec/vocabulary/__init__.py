"""The vocabulary of specs: one model for each verb that a step can begin with.

A step is a mapping whose first key is its verb. The models here are the only definition of what a
step may hold: the loader validates with them, and the JSON Schema for editors is generated from
them. How a verb is meant is said in its docstring; how each framework says it is in `adapters/`.
"""

from collections.abc import Iterator, Sequence
from functools import cache

from canireuse.spec.features import features, unloadable
from canireuse.spec.step import Block, Step
from canireuse.spec.vocabulary.learning import Freeze, Gradient, Optimizer, Train, Unfreeze, Update
from canireuse.spec.vocabulary.observations import Expect
from canireuse.spec.vocabulary.owners import Call, Copy, Layer, Module, Replace, Restore, Save, Tie, Wrap
from canireuse.spec.vocabulary.running import Function, Invoke, Measure, Repeat, Scan, Thread
from canireuse.spec.vocabulary.scopes import (
    CurrentScope,
    DefaultScope,
    Graph,
    Intercept,
    NameScope,
    Reenter,
    ReuseVariables,
    Scope,
    ScopeOptions,
)
from canireuse.spec.vocabulary.variables import Assign, Compute, Get, Initialize, Placeholder, Read, Variable

#: the verbs that every adapter is asked for
VERBS: dict[str, type[Step]] = {
    model.verb: model
    for model in (
        Scope, DefaultScope, Reenter, CurrentScope, NameScope, ReuseVariables, Intercept,
        Get, Variable, Placeholder, Compute, Assign, Initialize, Read,
        Layer, Call, Wrap, Module, Tie, Replace, Copy, Save, Restore,
        Gradient, Train, Optimizer, Update, Freeze, Unfreeze,
        Repeat, Function, Invoke, Thread, Scan, Graph,
        Measure, Expect,
    )
}  # fmt: skip


@cache
def verbs() -> dict[str, type[Step]]:
    """Return the model of each verb, those of features too; raise UsageError if one has two."""
    found = dict(VERBS)
    for model in (model for feature in features() for model in feature.verbs):
        if model.verb in found:
            other = found[model.verb].__module__
            raise unloadable(model.__module__, ValueError(f"{other} has the verb {model.verb!r} already"))
        found[model.verb] = model
    return found


def walk(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield every step, the ones inside blocks after the block itself."""
    for step in steps:
        yield step
        if isinstance(step, Block):
            yield from walk(step.steps)


__all__ = [
    "Assign", "Block", "Call", "Compute", "Copy", "CurrentScope", "DefaultScope",
    "Expect", "Freeze", "Function", "Get", "Gradient", "Graph", "Initialize", "Intercept", "Invoke", "Layer",
    "Measure", "Module", "NameScope", "Optimizer", "Placeholder", "Read", "Reenter",
    "Repeat", "Replace", "Restore", "ReuseVariables", "Save", "Scan", "Scope",
    "ScopeOptions", "Step", "Thread", "Tie", "Train", "Unfreeze", "Update", "Variable",
    "Wrap", "verbs", "walk",
]  # fmt: skip
