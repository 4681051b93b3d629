"""A program: a spec with its names resolved, which knows no framework.

`facts` is what holds of the whole spec before a line of it is written, `objects` what exists and what its parts are,
`symbols` what each name and place stands for at the step that is being written, and what steps do to that.
"""

from canireuse.program.facts import Facts
from canireuse.program.holders import holder, holds, through, touching
from canireuse.program.objects import Fate, Mode, Object, Opened, Slot
from canireuse.program.places import free_names, is_place, names_bound, places_in, places_of, texts_of
from canireuse.program.symbols import Symbols

__all__ = [
    "Facts", "Fate", "Mode", "Object", "Opened", "Slot", "Symbols", "free_names", "holder", "holds", "is_place",
    "names_bound", "places_in", "places_of", "texts_of", "through", "touching",
]  # fmt: skip
