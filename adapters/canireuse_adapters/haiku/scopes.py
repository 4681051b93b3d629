"""Scopes and gets: as they stand in the body of a transformed function, and outside, where each look-up is a function of its own."""

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from canireuse.emit import Body, Code, Fill, Lack, Unsupported, expr, literal, statements, text
from canireuse.program.symbols import Path
from canireuse.spec.step import Initial, OddFlag
from canireuse.spec.vocabulary import DefaultScope, Get, Intercept, Reenter, Scope, Variable
from canireuse_adapters.haiku.paths import finds

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku

#: what opens a scope
VERBS = ("scope", "default_scope", "reenter")
NO_COLLECTIONS = "Haiku has no collections but two: the parameters, and the state, which is not trained."
WHOLE = (
    "In Haiku `init` makes variables and `apply` finds them, each for a whole function; no scope inside one switches."
)


# -- scopes


def scope(haiku: "Haiku", step: Scope | DefaultScope | Reenter) -> None:
    """Open a scope: Haiku makes its name unique, unless it is forced, which is how one is entered again."""
    symbols, frame = haiku.symbols, haiku.frame
    looking, around = symbols.looking, symbols.opened[-2]
    if not frame.is_body:
        haiku.steps(step.steps)
        return
    if looking and around not in symbols.only_finding:
        raise Unsupported(WHOLE)
    word = step.scope if isinstance(step, Scope) else step.default_scope if isinstance(step, DefaultScope) else ""
    plain = bool(word) and not looking and step.reuse != "auto"
    if frame.timed and word and not symbols.given[around][word]:
        plain, symbols.given[around][word] = True, 1
    frame.forced |= not plain
    contexts = [expr("hk.name_scope('$word')", word=word) if plain else forced(symbols.scope.path)]
    if step.init is not None or step.dtype is not None:
        creator = haiku.function_name("create")
        haiku.frame.above += statements(
            "def $creator(next_creator, shape, dtype, init, context):\n    return next_creator(shape, $dtype, $init)",
            creator=creator,
            dtype=text(step.dtype) if step.dtype else expr("dtype"),
            init=expr("init") if step.init is None else haiku.initializer(step.init),
        )
        contexts.append(expr("hk.custom_creator($creator)", creator=creator))
    with haiku.apart() as body:
        haiku.steps(step.steps)
    haiku.body += within(contexts, body)


def forced(path: Path) -> ast.expr:
    """Return the code for a scope that is entered by its path, from wherever this is."""
    return expr("hk.name_scope(hk.force_name('$path'))", path="/".join(path))


def within(contexts: Sequence[ast.expr], body: Body) -> Body:
    """Return statements inside of contexts, if there are any."""
    if not contexts:
        return body
    (block,) = statements("with context:\n    $*body", body=body)
    assert isinstance(block, ast.With)
    block.items = [ast.withitem(one) for one in contexts]
    return [block]


def intercept(haiku: "Haiku", step: Intercept) -> None:
    """Have a getter around what is got inside."""
    frame, getter = haiku.frame, haiku.function_name(f"get_{step.intercept}")
    changes = step.returns.strip() != step.intercept
    made = statements(
        "def $getter(next_getter, $value, context):\n    return next_getter($returns)",
        getter=getter, value=step.intercept, returns=haiku.expression(step.returns),
    )  # fmt: skip
    context = expr("hk.custom_getter($getter)", getter=getter)
    frame.getters += changes
    if frame.is_body:
        frame.above += made
        haiku.block("with $context:\n    $*body", step.steps, context=context)
    else:
        haiku.body += made
        frame.around.append(context)
        haiku.steps(step.steps)
        frame.around.pop()
    frame.getters -= changes


# -- variables


def get(haiku: "Haiku", step: Get | Variable) -> None:
    """Get a parameter, or a piece of state, which is not trained; Haiku makes no variable in another way."""
    entry, numbered = haiku.entry_of(step), step.numbered if isinstance(step, Get) else None
    code = getting(haiku, step, entry)
    haiku.frame.stateful |= entry[0] == "state"
    if (
        numbered is not None
        and haiku.frame.is_body
        and not (step.as_ and (haiku.frame.timed or step.as_ in haiku.facts.read))
    ):
        haiku.emit("for number in range($times):\n    $code", times=numbered, code=code)
        return
    if numbered is not None:
        code = expr("[$code for number in range($times)]", code=code, times=numbered)
    if haiku.frame.is_body:
        haiku.bind_here(step.as_, code)
        return
    reader = haiku.finder(f"find_{step.as_ or entry[-1]}", entry, code, haiku.frame.around)
    reader.got = haiku.frame.getters > 0
    found = haiku.applied(reader, entry[0])
    if haiku.in_function or numbered is not None:
        haiku.bind_here(step.as_, found)
    else:
        haiku.frame.reader = reader
        haiku.body += statements("$found", found=found) if step.raises is not None or not step.as_ else []


def getting(haiku: "Haiku", step: Get | Variable, entry: Path) -> ast.expr:
    """Return the code that gets a variable in a function: by its name, shape and dtype, and its initializer."""
    word: ast.expr = text(entry[-1])
    if isinstance(step, Get) and step.numbered is not None:
        word = ast.JoinedStr([text(f"{entry[-1]}_"), ast.FormattedValue(expr("number"), -1)])
    if isinstance(step, Variable) and step.start is not None:
        value = haiku.expression(step.start)
        asked: list[Fill] = [expr("jnp.shape($value)", value=value)]
        start = {"init": expr("lambda *_: $value", value=value)}
    else:
        if step.shape is None and not isinstance(step.init, list):
            raise Unsupported("`hk.get_parameter` takes the shape at each call, also where it finds the parameter.")
        shape = shape_of(step.init) if step.shape is None else step.shape
        asked = [literal(tuple(shape) if isinstance(step, Get) and step.shape_as == "tuple" else shape)]
        asked += [text(step.dtype)] if step.dtype else []
        start = {} if step.init is None else {"init": haiku.initializer(step.init)}
        if isinstance(step, Get) and step.uniform:
            start["init"] = expr("hk.initializers.RandomUniform($*bounds)", bounds=step.uniform)
    kind = "state" if entry[0] == "state" else "parameter"
    return expr(f"hk.get_{kind}($word, $*asked, $**start)", word=word, asked=asked, start=start)


def shape_of(init: Initial | None) -> list[int]:
    """Return the shape of an initial value."""
    return [len(init), *shape_of(init[0])] if isinstance(init, list) else []


LACKS = (
    Lack(VERBS, lambda _, step: isinstance(step.reuse, OddFlag),
        "`hk.name_scope` takes no reuse flag: whether names are made or found is `init` or `apply`."),
    Lack("default_scope", lambda haiku, step: haiku.symbols.looking or finds(step),
        "A Haiku scope whose name is made unique is a new one: there is nothing to find in it."),
    Lack("get", lambda _, step: step.asks == "trainable",
        "`hk.get_parameter` takes no flag for training: what is trained is picked from the tree."),
    Lack("get", lambda _, step: step.reuse is not None,
        "`hk.get_parameter` takes no reuse flag: `init` makes what is missing, and `apply` refuses it."),
    Lack(("get", "variable"), lambda _, step: step.collection is not None, NO_COLLECTIONS),
)  # fmt: skip
CODE: Code = {
    **dict.fromkeys(VERBS, scope), "current_scope": lambda _haiku, _step: None,
    "intercept": intercept, "get": get, "variable": get,
}  # fmt: skip
