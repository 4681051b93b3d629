"""The vocabulary of specs: one model for each verb that a step can begin with.

A step is a mapping whose first key is its verb. The models here are the only definition of what a
step may hold: the loader validates with them, and the JSON Schema for editors is generated from
them. How a verb is meant is said in its docstring; how each framework says it is in `adapters/`.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Discriminator, Tag

from canireuse.step import Block, Step
from canireuse.vocabulary.learning import Average, Freeze, Gradient, Hook, Optimizer, Track, Train, Unfreeze, Update
from canireuse.vocabulary.observations import Expect
from canireuse.vocabulary.owners import (
    Call,
    Copy,
    Layer,
    Module,
    Quantize,
    Reparametrize,
    Replace,
    Restore,
    Save,
    Tie,
    Wrap,
)
from canireuse.vocabulary.running import (
    Cast,
    Function,
    Invoke,
    Materialize,
    Measure,
    Move,
    Parallel,
    Repeat,
    Scan,
    Shard,
    Thread,
    Vectorize,
)
from canireuse.vocabulary.scopes import (
    CurrentScope,
    DefaultScope,
    Graph,
    Intercept,
    NameScope,
    Reenter,
    ReuseVariables,
    Scope,
    ScopeOptions,
    Session,
)
from canireuse.vocabulary.variables import (
    Assign,
    Compute,
    Drop,
    Get,
    Initialize,
    Placeholder,
    Read,
    Reinitialize,
    Variable,
)

VERBS: dict[str, type[Step]] = {
    model.verb: model
    for model in (
        Scope, DefaultScope, Reenter, CurrentScope, NameScope, ReuseVariables, Intercept,
        Get, Variable, Placeholder, Compute, Assign, Initialize, Reinitialize, Drop, Read,
        Layer, Call, Wrap, Module, Tie, Replace, Copy, Save, Restore, Reparametrize, Quantize,
        Gradient, Train, Optimizer, Update, Freeze, Unfreeze, Average, Track, Hook,
        Repeat, Function, Invoke, Thread, Scan, Vectorize, Graph, Session,
        Cast, Move, Materialize, Parallel, Shard, Measure, Expect,
    )
}  # fmt: skip


def first_key(step: Any) -> str | None:
    """Return the verb of a step: its first key."""
    if isinstance(step, Step):
        return step.verb
    return next(iter(step), None) if isinstance(step, dict) else None


if TYPE_CHECKING:
    AnyStep = Step
else:
    _tagged = tuple(Annotated[model, Tag(verb)] for verb, model in VERBS.items())
    AnyStep = Annotated[Union[_tagged], Discriminator(first_key)]  # noqa: UP007  # built from VERBS, not spelled out
    # Steps hold steps: a model is built when it is first used, and looks for this name where it was written.
    for _model in (Block, *VERBS.values()):
        sys.modules[_model.__module__].AnyStep = AnyStep


def walk(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield every step, the ones inside blocks after the block itself."""
    for step in steps:
        yield step
        if isinstance(step, Block):
            yield from walk(step.steps)


__all__ = [
    "VERBS", "AnyStep", "Assign", "Average", "Block", "Call", "Cast", "Compute", "Copy", "CurrentScope", "DefaultScope", "Drop",
    "Expect", "Freeze", "Function", "Get", "Gradient", "Graph", "Hook", "Initialize", "Intercept", "Invoke", "Layer",
    "Materialize", "Measure", "Module", "Move", "NameScope", "Optimizer", "Parallel", "Placeholder", "Quantize", "Read", "Reenter",
    "Reinitialize", "Reparametrize", "Repeat", "Replace", "Restore", "ReuseVariables", "Save", "Scan", "Scope",
    "ScopeOptions", "Session", "Shard", "Step", "Thread", "Tie", "Track", "Train", "Unfreeze", "Update", "Variable",
    "Vectorize", "Wrap", "first_key", "walk",
]  # fmt: skip
