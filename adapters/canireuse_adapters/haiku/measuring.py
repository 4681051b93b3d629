"""Measured loops in Haiku, a tree of parameters for each model, variables by the hundred, and what they all take."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.translation import TextAdapter, Unsupported
from canireuse.vocabulary import (
    Compute,
    DefaultScope,
    Expect,
    Get,
    Invoke,
    Layer,
    Measure,
    Module,
    NameScope,
    Optimizer,
    Reenter,
    Reinitialize,
    Repeat,
    Scope,
    Variable,
    Wrap,
    walk,
)
from canireuse_adapters.haiku.builders import HaikuBuilders
from canireuse_adapters.haiku.makers import Maker
from canireuse_adapters.haiku.names import TOP, Bound, finds, read_by
from canireuse_adapters.haiku.trees import tupled

BY_NAME = (Get, Variable, Scope, DefaultScope, Reenter, NameScope, Repeat)
NOT_BESIDE = (
    "What is timed with names in Haiku is an `init` or an `apply` alone: other steps beside them stand in the function "
    "that is transformed."
)


class HaikuMeasuring(HaikuBuilders):
    """Words what is timed and counted.

    A loop that is timed holds nothing but the call: functions are transformed and compiled above it. Models that
    have nothing to do with each other have a tree each there, as they have in two programs: a step takes and returns
    the parameters that it uses.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: layer -> the tree of the model that it belongs to, where there are several models
        self.models: dict[str, str] = {}
        #: the tree that the layers being declared go to
        self.into = "params"
        #: steps of a measured loop, by the id of their list -> the lines that stand for them
        self.hoisted: dict[int, list[str]] = {}
        #: the lines of measured loops that only look up
        self.looked_up: set[str] = set()
        #: transformed function -> its compiled form, which measured loops call
        self.precompiled: dict[str, str] = {}
        #: whether a function is being written that looks names up for such a loop
        self.looking = False

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Find out which models there are in what is timed."""
        with super().setting(spec):
            if any(isinstance(step, Measure) for step in walk(spec.steps)):
                self.models = {
                    layer: self.free(f"{model}_params") if model else "params"
                    for layer, model in models_of(spec).items()
                }
                self.state = tuple(dict.fromkeys([*self.state, *self.models.values()]))
            yield

    # -- a tree for each model

    def trees_for(self, layer: str) -> tuple[str, str]:
        """Return the trees of the model that a layer belongs to."""
        return self.models.get(layer, "params"), "state"

    def declare(self) -> None:
        """Write a function for the layers noted so far, one for each model."""
        if not self.models:
            super().declare()
            return
        pending = self.pending
        for tree in dict.fromkeys(one.trees[0] for one in pending):
            self.pending, self.into = [one for one in pending if one.trees[0] == tree], tree
            super().declare()
        self.into = "params"

    def initialise(self, made: str, *, stateful: bool = False) -> None:
        """Take over what an `init` made in the tree of its model."""
        if self.into == "params" or self.building is not None:
            super().initialise(made, stateful=stateful)
            return
        there = self.has.get(self.into)
        self.write(f"{self.into} = {f'hk.data_structures.merge({made}, {self.into})' if there else made}")
        self.has[self.into] = True

    # -- loops that are timed

    def steps(self, steps: list[Step]) -> None:
        """Write steps; what a measured loop calls is written above it."""
        if id(steps) in self.hoisted:
            for line in self.hoisted[id(steps)]:
                self.write(line)
            return
        if self.section or not any(isinstance(step, Measure) for step in steps):
            super().steps(steps)
            return
        for measured, group in groupby(steps, key=lambda step: isinstance(step, Measure)):
            together = list(group)
            if not measured:
                super().steps(together)
                continue
            for step in together:
                assert isinstance(step, Measure)
                self.hoist(step)
            TextAdapter.steps(self, together)  # the loops are no body of a transformed function

    def hoist(self, step: Measure) -> None:
        """Write the transformed function that a measured loop initialises or applies."""
        inside = list(walk(step.steps))
        for one in inside:
            if isinstance(one, Invoke) and one.invoke in self.makers:
                self.compile(self.makers[one.invoke])
        if not any(isinstance(one, Get | Variable) for one in inside):
            return
        if not all(isinstance(one, BY_NAME) for one in inside):
            raise Unsupported(NOT_BESIDE)
        if all(map(finds, step.steps)):
            words = self.finder(step)
            self.looked_up.add(words)
        else:
            words = self.initialiser(step)
        self.hoisted[id(step.steps)] = [words]

    def compile(self, known: Maker) -> None:
        """Compile a transformed function once, in place of saying so at each call."""
        if not known.transformed or not (known.ready or self.looks_up(known.step)):
            raise Unsupported(NOT_BESIDE)
        name = self.free(f"compiled_{known.word}")
        self.write(f"{name} = jax.jit({known.word}.apply)")
        self.precompiled[known.word] = name

    def invoke(self, step: Invoke) -> None:
        """Call a function; one that was compiled for a measured loop by its name."""
        super().invoke(step)
        known = self.makers.get(step.invoke)
        if known is not None and known.word in self.precompiled:
            self.lines[-1] = self.lines[-1].replace(f"jax.jit({known.word}.apply)", self.precompiled[known.word])

    def initialiser(self, step: Measure) -> str:
        """Write a function whose `init` makes what is got inside; return the line that calls it."""
        if step.fresh:
            self.variables.clear()
            self.unnamed.clear()
            self.has = dict.fromkeys(self.has, False)
        read, self.read_names = self.read_names, set()  # what is bound inside stays inside
        self.building = []
        self.make(step.steps)
        (made, stateful), self.building, self.read_names = self.building[0], None, read
        key, drawn = self.free("key"), f"jax.random.key({self.keys - 1})"
        if not any(line.startswith(f"{key} = ") for line in self.lines):
            self.write(f"{key} = {drawn}")
        self.initialise(made.replace(drawn, key, 1), stateful=stateful)
        return self.lines.pop().strip()  # it stands in the loop

    def finder(self, step: Measure) -> str:
        """Write a function that looks up what is got inside; return the line that applies it."""
        name, outer = self.function_name("find"), self.opened[-1]
        around = self.section, self.opened, self.stateful, self.finding, dict(self.variables), self.computed
        self.sections += 1
        self.section, self.opened, self.computed = self.sections, [*self.opened[:-1], self.fresh(outer)], []
        self.stateful, self.finding, self.looking = False, True, True
        start = len(self.lines)
        with self.block(f"def {name}():"), self.entered(outer):
            self.steps(step.steps)
            got = [one.as_ for one in walk(step.steps) if isinstance(one, Get | Variable) and one.as_]
            bound = list(dict.fromkeys(got))
            if bound:
                self.write(f"return {tupled(bound)}")
        self.write()
        self.lines.insert(start, "@hk.transform_with_state" if self.stateful else "@hk.transform")
        words = self.applied(name, stateful=self.stateful)
        self.section, self.opened, self.stateful, self.finding, self.variables, self.computed = around
        self.looking = False
        return f"{', '.join(bound)} = {words}" if bound else words

    def find(self, step: Scope | Reenter, path: str) -> None:
        """Open a scope to look names up in it; a function of a measured loop goes down by plain names, as the one that made them."""
        if self.looking and isinstance(step, Scope) and self.opened[-1].unique(step.scope) == path:
            self.enter(step, f"hk.name_scope({step.scope!r})", path)
        else:
            super().find(step, path)

    def start_afresh(self) -> None:
        """Write nothing: each `init` returns a tree of its own."""

    def awaited(self, body: list[str]) -> list[str]:
        """Return what a loop binds; where names are looked up, nothing is computed that could be waited for."""
        return [] if self.looked_up.issuperset(body) else super().awaited(body)

    # -- many variables

    def get(self, step: Get) -> None:
        """Get a parameter, or one after the other."""
        if step.numbered is None:
            super().get(step)
            return
        words = self.get_all(step)
        if self.section and step.as_ is None:
            with self.block(f"for number in range({step.numbered}):"):
                self.write(words)
            return
        words = f"[{words} for number in range({step.numbered})]"
        if self.section:
            self.bind(step.as_, words)
            self.computed.append(step.as_ or "")
            return
        known = Bound("params", self.opened[-1].path or TOP, step.get, words)
        self.look_up(step, known)
        if step.as_ and not self.frames:
            self.bind(step.as_, known.reader)

    def get_all(self, step: Get) -> str:
        """Return the words that get one of numbered parameters, and note all of them."""
        if step.trainable is False or step.collection is not None or step.reuse is not None:
            raise Unsupported("Parameters by the number are got by one plain `hk.get_parameter` in a loop.")
        if self.section:
            path = self.opened[-1].path or TOP
            self.unnamed += [Bound("params", path, f"{step.get}_{number}") for number in range(step.numbered or 0)]
        return f"hk.get_parameter(f'{step.get}_{{number}}', {', '.join(self.asked(step))})"

    # -- what things take

    def elements_of(self, owner: str) -> str:
        """Have Haiku add up the elements of the parameters."""
        return f"hk.data_structures.tree_size({self.parameters(owner)})"

    def bytes_of(self, owner: str) -> str:
        """Have Haiku add up the bytes of the parameters."""
        return f"hk.data_structures.tree_bytes({self.parameters(owner)})"

    def parameters(self, place: str) -> str:
        """Return the words for the part of the tree that an owner's parameters are in."""
        owner, rest = self.owner(place)
        if rest:
            raise Unsupported("A parameter of Haiku is an array; it owns no others.")
        return self.part(owner, owner.trees[0])

    def slot_bytes(self, optimizer: str) -> str:
        """Have Haiku add up the bytes of the optimizer's state, the count of its steps included."""
        return f"hk.data_structures.tree_bytes({optimizer}_moments)"

    def checkpoint_bytes(self, checkpoint: str) -> str:
        """Return the length of what was pickled."""
        return f"len({checkpoint})"


