"""Functions: those that get variables, those that make models, those that are compiled, and what runs them."""

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from canireuse.emit import Body, Code, Lack, Names, Unsupported, expr, name, statements, text
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import (
    Assign,
    Call,
    Compute,
    Function,
    Get,
    Invoke,
    Layer,
    Module,
    Repeat,
    Replace,
    Scan,
    Scope,
    Thread,
    Tie,
    Train,
    Update,
    Variable,
    Wrap,
    walk,
)
from canireuse_adapters.captured import is_captured
from canireuse_adapters.haiku import checkpoints, layers, learning
from canireuse_adapters.haiku.frames import Known, Reader
from canireuse_adapters.haiku.paths import TOP, finds
from canireuse_adapters.haiku.scopes import WHOLE
from canireuse_adapters.haiku.transforms import unbind

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku

PURE = "A function that JAX traces is pure, so Haiku users return the new parameters from it; a write inside is not seen outside."
INSIDE = "Inside a transformed function a parameter is an array that cannot be written; Haiku users write into the tree outside."


# -- definitions


def function(haiku: "Haiku", step: Function) -> None:
    """Define a function: one that gets variables is transformed, or called inside one that is."""
    inside = list(walk(step.steps))
    found = haiku.symbols.names.get(step.returns or "")
    if is_forward(step):
        forward(haiku, step)
    elif any(isinstance(one, Layer | Module) for one in step.steps):
        builder(haiku, step)
    elif not any(isinstance(one, Get | Variable) for one in inside):
        *before, last = step.steps or [step]
        calls = all(isinstance(one, Compute | Call) for one in before)
        if isinstance(last, Train | Update) and calls and not haiku.in_function:
            training_step(haiku, step)
        elif haiku.has_entry(found):
            raise Unsupported(
                "A Haiku parameter is handed on as an array, its value of that moment; only its name leads to what it holds now."
            )
        else:
            plain(haiku, step)
    elif any(isinstance(one, Assign) for one in inside) and (step.traced or not looks_up(step)):
        raise Unsupported(PURE if step.traced else INSIDE)
    elif not step.traced and not step.template and looks_up(step):
        plain(haiku, step)
    elif step.function in haiku.facts.counted:
        raise Unsupported(
            "`init` runs the body of a Haiku function too, so its lines of Python run more often than it is traced."
        )
    else:
        getter(haiku, step)


def looks_up(step: Function) -> bool:
    """Return whether a function only looks variables up."""
    inner = [one for one in step.steps if isinstance(one, Scope | Get | Variable)]
    return bool(inner) and all(map(finds, inner))


def returned(haiku: "Haiku", step: Function) -> Body:
    """Return the statement that returns what a function returns."""
    return statements("return $value", value=haiku.expression(step.returns)) if step.returns else []


def getter(haiku: "Haiku", step: Function) -> None:
    """Write a function that gets variables by name, as they stand in a transformed function."""
    word, kind = haiku.function_name(step.function, own=True), "transformed" if step.traced else "body"
    looking = bool(step.traced) and looks_up(step)
    with haiku.function_frame("body", (), looking=looking) as frame:
        frame.local |= set(step.takes)
        haiku.steps(step.steps)
        haiku.body += returned(haiku, step)
    unbind(frame.body, Names(frame.body).read)
    haiku.body += frame.above
    if step.traced:
        haiku.body += haiku.transformed(word, frame.body, takes=step.takes, stateful=frame.stateful)
    else:
        haiku.emit("def $word($*takes):\n    $*body", word=word, takes=step.takes, body=frame.body)
    haiku.defined[word] = Known(word, kind, step, frame.stateful, forced=frame.forced)


def plain(haiku: "Haiku", step: Function) -> None:
    """Write a function around Haiku's: it takes the trees that it reads."""
    kind = "traced" if step.traced else "plain"
    with haiku.function_frame(kind, haiku.symbols.scope.path, looking=True) as frame:
        haiku.steps(step.steps)
        haiku.body += returned(haiku, step)
    captured = is_captured(haiku.way, step)
    trees = [one for one in Names(frame.body).free if one in haiku.trees() and not captured]
    define(haiku, Known(step.function, "plain", step, takes=tuple(trees)), frame.body)


