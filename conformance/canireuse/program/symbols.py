"""Symbols: what each name and place of a spec stands for at the step that is being written, and what steps do to that.

Effects happen when steps run. While a function is written its body has its effects, so that its words can be chosen, and they
are taken back at its end: writing a function changes nothing. Where it is called, the body runs on the objects that are there
then.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from canireuse.program.objects import PARTS, Fate, Mode, Object, Opened, Slot, unknown
from canireuse.program.places import free_names, is_place, places_of
from canireuse.spec.bounds import MOST_PLACES, MOST_RUNS
from canireuse.spec.features import features
from canireuse.spec.step import OddFlag, Reuse, Step
from canireuse.spec.vocabulary import (
    Block,
    Call,
    Copy,
    DefaultScope,
    Function,
    Get,
    Graph,
    Invoke,
    Layer,
    Measure,
    Module,
    Reenter,
    Repeat,
    Replace,
    ReuseVariables,
    Save,
    Scope,
    Thread,
    Train,
    Update,
    Wrap,
    walk,
)

Path = tuple[str, ...]
#: steps whose words depend on which scopes are there, and what was got in them
SCOPED = (Get, Scope, DefaultScope, Reenter)
#: verbs that leave what is there as it is, with any framework
UNCHANGING = frozenset({
    "get", "variable", "placeholder", "compute", "read", "expect", "layer", "function", "repeat", "scope", "reenter",
})  # fmt: skip
#: verbs whose effect goes through all that is inside of what they name
THROUGH = frozenset({"call", "freeze", "unfreeze", "save"})


@dataclass
class Standing:
    """What there was before a function was written, to be put back."""

    names: dict[str, Object]
    #: parts, slots, whether it is frozen, dtype, whether it is built
    objects: dict[Object, tuple[dict[str, Object], dict[str, Slot], bool, str | None, bool]]
    found: dict[Path, Object]
    there: set[Path]
    taken: set[Path]
    modes: dict[Opened, Mode]


class Symbols:
    """What names, places and scopes stand for; `effect` is called for each step that a call or a turn runs once more."""

    def __init__(
        self,
        slots: Mapping[str, Mapping[str, Slot]] | None = None,
        fates: Mapping[str, Fate] | None = None,
        effect: Callable[[Step], None] | None = None,
    ) -> None:
        #: kind of layer -> part -> where the framework keeps it; verb -> what becomes of variables
        self.slots, self.fates = slots or {}, fates or {}
        self.effect = effect or self.happen
        #: called with a function or a loop before its body runs again
        self.again: Callable[[Block], None] | None = None
        self.names: dict[str, Object] = {}
        self.opened = [Opened()]
        #: the path of a variable from the root -> the variable that `get` finds there
        self.found: dict[Path, Object] = {}
        #: paths of scopes that are there for certain, and of those that a function makes when it is called
        self.there: set[Path] = set()
        self.perhaps: set[Path] = set()
        #: paths of scopes to which a default name gives way
        self.taken: set[Path] = set()
        #: the functions that are called now
        self.calling: set[int] = set()
        #: how many steps calls and turns have run, what is large counting more, and how often a place was given an owner of another size
        self.ran = self.grown = 0
        #: a function as it is written -> what stands at the place that it returns
        self.returned: dict[int, Object | None] = {}

    # -- questions

    def at(self, place: str) -> Object | None:
        """Return what stands at a place, None if nothing does."""
        first, _, rest = place.partition(".")
        found = self.names.get(first)
        return found.at(rest) if found else None

    def above(self, place: str) -> tuple[Object | None, str]:
        """Return the owner of what stands at a place, None for a name on its own, and the last part of the place."""
        owner, _, part = place.rpartition(".")
        return (self.at(owner) if owner else None), part

    def slot(self, place: str) -> Slot:
        """Return where the framework keeps what stands at a place."""
        owner, part = self.above(place)
        return owner.slot(part) if owner else Slot(part)

    def objects(self) -> dict[Object, None]:
        """Return all that exists and has a name or a path, each once."""
        return {one: None for top in (*self.names.values(), *self.found.values()) for one in top.walk()}

    def touched(self, steps: Sequence[Step]) -> dict[Object, None]:
        """Return what stands now at the places that steps use, those inside of them too."""
        places = (place for step in walk(steps) for place in places_of(step))
        return {found: None for place in places if (found := self.at(place))}

    def mentioned(self, step: Block, known: set[int] | None = None) -> dict[str, None]:
        """Return the names that a body uses or binds, and those in the functions that it calls."""
        known = set() if known is None else known
        known.add(id(step))
        own = {*step.takes, step.function} if isinstance(step, Function) else set()
        names: dict[str, None] = {}
        for inner in walk([step]):
            for used in (*places_of(inner), inner.binding or ""):
                names[used.partition(".")[0]] = None
            called = self.names.get(getattr(inner, "invoke", None) or getattr(inner, "thread", None) or "")
            if called and isinstance(called.made, Function) and id(called.made) not in known:
                names |= self.mentioned(called.made, known)
        return {name: None for name in names if name not in own}

    def picture(self, step: Block) -> Hashable:
        """Return what the words of a body may depend on; two are equal if they differ in nothing but in which objects there are."""
        numbers: dict[Object, int] = {}
        rows: list[Hashable] = []

        def number(one: Object) -> int:
            if one not in numbers:
                numbers[one] = len(numbers)
                parts = tuple((part, number(inside)) for part, inside in one.parts.items())
                opened = one.opened and (one.opened.path, one.opened.mode, one.opened.by)
                rows.append((
                    numbers[one], one.kind, id(one.made), one.part, one.trainable, one.frozen, one.dtype, one.abstract, one.built,
                    one.path, opened, parts, tuple(one.slots.items()), one.returns and number(one.returns),
                ))  # fmt: skip
            return numbers[one]

        names = self.mentioned(step)
        rows += [(name, number(self.names[name])) for name in names if name in self.names]
        reached = set(numbers)
        for name, one in self.names.items():
            if name not in names and one.parts and any(inside in reached for inside in one.walk()):
                rows.append((name, number(one)))
        rows.append(tuple((one.path, one.mode) for one in self.opened))
        if any(isinstance(one, SCOPED) for one in walk([step])):
            rows.append(tuple((path, number(one)) for path, one in self.found.items()))
        return tuple(rows)

    @property
    def scope(self) -> Opened:
        """The scope that is open."""
        return self.opened[-1]

    def scope_named(self, name: str) -> Opened:
        """Return the scope that a name stands for, as it was opened."""
        found = self.names.get(name)
        return (found and found.opened) or Opened(name=name)

    # -- effects

    @contextmanager
    def inside(self, step: Step) -> Iterator[None]:
        """Be inside a step: its scope is open, and what it keeps to itself is bound."""
        own = step.own_names
        if isinstance(step, Measure) and step.fresh:
            self.found, self.there, self.taken = {}, set(), set()
        if isinstance(step, Scope | DefaultScope | Reenter):
            opened = self.open(step)
            before = set(self.taken)
            yield
            self.opened.pop()
            # numbers of default names begin anew below a scope that is closed; a scope entered again is as it was before
            below = {path for path in self.taken if path[: len(opened.path)] == opened.path != path}
            self.taken = before if isinstance(step, Reenter) else self.taken - below
        elif isinstance(step, Graph):
            around = self.opened, self.found, self.there, self.taken
            self.opened, self.found, self.there, self.taken = [Opened()], {}, set(), set()
            yield
            self.opened, self.found, self.there, self.taken = around
        elif isinstance(step, Function):
            standing = self.standing(step.steps)
            self.names |= {name: Object("tensor") for name in step.takes}
            yield
            found = self.at(step.returns) if step.returns and is_place(step.returns) else None
            self.put_back(standing)
            self.returned[id(step)] = found
        elif own is not None:
            names = dict(self.names)
            self.names |= {name: Object("tensor") for name in own}
            yield
            bound = {name: found for name, found in self.names.items() if name not in own}
            closed = isinstance(step, Measure) or (isinstance(step, Block) and step.transforms)
            files = {name: found for name, found in bound.items() if found.kind == "checkpoint"}  # what is saved stays
            self.names = names | files if closed else {**{name: names[name] for name in own if name in names}, **bound}
        else:
            yield

    def standing(self, steps: Sequence[Step] | None = None) -> Standing:
        """Return what stands where now, of what steps may change; of all, if no steps are given."""
        changed: dict[Object, tuple[int, int]] = {}
        if steps is None or any(step.verb not in UNCHANGING for step in walk(steps)):
            for top in (*self.names.values(), *self.found.values()):
                top.extent(changed)
        self.ran += len(changed) // 2
        opened = {one for one in (*self.opened, *(found.opened for found in self.names.values())) if one}
        return Standing(
            dict(self.names),
            {one: (dict(one.parts), dict(one.slots), one.frozen, one.dtype, one.built) for one in changed},
            dict(self.found), set(self.there), set(self.taken), {one: one.mode for one in opened},
        )  # fmt: skip

    def put_back(self, before: Standing) -> None:
        """Have all stand where it stood; the scopes that were made meanwhile are perhaps there from now on."""
        self.perhaps |= self.there - before.there
        self.names, self.found, self.there, self.taken = before.names, before.found, before.there, before.taken
        for one, (parts, slots, frozen, dtype, built) in before.objects.items():
            one.parts, one.slots, one.frozen, one.dtype, one.built = parts, slots, frozen, dtype, built
        for opened, mode in before.modes.items():
            opened.mode = mode

    def open(self, step: Scope | DefaultScope | Reenter) -> Opened:
        """Open a scope below the one that is open, or one that a name stands for, which is as it was when it was opened."""
        around = self.scope_named(step.reenter) if isinstance(step, Reenter) else self.scope
        path = around.path
        if not isinstance(step, Reenter):
            path = (*path, step.scope if isinstance(step, Scope) else self.unique(step.default_scope))
        opened = Opened(
            path, mode_of(step.reuse, around.mode), around.init if step.init is None else step.init,
            step.dtype or around.dtype, around.penalty if step.penalty is None else step.penalty, step.as_,
            step.reenter if isinstance(step, Reenter) else None, path in self.there,
        )  # fmt: skip
        self.opened.append(opened)
        self.there.add(path)
        self.taken.add(path)
        if step.as_:
            self.names[step.as_] = Object("scope", path=path, opened=opened)
        return opened

    def unique(self, name: str) -> str:
        """Return the name that a default scope gets: with a number behind it where it is taken."""
        around, number, free = self.scope.path, 0, name
        while (*around, free) in self.taken:
            number += 1
            free = f"{name}_{number}"
        return free

    def run(self, steps: Sequence[Step]) -> None:
        """Have the effects of steps that run, those inside of them first; no more of them than a spec may run."""
        for step in steps:
            if step.raises not in {None, "nothing"}:
                continue
            self.ran += 1
            if self.ran > MOST_RUNS:
                return
            if isinstance(step, Block) and not isinstance(step, Function):
                with self.inside(step):
                    self.run(step.steps)
            self.effect(step)
            self.charge(step)

    def charge(self, step: Step) -> None:
        """Count the places of what a step that ran has made or gone through; of what is too much nothing is kept."""
        place = (
            step.by if isinstance(step, Replace) else vars(step)[step.verb] if step.verb in THROUGH else step.binding
        )
        found = self.at(place or "")
        places = found.extent()[0] if found and found.parts else 0
        self.ran += places
        if places > MOST_PLACES and step.binding:
            self.names[step.binding] = unknown()

    def happen(self, step: Step) -> None:
        """Have the effect of one step that has run, what stands inside it apart."""
        if effect := effects().get(step.verb):
            effect(self, step)
        elif step.binding or step.verb in {"get", "invoke", "thread"}:
            made = self.made(step)
            if step.binding:
                self.names[step.binding] = made

    def made(self, step: Step) -> Object:
        """Return what a step binds."""
        if make := made().get(step.verb):
            return make(self, step)
        return self.copied(step) if step.binds == "copy" else Object(step.binds, made=step)

    @staticmethod
    def may_run_again(step: Block) -> bool:
        """Return whether a body may run more than once, on other objects than those that it is written for."""
        if isinstance(step, Function | Repeat):
            return True
        loops = isinstance(step, Measure) or (isinstance(step, Train | Update) and step.times > 1)
        return loops and any(inner.changes for inner in walk(step.steps))

    def turn(self, step: Repeat | Train | Update | Measure) -> None:
        """Have the effects of all turns but the first, where a turn can change what stands somewhere; a measured loop turns twice or more."""
        times = step.repeat if isinstance(step, Repeat) else 2 if isinstance(step, Measure) else step.times
        carried = [self.names.get(name) for name in free_names(step.steps)] if isinstance(step, Repeat) else []
        if any(inner.changes for inner in walk(step.steps)) or any(one and one.is_owner for one in carried):
            for _ in range(times - 1):
                self.runs_again(step)
                with self.inside(step):
                    self.run(step.steps)

    def runs_again(self, step: Block) -> None:
        """Tell that a body is about to run again, on what is there now."""
        if self.again and self.ran <= MOST_RUNS:
            self.again(step)

    def put(self, place: str, by: str) -> None:
        """Have another object stand at a place."""
        owner, part = self.above(place)
        found = self.at(by)
        if "." not in place and found:
            self.names[place] = found
        elif owner and found and not found.holds(owner):  # nothing is inside itself
            before = owner.parts.get(part)
            self.grown += bool(found.parts) and (before is None or before.extent() != found.extent())
            owner.parts[part] = found

    def freeze(self, place: str, *, frozen: bool) -> None:
        """Freeze what an owner holds, or have it train again."""
        found = self.at(place)
        for one in found.variables() if found else {}:
            one.frozen = frozen

    def call(self, step: Call) -> None:
        """Have what is called built, and bind what it returns."""
        for one in self.there_or_unknown(step.call).walk():
            one.built = True
        if step.as_:
            self.names[step.as_] = Object("tensor", made=step)

    def save(self, step: Save) -> None:
        """Keep what is saved under the word of the checkpoint."""
        saved = self.at(step.save)
        self.names[step.to] = Object("checkpoint", made=step, returns=saved and saved.copied())

    def switch(self, step: ReuseVariables) -> None:
        """Have a scope look up from here on."""
        self.scope_named(step.reuse_variables).mode = Mode.LOOK_UP

    # -- what steps bind

    def there_or_unknown(self, place: str) -> Object:
        """Return what stands at a place; where nothing does, something of which nothing is known."""
        return self.at(place) or unknown()

    def copied(self, step: Any) -> Object:
        """Return another object for what has a name already."""
        found = self.there_or_unknown(vars(step)[step.renames])
        return found.copied(self.fate(step), shallow=isinstance(step, Copy) and step.shallow)

    def fate(self, step: Step) -> Fate:
        """Return what becomes of variables in a step that gives an object another name."""
        return self.fates.get(step.verb, Fate.ANEW)

    def got(self, step: Get) -> Object:
        """Return the variable that `get` finds or makes."""
        if step.numbered is not None:
            return Object("list", made=step)
        path = (*self.scope.path, step.get)
        if self.scope.mode is Mode.MAKE or path not in self.found:
            kind = "buffer" if step.local else "variable"
            self.found[path] = Object(kind, made=step, trainable=step.trainable is not False and not step.local)
        return self.found[path]

    def layer(self, step: Layer) -> Object:
        """Return a layer with its variables."""
        slots = dict(self.slots.get(step.layer, {}))
        names = (*PARTS[step.layer], *(["bias"] if step.bias is not None else []))
        kept = {"mean", "var"}
        parts = {
            name: Object(
                slots[name].kind if name in slots else "variable", made=step, part=name,
                trainable=step.trainable and name not in kept,
            )
            for name in names
        }  # fmt: skip
        return Object("layer", parts, slots, made=step)

    def module(self, step: Module) -> Object:
        """Return a module of what stands at its members' places."""
        return Object("module", {name: self.there_or_unknown(at) for name, at in step.members.items()}, made=step)

    def called(self, function: str, times: int = 1) -> Object:
        """Have the effects of calls; return what the last returns. One that calls itself, or is no function, returns what is not known."""
        found = self.names.get(function)
        step = found and found.made
        returned = unknown()
        if not isinstance(step, Function) or id(step) in self.calling:
            return returned
        self.calling.add(id(step))
        for _ in range(times):
            self.runs_again(step)
            names = dict(self.names)
            self.names |= {name: Object("tensor") for name in step.takes}
            self.run(step.steps)
            place = step.returns if step.returns and is_place(step.returns) else None
            returned = self.there_or_unknown(place) if place else Object("tensor")
            self.names = names
        self.calling.discard(id(step))
        return returned

    def threaded(self, step: Thread) -> Object:
        """Return what the last call in a thread gives; a thread begins outside of all scopes."""
        opened, self.opened = self.opened, [Opened()]
        found = self.called(step.thread, step.times)
        self.opened = opened
        return found

    def invoked(self, step: Invoke) -> Object:
        """Return what a call gives: shapes and dtypes alone where nothing is computed."""
        found = self.called(step.invoke)
        for one in found.walk() if step.abstract else ():
            one.abstract = True
        return found


