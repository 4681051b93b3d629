"""Observing: how values are worded, and for each kind of observation the words that read it."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from canireuse import expression
from canireuse.script import Unsupported, Writing
from canireuse.step import Array
from canireuse.vocabulary import Expect


class Observing(Writing):
    """What adapters say of values and observations; a framework that has no words for one keeps the refusal."""

    #: the backend's title in the report
    title: ClassVar[str]
    #: what each function of the expression language is called: a format string
    functions: ClassVar[Mapping[str, str]] = {}
    #: verb, `verb.option` or kind of observation -> why the framework cannot say it
    missing: ClassVar[Mapping[str, str]] = {}

    # -- values

    def place(self, place: str) -> str:
        """Return the words for a place itself: the variable, not its value."""
        return place

    def value(self, place: str) -> str:
        """Return the words for the value at a place, as it stands in arithmetic."""
        return self.place(place)

    def array(self, values: str) -> str:
        """Return the words for a literal list of numbers."""
        raise NotImplementedError

    def expression(self, text: str | Array) -> str:
        """Return the words for an expression or a literal value."""
        if not isinstance(text, str):
            return self.array(repr(text)) if isinstance(text, list) else repr(text)
        return expression.render(expression.parse(text), self.value, self.functions, self.array)

    def data(self, value: str) -> str:
        """Return the words that turn a value of the framework into plain numbers and lists."""
        return f"{value}.tolist()"

    # -- observations

    def expect(self, step: Expect) -> None:
        """Write one observation."""
        if step.kind in self.missing:
            raise Unsupported(self.missing[step.kind])
        if step.kind in {"same", "distinct"}:
            self.observe_write(step)
            return
        self.write(f"observe({step.expect!r}, {self.reading(step)})")

    def observe_write(self, step: Expect) -> None:
        """Observe whether a write to the second place is read through the first."""
        first, second = step.same or step.distinct or []
        self.write(f"before = {self.data(self.value(first))}")
        self.increment(second)
        after, written = self.data(self.value(first)), self.data(self.value(second))
        self.write(f"observe({step.expect!r}, {{'before': before, 'after': {after}, 'written': {written}}})")

    def reading(self, step: Expect) -> str:
        """Return the words that read what a step observes."""
        return READINGS[step.kind](self, step)

    def increment(self, place: str) -> None:
        """Write one to every element of a variable on top of what it holds."""
        raise NotImplementedError

    def name_of(self, place: str) -> str:
        """Return the words for the full path of a variable, parts parted by `/`."""
        raise Unsupported(f"{self.title} variables carry no name.")

    def shape_of(self, place: str) -> str:
        """Return the words for the shape of a variable, a list."""
        return f"list({self.place(place)}.shape)"

    def dtype_of(self, place: str) -> str:
        """Return the words for the dtype of a variable: the name numpy has for it."""
        return f"str({self.place(place)}.dtype)"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the words for the list of variables, in all or inside a module or layer."""
        raise Unsupported(f"{self.title} keeps no list of variables.")

    def names(self, inside: str | None) -> str:
        """Return the words for the sorted paths of the variables, in all or inside a module or layer."""
        raise Unsupported(f"{self.title} keeps no list of names.")

    def paths_of(self, place: str, inside: str) -> str:
        """Return the words for the sorted list of every path under which a module lists a variable."""
        raise Unsupported(f"{self.title} lists a variable once, and has no call for its other paths.")

    def slot_count(self, optimizer: str) -> str:
        """Return the words for how many variables an optimizer keeps state for."""
        raise Unsupported(f"{self.title} does not say what its optimizers keep.")

    def elements_of(self, owner: str) -> str:
        """Return the words for how many numbers the parameters of a layer or module hold, each parameter once."""
        raise Unsupported(f"{self.title} does not say how large the parameters of an owner are.")

    def bytes_of(self, owner: str) -> str:
        """Return the words for how many bytes the parameters of a layer or module take, each parameter once."""
        raise Unsupported(f"{self.title} does not say how large the parameters of an owner are.")

    def slot_bytes(self, optimizer: str) -> str:
        """Return the words for how many bytes an optimizer keeps."""
        raise Unsupported(f"{self.title} does not say what its optimizers keep.")

    def checkpoint_bytes(self, checkpoint: str) -> str:
        """Return the words for how many bytes a checkpoint takes."""
        raise Unsupported(f"{self.title} does not say how large a checkpoint is.")

    def penalties(self, inside: str | None) -> str:
        """Return the words for the list of terms that regularizers add, in all or inside a module or layer."""
        raise Unsupported(f"{self.title} keeps no list of regularization terms.")

    def penalty(self, inside: str | None) -> str:
        """Return the words for the sum of these terms."""
        return f"sum({self.penalties(inside)})"

    def collected(self, collection: str) -> str:
        """Return the words for the list of variables in a collection."""
        raise Unsupported(f"{self.title} has no collections of variables.")

    def lives(self, name: str) -> str:
        """Return the words that ask whether what a dropped name stood for is still there."""
        return f"{name}_watch() is not None"

    def trace_count(self, function: str) -> str:
        """Return the words for how often a traced function was traced."""
        raise Unsupported(f"{self.title} does not count traces.")

    def offered(self, name: str) -> str:
        """Return the words that ask whether the top-level package has a name."""
        raise Unsupported(f"{self.title} is no package.")


#: kind of observation -> the words that read it
READINGS: Mapping[str, Callable[[Observing, Expect], str]] = {
    "value": lambda adapter, step: adapter.data(adapter.expression(step.value or "")),
    "identical": lambda adapter, step: " is ".join(map(adapter.place, step.identical or [])),
    "name": lambda adapter, step: adapter.name_of(step.name or ""),
    "shape": lambda adapter, step: adapter.shape_of(step.shape or ""),
    "dtype": lambda adapter, step: adapter.dtype_of(step.dtype or ""),
    "variables": lambda adapter, step: f"len({adapter.listing(step.inside, only_trainable=False)})",
    "trainable": lambda adapter, step: f"len({adapter.listing(step.inside, only_trainable=True)})",
    "names": lambda adapter, step: adapter.names(step.inside),
    "collection": lambda adapter, step: f"len({adapter.collected(step.collection or '')})",
    "traces": lambda adapter, step: adapter.trace_count(step.traces or ""),
    "offers": lambda adapter, step: adapter.offered(step.offers or ""),
    "alive": lambda adapter, step: adapter.lives(step.alive or ""),
    "paths": lambda adapter, step: adapter.paths_of(step.paths or "", step.inside or ""),
    "slots": lambda adapter, step: adapter.slot_count(step.slots or ""),
    "elements": lambda adapter, step: adapter.elements_of(step.elements or ""),
    "parameter_bytes": lambda adapter, step: adapter.bytes_of(step.parameter_bytes or ""),
    "slot_bytes": lambda adapter, step: adapter.slot_bytes(step.slot_bytes or ""),
    "checkpoint_bytes": lambda adapter, step: adapter.checkpoint_bytes(step.checkpoint_bytes or ""),
    "penalties": lambda adapter, step: f"len({adapter.penalties(step.inside)})",
    "penalty": lambda adapter, step: adapter.data(adapter.penalty(step.inside)),
}
