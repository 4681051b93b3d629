"""How training is worded alike: an optimizer outlives the function that takes its steps."""

from canireuse.program import Symbols, places_in
from canireuse.spec.vocabulary import Function, Optimizer, Train, Update, walk

#: Why there is no line that freezes for an optimizer that is there already: a script without one would show nothing.
TOO_LATE = (
    "No parameter says that it is frozen: an optimizer is told what it trains when it is made, "
    "and nothing said afterwards reaches it. Make the optimizer, and the step that uses it, anew."
)

#: Why a compiled function goes on with the optimizer that was made for it: a script would train what stood there before.
MADE_BEFORE = (
    "The optimizer of a compiled training step is made before the function, and here another parameter has come to stand "
    "at the place that it trains since: make the optimizer, and the function, after that."
)

#: Why a function that is there already is not tied: a script without a line for that would show nothing.
TIED_IN_CODE = (
    "The tie is in the code that reads the tree: a function that was written before it goes on reading both entries. "
    "Write the function for the tied model, and compile that."
)


def training_of(step: Function) -> Train | None:
    """Return the one training step inside a function, whose optimizer is made before it; None if there are more or none."""
    found = [one for one in walk(step.steps) if isinstance(one, Train)]
    return found[0] if len(found) == 1 else None


def handed_instead(symbols: Symbols, step: Update, *, around: bool = False) -> str | None:
    """Return the owner that alone the loss reads, if it holds none of the variables that the optimizer was made for; None otherwise.

    With `around`, one that holds the same ones counts too: another object around them.

    An optimizer that is handed variables and gradients at each step trains what it is handed: users hand it what the loss reads.
    """
    optimizer = symbols.names.get(step.update)
    made = optimizer.made if optimizer else None
    scalars = step.losses
    tops = {place.partition(".")[0] for scalar in scalars for place in places_in(scalar)}
    if step.steps or len(tops) != 1 or not isinstance(made, Optimizer):
        return None
    top = tops.pop()
    found, over = symbols.names.get(top), [made.over] if isinstance(made.over, str) else made.over
    known = {one for place in over if (at := symbols.at(place)) for one in at.variables()}
    if not found or not found.is_owner or not known or top in {place.partition(".")[0] for place in over}:
        return None
    held = set(found.variables())
    return top if known.isdisjoint(held) or (around and known == held) else None