#: verb -> its effect, where that is not to bind a name
EFFECTS: Mapping[str, Callable[[Symbols, Any], None]] = {
    "tie": lambda symbols, step: symbols.put(step.tie, step.to),
    "replace": lambda symbols, step: symbols.put(step.replace, step.by),
    "freeze": lambda symbols, step: symbols.freeze(step.freeze, frozen=True),
    "unfreeze": lambda symbols, step: symbols.freeze(step.unfreeze, frozen=False),
    **dict.fromkeys(("repeat", "train", "update", "measure"), Symbols.turn),
    "call": Symbols.call,
    "save": Symbols.save,
    "reuse_variables": Symbols.switch,
    **dict.fromkeys(("scope", "default_scope", "reenter"), lambda _symbols, _step: None),
}
#: verb -> what it binds, where that is not an object of its own
MADE: Mapping[str, Callable[[Symbols, Any], Object]] = {
    "get": Symbols.got,
    "variable": lambda _symbols, step: Object("variable", made=step, trainable=step.trainable is not False),
    "layer": Symbols.layer,
    "wrap": lambda symbols, step: wrapper(step, symbols.there_or_unknown(step.wrap)),
    "module": Symbols.module,
    "function": lambda symbols, step: Object("function", made=step, returns=symbols.returned.get(id(step))),
    "invoke": Symbols.invoked,
    "thread": Symbols.threaded,
    "current_scope": lambda symbols, _step: Object("scope", path=symbols.scope.path, opened=symbols.scope),
    "optimizer": lambda _symbols, step: Object("optimizer", made=step),
}


