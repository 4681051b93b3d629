"""Variables by name in Flax Linen: a scope is a class whose `__call__` makes or finds them, and a pass over the tree says which.

`init` makes: a name that is asked for twice in one pass is refused. `apply` finds: it makes nothing, and refuses what is not there.
`apply` with `mutable` finds or makes. So what is made is one module with one `init`; what is got again, wherever that stands in the
spec, is another module applied to the same tree: what the two agree on is the path.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from canireuse.emit import Unsupported, expr, statements
from canireuse.program import Object, names_bound
from canireuse.spec.step import OddFlag, Step
from canireuse.spec.vocabulary import (
    Block,
    CurrentScope,
    DefaultScope,
    Expect,
    Function,
    Get,
    Invoke,
    Layer,
    NameScope,
    Reenter,
    Repeat,
    Scope,
    Thread,
    Variable,
    walk,
)
from canireuse_adapters.linen.classes import outermost
from canireuse_adapters.linen.layers import Entry, inner_entry, together
from canireuse_adapters.linen.modules import Plan, Route, camel
from canireuse_adapters.linen.parts import Part, Use
from canireuse_adapters.linen.passes import Place, Register, begin, observe, settle, write_pass
from canireuse_adapters.linen.structure import LOCAL
from canireuse_adapters.linen.trees import Tree

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen

SCOPES = Scope | DefaultScope | Reenter
OPTIONS = {
    "init": "A Linen module has no defaults for the variables below it: initializer and dtype are said where a variable is made.",
    "dtype": "A Linen module has no defaults for the variables below it: initializer and dtype are said where a variable is made.",
    "penalty": "Linen has no regularizers: a loss adds its terms up itself, from the tree.",
    "auxiliary_name_scope": "A Linen module opens no name scope for operations that could be left out.",
}
MISSING = {
    "intercept": "Linen has no getters: `nn.map_variables` transforms what a module reads, and is said where its class is defined.",
    "reuse_variables": "A pass over a tree makes or finds, and is told so before it begins: Linen has no mode that is switched inside of it.",
    **{f"{verb}.{one}": reason for verb in ("scope", "default_scope", "reenter") for one, reason in OPTIONS.items()},
}
NO_FLAG = "Linen has no reuse flag that could be of a wrong type: `init` makes, `apply` finds."
NO_FLAG_OF_A_CALL = (
    "Linen has no reuse flag: whether a variable is made or found is said of a whole pass, not where it is got."
)
SWITCHED = "Whether a pass over a tree makes or finds is said of the whole pass, by `init`, `apply` or `mutable`: no part of it can be told otherwise."
DEFAULT_REUSED = "A submodule without a name gets the next number of its pass: there is no flag with which a default name would be looked up."
THREADS = "A tree is passed to a function, and never looked up by the thread it runs in: what a thread makes is in the tree that it returns."
FUNCTION_REUSED = "A function that makes variables makes them in the pass that calls it; whether that finds instead is said of the whole pass."
ELSEWHERE = "A module stands in one place of the tree: one that is made in a scope is not called from another, unless it is handed there."
NAMELESS = "Linen keeps plain arrays in a tree, and an array knows no name."


# -- which steps these are


def is_by_name(linen: "Linen") -> bool:
    """Return whether a spec gets variables by name, or gives two of them one."""
    code = [step.variable for step in linen.facts.steps if isinstance(step, Variable)]
    inside = (inner for step in linen.facts.steps if isinstance(step, Function | Repeat) for inner in walk(step.steps))
    return (
        any(isinstance(step, Get | SCOPES) for step in linen.facts.steps)
        or len(set(code)) < len(code)
        or any(isinstance(inner, Variable) for inner in inside)
    )


def is_named(linen: "Linen", step: Step) -> bool:
    """Return whether a step opens scopes or gets variables by name."""
    match step:
        case Get() | Scope() | DefaultScope() | Reenter() | CurrentScope():
            return True
        case Variable():
            return step.start is None and is_by_name(linen)
        case Invoke() | Thread():
            made = linen.symbols.names[step.invoke if isinstance(step, Invoke) else step.thread].made
            return isinstance(made, Function) and is_maker(linen, made)
    return isinstance(step, NameScope | Repeat) and makes(linen, step)


def makes(linen: "Linen", step: Block) -> bool:
    """Return whether all that stands inside a step makes variables by name."""
    return bool(step.steps) and is_by_name(linen) and all(
        isinstance(inner, Get | Variable)
        or (isinstance(inner, SCOPES | NameScope) and not getattr(inner, "reuse", None) and makes(linen, inner))
        for inner in step.steps
    )  # fmt: skip


def is_maker(linen: "Linen", step: Function) -> bool:
    """Return whether a function only makes variables by name."""
    return makes(linen, step) and not step.traced


def register(linen: "Linen") -> Register:
    """Return what is got by name, with a tree for it."""
    if linen.register is None:
        steps = [step for step in linen.facts.steps if isinstance(step, Get | Variable | Expect)]
        others = {step.collection for step in steps if step.collection}
        others |= {"constants" for step in steps if not isinstance(step, Expect) and step.trainable is False}
        others |= {LOCAL for step in steps if isinstance(step, Get) and step.local}
        plan, collections = Plan(Object("module"), linen.name_of), ["params", *sorted(others)]
        tree = Tree("model", linen.own("variables" if others else "params"), collections, plan)
        linen.register = Register(tree)
        linen.trees.append(tree)
    return linen.register


# -- what a step makes and finds


def named(linen: "Linen", step: Step) -> None:
    """Emit a step by name: what it makes is gathered for the next pass, what it finds is a pass of its own."""
    found = register(linen)
    here = found.here
    if linen.writing and here.mode == "make":  # a function is given the tree: what it makes, it makes or finds there
        here = chained(found, here.path, "auto")
    gather(linen, found, [step], here)
    write_pass(linen, found, here)


def gather(linen: "Linen", found: Register, steps: Sequence[Step], here: Place, tried: Step | None = None) -> None:
    """Gather steps at a place; `tried` is a step around them of which is asked whether it is accepted."""
    around, found.here = found.here, here
    found.open.append(here)
    for step in steps:
        linen.refuse(step)
        if not (is_named(linen, step) or isinstance(step, NameScope | Layer)):
            write_pass(linen, found, here)
            linen.step(step)
        elif step.raises is not None and tried is None:
            write_pass(linen, found, here)
            asked(linen, found, step, here)
        else:
            one(linen, found, step, here, tried)
    found.open.pop()
    found.here = around


def one(linen: "Linen", found: Register, step: Step, here: Place, tried: Step | None) -> None:
    """Gather one step at a place."""
    match step:
        case CurrentScope():
            linen.symbols.names[step.current_scope] = Object("scope", path=here.path)
        case Get() | Variable() | Layer():
            use(linen, found, step, here)
        case NameScope() | Repeat():
            part = Part(step.verb, around=step)
            here.part.items.append(part)
            gather(linen, found, step.steps, replace(here, part=part), tried)
        case Invoke() | Thread():
            invoked(linen, found, step, here, tried)
        case Scope() | DefaultScope() | Reenter():
            place = opened(linen, found, step, here)
            gather(linen, found, step.steps, place, tried)
            if place.root is not here.root:
                write_pass(linen, found, place)


def mode_of(linen: "Linen", found: Register, step: Any, here: Place) -> str:
    """Return what a pass over a scope does."""
    around = here.mode
    if isinstance(step, Reenter):
        path = linen.symbols.names[step.reenter].path
        around = next((place.mode for place in reversed(found.open) if place.path == path), "make")
    if isinstance(step.reuse, OddFlag):
        raise Unsupported(NO_FLAG)
    if isinstance(step, DefaultScope) and step.reuse:
        raise Unsupported(DEFAULT_REUSED)
    if (step.reuse is False and around != "make") or (around == "find" and step.reuse == "auto"):
        raise Unsupported(SWITCHED)
    return {None: around, False: around, True: "find", "auto": "auto"}[step.reuse]


def opened(linen: "Linen", found: Register, step: Any, here: Place) -> Place:
    """Return the place that a scope opens: in the pass that is gathered, or in another one if that does something else."""
    mode = mode_of(linen, found, step, here)
    if isinstance(step, Reenter):
        path = linen.symbols.names[step.reenter].path
        place = found.opened.get(path) if mode == "make" else None
        if mode == "make" and (place is None or place.mode != "make"):
            raise Unsupported(ELSEWHERE)
        place = place or chained(found, path, mode)
    else:
        word = step.scope if isinstance(step, Scope) else step.default_scope
        part = Part(word, word if isinstance(step, Scope) else None)
        number = sum(not one.named and one.word == word for one in here.part.parts())
        path = (*here.path, part.named or f"{camel(word)}_{number}")
        if mode == here.mode:
            here.part.items.append(part)
            place = Place(part, path, mode, here.root)
        else:
            place = chained(found, path, mode)
    if mode == "make" or path not in found.opened:
        found.opened[path] = place
    if step.as_:
        linen.symbols.names[step.as_] = Object("scope", path=path)
    return place


def chained(found: Register, path: Route, mode: str) -> Place:
    """Return the place at a path in a pass of its own."""
    root = part = Part("pass")
    for depth, key in enumerate(path, 1):
        known = found.opened.get(path[:depth])
        part.items.append(Part(known.part.word, known.part.named) if known else Part(key, key))
        (part,) = part.items  # type: ignore[assignment]  # the one part just put there
    return Place(part, path, mode, root)


def use(linen: "Linen", found: Register, step: Get | Variable | Layer, here: Place) -> None:
    """Gather a variable or a layer: the one that is known at its path, or a new one."""
    if isinstance(step, Get) and step.reuse is not None:
        raise Unsupported(NO_FLAG_OF_A_CALL)
    word = (step.name or step.as_) if isinstance(step, Layer) else step.get if isinstance(step, Get) else step.variable
    path = (*here.path, word)
    if here.mode != "make" and any(isinstance(item, Use) and item.entry[1] == path for item in here.part.items):
        write_pass(linen, found, here)
    known = None if here.mode == "make" and not isinstance(step, Layer) else found.found.get(path)
    entry = entry_of(step, path)
    there = found.tree.entries[known][0] if known is not None and known in found.tree.entries else "params"
    if here.mode == "find" and entry[0] not in {there, "params" if there != LOCAL else LOCAL}:
        known = None  # the collection that is asked for is part of where a variable is
    if known is None:
        known = (
            linen.symbols.layer(step)
            if isinstance(step, Layer)
            else Object("variable", made=step, trainable=step.trainable is not False)
        )
        if here.mode == "find":  # a name that is not there is refused, and bound to nothing
            here.part.items.append(Use(step, known, entry, step.as_, makes=False))
            return
        found.found.setdefault(path, known)
        if isinstance(step, Layer):
            found.tree.paths[known] = path
            inside = {part: inner_entry(known, part) for part in known.parts}
            found.tree.entries |= {known.parts[part]: (kind, (*path, *keys)) for part, (kind, keys) in inside.items()}
        else:
            found.tree.entries[known] = entry
    entry, said, maker = found.tree.entries.get(known, entry), step, known.made
    asks = isinstance(step, Get | Variable) and step.shape is not None and step.init is None
    if asks and isinstance(maker, Get | Variable):
        said = step.model_copy(update={"init": maker.init})  # one definition, which is called again
    here.part.items.append(
        Use(said, known, entry, None if isinstance(step, Layer) else step.as_, makes=known.made is step)
    )
    if step.as_:
        linen.symbols.names[step.as_] = known
        found.passes.pop(step.as_, None)
    found.pending = found.pending or here.mode == "make"


def entry_of(step: Get | Variable | Layer, path: Route) -> Entry:
    """Return where a variable is made: in the collection that the step says, or that follows from what it is for."""
    if isinstance(step, Layer):
        return "params", path
    local = isinstance(step, Get) and step.local
    return step.collection or (LOCAL if local else "constants" if step.trainable is False else "params"), path


def invoked(linen: "Linen", found: Register, step: Invoke | Thread, here: Place, tried: Step | None) -> None:
    """Gather a call of a function that makes variables, or of a template, which makes them once."""
    if isinstance(step, Thread):
        raise Unsupported(THREADS)
    function = linen.symbols.names[step.invoke].made
    assert isinstance(function, Function)
    if here.mode != "make":
        raise Unsupported(FUNCTION_REUSED)
    found.pending, made = True, found.returned.get(id(function))
    known = next((part for part in here.part.parts() if part.around is function), None)
    if function.template and known is not None:
        known.results.append(step.as_)
    elif function.template and made is not None:
        raise Unsupported(ELSEWHERE)
    else:
        number = sum(part.word == function.function for part in here.part.parts())
        path = (*here.path, f"{camel(function.function)}_{number}") if function.template else here.path
        part = Part(function.function, None, [], function, [step.as_])
        here.part.items.append(part)
        names = dict(linen.symbols.names)
        gather(linen, found, function.steps, replace(here, part=part, path=path), tried or step)
        made = linen.symbols.at(function.returns) if function.returns else None
        linen.symbols.names = names
    if made is not None:
        found.returned[id(function)] = made
    if step.as_:
        linen.symbols.names[step.as_] = made or Object("unknown")
        found.passes.pop(step.as_, None)


# -- what is asked whether it is accepted


def asked(linen: "Linen", found: Register, step: Step, here: Place) -> None:
    """Write a step of which is asked whether it is accepted."""
    mode = mode_of(linen, found, step, here) if isinstance(step, SCOPES) else here.mode
    if mode == "make":
        module = next(
            place.part for place in reversed(found.open) if not isinstance(place.part.around, Repeat | NameScope)
        )
        if clashes(module, step):
            settle(linen)
            refused(linen, found, step, here)
        else:
            found.labels.append(step.expect or "")
            one(linen, found, step, here, step)
        return
    settle(linen)
    begin(linen, found)
    with linen.apart() as body:
        one(linen, found, step, here, step)
        write_pass(linen, found, here)
    observe(linen, body, [step.expect])
    found.tree.written()


def clashes(around: Part, step: Step) -> bool:
    """Return whether a part has something of a step's name already."""
    match step:
        case Repeat() | NameScope():
            return any(clashes(around, inner) for inner in step.steps) or (isinstance(step, Repeat) and step.repeat > 1)
        case Invoke():
            return any(
                part.word == step.invoke and isinstance(part.around, Function) and not part.around.template
                for part in around.parts()
            )
        case DefaultScope() | Reenter():
            return False
    collection, word = getattr(step, "collection", None), getattr(step, step.verb)
    names = [item.entry[1][-1] for item in local_uses(around) if collection in {None, item.entry[0]}]
    return word in names or word in {part.named for part in around.parts()}


