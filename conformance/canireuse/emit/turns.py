"""Turns: what runs more than once is worded anew for what stands there then, and refused where the words would be others.

A function and a loop are written once, in words that are chosen for the first turn. At each call, and at each further turn, what
they use may be other objects: tied, moved, frozen, laid out otherwise. Then the body is worded once more and compared with what
stands in the script. Nothing stays of that: all that the adapter and the symbols keep is put back.
"""

import ast
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING, Any

from canireuse.emit.fragments import Body, Names
from canireuse.emit.script import Unsupported
from canireuse.program import Facts, Object, places_of
from canireuse.spec.step import Block, Step
from canireuse.spec.vocabulary import Function, walk

if TYPE_CHECKING:
    from canireuse.emit.emitter import Emitter

#: what is kept somewhere, with what it held
Kept = list[tuple[Any, Any]]
#: what stays as it is
FIXED = (ast.AST, Step, Enum, Facts, str, int, float)
#: attributes of the symbols that say which scopes are there: code that makes one have to be right whether it is there or not
SCOPES = ("there", "perhaps", "taken")
OTHER_CALL = "The function `{}` is written once, and {} would word it otherwise for what stands at {} when it is called: write it after that."
OTHER_TURN = "The turns of a loop are written once, and {} would word a later one otherwise for what stands at {} then: write it out."
CAPTURED = (
    "The function `{}` binds `{}` anew, so that Python has it take what that was when the function was written, and here it is "
    "called after the name has come to stand for something else: choose another name inside."
)


@dataclass
class Written:
    """A body as it was written."""

    #: the definitions, or the loop
    body: Body
    #: where it was written: the attributes of the adapter that say so, all that they led to, and which scopes there were
    where: dict[str, Any]
    around: Kept
    scopes: dict[str, set[Any]]
    #: attribute of the adapter -> the names and numbers that writing added there
    added: dict[str, set[Any]]
    #: what stood at the places that it uses, and what its parameters are set to where they are not given
    stood: dict[str, list[Any]]
    captured: dict[str, Object | None]
    #: what its words are right for
    right: set[Hashable]


def state(top: Any, but: tuple[type, ...] = ()) -> Kept:
    """Return what is kept in an object and in all that it leads to: attributes, and what is in lists, sets and dictionaries."""
    kept: Kept = []
    known: set[int] = set()
    left = [top]
    while left:
        at = left.pop()
        if at is None or isinstance(at, FIXED) or id(at) in known or isinstance(at, but) or callable(at):
            continue
        known.add(id(at))
        if isinstance(at, tuple | frozenset):
            left += at
            continue
        held = at if isinstance(at, list | set | dict) else getattr(at, "__dict__", None)
        if not isinstance(held, list | set | dict) or isinstance(
            at, ModuleType
        ):  # an array, a path, a counter of somebody's
            continue
        kept.append((held, held.copy()))
        left += [*held.keys(), *held.values()] if isinstance(held, dict) else held
    return kept


def put_back(kept: Kept) -> None:
    """Have all that was kept be as it was."""
    for held, before in kept:
        held.clear()
        (held.extend if isinstance(held, list) else held.update)(before)


def names_kept(emitter: "Emitter") -> dict[str, set[Any]]:
    """Return the names and numbers under which an adapter keeps something, by attribute."""
    found = ((one, held) for one, held in vars(emitter).items() if isinstance(held, dict | set))
    return {one: {key for key in held if isinstance(key, str | int)} for one, held in found}


def standing(emitter: "Emitter", step: Block) -> dict[str, list[Any]]:
    """Return what stands at the places that a body uses and does not keep to itself, with what is inside, and what words depend on there."""
    places = dict.fromkeys(place for inner in walk(step.steps) for place in places_of(inner))
    own = {*(step.own_names or ())}
    found = (
        (place, one) for place in places if place.partition(".")[0] not in own and (one := emitter.symbols.at(place))
    )
    return {place: [(at, at.frozen, at.dtype, at.slots.copy()) for at in one.walk()] for place, one in found}


def running_again(body: Iterable[ast.stmt]) -> Body:
    """Return the statements that run again: definitions and loops, without what stands before them."""
    return [one for one in body if isinstance(one, ast.FunctionDef | ast.For)]


def anew(emitter: "Emitter", step: Block, written: Written) -> Body:
    """Return the code for a body on what is there now, and put all back."""
    before = state(emitter)
    try:
        emitter.handed(step)
        put_back(written.around)
        vars(emitter).update(written.where)
        for one, names in written.added.items():
            held = getattr(emitter, one)
            for key in names & set(held):
                held.pop(key) if isinstance(held, dict) else held.remove(key)
        vars(emitter.symbols).update(again=None, **{one: set(held) for one, held in written.scopes.items()})
        with emitter.apart() as body, emitter.symbols.inside(step):
            emitter.emit_verb(step)
    finally:
        put_back(before)
    return running_again(body)


class Turns:
    """What runs again in a script: it is called with each body that is about to."""

    def __init__(self, emitter: "Emitter") -> None:
        self.emitter = emitter
        #: a function or a loop, by its number -> how it was written
        self.written: dict[int, Written] = {}

    def write(self, step: Block) -> None:
        """Emit a step whose body may run again, and keep in what words, and for what."""
        emitter, symbols = self.emitter, self.emitter.symbols
        before, start, names = names_kept(emitter), len(emitter.body), dict(symbols.names)
        picture, stood = symbols.picture(step), standing(emitter, step)
        where = {one: getattr(emitter, one) for one in emitter.nesting}
        around, scopes = state(where, but=(Object,)), {one: set(getattr(symbols, one)) for one in SCOPES}
        emitter.emit_verb(step)
        added = {one: found - before.get(one, set()) for one, found in names_kept(emitter).items()}
        body = running_again(emitter.body[start:])
        taken = Names(default for one in body if isinstance(one, ast.FunctionDef) for default in one.args.defaults).read
        captured = {one: names.get(one) for one in taken}
        self.written[id(step)] = Written(body, where, around, scopes, added, stood, captured, {picture})

    def __call__(self, step: Block) -> None:
        """Refuse a step whose body is to run again where its words would be others."""
        written, symbols = self.written.get(id(step)), self.emitter.symbols
        if written is None:
            return
        for one, found in written.captured.items():
            if isinstance(step, Function) and symbols.names.get(one) is not found:
                raise Unsupported(CAPTURED.format(step.function, one))
        picture = symbols.picture(step)
        if picture in written.right:
            return
        if [*map(ast.dump, anew(self.emitter, step, written))] != [*map(ast.dump, written.body)]:
            now, title = standing(self.emitter, step), self.emitter.title
            changed = (f"`{one}`" for one, found in written.stood.items() if now.get(one) != found)
            place = next(changed, "its places in the scope that is open")
            if isinstance(step, Function):
                raise Unsupported(OTHER_CALL.format(step.function, title, place))
            raise Unsupported(OTHER_TURN.format(title, place))
        written.right.add(picture)
