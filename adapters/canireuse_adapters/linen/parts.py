"""What a pass over a tree by name is made of in Flax Linen: submodules, and the variables that they ask for."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from canireuse.program import Object
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Get, Layer, NameScope, Repeat, Variable
from canireuse_adapters.linen.layers import Entry


@dataclass(eq=False)
class Use:
    """A variable, or a layer, that a pass makes or finds."""

    step: Get | Variable | Layer
    variable: Object
    entry: Entry
    #: the name that it is bound to, and whether it makes the variable
    name: str | None
    makes: bool = True


@dataclass(eq=False)
class Part:
    """A submodule of a pass: the class of a scope; or what stands in a loop, in a name scope or in a function."""

    word: str
    #: the name that it is given; None where the class gives it one
    named: str | None = None
    items: "list[Use | Part]" = field(default_factory=list)
    #: a step of the spec whose steps stand here, if it is no scope
    around: Step | None = None
    #: of a function, the name that its result is bound to; of a template, those of all its calls
    results: list[str | None] = field(default_factory=list)

    def uses(self) -> Iterator[Use]:
        """Yield the variables, in order."""
        for one in self.items:
            yield from [one] if isinstance(one, Use) else one.uses()

    def shown(self) -> "list[Use | Part]":
        """Return what is said: not a scope in which nothing is asked for, which only its name would make."""
        return [one for one in self.items if isinstance(one, Use) or not one.named or list(one.uses())]

    def parts(self) -> "Iterator[Part]":
        """Yield the submodules that stand in this module, those in its loops and name scopes too."""
        for one in self.items:
            if isinstance(one, Part):
                yield from one.parts() if isinstance(one.around, Repeat | NameScope) else [one]

    def bound(self) -> list[str]:
        """Return the names that are bound, each once."""
        names = self.results or [
            word for one in self.items for word in ([one.name] if isinstance(one, Use) else one.bound())
        ]
        return list(dict.fromkeys(word for word in names if word))

    def copied(self, known: "dict[Part, Part]") -> "Part":
        """Return another part of the same items."""
        items = [one if isinstance(one, Use) else one.copied(known) for one in self.items]
        known[self] = replace(self, items=items, results=list(self.results))
        return known[self]