@cache
def effects() -> Mapping[str, Callable[[Symbols, Any], None]]:
    """Return the effect of each verb that has one other than to bind a name, those of features too."""
    return {**EFFECTS, **{verb: effect for feature in features() for verb, effect in feature.effects.items()}}


@cache
def made() -> Mapping[str, Callable[[Symbols, Any], Object]]:
    """Return what each verb binds, where that is not an object of its own, those of features too."""
    return {**MADE, **{verb: make for feature in features() for verb, make in feature.makes.items()}}


def mode_of(reuse: Reuse | None, around: Mode) -> Mode:
    """Return how `get` works in a scope, from what is said of it and what holds around."""
    if isinstance(reuse, OddFlag):
        return Mode.ODD
    if reuse is True:
        return Mode.LOOK_UP
    if reuse == "auto":
        return Mode.AUTO
    return Mode.MAKE if around is Mode.MAKE else Mode.INHERITED


def wrapper(step: Wrap, inner: Object) -> Object:
    """Return a wrapper: what it wraps has a name there, and what is inside that may be named without it."""
    if step.inside == "bidirectional":
        return Object("layer", {"forward": inner, "backward": inner.copied()}, made=step)
    return Object(
        "layer", {**inner.parts, "cell" if step.inside == "rnn" else "layer": inner}, dict(inner.slots), made=step
    )
