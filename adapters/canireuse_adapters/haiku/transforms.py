"""Transformed functions: which steps that make variables stand together in the body of one, and how that is written."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from canireuse.emit import Body, Names, Unsupported, expr, name, statements
from canireuse.program import free_names
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import (
    Block,
    Compute,
    CurrentScope,
    Function,
    Get,
    Initialize,
    Intercept,
    Invoke,
    NameScope,
    Reenter,
    Repeat,
    Thread,
    Variable,
    walk,
)
from canireuse_adapters.haiku.frames import Known, Reader
from canireuse_adapters.haiku.paths import SCOPES, finds
from canireuse_adapters.haiku.scopes import forced, within

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku


def makes(haiku: "Haiku", step: Step) -> bool:
    """Return whether a step belongs into the body of a function that makes variables."""
    if haiku.in_function or haiku.symbols.looking:
        return False
    if isinstance(step, Get | Variable | CurrentScope):
        return True
    if isinstance(step, Invoke | Thread):
        known = haiku.function_of(step)
        return known is not None and known.kind == "body"
    if not isinstance(step, (*SCOPES, Intercept, NameScope, Repeat)) or finds(step):
        return False
    inner = [one for one in step.steps if not isinstance(one, Initialize | Compute)]
    return bool(inner) and all(makes(haiku, one) for one in inner)


def together(haiku: "Haiku", steps: Sequence[Step]) -> None:
    """Write steps; those that make variables and stand together become one transformed function."""
    run: list[Step] = []
    for step in steps:
        making = any(not isinstance(one, Function) for one in run)
        if isinstance(step, Initialize) and step.raises is None:
            continue
        if isinstance(step, Function) and not step.traced and any(makes(haiku, one) for one in step.steps):
            if any(isinstance(inner, Reenter) for inner in walk(step.steps)):
                flush(haiku, run)
            haiku.step(step)
            run.append(step)  # from here on its name stands for this function
        elif (isinstance(step, Compute) and making) or (
            makes(haiku, step) and not (isinstance(step, CurrentScope) and not run)
        ):
            run.append(step)
        else:
            flush(haiku, run)
            haiku.step(step)
    flush(haiku, run)


def flush(haiku: "Haiku", run: list[Step]) -> None:
    """Write the steps that were put together as one transformed function, and what was computed after them outside.

    What may be refused is the end of a function of its own, whose `init` is tried: it is observed from what that returns or raises.
    """
    after: list[Step] = []
    while run and isinstance(run[-1], Compute):
        after.insert(0, run.pop())
    steps = list(run)
    run.clear()
    if any(not isinstance(one, Function) for one in steps):
        whole = standing(steps)
        trials = [(one, standing(steps, one)) for top in steps for one in tried_in(top)]
        accepted = [(one, body) for one, body in trials if one.raises == "nothing"]
        last = next((one for one, body in reversed(accepted) if leaves(body) == leaves(whole)), None)
        for one, body in accepted:
            if one is not last:
                build(haiku, body, one, trial=True)
        build(haiku, whole, last)
        for one, body in trials:
            if one.raises != "nothing":
                build(haiku, body, one, trial=True)
    for step in after:
        haiku.step(step)


def tried_in(step: Step) -> Iterator[Step]:
    """Yield the steps that may be refused, those inside of others before these."""
    if isinstance(step, Block) and not isinstance(step, Function):
        for inner in step.steps:
            yield from tried_in(inner)
    if step.raises is not None:
        yield step


def standing(steps: Sequence[Step], last: Step | None = None) -> list[Step]:
    """Return the steps that are accepted, up to one that may be refused."""
    kept: list[Step] = []
    for step in steps:
        ends = last is not None and any(one is last for one in walk([step]))
        if step.raises in {None, "nothing"} or ends:
            if isinstance(step, Block) and not isinstance(step, Function):
                kept.append(step.model_copy(update={"steps": standing(step.steps, last)}))
            else:
                kept.append(step)
        if ends:
            break
    return kept


def leaves(steps: Sequence[Step]) -> list[int]:
    """Return which steps these are, blocks apart."""
    return [id(one) for one in walk(steps) if not isinstance(one, Block)]


def build(haiku: "Haiku", steps: list[Step], tried: Step | None, *, trial: bool = False) -> None:
    """Write a transformed function of steps, and have its `init` make the variables.

    A trial is one of several functions of the same steps: another one says what stands where.
    """
    before = haiku.symbols.standing(steps)
    templates = {one: one.path for one in haiku.symbols.objects() if one.kind == "function"}
    made, readers = transformed_steps(haiku, steps, returns=not trial)
    haiku.attempt(made, tried)
    for word, reader in readers.items():
        if haiku.symbols.names[word].path:
            haiku.readers[word] = reader
        else:
            haiku.bind(word, haiku.applied(reader, "params"))
    if trial:
        haiku.symbols.put_back(before)
        for one, path in templates.items():
            one.path = path


def transformed_steps(
    haiku: "Haiku", steps: list[Step], key: ast.expr | None = None, *, returns: bool
) -> tuple[Body, dict[str, Reader]]:
    """Write a transformed function of steps; return what makes its variables, and what reads those that it returns."""
    if haiku.in_function:
        raise Unsupported(
            "In Haiku variables are made by `init`, once and outside; a function that is applied, differentiated or "
            "compiled only finds them."
        )
    word, there, around = haiku.function_name("build"), haiku.entries(), haiku.symbols.scope.path
    contexts = [*([forced(around)] if around else []), *haiku.frame.around]
    with haiku.function_frame("body", around) as frame:
        haiku.steps(steps)
    body = within(contexts, frame.body)
    shown = {one: got for one, got in frame.shown.items() if returns and one in haiku.facts.read}
    if shown:
        names = {one: name(one) for one in shown}
        value = expr("{$**names}", names=names) if len(names) > 1 else name(*shown)
        body += statements("return $value", value=value)
    unbind(body, Names(body).read)
    given = [(one, name(one)) for one in free_names(steps) if one in frame.local]
    haiku.body += [*frame.above, *haiku.transformed(word, body, takes=given, stateful=frame.stateful)]
    init = expr("$word.init($key)", word=word, key=key or haiku.key())
    makes = frozenset(one[1:] for one in haiku.entries() if one not in there)
    haiku.defined[word] = Known(word, "built", stateful=frame.stateful, init=init, makes=makes)
    readers = {
        one: Reader(word, frame.stateful, one if len(shown) > 1 else None, got=got) for one, got in shown.items()
    }
    return haiku.initialised(init, stateful=frame.stateful), readers


def unbind(body: Body, read: Mapping[str, None]) -> None:
    """Leave out the names that nothing in a function reads."""
    for number, one in enumerate(body):
        if isinstance(one, ast.With | ast.For):
            unbind(one.body, read)
        elif isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and one.targets[0].id not in read:
            body[number : number + 1] = statements("$value", value=one.value)