def define(haiku: "Haiku", known: Known, body: Body) -> None:
    """Write the definition of a function, compiled if it is traced; where its traces are counted, by a list."""
    step = known.step
    assert step is not None
    if step.function in haiku.facts.counted:
        haiku.idiom("JAX has no public count of traces: a line of Python in the body runs once for each trace.")
        counter = f"traces_of_{step.function}"
        haiku.emit("$counter = []", counter=counter)
        body = [*statements("$counter.append('traced')", counter=counter), *body]
    code = "def $function($*taken):\n    $*body"
    taken = [*known.takes, *step.takes]
    haiku.emit(f"@jax.jit\n{code}" if step.traced else code, function=step.function, taken=taken, body=body)
    haiku.defined[known.word] = known


def training_step(haiku: "Haiku", step: Function) -> None:
    """Write a training step, which takes and returns the parameters and the optimizer's state."""
    *before, last = step.steps
    known = Known(step.function, "step", step)
    if isinstance(last, Train):
        optimizer = haiku.own(f"{step.function}_optimizer")
        moved = learning.chosen(haiku, last.wrt, last.train)
        learning.make(haiku, optimizer, last, moved, haiku.own(f"{optimizer}_moments"))
        last = Update(update=optimizer, minimize=last.minimize, times=last.times, steps=last.steps)
    assert isinstance(last, Update)
    moved = haiku.optimizers[last.update]
    with haiku.function_frame("traced" if step.traced else "plain") as frame:
        haiku.steps(before if step.returns else [])
        learning.update(haiku, last.model_copy(update={"steps": [*before, *last.steps]}))
        known.changed = (moved.tree, moved.moments)
        result = [haiku.expression(step.returns)] if step.returns else []
        haiku.emit("return $result", result=ast.Tuple([*map(name, known.changed), *result], ast.Load()))
    read = Names(frame.body).read
    known.takes = (*(one for one in haiku.trees() if one in read), moved.moments)
    define(haiku, known, frame.body)


def is_forward(step: Function) -> bool:
    """Return whether a function makes layers and calls them, as most code of Haiku does."""
    made = {one.as_ for one in step.steps if isinstance(one, Layer) and one.layer == "dense"}
    called = {one.call for one in step.steps if isinstance(one, Call) and not one.given}
    return bool(called) and called == made and all(isinstance(one, Layer | Call) for one in step.steps)


def forward(haiku: "Haiku", step: Function) -> None:
    """Write a transformed function that makes its layers where it calls them, under the names that they get there."""
    word = haiku.function_name(step.function, own=True)
    body: Body = []
    for one in step.steps:
        if isinstance(one, Layer):
            made, _ = layers.constructed(haiku, one)
            assert isinstance(made, ast.Call)
            made.keywords += [ast.keyword("name", text(one.name))] if one.name else []
            body += statements("$to = $made", to=one.as_, made=made)
        elif isinstance(one, Call):
            body += statements("$to = $layer($on)", to=one.as_, layer=one.call, on=haiku.expression(one.on))
    body += returned(haiku, step)
    haiku.body += haiku.transformed(word, body, takes=step.takes, stateful=False)
    haiku.defined[step.function] = Known(word, "forward", step)


def builder(haiku: "Haiku", step: Function) -> None:
    """Write a function that makes a model: a transformed one, of which each `init` makes another tree."""
    if step.traced or step.takes or not all(isinstance(one, Layer | Module | Wrap | Tie) for one in step.steps):
        raise Unsupported(
            "This project words a Haiku function that makes a model only of layers, wraps, ties and modules, and has no words yet for one with more in it."
        )
    with haiku.function_frame("builder") as frame:
        for one in step.steps:
            if isinstance(one, Tie):
                tie_noted(haiku, one)
            else:
                haiku.step(one)
        model = haiku.symbols.at(step.returns or "")
        layers.declare(haiku)
    haiku.body += frame.body
    if model is None or model not in haiku.nets or frame.init is None:
        raise Unsupported(
            "This project words a Haiku function that makes a model only where it returns a layer or a module, and has no words yet for one of bare variables."
        )
    made, stateful = frame.init
    haiku.defined[step.function] = Known(step.function, "builder", step, stateful, made, model=model)


