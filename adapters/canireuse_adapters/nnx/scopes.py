"""Flax NNX: a scope is a module below the root, a name in it an attribute."""

import ast
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from canireuse.emit import Body, Code, Effects, Lack, attribute, expr, statements, text
from canireuse.program import Mode, Object
from canireuse.spec.step import OddFlag, Step
from canireuse.spec.vocabulary import Block, Expect, Get, Scope, ScopeOptions, Variable

if TYPE_CHECKING:
    from canireuse_adapters.nnx import NNX

IDIOM = "A scope is an `nnx.Module`, a name in it an attribute: to set it makes or replaces, to read it looks up."


def mode(nnx: "NNX") -> Mode:
    """Return how names are found here; to a module that is entered again by a name, nothing is handed down."""
    opened = nnx.symbols.scope
    return Mode.MAKE if opened.by and opened.mode is Mode.INHERITED else opened.mode


def scope(nnx: "NNX", step: Scope) -> None:
    """Make a submodule, or go back to the one made before."""
    path = nnx.symbols.scope.path
    found = nnx.symbols.names["root"].at(".".join(path))
    if (found is None or not found.is_owner) and mode(nnx) in {Mode.MAKE, Mode.AUTO}:
        nnx.emit("$place = nnx.Module()", place=nnx.scope_code(path))
        grow(nnx, path)
    enter(nnx, step)


def enter(nnx: "NNX", step: ScopeOptions) -> None:
    """Emit the steps inside a submodule."""
    nnx.idiom(IDIOM)
    nnx.steps(step.steps)


def get(nnx: "NNX", step: Get) -> None:
    """Set an attribute to a new variable, or read the one that is there; or one after the other."""
    around, looked_up = nnx.scope_code(nnx.symbols.scope.path), mode(nnx) is Mode.LOOK_UP
    if step.numbered is None:
        if looked_up:
            nnx.bind(bound_to(nnx, step) or "_", attribute(around, [step.get]))
        else:
            create(nnx, step, step.get)
        return
    named = ast.JoinedStr([text(f"{step.get}_"), ast.FormattedValue(ast.Name("number", ast.Load()), -1)])
    if not looked_up:
        code = "for number in range($times):\n    setattr($around, $named, $made)"
        nnx.emit(code, times=step.numbered, around=around, named=named, made=made(nnx, step))
    if step.as_ or looked_up:
        code = "[getattr($around, $named) for number in range($times)]"
        nnx.bind(step.as_, expr(code, around=around, named=named, times=step.numbered))


def create(nnx: "NNX", step: Get | Variable, part: str) -> None:
    """Make a variable: an attribute of the scope's module, if anything looks for it there, and a name."""
    if by_name(nnx, step):
        place = attribute(nnx.scope_code(nnx.symbols.scope.path), [part])
        code = "$to = $place = $made" if bound_to(nnx, step) else "$place = $made"
        nnx.emit(code, to=step.as_, place=place, made=made(nnx, step))
    else:
        nnx.bind(step.as_, made(nnx, step))


def looked_up(nnx: "NNX", steps: Sequence[Step], path: tuple[str, ...]) -> Iterator[str]:
    """Yield the places below the root where steps look variables up by name."""
    for step in steps:
        if isinstance(step, Get):
            yield ".".join(("root", *path, step.get))
        elif isinstance(step, Block):
            around = nnx.symbols.names.get(getattr(step, "reenter", ""))
            inside = (*path, step.scope) if isinstance(step, Scope) else around.path if around else path
            yield from looked_up(nnx, step.steps, inside)


def bound_to(nnx: "NNX", step: Get | Variable) -> str | None:
    """Return the name that a variable is bound to; in a function, if something reads it."""
    return step.as_ if not nnx.frames or step.as_ in nnx.facts.read else None


def by_name(nnx: "NNX", step: Get | Variable) -> bool:
    """Return whether a variable stands below the root: in a scope, or where names are looked up or listed."""
    if isinstance(step, Variable):
        return bool(nnx.symbols.scope.path) or nnx.rooted
    again = any(one is not step and isinstance(one, Get) and one.get == step.get for one in nnx.facts.steps)
    return again or nnx.rooted or nnx.facts.nested(step) or step.as_ is None or step.numbered is not None