def models_of(spec: Spec) -> dict[str, str]:
    """Return the model of each layer where there are several that no step uses together: its first layer, nothing for the largest.

    Where a spec speaks of all that there is in one tree, nothing is parted.
    """
    steps = list(walk(spec.steps))
    if any(map(of_one_tree, steps)):
        return {}
    layers = [step.as_ for step in steps if isinstance(step, Layer)]
    owners = {step.binding or "" for step in steps if isinstance(step, Layer | Module | Wrap | Optimizer)}
    model = {name: {name} for name in owners}
    for step in spec.steps:
        if isinstance(step, Layer | Expect | Compute):
            continue
        together = {name for one in walk([step]) for name in {*read_by(one), one.binding or ""}} & owners
        joined = set[str]().union(*(model[name] for name in together))
        model |= dict.fromkeys(joined, joined)
    of_one = list(dict.fromkeys(tuple(name for name in layers if name in model[layer]) for layer in layers))
    largest = max(of_one, key=len, default=())
    if largest == tuple(layers):
        return {}
    return {name: "" if names is largest else names[0] for names in of_one for name in names}


def of_one_tree(step: Step) -> bool:
    """Return whether a step is worded for one tree of everything: by name, in the state, or as a list of all."""
    if isinstance(step, Expect):
        return step.kind in {"variables", "trainable", "names"} and step.inside is None
    return isinstance(step, Get | Variable | Reinitialize) or (isinstance(step, Layer) and step.layer == "norm")
