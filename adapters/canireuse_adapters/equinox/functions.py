"""Functions of Equinox: they take the trees they use and return the trees they change, since neither trees nor arrays are written in place."""

import ast
from typing import TYPE_CHECKING, NamedTuple

from canireuse.emit import Code, Fill, Names, Unsupported, expr
from canireuse.program import Slot, is_place
from canireuse.spec.vocabulary import Function, Invoke, Thread
from canireuse_adapters.captured import is_captured
from canireuse_adapters.equinox.learning import assigned, optimized
from canireuse_adapters.equinox.places import TREES, Tensor, around, inside, spelled, together
from canireuse_adapters.training import training_of

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox


class Known(NamedTuple):
    """A function: the names that it takes beside its arguments, and those that it returns beside its value."""

    #: name -> where what it stood for when the function was written had its parts, and whether `eqx.nn.Shared` was around it
    takes: dict[str, dict[str, Slot]]
    gives: list[str]


def function(eqx: "Equinox", step: Function) -> None:
    """Define a function; what is trained in one that is compiled has its optimizer made before it."""
    train = training_of(step)
    if train and step.traced and not eqx.frames:
        eqx.optimizers[id(train)] = optimized(eqx, train)
    counter = f"traces_of_{step.function}"
    counting = step.function in eqx.facts.counted
    if counting:
        eqx.idiom("JAX has no public count of traces: a line of Python in the body runs once for each trace.")
        eqx.emit("$counter = []", counter=counter)
    calls = (one.given for one in eqx.facts.steps if isinstance(one, Invoke) and one.invoke == step.function)
    for argument, given in zip(step.takes, next(filter(None, calls), []), strict=False):
        eqx.symbols.names[argument] = Tensor("tensor", axes=eqx.axes(given))
    with eqx.framed("traced" if step.traced else "plain", step.takes) as body:
        if counting:
            eqx.emit("$counter.append('traced')", counter=counter)
        eqx.steps(step.steps)
        value: list[Fill] = [result(eqx, step)] if step.returns else []
        names, outside = Names([*body, *map(ast.Expr, value)]), eqx.frames[-1].outside
        held = {one: found.kind for one, found in outside.items() if found.kind in {*TREES, "state"} and eqx.outer(one)}
        gives = sorted(filter(held.__contains__, names.bound), key=lambda one: held[one] == "state")  # states last
        used = sorted(filter((names.read | names.bound).__contains__, held), key=lambda one: held[one] == "state")
        if value or gives:
            eqx.emit("return $value", value=together([*value, *gives]))
        takes = {} if is_captured(eqx.way, step) else {one: dict(outside[one].slots) for one in used}
        takes |= {one: {} for one in eqx.rebound(step.steps, step.takes)}
    decorator = "@jax.jit\n" if step.traced == "plain" else "@eqx.filter_jit\n" if step.traced else ""
    eqx.fill(
        decorator + "def $function($*arguments):\n    $*lines",
        step, arguments=[*takes, *step.takes], lines=body,
    )  # fmt: skip
    eqx.known[step.function] = Known(takes, gives)


def result(eqx: "Equinox", step: Function) -> ast.expr:
    """Return the code for what a function returns: a tree is returned as it is kept."""
    place = step.returns or ""
    found = eqx.tree(place) if is_place(place) else None
    if found is None:
        return eqx.expression(place)
    state = eqx.state_of(found)
    if state and state not in eqx.frames[-1].outside:
        raise Unsupported(
            "A function that makes a model with norms returns its `eqx.nn.State` beside it, and hands on both."
        )
    return eqx.whole(place)


# -- calls


def invoke(eqx: "Equinox", step: Invoke) -> None:
    """Call a function, and bind what it gives back."""
    given = [*taken(eqx, step.invoke), *map(eqx.new_value, step.given)]
    code = "eqx.filter_eval_shape($function, $*given)" if step.abstract else "$function($*given)"
    made = expr(code, function=step.invoke, given=given)
    gives = eqx.known[step.invoke].gives
    if not step.abstract or not gives:
        bind_results(eqx, step.invoke, step.as_, made)
        return
    returned = eqx.symbols.names[step.invoke].returns
    if not step.as_ or (returned and returned.parts):
        raise Unsupported(
            "`eqx.filter_eval_shape` computes nothing, so a function that changes a tree has no effect under it."
        )
    eqx.body += assigned([step.as_, *("_" for _ in gives)], made)


def thread(eqx: "Equinox", step: Thread) -> None:
    """Call a function in a thread, with the trees it takes, and bind what it gives back."""
    code = expr("pool.submit($function, $*given).result()", function=step.thread, given=taken(eqx, step.thread))
    with eqx.apart() as body:
        bind_results(eqx, step.thread, step.as_, code)
    with eqx.apart() as turn:
        eqx.emit("with futures.ThreadPoolExecutor(1) as pool:\n    $*body", body=body)
    eqx.turns(step.times, turn)


def bind_results(eqx: "Equinox", function: str, to: str | None, code: ast.expr) -> None:
    """Bind the value of a call, and anew the trees that the function has changed."""
    known, made, returned = eqx.known[function], eqx.symbols.names[function].made, eqx.symbols.names[function].returns
    untied = any(len(around(eqx.locate(one).found)) > len(inside(slots)) for one, slots in known.takes.items())
    if untied and returned and returned.parts:
        raise Unsupported(
            "The function was written for a tree that is inside of `eqx.nn.Shared` by now, and what it makes of that is not tied; Equinox users write it for the new one."
        )
    if not known.gives:
        eqx.bind(to, code)
        return
    eqx.writing()
    for spot, slots in ((eqx.locate(one), known.takes[one]) for one in known.gives):
        if spot.route or spot.tree.slots.get("") != slots.get(""):
            raise Unsupported(
                "The function returns the tree that it was written for, which is part of another tree by now; Equinox users write it for the new one."
            )
    answer = [to or "_"] if isinstance(made, Function) and made.returns else []
    eqx.body += assigned([*answer, *known.gives], code)


def taken(eqx: "Equinox", function: str) -> list[ast.expr]:
    """Return the names that a function is called with; of a tree, what it was when the function was written."""
    spots = ((eqx.locate(one), slots) for one, slots in eqx.known[function].takes.items())
    return [spelled(spot.code, around(spot.found)[len(inside(slots)) :]) for spot, slots in spots]


CODE: Code = {"function": function, "invoke": invoke, "thread": thread}
