"""Facts of a whole spec, known before a line of its script is written."""

from functools import cached_property

from canireuse.program.places import names_bound, places_of, words_saved
from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.vocabulary import (
    Block,
    Call,
    Expect,
    Function,
    Invoke,
    Measure,
    Module,
    Replace,
    Update,
    walk,
)


class Facts:
    """What is known of a spec as a whole."""

    def __init__(self, spec: Spec) -> None:
        self.steps = list(walk(spec.steps))
        #: names that the spec binds, and the words of its checkpoints
        self.bound = names_bound(spec.steps) | words_saved(spec.steps)

    @cached_property
    def called(self) -> frozenset[str]:
        """The names and members of what is called somewhere, under whichever name it was made."""
        called = {part for step in self.steps if isinstance(step, Call) for part in step.call.split(".")}
        before = -1
        while len(called) > before:
            before = len(called)
            for step in self.steps:
                if step.renames and step.binding in called:
                    called |= set(vars(step)[step.renames].split("."))
                if isinstance(step, Function) and step.function in called:
                    called |= set((step.returns or "").split("."))
                if isinstance(step, Replace) and set(step.replace.split(".")) <= called:
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
        """The functions that are called in what is differentiated, traced or looped over, directly or by others."""
        found: set[str] = set()
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

    def builds(self, step: Call) -> bool:
        """Return whether a call is there to build alone, as some frameworks do at the first one: nothing comes of it."""
        return not (step.raises or step.training or step.given or step.as_ in self.read or self.nested(step))

    def updates(self, optimizer: str) -> list[Update]:
        """Return the steps that an optimizer takes, wherever they stand."""
        return [step for step in self.steps if isinstance(step, Update) and step.update == optimizer]