def tie_noted(haiku: "Haiku", step: Tie) -> None:
    """Note a tie in a function that makes a model: one object stands in both places."""
    owner, part = haiku.symbols.above(step.tie)
    giver, given = haiku.symbols.above(step.to)
    if (
        not owner
        or not giver
        or part != given
        or {one.kind for one in (owner, giver)} != {"layer"}
        or len(owner.parts) > 1
    ):
        raise Unsupported(
            "This project words a tie in a Haiku function that makes a model only between layers with one parameter, one object for both, and has no words yet for a getter there."
        )
    for top in haiku.symbols.names.values():
        for one in top.walk():
            one.parts = {word: giver if member is owner else member for word, member in one.parts.items()}
    haiku.frame.pending.remove(owner)
    haiku.symbols.names = {word: giver if one is owner else one for word, one in haiku.symbols.names.items()}


# -- calls


def invoke(haiku: "Haiku", step: Invoke) -> None:
    """Call a function; apply it to the parameters if it is transformed."""
    known = haiku.known(step)
    given = [haiku.new_value(value) for value in step.given]
    if known.kind == "builder":
        if not step.as_ or haiku.in_function or haiku.frame.is_body:
            raise Unsupported("What makes a Haiku model is an `init`, whose tree of parameters is kept under a name.")
        made = known.init
        if step.abstract and isinstance(made, ast.Call):
            made = expr("jax.eval_shape($function, $*given)", function=made.func, given=made.args)
        checkpoints.made(haiku, step.as_, known, made)
    elif known.kind == "forward":
        if "params" not in haiku.frames[0].bound:
            made = expr("$word.init($key, $*given)", word=known.word, key=haiku.key(), given=given)
            haiku.body += haiku.initialised(made, stateful=False)
        haiku.bind_here(step.as_, expr("$word.apply(params, None, $*given)", word=known.word, given=given))
    elif known.kind in {"step", "plain"}:
        results(
            haiku, known, step.as_, expr("$word($*taken)", word=known.word, taken=[*map(name, known.takes), *given])
        )
    elif not haiku.frame.is_body:
        apply(haiku, step, known, given)
    elif known.kind == "transformed":
        raise Unsupported("A function that is compiled by itself is applied outside of others, to the whole tree.")
    else:
        haiku.bind_here(step.as_, expr("$function($*given)", function=called(haiku, known), given=given))


def results(haiku: "Haiku", known: Known, to: str | None, code: ast.expr) -> None:
    """Bind what a function returns; a training step returns what it changes before it."""
    if known.kind != "step":
        haiku.bind_here(to, code)
        return
    if haiku.in_function:
        raise Unsupported(learning.RETURNED)
    names = [name(one) for one in (*known.changed, *([to] if to else []))]
    haiku.emit("$names = $code", names=ast.Tuple(names, ast.Load()), code=code)


def apply(haiku: "Haiku", step: Invoke, known: Known, given: list[ast.expr]) -> None:
    """Apply a function that gets variables to the parameters, which its first call has made."""
    assert known.step is not None
    if known.kind == "body" and known.step.template:
        raise Unsupported(
            "A Haiku module lives while a transformed function runs, and this project has no words yet for a template that is called outside of one."
        )
    if known.kind == "transformed" and not known.ready and not haiku.in_function and not looks_up(known.step):
        known.ready = True
        made = expr("$word.init($key, $*given)", word=known.word, key=haiku.key(), given=given)
        haiku.body += haiku.initialised(made, stateful=known.stateful)
    function = expr("hk.transform($word).apply" if known.kind == "body" else "jax.jit($word.apply)", word=known.word)
    code = "$function(params, state, None, $*given)[0]" if known.stateful else "$function(params, None, $*given)"
    value = expr(code, function=known.compiled or function, given=given)
    haiku.bind_here(step.as_, value)
    found = haiku.symbols.names[step.invoke].returns
    if step.as_ and found is not None and found.path:
        haiku.frame.reader = Reader(code=value)


