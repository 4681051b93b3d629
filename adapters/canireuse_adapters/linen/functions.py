"""Functions and loops in Flax Linen: what runs under a transformation takes the trees and returns those that it changes."""

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canireuse.emit import Body, Fill, Names, Unsupported, expr, name, statements
from canireuse.program import Object
from canireuse.spec.vocabulary import (
    Assign,
    Call,
    Function,
    Get,
    Invoke,
    Layer,
    Reenter,
    Replace,
    Scan,
    Scope,
    Thread,
    Train,
    Variable,
    walk,
)
from canireuse_adapters.captured import is_captured
from canireuse_adapters.linen import learning, passes, scopes
from canireuse_adapters.linen.layers import together
from canireuse_adapters.linen.modules import returns_definition

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen


MADE_ONCE = "In Flax a layer is made once, before the function that calls it; a function that made one would make another at each call."


@dataclass
class Signature:
    """What a function is given and returns beside what the spec says: names of trees and of optimizers' states."""

    given: list[str]
    changed: list[str]
    returns: bool
    traced: bool = False


def states(linen: "Linen") -> list[str]:
    """Return the names of what a function hands on: trees, and the states of optimizers."""
    kept = [tree.name for tree in linen.trees] + [one.state for one in linen.optimizers.values()]
    return list(dict.fromkeys([*kept, linen.own("opt_state")]))


def assign(linen: "Linen", step: Assign) -> None:
    """Write a value into the entry of a place."""
    found = linen.symbols.at(step.assign)
    if linen.found(found) is None:
        linen.emit("$place[:] = $value", place=linen.value(step.assign), value=linen.new_value(step.to))
        return
    linen.write(step.assign, linen.new_value(step.to))


def function(linen: "Linen", step: Function) -> None:
    """Define a function; traced, it is given the trees that it reads, and returns those that it changes."""
    if returns_definition(step) or scopes.is_maker(linen, step):
        return
    for inner in walk(step.steps):
        if isinstance(inner, Layer):
            raise Unsupported(MADE_ONCE)
        if isinstance(inner, Train):
            if linen.writing:
                raise Unsupported(learning.OUTLIVES)
            tree, wanted = learning.trained(linen, inner.wrt)
            learning.make(linen, inner, tree, wanted)
    with linen.function() as body:
        linen.steps(step.steps)
        value = linen.expression(step.returns) if step.returns else None
    names = Names([*body, *([value] if value else [])])
    changed = [one for one in states(linen) if one in names.bound]
    taken = step.traced and not is_captured(linen.way, step)
    given = [one for one in states(linen) if one in changed or (taken and one in names.read)]
    linen.signatures[step.function] = Signature(given, changed, returns=value is not None, traced=bool(step.traced))
    returned = [*map(name, changed), *([value] if value else [])]
    if returned:
        body += statements("return $value", value=together(returned))
    code = "@jax.jit\ndef $function($*taken):\n    $*body" if step.traced else "def $function($*taken):\n    $*body"
    linen.emit(code, function=step.function, taken=[*given, *step.takes], body=body or [ast.Pass()])


def called(linen: "Linen", function: str, to: str | None, code: ast.expr) -> None:
    """Bind what a call returns: the trees that it changed, and its value."""
    signature = linen.signatures[function]
    targets = [*signature.changed, *([to or "_"] if signature.returns and (to or signature.changed) else [])]
    if not targets:
        linen.emit("$call", call=code)
        return
    linen.emit("$targets = $call", targets=together(targets), call=code)
    for tree in linen.trees:
        if tree.name in signature.changed:
            tree.written()


