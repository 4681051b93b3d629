"""Modules: functions of the layers that they hold. What is shared, tied or replaced is said in the function, written anew."""

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING

from canireuse.emit import Code, Lack, Unsupported, expr
from canireuse.program import Object
from canireuse.spec.vocabulary import Get, Layer, Replace, Tie, Variable
from canireuse_adapters.haiku.layers import kind_of, layers_of, made_layers, write
from canireuse_adapters.haiku.scopes import getting
from canireuse_adapters.training import TIED_IN_CODE

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku

OF_STATE = "A layer of Haiku gets parameters, and what is not trained is state beside them: users compute with `hk.get_state` themselves."
ONE_TREE = "A Haiku function is applied to one tree of parameters; this one is in another."


def tie(haiku: "Haiku", step: Tie) -> None:
    """Write the function anew, so that it gets the other parameter."""
    haiku.idiom("What is shared is said in the function: it is written anew, and finds the other's parameter by name.")
    owner, part = haiku.symbols.above(step.tie)
    if haiku.symbols.at(step.tie) in haiku.nets:
        check_swap(haiku, step.tie, step.to)
    else:
        own, other = haiku.spot(step.tie), haiku.spot(step.to)
        if owner is None or other.path[0] not in haiku.nets[owner].trees:
            raise Unsupported(ONE_TREE)
        if owner.kind == "layer":
            if other.kind != own.kind:
                raise Unsupported(OF_STATE)
            tie_layer(haiku, owner, part, own, other)
    change(haiku, step)


def compiled(haiku: "Haiku") -> bool:
    """Return whether a function that applies something was compiled before."""
    return any(one.kind in {"plain", "step"} and one.step and one.step.traced for one in haiku.defined.values())


def tie_layer(haiku: "Haiku", owner: Object, part: str, own: Object, other: Object) -> None:
    """Have a layer use another parameter: it is made under the name of the other's layer, or is handed the parameter."""
    net = haiku.nets[owner]
    makers = made_layers(haiku)
    # one that is handed the parameter itself makes none under its own name
    givers = (one for one in makers if one.parts.get(part) is other and part not in haiku.nets[one].handed)
    giver = next(givers, None)
    # in one function, two layers of one name are one, with all its parameters
    handed = giver is None or kind_of(giver) != kind_of(owner) or len({*giver.parts, *owner.parts}) > 1
    path, before = net.handed.pop(part, (own.path, ()))
    contexts: tuple[ast.expr, ...] = ()
    if handed:
        creator, getter = haiku.function_name("leave_out"), haiku.function_name("hand_over")
        haiku.idiom(
            "A creator that stores nothing and a getter that hands out another parameter, as `hk.DO_NOT_STORE` says."
        )
        haiku.emit(
            "def $creator(next_creator, shape, dtype, init, context):\n"
            "    return hk.DO_NOT_STORE if context.full_name == '$path' else next_creator(shape, dtype, init)\n"
            "def $getter(next_getter, value, context):\n"
            "    return next_getter(hk.get_params()['$module']['$word'] if context.full_name == '$path' else value)",
            creator=creator, getter=getter, path="/".join(path[1:]), module=other.path[1], word=other.path[2],
        )  # fmt: skip
        code = ("hk.custom_creator($creator)", "hk.custom_getter($getter)")
        contexts = tuple(expr(one, creator=creator, getter=getter) for one in code)
        net.handed[part] = path, contexts
    others = {*makers, *(one for top in haiku.symbols.names.values() for one in top.walk())} - {owner}
    held = {leaf.path for one in others for leaf in one.parts.values()}
    if (not before or isinstance(own.made, Layer)) and own.path not in held:  # a layer's parameter is nobody's any more
        tree, module, word = own.path
        alone = [one for one in haiku.entries() if one[:2] == (tree, module)] == [own.path]
        haiku.emit(
            "del $tree['$module']" if alone else "del $tree['$module']['$word']", tree=tree, module=module, word=word
        )
    net.around = (*(one for one in net.around if one not in before), *contexts)
    if giver is not None and not handed:
        net.path = haiku.nets[giver].path


def replace(haiku: "Haiku", step: Replace) -> None:
    """Write the module's function anew with another member."""
    check_swap(haiku, step.replace, step.by)
    by_code = haiku.symbols.at(step.by) in haiku.nets
    haiku.idiom(
        "A member is replaced by writing the function anew."
        if by_code
        else "A parameter is a member of what reads it: from here on another entry of the tree is read in its place."
    )
    change(haiku, step)


def check_swap(haiku: "Haiku", place: str, by: str) -> None:
    """Refuse to put another member in a place where there is none, or where it cannot be called."""
    owner, part = haiku.symbols.above(place)
    new = haiku.symbols.at(by)
    new = haiku.spot(by) if new is None or new not in haiku.nets else new
    if owner is None or part not in owner.parts or owner.kind != "module":
        raise Unsupported("In Haiku a layer by itself is a function; another one is used by calling it.")
    if any(one is owner for one in new.walk()):
        raise Unsupported("A Haiku module is a function of its members; one that called itself would not end.")
    if (haiku.nets[new].trees[0] if new in haiku.nets else new.path[0]) not in haiku.nets[owner].trees:
        raise Unsupported(ONE_TREE)


def change(haiku: "Haiku", step: Tie | Replace) -> None:
    """Put another object in a place, and write anew every function that takes part in it."""
    owner, part = haiku.symbols.above(step.tie if isinstance(step, Tie) else step.replace)
    assert owner is not None
    haiku.symbols.happen(step)
    if owner.kind == "module" and not owner.parts[part].is_owner:
        haiku.readers.pop((owner, part), None)
        find_tied(haiku, owner, [part])
    redo(haiku, owner)


def redo(haiku: "Haiku", changed: Object) -> None:
    """Write anew every function that something takes part in."""
    for owner in dict.fromkeys(haiku.symbols.names.values()):
        if owner in haiku.nets and owner.only_layers() and any(one is changed for one in owner.walk()):
            write(haiku, [owner], layers_of(haiku, owner))


def find_tied(haiku: "Haiku", owner: Object, parts: Iterable[str]) -> None:
    """Write a function for each variable of a module that stands in another place already: it is got by its name again."""
    tops = haiku.symbols.names.values()
    holders = dict.fromkeys(one for top in tops for one in top.walk() if one.kind == "module" and one is not owner)
    places = [(one, part, found.path) for one in (*holders, owner) for part, found in one.parts.items()]
    for part in parts:
        found = owner.parts[part]
        first = next(place[:2] for place in places if place[2] == found.path)
        if found.path and first != (owner, part) and isinstance(found.made, Get | Variable):
            code = getting(haiku, found.made, found.path)
            haiku.readers[owner, part] = haiku.finder(f"{haiku.nets[owner].word}_{part}", found.path, code)


LACKS = (
    Lack("tie", lambda haiku, _: compiled(haiku) and not haiku.in_function, TIED_IN_CODE),
    Lack("replace", lambda haiku, _: haiku.in_function,
        "What a Haiku module is made of stands in its code: a function puts no other member into it."),
)  # fmt: skip
CODE: Code = {"tie": tie, "replace": replace}