def local_uses(around: Part) -> Iterator[Use]:
    """Yield the variables that stand in one module."""
    for item in around.items:
        if isinstance(item, Use):
            yield item
        elif item.around:
            yield from local_uses(item)


def refused(linen: "Linen", found: Register, step: Step, here: Place) -> None:
    """Write a pass that makes what was made before and what is refused, of which nothing is kept."""
    known: dict[Part, Part] = {}
    other = Register(found.tree)
    other.root = found.root.copied(known)

    def there(place: Place) -> Place:
        return replace(place, part=known.get(place.part, place.part), root=other.root)

    other.opened = {path: there(place) for path, place in found.opened.items()}
    other.open, other.found, other.returned = [*map(there, found.open)], dict(found.found), dict(found.returned)
    names, entries = dict(linen.symbols.names), dict(found.tree.entries)
    one(linen, other, step, there(here), step)
    linen.symbols.names = names
    found.tree.entries.clear()
    found.tree.entries.update(entries)
    word = [item.entry[1][-1] for item in other.root.uses()][-1]
    module = outermost(linen, other.root, f"{camel(word)}Again")
    new, given = names_bound([step]), [one for one in other.root.bound() if one not in {None, ""}]
    if not new.isdisjoint(given):  # what nothing refuses is bound
        to = together([one if one in new else "_" for one in given])
        made = statements("$to, _ = $module.init_with_output(jax.random.key(0))", to=to, module=module)
    else:
        made = statements("$module.init(jax.random.key(0))", module=module)
    observe(linen, made, [step.expect])


# -- observations


def path_of(linen: "Linen", step: Expect) -> ast.expr:
    """Return the code for the path of what a name holds: an array has no name, but it is a leaf of the tree."""
    found, place = linen.register, step.name or ""
    if found is None or linen.symbols.at(place) not in {None, *found.tree.entries}:
        raise Unsupported(NAMELESS)
    leaf, tree = linen.value(place), found.tree.name
    if found.tree.is_whole:
        code = "next(path for tree in $all.values() for path, leaf in flatten_dict(tree, sep='/').items() if leaf is $leaf)"
        return expr(code, all=tree, leaf=leaf)
    return expr(
        "next(path for path, leaf in flatten_dict($tree, sep='/').items() if leaf is $leaf)", tree=tree, leaf=leaf
    )


CODE: dict[str, Any] = dict.fromkeys(("scope", "default_scope", "reenter", "get", "current_scope"), named)
