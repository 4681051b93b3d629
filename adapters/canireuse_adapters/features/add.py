"""Adding: a module that is there is given a further member."""

from canireuse.emit import Tables
from canireuse.program import Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import VALUES, Member, Name, Place, Step


class Add(Step):
    """Add a member to a module that is there, as by assigning an attribute that it has not."""

    verb = "add"
    changes = True
    uses = {"add": frozenset({"module"}), "by": VALUES}
    add: Name
    member: Member
    by: Place


def added(symbols: Symbols, step: Add) -> None:
    """Have something stand where nothing stood."""
    symbols.put(f"{step.add}.{step.member}", step.by)


FEATURE = Feature(
    verbs=(Add,),
    effects={"add": added},
    tables={
        "python": Tables(code={"add": "$add.$member = $by"}),
        "reference": Tables(code={"add": "model.add($add, '$member', $by)"}),
        "linen": Tables(missing={"add": "A module of Linen has the members that its `setup` makes: another class is written that has one more, and no object is changed."}),
        "haiku": Tables(missing={"add": "A Haiku module is a function: one that calls a further member is another function, and no object is changed."}),
    },
)  # fmt: skip
