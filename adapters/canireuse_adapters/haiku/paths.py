"""Paths: where Haiku puts the modules and variables that a script makes, and which scopes only look variables up."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from canireuse.program import Fate, Object, Opened, Slot, Symbols
from canireuse.program.symbols import Path
from canireuse.spec.step import OddFlag, Step
from canireuse.spec.vocabulary import DefaultScope, Function, Get, Reenter, Scope, Variable

SCOPES = (Scope, DefaultScope, Reenter)
#: where Haiku keeps what is made outside of any module
TOP = "~"


def finds(step: Step) -> bool:
    """Return whether variables are only looked up inside a scope: it is asked to reuse, or all that it holds is."""
    if not isinstance(step, SCOPES):
        return False
    if isinstance(step.reuse, OddFlag) or step.reuse is True:
        return True
    inner = [one for one in step.steps if isinstance(one, Get | Variable | Scope | DefaultScope | Reenter)]
    return bool(inner) and step.reuse != "auto" and all(map(finds, inner))


class Paths(Symbols):
    """Symbols whose scopes have the paths that Haiku gives them: it makes the name of each new one unique."""

    def __init__(
        self, slots: Mapping[str, Mapping[str, Slot]], fates: Mapping[str, Fate], effect: Callable[[Step], None]
    ) -> None:
        super().__init__(slots, fates, effect)
        #: the names that each open scope has given, and the scopes in which variables are only looked up
        self.given: defaultdict[Opened, Counter[str]] = defaultdict(Counter)
        self.only_finding: set[Opened] = set()

    @property
    def looking(self) -> bool:
        """Whether variables are only looked up where this is."""
        return self.scope in self.only_finding

    def open(self, step: Scope | DefaultScope | Reenter) -> Opened:
        """Open a scope: under a name made unique, unless what is inside is looked up or may be there."""
        looking = self.looking or finds(step)
        own = step.scope if isinstance(step, Scope) and step.reuse != "auto" else ""
        word = step.default_scope if isinstance(step, DefaultScope) else own
        free = self.free(word) if word and not looking else ()
        opened = super().open(step)
        opened.path = free or opened.path or (TOP,)
        if step.as_:
            self.names[step.as_].path = opened.path
        self.only_finding |= {opened} if looking else set()
        return opened

    def free(self, word: str) -> Path:
        """Return the path that a module or scope gets that is opened here: a number is put behind where the name is taken."""
        base, _, number = word.rpartition("_")
        given = self.given[self.scope]
        if base and number.isdecimal() and str(int(number)) == number:
            made, count = word, int(number)
        else:
            base, count = word, given[word]
            made = f"{word}_{count}" if count else word
        given[base] = max(given[base], count + 1)
        return (*self.scope.path, made)

    def unique(self, name: str) -> str:
        """Return a default name as it is: `free` makes it unique."""
        return name

    def called(self, function: str, times: int = 1) -> Object:
        """Have the effects of calls; a template is a module of its own, which stands where it is called first."""
        known = self.names.get(function)
        if known is None or not isinstance(known.made, Function) or not known.made.template:
            return super().called(function, times)
        known.path = known.path or self.free(known.made.function)
        with self.at_path(known.path):
            return super().called(function, times)

    @contextmanager
    def at_path(self, path: Path, *, looking: bool = False) -> Iterator[None]:
        """Be at a path, where no names are given yet."""
        opened = replace(self.scope, path=path)
        self.opened.append(opened)
        self.only_finding |= {opened} if looking else set()
        yield
        self.opened.pop()