def made(nnx: "NNX", step: Get | Variable) -> ast.expr:
    """Return the code that makes a variable."""
    if isinstance(step, Variable) and step.start is not None:
        start = nnx.expression(step.start)
    elif step.init == "random":
        dtype = [text(step.dtype)] if step.dtype else []
        start = expr("jax.random.normal(rngs.params(), $shape, $*dtype)", shape=step.shape or [], dtype=dtype)
    else:
        start = nnx.initial(step.init, step.shape, step.dtype)
    kind = "nnx.Variable" if step.trainable is False else "nnx.Param"
    return expr("$kind($start)", kind=kind_of(step.collection) if step.collection else kind, start=start)


def part_of(nnx: "NNX", step: Variable) -> str:
    """Return the attribute of the scope's module that a constructed variable is set to: its name, if that is free."""
    around = nnx.symbols.names["root"].at(".".join(nnx.symbols.scope.path)) or Object("module")
    again = next((part for part, found in around.parts.items() if found.made is step), None)
    free = step.variable if step.variable not in around.parts else step.as_ or nnx.own(f"{step.variable}_")
    return again or free


def kind_of(collection: str) -> str:
    """Return the type of variable that stands for a collection."""
    return "".join(part.title() for part in collection.split("_"))


def collections(nnx: "NNX") -> Body:
    """Return the statements that define the types which stand for collections."""
    bases: dict[str, str] = {}
    for step in nnx.facts.steps:
        if isinstance(step, Get | Variable | Expect) and step.collection:
            fixed = not isinstance(step, Expect) and step.trainable is False
            bases.setdefault(kind_of(step.collection), "nnx.Variable" if fixed else "nnx.Param")
    code = "class $kind($base):\n    pass"
    return [line for kind, base in bases.items() for line in statements(code, kind=kind, base=base)]


def grow(nnx: "NNX", path: tuple[str, ...]) -> Object:
    """Return what stands for a scope, new modules along its path if there are none."""
    found = nnx.symbols.names["root"]
    for part in path:
        if part not in found.parts or not found.parts[part].is_owner:
            found.parts[part] = Object("module")
        found = found.parts[part]
    return found


def stand(nnx: "NNX", step: Get | Variable) -> None:
    """Note what stands below the root once a variable is made or found."""
    nnx.symbols.happen(step)
    if not by_name(nnx, step):
        return
    numbered = None if isinstance(step, Variable) else step.numbered
    named = part_of(nnx, step) if isinstance(step, Variable) else step.get
    around = grow(nnx, nnx.symbols.scope.path)
    for part in [named] if numbered is None else [f"{named}_{turn}" for turn in range(numbered)]:
        if isinstance(step, Variable) or mode(nnx) is not Mode.LOOK_UP or part not in around.parts:
            around.parts[part] = Object("variable", made=step, trainable=step.trainable is not False)
    if step.as_ and numbered is None:
        nnx.symbols.names[step.as_] = around.parts[named]


LACKS = (
    *(Lack(verb, lambda _, step: isinstance(step.reuse, OddFlag),
        "NNX has no reuse flag: a module is made, or it is read from an attribute.") for verb in ("scope", "reenter")),
    Lack("get", lambda _, step: step.reuse is not None,
        "NNX gets a variable by reading an attribute, which takes no flag."),
    Lack("get", lambda nnx, _: mode(nnx) is Mode.INHERITED,
        "NNX has no reuse mode that a module would inherit: reading and setting an attribute are two statements."),
    Lack("get", lambda nnx, _: mode(nnx) is Mode.AUTO,
        "NNX has no get-or-create: whether an attribute is there is for the user to ask."),
    Lack("assign", lambda nnx, _: nnx.inside("tensor"),
        "A loss that is differentiated is a pure function of its parameters; it cannot write variables."),
)  # fmt: skip
EFFECTS: Effects = {"get": stand, "variable": stand}
CODE: Code = {
    "scope": scope, "reenter": enter, "current_scope": "", "get": get,
    "variable": lambda nnx, step: create(nnx, step, part_of(nnx, step)),
    "assign": lambda nnx, step: nnx.emit("$at[...] = $to", at=nnx.place(step.assign), to=nnx.new_value(step.to)),
}  # fmt: skip
