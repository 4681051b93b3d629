"""Functions and loops in Keras; what is traced is worded for the engine."""

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canireuse.emit import Code, Effects, Emitter, Lack, expr, name
from canireuse.spec.step import Array, Step
from canireuse.spec.vocabulary import (
    Assign,
    Expect,
    Function,
    Get,
    Invoke,
    Layer,
    Measure,
    Repeat,
    Scan,
    Thread,
    walk,
)
from canireuse_adapters.captured import changes_variables, is_captured
from canireuse_adapters.jax import EACH_SHAPE
from canireuse_adapters.keras.layers import build, build_for, has_variables, places_in
from canireuse_adapters.keras.learning import ASSIGN_EACH, CURRENT, optimizer_call, owned
from canireuse_adapters.tensorflow import tracer
from canireuse_adapters.torch_compile import compiled, graphs_of
from canireuse_adapters.training import training_of

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras


#: a function of values that JAX compiles, and one around it that reads the variables and writes what they become
JITTED = "@jax.jit\ndef $of(values, $*takes):\n    $*body"
DEFINED = "@$*decorators\ndef $function($*takes):\n    $*body"
CALLED = "$of([variable.value for variable in $state], $*takes)"
TRACES = {"tensorflow": "$x.experimental_get_tracing_count()", "jax": "$x._cache_size()", "torch": "len($x)"}


@dataclass
class Loop:
    """A measured loop that is being written."""

    step: Measure
    #: what JAX is waited for with: values of variables that the loop makes or moves
    moved: list[ast.expr] = field(default_factory=list)


def repeat(keras: "Keras", step: Repeat) -> None:
    """Write a Python loop."""
    build_for(keras, step, calls_build=keras.engine != "jax")
    Emitter.repeat(keras, step)


def function(keras: "Keras", step: Function) -> None:
    """Define a function; the engine traces or compiles it if asked."""
    build_for(keras, step, calls_build=False)
    if step.traced and (hoisted := training_of(step)):
        keras.emit("optimizer = $made", made=optimizer_call(hoisted.train, hoisted.rate))
        if keras.engine != "torch":
            keras.emit("optimizer.build($owned)", owned=owned(keras, hoisted.wrt))
    captured = is_captured(keras.way, step)
    if step.traced and keras.engine == "jax" and not captured:
        jitted(keras, step)
        return
    decorators: list[ast.expr] = []
    if step.traced:
        compiler = tracer(step) if keras.engine == "tensorflow" else "jax.jit" if captured else ""
        decorators = [expr(compiler) if compiler else compiled(keras, step)]
    with keras.apart() as body:
        keras.steps(step.steps)
        if step.returns:
            if any(isinstance(one, Layer) for one in step.steps) and any(
                getattr(one, "abstract", False) for one in keras.facts.steps
            ):
                build(keras, keras.place(step.returns), keras.at(step.returns))  # while the device is said
            keras.emit("return $value", value=keras.expression(step.returns))
    keras.emit(DEFINED, decorators=decorators, function=step.function, takes=step.takes, body=body)


def jitted(keras: "Keras", step: Function) -> None:
    """Write a function of values that JAX compiles, and one around it that users call; it hands on no value that is what it was."""
    if not keras.facts.timed:
        keras.idiom(
            "JAX compiles a function of values; another around it reads the variables and writes what they become."
        )
    state, changes = state_of(keras, step), changes_variables(step)
    with keras.apart() as body:
        mapping = expr("zip($state, values)", state=state)
        with keras.stateless(mapping, expr("$state", state=state), scope=changes):
            keras.steps(step.steps)
            if step.returns:
                code = "$x.value" if keras.at(step.returns).kind == "variable" else "$x"
                result = expr(code, x=keras.expression(step.returns))
                keras.emit("result = $result" if changes else "return $result", result=result)
        if changes:
            keras.emit(f"return {'result, ' if step.returns else ''}{CURRENT}", state=state)
    keras.emit(JITTED, of=of_values(keras, step.function), takes=step.takes, body=body)
    if not keras.facts.timed or called_elsewhere(keras, step):
        stateful(keras, step, state)


