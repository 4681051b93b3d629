"""Programs: the strategy of Hypothesis that builds them, from words that say what comes next and bytes that say how."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from canireuse.fuzz import making, steps
from canireuse.fuzz.writing import Contract, Said, Writing

#: word -> how often it comes, and the function that writes a step of it; what makes variables comes before what acts on them
MAKING: Mapping[str, tuple[int, Callable[[Writing], None]]] = {
    "variable": (3, making.variable), "layer": (7, making.layer), "module": (7, making.module), "tie": (6, making.tie),
}  # fmt: skip
BY_NAME: Mapping[str, tuple[int, Callable[[Writing], None]]] = {
    "get": (9, making.get), "scope": (6, making.scope), "leave": (4, making.leave), "reenter": (3, making.reenter),
    "default_scope": (2, making.default_scope), "name_scope": (1, making.name_scope), "reuse_variables": (2, making.reuse_variables),
    "intercept": (3, making.intercept), "read": (1, making.read), "look": (2, steps.look), "odd flag": (1, making.odd_flag), "graph": (1, making.graph),
}  # fmt: skip
ACTING: Mapping[str, tuple[int, Callable[[Writing], None]]] = {
    "assign": (3, steps.assign), "compute": (2, steps.compute), "call": (3, steps.call), "gradient": (4, steps.gradient),
    "train": (3, steps.train), "optimizer": (4, steps.optimizer), "update": (4, steps.update),
    "save": (2, steps.save), "restore": (4, steps.restore), "freeze": (3, steps.freeze), "unfreeze": (2, steps.unfreeze),
    "function": (2, steps.function), "invoke": (2, steps.invoke), "repeat": (2, steps.repeat), "replace": (2, making.replace),
    "tie again": (4, making.tie), "look at": (6, steps.look),
}  # fmt: skip
#: a graph's variables cannot be copied
SHARED: Mapping[str, tuple[int, Callable[[Writing], None]]] = {"copy": (4, steps.copy)}
AGAIN: Mapping[str, tuple[int, Callable[[Writing], None]]] = {
    "initialize": (1, steps.initialize),
    "restore elsewhere": (3, steps.restore_elsewhere),
}
#: all of them
TABLES = {**MAKING, **BY_NAME, **ACTING, **SHARED, **AGAIN}

#: words, each with the numbers that decide how it is written
Plan = list[tuple[str, bytes]]
#: how many numbers decide how a word is written
BYTES = 24


def words(*tables: Mapping[str, tuple[int, Any]]) -> st.SearchStrategy[str]:
    """Return a strategy for the words of tables, each as often as it is to come."""
    return st.sampled_from([word for table in tables for word, (weight, _) in table.items() for _ in range(weight)])


def told(word: st.SearchStrategy[str], least: int, most: int) -> st.SearchStrategy[Plan]:
    """Return a strategy for a list of words, each with numbers that decide how it is written."""
    return st.lists(st.tuples(word, st.binary(min_size=BYTES, max_size=BYTES)), min_size=least, max_size=most)


@dataclass(frozen=True)
class Drawn:
    """A program as it was drawn: the words that make things, and those that act on them."""

    contract: Contract
    made: Plan
    done: Plan

    def __len__(self) -> int:
        """Return how many words there are."""
        return len(self.made) + len(self.done)

    def said(self, without: Collection[int] = (), first: int | None = None) -> Said:
        """Return the spec that the words make, without some of them, or only the `first`; each further step is a valid one then, too."""
        return self.counted(without, first)[0]

    def word_of(self, step: int, without: Collection[int] = ()) -> int | None:
        """Return which word wrote a step, by its number among all of the spec; None for those that every program has."""
        counts = self.counted(without)[1]
        word = next((word for word, count in enumerate(counts) if step < count), None)
        return None if word is None or (word == len(self.made) and step == counts[word - 1]) else word

    def counted(self, without: Collection[int] = (), first: int | None = None) -> tuple[Said, list[int]]:
        """Return the spec, and how many steps there are after each word."""
        writing, counts = Writing(self.contract), []
        for number, (word, numbers) in enumerate([*self.made, *self.done][:first]):
            if number == len(self.made):
                begin(writing)
            if number not in without:
                writing.choices = iter(numbers)
                TABLES[word][1](writing)
            counts.append(writing.count)
        if not writing.initialized:
            begin(writing)
        writing.choices = iter(())
        steps.look_at_all(writing)
        said = {
            "title": "A random program on which two answers are compared",
            "about": "Written by `canireuse fuzz`; what is expected is what the reference model observed.",
            "sources": ["convention: a program that nobody thought of"],
            "contract": self.contract,
            "steps": writing.steps,
        }
        return said, counts


def begin(writing: Writing) -> None:
    """Leave the scopes that are open, and give every variable its initial value."""
    while writing.open:
        writing.leave()
    steps.initialize(writing)


def drawn(*contracts: Contract) -> st.SearchStrategy[Drawn]:
    """Return a strategy for programs of contracts, as they are drawn."""
    return st.one_of([st.builds(Drawn, st.just(contract), *plans(contract)) for contract in contracts])


def programs(*contracts: Contract) -> st.SearchStrategy[Said]:
    """Return a strategy for specs of contracts; what a `value` is, nobody has said yet."""
    return drawn(*contracts).map(Drawn.said)


def plans(contract: Contract) -> tuple[st.SearchStrategy[Plan], st.SearchStrategy[Plan]]:
    """Return strategies for the words that make things, and for those that act on them."""
    if contract == "by-name":
        return told(words(MAKING, BY_NAME), 4, 18), told(words(ACTING, AGAIN), 3, 13)
    return told(words(MAKING), 4, 10), told(words(ACTING, SHARED), 3, 13)