def invoke(linen: "Linen", step: Invoke) -> None:
    """Call a function with the trees that it is given."""
    made = linen.symbols.names[step.invoke].made
    if isinstance(made, Function) and returns_definition(made):
        return
    signature = linen.signatures[step.invoke]
    given: list[Fill] = [*signature.given, *(linen.expression(one) for one in step.given)]
    if step.abstract:
        if not signature.returns:
            raise Unsupported(
                "`jax.eval_shape` runs what returns arrays; a function that writes variables has none to return."
            )
        targets = together(["_" for _ in signature.changed] + [step.as_ or "_"])
        code = "$targets = jax.eval_shape($function, $*given)"
        linen.emit(code, targets=targets, function=step.invoke, given=given)
        return
    called(linen, step.invoke, step.as_, expr("$function($*given)", function=step.invoke, given=given))


def thread(linen: "Linen", step: Thread) -> None:
    """Call a function in a thread, which ends before the next one begins."""
    made = linen.symbols.names[step.thread].made
    if isinstance(made, Function) and returns_definition(made):
        raise Unsupported(MADE_ONCE)
    given: list[Fill] = [step.thread, *linen.signatures[step.thread].given]
    with linen.apart() as body:
        called(linen, step.thread, step.as_, expr("pool.submit($*given).result()", given=given))
    with linen.apart() as turn:
        linen.emit("with futures.ThreadPoolExecutor(1) as pool:\n    $*body", body=body)
    linen.turns(step.times, turn)


def scan(linen: "Linen", step: Scan) -> None:
    """Run a loop that is traced once; it carries the trees that a turn writes."""
    if any(isinstance(inner, Variable | Layer) for inner in walk(step.steps)):
        raise Unsupported(
            "What a turn of `jax.lax.fori_loop` carries has one structure: no turn can add a variable to it."
        )
    if any(isinstance(inner, Replace) for inner in walk(step.steps)):
        raise Unsupported(
            "The turn of `jax.lax.fori_loop` is a pure function of what it carries, which is arrays: a definition with another member ends with the turn."
        )
    calls = step.raises is not None and any(isinstance(one, Call) for one in walk(step.steps))
    first = made_inside(linen) if calls else []
    with linen.function() as body:
        linen.steps(step.steps)
        to = linen.expression(step.to)
    changed = [one for one in states(linen) if one in Names(body).bound]
    body[:0] = first
    turn = linen.own("turn")
    carried, names = (linen.own("carried") if changed else step.scan), together([step.scan, *changed])
    parted = statements("$names = $carried", names=names, carried=carried) if changed else []
    linen.emit(
        "def $turn(_, $carried):\n    $*body\n    return $returned\n$names = jax.lax.fori_loop(0, $times, $turn, $names)",
        turn=turn, carried=carried, body=[*parted, *body], names=names, returned=together([to, *changed]), times=step.times,
    )  # fmt: skip
    for tree in linen.trees:
        tree.written()


def made_inside(linen: "Linen") -> Body:
    """Return what makes the trees that nothing has read before a loop, where it is asked whether a first call in the loop is taken."""
    read = Names(linen.outermost).read
    trees = [tree.name for tree in linen.trees if tree.name not in read]
    made = [line for line in linen.outermost if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) in trees]
    linen.outermost[:] = [line for line in linen.outermost if line not in made]
    return [*statements("global $*trees", trees=trees), *made] if made else []


def returned(linen: "Linen", step: object) -> bool:
    """Bind what a function returns that gets variables by name; return whether it does."""
    if not isinstance(step, Invoke | Thread) or linen.register is None:
        return False
    found = linen.symbols.names[step.invoke if isinstance(step, Invoke) else step.thread]
    inside = walk(found.made.steps) if isinstance(found.made, Function) else ()
    if not any(isinstance(inner, Get | Scope | Reenter) for inner in inside):
        return False
    if step.as_:
        linen.symbols.names[step.as_] = found.returns or Object("tensor")
        if found.returns is not None:
            once = step.model_copy(update={"times": 1}) if isinstance(step, Thread) else step
            again = passes.Pass([step.as_], again=lambda: linen.emit_verb(once), fresh_in=linen.body)
            linen.register.passes[step.as_] = again
            linen.register.tree.passes.append(again)
    return True


CODE: dict[str, Any] = {"assign": assign, "function": function, "invoke": invoke, "thread": thread, "scan": scan}
