"""Facts of a whole spec, known before a line of its script is written."""

from functools import cached_property

from canireuse.program.places import names_bound, places_of, words_saved
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import (
    Block,
    Copy,
    Expect,
    Freeze,
    Function,
    Invoke,
    Measure,
    Module,
    Replace,
    Restore,
    Save,
    Tie,
    Unfreeze,
    Update,
    Wrap,
    walk,
)

#: steps that ask what they name for its variables: one that is called neither before nor in them has to have them
ASKING = (Copy, Expect, Freeze, Replace, Restore, Save, Tie, Unfreeze)


class Facts:
    """What is known of a spec as a whole."""

    def __init__(self, spec: Spec) -> None:
        self.steps = list(walk(spec.steps))
        #: names that the spec binds, and the words of its checkpoints
        self.bound = names_bound(spec.steps) | words_saved(spec.steps)

    @cached_property
    def running(self) -> list[Step]:
        """The steps as they run: those inside of a function stand where it is invoked."""
        bodies = {step.function: [*walk(step.steps)] for step in self.steps if isinstance(step, Function)}
        inside = {id(one) for body in bodies.values() for one in body}
        outside = (step for step in self.steps if id(step) not in inside)
        return [one for step in outside for one in (step, *(bodies[step.invoke] if isinstance(step, Invoke) else ()))]

    @cached_property
    def called(self) -> frozenset[str]:
        """The names and members of what is called somewhere, under whichever name it was made."""
        called = {part for step in self.steps if step.calls for part in vars(step)[step.calls].split(".")}
        saved = {step.to: {*step.save.split(".")} for step in self.steps if isinstance(step, Save)}
        before = -1
        while len(called) > before:
            before = len(called)
            for step in self.steps:
                if step.renames and step.binding in called:
                    called |= set(vars(step)[step.renames].split("."))
                if isinstance(step, Restore) and called.issuperset(step.restore.split(".")):
                    called |= saved[step.given_by]  # what is read from a file may be an object of its own
                if isinstance(step, Function) and step.function in called:
                    called |= set((step.returns or "").split("."))
                if isinstance(step, Replace) and step.replace.partition(".")[0] in called:
                    called.add(step.by)
                if isinstance(step, Module):
                    called |= {place for name, place in step.members.items() if step.module in called or name in called}
        return frozenset(called)

    @cached_property
    def read(self) -> frozenset[str]:
        """The names that a step reads; what a step binds under another is for nobody."""
        return frozenset(place.partition(".")[0] for step in self.steps for place in places_of(step))

    @cached_property
    def watched(self) -> frozenset[str]:
        """The dropped names of which is asked whether what they stood for is still there."""
        return frozenset(step.alive for step in self.steps if isinstance(step, Expect) and step.alive)

    @cached_property
    def counted(self) -> frozenset[str]:
        """The functions whose traces are counted."""
        return frozenset(step.traces for step in self.steps if isinstance(step, Expect) and step.traces)

    @cached_property
    def timed(self) -> bool:
        """Whether something is measured."""
        return any(isinstance(step, Measure) for step in self.steps)

    @cached_property
    def on_devices(self) -> bool:
        """Whether something is about several devices, so that a CPU has to count as two."""
        return any(step.on_devices for step in self.steps)

    @cached_property
    def lists_all(self) -> bool:
        """Whether names or lists are asked of everything there is, not of one owner."""
        listing = {"variables", "trainable", "names"}
        return any(
            step.kind == "name" or (step.kind in listing and not step.inside)
            for step in self.steps
            if isinstance(step, Expect)
        )

    @cached_property
    def transformed(self) -> frozenset[str]:
        """The functions that are called in what is differentiated, traced or looped over, directly or by others, or without memory."""
        found = {step.invoke for step in self.steps if isinstance(step, Invoke) and step.abstract}
        before = -1
        while len(found) > before:
            before = len(found)
            for step in self.steps:
                if isinstance(step, Function) and not (step.traced or step.function in found):
                    continue
                if isinstance(step, Block) and (step.transforms or isinstance(step, Function)):
                    found |= {one.invoke for one in walk(step.steps) if isinstance(one, Invoke)}
        return frozenset(found)

    def nested(self, step: Step) -> bool:
        """Return whether a step stands inside another one."""
        blocks = (one for one in self.steps if isinstance(one, Block))
        return any(inner is step for block in blocks for inner in walk(block.steps))

    def asked_first(self, name: str, after: Step) -> bool:
        """Return whether, after a step, what a name stands for is asked for its variables, or traced, before a call of it makes them."""
        traced = {
            id(one) for step in self.steps if isinstance(step, Function) and step.traced for one in walk(step.steps)
        }
        names, passed = {name}, False
        for step in self.running:
            passed |= step is after
            if names.isdisjoint(map(self.deepest, places_of(step))):
                continue
            if isinstance(step, Module | Wrap):
                names.add(step.binding or "")
            elif passed:
                return isinstance(step, ASKING) or id(step) in traced
        return False

    def deepest(self, place: str) -> str:
        """Return the last name on the way to a place, through modules as they are written."""
        name, *rest = place.split(".")
        for part in rest:
            held = next((one.members for one in self.steps if isinstance(one, Module) and one.module == name), {})
            if part not in held:
                break
            name = self.deepest(held[part])
        return name

    def updates(self, optimizer: str) -> list[Update]:
        """Return the steps that an optimizer takes, wherever they stand."""
        return [step for step in self.steps if isinstance(step, Update) and step.update == optimizer]
