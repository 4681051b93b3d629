"""Holding: a name of the script's own for what a place holds now, as an optimizer or another model has one."""

from pydantic import Field

from canireuse.emit import Emitter, Tables
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Place, Step


class Hold(Step):
    """Bind what stands at a place now to a name of the script's own, which goes on holding it whatever becomes of the place."""

    verb = "hold"
    uses = {"hold": frozenset({"variable"})}
    binds = "variable"
    hold: Place
    as_: Name = Field(alias="as")


def held(symbols: Symbols, step: Hold) -> Object:
    """Return the variable itself."""
    return symbols.there_or_unknown(step.hold)


def held_array(emitter: Emitter, step: Hold) -> None:
    """Have a name for the array, which stays what it is: what is written at the place is another one."""
    emitter.symbols.names[step.as_] = Object("tensor", made=step)


CODE = {"hold": "$as = $hold"}
ARRAY = Tables(code=CODE, effects={"hold": held_array})
FEATURE = Feature(
    verbs=(Hold,),
    makes={"hold": held},
    tables={"python": Tables(code=CODE), "linen": ARRAY, "haiku": ARRAY, "equinox": ARRAY},
)
