"""Flax NNX: functions, which take the state that they use, and loops and threads."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canireuse.emit import Code, Effects, Fill, Lack, Names, Unsupported, expr, name, statements
from canireuse.program import Mode, Object
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Function, Invoke, Scan, Thread, walk
from canireuse_adapters.captured import is_captured
from canireuse_adapters.jax import Jax
from canireuse_adapters.nnx import learning, scopes
from canireuse_adapters.nnx.layers import ONCE, inside_function
from canireuse_adapters.training import training_of

if TYPE_CHECKING:
    from canireuse_adapters.nnx import NNX

MAKING = frozenset({"get", "variable", "scope"})
LOOP = """\
def turn(_, carried):
    $owner, $scanned = carried
    $*body
    return $owner, $result
_, $scanned = nnx.fori_loop(0, $times, turn, ($given, $scanned))"""


@dataclass
class Defined:
    """A function that is written: the state it takes, and what calls have to know of its body."""

    takes: list[str]
    traced: bool
    #: whether it makes variables, writes some, or makes what it returns
    makes: bool
    writes: bool
    maker: bool
    #: what it returns beside its value, since `jax.jit` is given a copy of what it is called with
    gives: list[str]


def writes(nnx: "NNX", steps: Sequence[Step]) -> bool:
    """Return whether steps write variables or the state of an optimizer."""
    return bool(learning.written(nnx, steps)) or any(one.verb in {"train", "update"} for one in walk(steps))


def function(nnx: "NNX", step: Function) -> None:
    """Define a function; it takes the state that it uses, if what it captured would be a constant to it."""
    once, traced = training_of(step), bool(step.traced)
    if once and traced and not nnx.frames:
        nnx.hoisted[id(once)] = learning.made_for(nnx, once)
    local = {one.binding for one in walk(step.steps) if one.binds in {"layer", "module", "copy"}}
    maker = step.returns in local and not nnx.frames
    before = {one for one in nnx.symbols.names if one not in step.takes}
    below = {one: dict(one.parts) for one in nnx.symbols.names["root"].walk()}
    counter, counted = f"traces_of_{step.function}", step.function in nnx.facts.counted
    kind = "maker" if maker else "jax" if step.traced == "plain" else "traced" if traced else "plain"
    with nnx.apart() as body, nnx.frame(kind):
        if counted:
            nnx.emit("$counter.append('traced')", counter=counter)
        nnx.steps(step.steps)
        value = [nnx.expression(step.returns)] if step.returns and step.traced == "plain" else []
        if step.returns and not value:
            answer(nnx, step.returns, traced=traced)
    for found, parts in below.items():
        found.parts = parts  # what is written has not run
    again = [one for one in learning.rebound(body, step.steps, step.takes) if one in before]
    free = Names([*body, *map(ast.Expr, value)]).free
    used = [one for one in (*free, *again) if nnx.is_state(one) and one not in step.takes]
    handed_in = traced and not is_captured(nnx.way, step)
    takes = used if handed_in or step.function in nnx.facts.transformed else [one for one in used if one == "root"]
    takes.sort(key=lambda one: one == "optimizer" or one in nnx.optimizers)  # what is trained, then its optimizer
    if counted:
        nnx.idiom("JAX has no public count of traces: a line of Python in the body runs once for each trace.")
        nnx.emit("$counter = []", counter=counter)
    given = [*takes, *step.takes, *((one, name(one)) for one in again if one not in takes)]
    gives = takes if step.traced == "plain" and writes(nnx, step.steps) else []
    if value or gives:
        body += statements("return $value", value=together([*value, *map(name, gives)]))
    jit = "@jax.jit\n" if step.traced == "plain" else "@nnx.jit\n" if traced else ""
    nnx.emit(jit + "def $f($*given):\n    $*body", f=step.function, given=given, body=body)
    makes = not maker and any(one.verb in MAKING for one in step.steps)
    nnx.defined[step.function] = Defined(takes, traced, makes, writes(nnx, step.steps), maker, gives)


def together(values: list[ast.expr]) -> ast.expr:
    """Return one value, or several as a tuple."""
    return values[0] if len(values) == 1 else ast.Tuple(values, ast.Load())


def answer(nnx: "NNX", returns: str, *, traced: bool) -> None:
    """Write what a function returns: an owner, and of a plain function a variable, itself."""
    found = nnx.symbols.at(returns) if returns.replace(".", "").isidentifier() else None
    itself = found is not None and (found.is_owner or (found.kind == "variable" and not traced))
    nnx.emit("return $x", x=nnx.place(returns) if itself else nnx.expression(returns))


def state_given(nnx: "NNX", function: str) -> list[Fill]:
    """Return the state that a function is called with: one that makes variables, the module of the current scope."""
    known = nnx.defined[function]
    if known.makes and scopes.mode(nnx) is not Mode.MAKE:
        raise Unsupported(
            "NNX has no reuse mode that a called function would inherit: it sets attributes, or it reads them."
        )
    here = nnx.scope_code(nnx.symbols.scope.path)
    return [here if one == "root" and known.makes else nnx.place(one) for one in known.takes]


def invoke(nnx: "NNX", step: Invoke) -> None:
    """Call a function with the state it takes."""
    given = [*state_given(nnx, step.invoke), *(nnx.new_value(value) for value in step.given)]
    code = "nnx.eval_shape($f, $*given)" if step.abstract else "$f($*given)"
    called = expr(code, f=step.invoke, given=given)
    if gives := nnx.defined[step.invoke].gives:
        made = nnx.symbols.names[step.invoke].made
        answered = [name(step.as_ or "_")] if isinstance(made, Function) and made.returns else []
        nnx.emit("$to = $called", to=together([*answered, *map(nnx.place, gives)]), called=called)
        return
    nnx.bind(step.as_, called)


def returned(nnx: "NNX", step: Invoke | Thread) -> None:
    """Note that a traced function returns the value of a variable."""
    nnx.symbols.happen(step)
    names, traced = nnx.symbols.names, nnx.defined[getattr(step, step.verb)].traced
    if step.as_ and traced and not names[step.as_].is_owner:
        names[step.as_] = Object("tensor")


def scan(nnx: "NNX", step: Scan) -> None:
    """Run a loop that is traced once; it carries what it writes along with the tensor."""
    if any(one.verb in MAKING for one in walk(step.steps)):
        raise Unsupported(
            "A loop of JAX is traced once and keeps the structure of its carry: no variable can be made in it."
        )
    places = learning.written(nnx, step.steps)
    changed = {one: None for place in places if (found := nnx.symbols.at(place)) for one in found.variables()}
    if not changed:
        with nnx.frame("scan"):
            Jax.scan(nnx, step)
        return
    argument, owner = learning.held(nnx, changed, places, step.steps, [step.to], bare=True)
    with nnx.apart() as body, nnx.frame("scan", argument, owner):
        nnx.steps(step.steps)
        result = nnx.expression(step.to)
    fills = {"owner": argument, "scanned": step.scan, "times": step.times, "given": nnx.place(argument)}
    nnx.emit(LOOP, body=body, result=result, **fills)


LACKS = (
    Lack("invoke", lambda nnx, step: step.abstract and inside_function(nnx, step), ONCE),
    Lack("thread", lambda nnx, step: nnx.defined[step.thread].maker,
        "What a thread makes and returns is a module that no function of the script was given."),
)  # fmt: skip
EFFECTS: Effects = {"invoke": returned, "thread": returned}
CODE: Code = {
    "function": function, "invoke": invoke, "scan": scan,
}  # fmt: skip