def stateful(keras: "Keras", step: Function, state: str) -> None:
    """Write the function that reads the variables, calls the compiled one, and writes what they become."""
    called = expr(CALLED, of=of_values(keras, step.function), state=state, takes=step.takes)
    with keras.apart() as body:
        if changes_variables(step):
            keras.emit("$made = $called", made=together(made_by(step, expr("result"))), called=called)
            keras.emit(ASSIGN_EACH, variables=state, values=expr("values"))
            if step.returns:
                keras.emit("return result")
        else:
            keras.emit("return $called", called=called)
    keras.emit(DEFINED, decorators=[], function=step.function, takes=step.takes, body=body)


def made_by(step: Function, result: ast.expr) -> list[ast.expr]:
    """Return the names that a function of values is bound to: its result, and the values that variables become."""
    return [*([result] if step.returns else []), *([expr("values")] if changes_variables(step) else [])]


def together(made: list[ast.expr]) -> ast.expr:
    """Return one name, or several as a tuple."""
    return made[0] if len(made) == 1 else expr("($*made,)", made=made)


def of_values(keras: "Keras", function: str) -> str:
    """Return what the compiled function of values is called; one that captures variables is the function itself."""
    made = keras.at(function).made
    captured = isinstance(made, Function) and is_captured(keras.way, made)
    return function if captured else keras.own(f"stateless_{function}")


def state_called(keras: "Keras", function: str) -> str:
    """Return what the list of the variables that a function uses is called."""
    return keras.own(f"state_of_{function}")


def state_of(keras: "Keras", step: Function) -> str:
    """Write the list of all variables that a function uses, and return its name."""
    used = held_in(keras, step)
    used += [expr("*optimizer.variables")] if training_of(step) else []
    used += [expr("*root.variables")] if any(isinstance(one, Get) for one in walk(step.steps)) else []
    state = state_called(keras, step.function)
    keras.emit("$state = [$*used]", state=state, used=used)
    return state


def held_in(keras: "Keras", step: Step) -> list[ast.expr]:
    """Return the code for the variables of what a step uses, by the names that it has outside; optimizers come last."""
    mentioned = {place.partition(".")[0] for place in places_in(step)} | {one.binding for one in walk([step])}
    found = {found: name for name, found in reversed(keras.symbols.names.items()) if name in mentioned}
    held = [(name, one) for one, name in reversed(found.items())]
    owners = [
        expr("*$owner.variables" if one.is_owner else "$owner", owner=keras.place(name))
        for name, one in held
        if one.is_owner or one.kind == "variable"
    ]
    return owners + [expr("*$x.variables", x=name) for name, one in held if one.kind == "optimizer"]


def called_elsewhere(keras: "Keras", step: Function) -> bool:
    """Return whether a function is called outside of the loops that hold the values."""
    loops = [one for one in keras.facts.steps if isinstance(one, Measure) and called_in(keras, one)]
    threads = any(isinstance(one, Thread) and one.thread == step.function for one in keras.facts.steps)
    calls = (one for one in keras.facts.steps if isinstance(one, Invoke) and one.invoke == step.function)
    return threads or any(not any(one is loop.steps[0] for loop in loops) for one in calls)


def called_in(keras: "Keras", loop: Measure) -> Function | None:
    """Return the compiled function whose call is all there is in a measured loop, so that it holds the values; JAX alone."""
    called = loop.steps[0] if len(loop.steps) == 1 else None
    if keras.engine != "jax" or not isinstance(called, Invoke) or called.abstract:
        return None
    compiled = {one.function: one for one in keras.facts.steps if isinstance(one, Function) and one.traced}
    found = compiled.get(called.invoke)
    return None if found is None or any(isinstance(one, Get) for one in walk(found.steps)) else found


def invoke(keras: "Keras", step: Invoke) -> None:
    """Call a function; a loop that holds the values hands them on."""
    function = called_in(keras, keras.loop.step) if keras.loop else None
    if function is None:
        given = [outline(keras, one) if outlined(keras, step) else handed(keras, one) for one in step.given]
        with keras.apart() as body:
            keras.bind(step.as_, expr("$function($*given)", function=step.invoke, given=given))
        keras.emit("with keras.device('meta'):\n    $*body" if is_hollow(keras, step) else "$*body", body=body)
        made = keras.at(step.invoke).made
        if keras.loop and keras.engine == "jax" and isinstance(made, Function) and made.traced:
            state = state_called(keras, step.invoke)
            keras.loop.moved.append(expr("[variable.value for variable in $state]", state=state))
        return
    given = [expr("values"), *(handed(keras, one) for one in step.given)]
    to = together(made_by(function, name(step.as_) if step.as_ else expr("result")))
    keras.emit("$to = $of($*given)", to=to, of=of_values(keras, step.invoke), given=given)