def called(haiku: "Haiku", known: Known) -> ast.expr:
    """Return what is called inside a transformed function: a template's module is made there first."""
    assert known.step is not None
    haiku.frame.forced |= known.forced
    if known.forced and set(haiku.symbols.scope.path) - {TOP}:
        raise Unsupported(
            "`hk.force_name` names a scope by its path from the top, so that the function enters the same one wherever it is called; this call stands in a scope, and means another."
        )
    if not known.step.template:
        return name(known.word)
    module = haiku.own(f"{known.word}_module")
    if known.module_in is not haiku.frame:
        path = haiku.symbols.names[known.step.function].path
        named = expr("hk.force_name('$path')", path="/".join(path)) if path else text(known.step.function)
        haiku.emit("$module = hk.to_module($word)($named)", module=module, word=known.word, named=named)
        known.module_in = haiku.frame
    return name(module)


def thread(haiku: "Haiku", step: Thread) -> None:
    """Call a function in a thread."""
    known = haiku.known(step)
    function = called(haiku, known) if known.kind == "body" else name(known.word)
    with haiku.apart() as body:
        code = expr("pool.submit($function, $*taken).result()", function=function, taken=map(name, known.takes))
        results(haiku, known, step.as_, code)
    haiku.turns(step.times, statements("with futures.ThreadPoolExecutor(1) as pool:\n    $*body", body=body))


def repeat(haiku: "Haiku", step: Repeat) -> None:
    """Write a Python loop; the modules that templates are stand before it."""
    for inner in walk(step.steps) if haiku.frame.is_body else ():
        if isinstance(inner, Invoke) and (known := haiku.function_of(inner)):
            called(haiku, known)
    haiku.frame.loops += 1
    haiku.repeat(step)
    haiku.frame.loops -= 1


def scan(haiku: "Haiku", step: Scan) -> None:
    """Run a loop that is traced once: a function of what it carries, which only reads the parameters."""
    with haiku.function_frame("scan") as frame:
        haiku.scan(step)
    haiku.body += frame.body


def make_inside(script: Body, step: Step, defined: Sequence[ast.FunctionDef]) -> None:
    """Have a turn of a loop make the parameters, if nothing has read them before: it is asked whether a first call there is taken."""
    made = [one for one in script if isinstance(one, ast.Assign) and {*Names([one]).bound} == {"params"}]
    calls = isinstance(step, Scan) and any(isinstance(one, Call) for one in step.steps)
    if calls and made and "params" not in Names([one for one in script if one not in made]).free:
        script[:] = [one for one in script if one not in made]
        defined[-1].body[:0] = [*statements("global params"), *made]


def assign(haiku: "Haiku", step: Assign) -> None:
    """Write into the tree of parameters."""
    value = haiku.row(step.assign, haiku.new_value(step.to), "$value[None]")
    haiku.emit("$entry = $value", entry=haiku.target(step.assign), value=value)


LACKS = (
    Lack("invoke", lambda haiku, step: step.abstract and haiku.known(step).kind != "builder",
        "Haiku makes shapes without memory by `jax.eval_shape` on an `init`; this function is no such."),
    Lack("thread", lambda haiku, step: haiku.known(step).kind == "body" and not haiku.frame.is_body, WHOLE),
    Lack("scan", lambda _, step: any(isinstance(inner, Replace) for inner in walk(step.steps)),
        "The turn of `jax.lax.fori_loop` is a pure function of what it carries, which is arrays: a function with another layer in it ends with the turn."),
    Lack("assign", lambda haiku, _: haiku.inside("loss"),
        "A loss that is differentiated is a pure function of its parameters; it cannot write variables."),
    Lack("assign", lambda haiku, _: haiku.frame.is_body, INSIDE),
    Lack("assign", lambda haiku, _: haiku.inside("traced", "scan"), PURE),
)  # fmt: skip
CODE: Code = {
    "function": function, "invoke": invoke, "thread": thread, "repeat": repeat, "scan": scan, "assign": assign,
}  # fmt: skip
