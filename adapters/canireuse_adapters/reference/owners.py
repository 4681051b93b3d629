"""Layers and modules in the reference model, and what is done to all that one holds."""

from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    Average,
    Call,
    Cast,
    Copy,
    Freeze,
    Layer,
    Materialize,
    Module,
    Move,
    Replace,
    Restore,
    Save,
    Shard,
    Tie,
    Track,
    Unfreeze,
)
from canireuse_adapters.reference.variables import Variables

#: numbers that a layer may hold: products take plain Python a fifth of a microsecond for each
MOST_NUMBERS = 4096


class Owners(Variables):
    """Words owners of variables."""

    def layer(self, step: Layer) -> None:
        """Construct a layer."""
        if step.inputs * step.units > MOST_NUMBERS:
            raise Unsupported(
                "The model computes in plain Python, for which layers of this size take minutes: see the specs with small ones."
            )
        words = [
            repr(step.layer),
            repr(step.name),
            f"inputs={step.inputs}",
            f"units={step.units}",
            f"kernel={step.kernel!r}",
        ]
        words += [f"bias={step.bias!r}"] if step.bias is not None else []
        words += [f"penalty={step.penalty!r}"] if step.penalty is not None else []
        words += [] if step.trainable else ["trainable=False"]
        self.write(f"{step.as_} = model.layer({', '.join(words)})")

    def call(self, step: Call) -> None:
        """Call a layer or a module."""
        values = {
            place: self.array(repr(value)) if not isinstance(value, str) else self.expression(value)
            for place, value in step.given.items()
        }
        words = ", ".join(f"{place!r}: {value}" for place, value in values.items())
        called = f"model.given({step.call}, {{{words}}})" if values else step.call
        self.bind(step.as_, f"{called}({self.expression(step.on)})")

    def module(self, step: Module) -> None:
        """Put members together."""
        self.write(
            f"{step.module} = model.module({', '.join(f'{name}={place}' for name, place in step.members.items())})"
        )

    def tie(self, step: Tie) -> None:
        """Have a place hold another's variable."""
        self.write(f"{step.tie} = {step.to}")

    def replace(self, step: Replace) -> None:
        """Put something else in a member's place."""
        owner, _, place = step.replace.rpartition(".")
        if not owner:
            raise Unsupported("A name of the script is no place: a member of a module is replaced.")
        self.write(f"model.replace({owner}, {place!r}, {step.by})")

    def copy(self, step: Copy) -> None:
        """Copy a layer or a module."""
        self.write(f"{step.as_} = model.copy({step.copy_}{', shallow=True' if step.shallow else ''})")

    def cast(self, step: Cast) -> None:
        """Change the dtype of what a layer or a module holds."""
        self.write(f"{step.as_} = model.cast({step.cast}, {step.to!r})")

    def move(self, step: Move) -> None:
        """Move what a layer or a module holds."""
        self.write(f"{step.as_} = model.move({step.move}, {step.device})")

    def shard(self, step: Shard) -> None:
        """Lay a variable out."""
        self.write(f"model.shard({step.shard})")

    def materialize(self, step: Materialize) -> None:
        """Go on with the module: it had its memory all the time, as the contract knows no other module."""
        self.write(f"{step.as_} = {step.materialize}")

    def unfreeze(self, step: Unfreeze) -> None:
        """Take a variable, a layer or a module into training again."""
        self.write(f"model.unfreeze({step.unfreeze})")

    def freeze(self, step: Freeze) -> None:
        """Freeze a variable, a layer or a module."""
        self.write(f"model.freeze({step.freeze})")

    def save(self, step: Save) -> None:
        """Keep the values of a module."""
        self.write(f"{step.to} = model.save({step.save}{f', only={step.only}' if step.only else ''})")

    def restore(self, step: Restore) -> None:
        """Put kept values back."""
        self.write(f"model.restore({step.restore}, {step.given_by}{', partial=True' if step.partial else ''})")

    def average(self, step: Average) -> None:
        """Make a copy that keeps averages."""
        self.write(f"{step.as_} = model.average({step.average}, {step.decay})")

    def track(self, step: Track) -> None:
        """Move averages towards what is held now."""
        self.write(f"model.track({step.track})")