def is_hollow(keras: "Keras", step: Invoke) -> bool:
    """Return whether a call makes something that is to have no memory."""
    made = keras.at(step.invoke).returns
    return step.abstract and made is not None and made.is_owner


def outlined(keras: "Keras", step: Invoke) -> bool:
    """Return whether a call asks for the shape alone of what layers that are there return."""
    return step.abstract and not is_hollow(keras, step)


def outline(keras: "Keras", given: str | Array) -> ast.expr:
    """Return a symbolic input of the shape of an argument: layers that are called on one compute the shape of their output."""
    return expr("keras.KerasTensor($x.shape, $x.dtype)", x=handed(keras, given))


def handed(keras: "Keras", given: str | Array) -> ast.expr:
    """Return an argument of a call; JAX compiles functions of arrays, and takes no variable of Keras for one."""
    found = keras.symbols.names.get(given) if isinstance(given, str) else None
    is_variable = keras.engine == "jax" and found is not None and found.kind == "variable"
    return expr("$x.value" if is_variable else "$x", x=keras.expression(given))


def defined(keras: "Keras", step: Function) -> None:
    """Have a function, which finds its variables where it was written; what was built for it stays so at its end."""
    keras.symbols.happen(step)
    names = dict.fromkeys(place.partition(".")[0] for place in places_in(step))
    for one in (one for first in names for one in keras.at(first).walk()):
        if one.kind == "layer" and not one.abstract:
            has_variables(one)
    keras.at(step.function).path = keras.symbols.scope.path


def invoked(keras: "Keras", step: Invoke) -> None:
    """Have what a call gives: what has no memory was built without any."""
    keras.symbols.happen(step)
    if is_hollow(keras, step):
        has_variables(keras.at(step.as_))


def stands_elsewhere(keras: "Keras", step: Invoke) -> bool:
    """Return whether a function that gets variables is called in another scope than its own."""
    found = keras.at(step.invoke)
    gets = isinstance(found.made, Function) and any(isinstance(one, Get) for one in walk(found.made.steps))
    return gets and found.path != keras.symbols.scope.path


def scan(keras: "Keras", step: Scan) -> None:
    """Loop with `keras.ops.fori_loop`, whose body makes the next value from the last."""
    build_for(keras, step)
    with keras.apart() as body:
        keras.steps(step.steps)
        keras.emit("return $to", to=keras.expression(step.to))
    keras.emit(
        "def turn(index, $scan):\n    $*body\n$scan = keras.ops.fori_loop(0, $times, turn, $scan)",
        scan=step.scan, times=step.times, body=body,
    )  # fmt: skip


def trace_count(keras: "Keras", step: Expect) -> ast.expr:
    """Ask the engine how often it traced."""
    function = step.traces or ""
    asked = {"jax": of_values, "torch": graphs_of}.get(keras.engine)
    return expr(TRACES[keras.engine], x=asked(keras, function) if asked else function)


CODE: Code = {
    "repeat": repeat, "function": function, "invoke": invoke, "scan": scan,
}  # fmt: skip
EFFECTS: Effects = {"function": defined, "invoke": invoked}
LACKS = (
    Lack("function", lambda keras, step: keras.engine == "jax" and step.traced == "relaxed", EACH_SHAPE),
    Lack(
        "invoke", stands_elsewhere,
        "A layer is no ambient scope: a function finds its variables on the object it was written for, wherever it is called.",
    ),
    Lack(
        "invoke", lambda keras, step: outlined(keras, step) and not step.given,
        "Keras computes the shape of an output from a symbolic input, a `keras.KerasTensor`: this function takes none.",
    ),
    Lack(
        "invoke", lambda keras, step: keras.engine != "torch" and is_hollow(keras, step),
        "Keras has a device without memory on PyTorch alone: elsewhere a layer that is not built has no variables either.",
    ),
    Lack(
        "scan", lambda keras, step: keras.engine == "jax" and any(isinstance(one, Assign) for one in walk(step.steps)),
        "A loop of JAX hands on what its body returns: a variable that is assigned inside leaves nothing behind.",
    ),
)  # fmt: skip
