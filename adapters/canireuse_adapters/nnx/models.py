"""Flax NNX: what functions are given where a loop is timed: the layer or module that they use, and nothing else.

`nnx.jit` takes apart what it is given at every call, so a function that got all modules of a script
would pay for those that it does not use.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from canireuse import expression
from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.vocabulary import (
    Call,
    Compute,
    Expect,
    Function,
    Gradient,
    Initialize,
    Invoke,
    Layer,
    Measure,
    Module,
    Optimizer,
    Repeat,
    Update,
    walk,
)

#: what a script may be made of, outside and inside of functions, whose functions are given less than a root module
OUTSIDE = (Layer, Module, Compute, Call, Optimizer, Function, Invoke, Initialize, Measure, Expect)
INSIDE = (Compute, Call, Gradient, Update, Repeat)
#: observations that look into a root module, unless they are told what to look into
OF_ALL = frozenset({"name", "variables", "trainable", "names", "collection", "paths", "alive"})


@dataclass(frozen=True)
class Model:
    """What a function is given: its name, where each owner stands in it, and whether the script makes it for that."""

    name: str
    parts: dict[str, str] = field(default_factory=dict)
    own: bool = False


def models_of(spec: Spec) -> dict[str, Model] | None:
    """Return what each function of a spec with timed loops is given; None if that is a root module."""
    if not stand_apart(spec.steps):
        return None
    optimizers = {step.optimizer: step.over for step in spec.steps if isinstance(step, Optimizer)}
    held = holders(spec.steps)
    models = {}
    for step in spec.steps:
        if not isinstance(step, Function):
            continue
        trained = {str(optimizers[one.update]) for one in walk(step.steps) if isinstance(one, Update)}
        read = [place.partition(".")[0] for one in (step, *walk(step.steps)) for place in places_of(one)]
        used = dict.fromkeys(name for name in [*read, *trained] if name in held)
        whole = next((name for name, parts in held.items() if used.keys() <= parts.keys()), None)
        if whole is None and trained:  # the optimizer would have to train more than it was made for
            return None
        model = Model(whole, held[whole]) if whole else made_for(step.function, list(used))
        models[step.function] = model
    return models


def made_for(function: str, used: list[str]) -> Model:
    """Return a module of all layers that a function uses, where the spec has none."""
    name = f"layers_of_{function}"
    return Model(name, {one: f"{name}.{one}" for one in used}, own=True)


def stand_apart(steps: Sequence[Step]) -> bool:
    """Return whether a spec times loops and needs no module that holds everything."""
    timed = [one for step in steps if isinstance(step, Measure) for one in step.steps]
    functions = [step for step in steps if isinstance(step, Function)]
    inner = [one for step in functions for one in walk(step.steps)]
    return (
        bool(timed)
        and all(isinstance(step, OUTSIDE) and fits(step) for step in [*steps, *timed])
        and all(isinstance(step, INSIDE) and fits(step) for step in inner)
    )


def fits(step: Step) -> bool:
    """Return whether a step says nothing for which NNX goes through the root module."""
    match step:
        case Layer():
            plain = step.trainable
        case Module():
            plain = not any("." in place for place in step.members.values())
        case Optimizer():
            plain = isinstance(step.over, str) and "." not in step.over
        case Call():
            plain = not step.given
        case Invoke():
            plain = not step.abstract
        case Function():
            plain = not step.template
        case Expect():
            plain = step.inside is not None or step.kind not in OF_ALL
        case _:
            plain = True
    return plain


def holders(steps: Sequence[Step]) -> dict[str, dict[str, str]]:
    """Return each layer and module with the owners that stand in it, and the words for them."""
    held: dict[str, dict[str, str]] = {}
    for step in steps:
        if isinstance(step, Layer):
            held[step.as_] = {step.as_: step.as_}
        elif isinstance(step, Module):
            inner = {place: f"{step.module}.{name}" for name, place in step.members.items()}
            held[step.module] = {step.module: step.module, **inner}
    return held


def places_of(step: Step) -> Iterator[str]:
    """Yield the places that a step reads."""
    for name in step.uses:
        value = getattr(step, name)
        yield from [value] if isinstance(value, str) else value or []
    texts = [getattr(step, name, None) for name in (*step.expressions, "returns")]
    texts += [step.compute.partition("=")[2]] if isinstance(step, Compute) else []
    for value in texts:
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                yield from (place for place, _ in expression.places(expression.parse(text)))
