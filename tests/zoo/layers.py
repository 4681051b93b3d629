"""Backends whose layers and modules are wrong in one thing each."""

from canireuse.contract import Model, tape
from canireuse.contract.graphs import Cell
from canireuse.contract.ownership import Layer, Owner, cells_of


class MakesAnew(Model):
    """Gives a layer new variables at every call after its first."""

    def layer(self, *given, **more):
        return of_kind(super().layer(*given, **more), AnewLayer)


class AnewLayer(Layer):
    """A layer that is built at every call."""

    def __call__(self, value):
        calls = self.__dict__["calls"] = self.__dict__.get("calls", 0) + 1
        if calls > 1:
            for place in ("kernel", "bias"):
                if isinstance(cell := self._held.get(place), Cell):
                    self._held[f"{place}_{calls}"], self._held[place] = cell, fresh(cell)
        return super().__call__(value)


def fresh(cell):
    """Return another variable that starts as one did."""
    made = cell.graph.add(cell.name, (cell.shape, cell.dtype, cell.draw), cell.trainable, None)
    made.initialize()
    return made


def of_kind(layer, kind):
    """Return a layer as one of another kind."""
    object.__setattr__(layer, "__class__", kind)
    return layer


class HoldsCopies(Model):
    """Holds a copy of each layer that a module is given."""

    def module(self, **members):
        return super().module(
            **{name: self.copy(one) if isinstance(one, Owner) else one for name, one in members.items()}
        )


class KeepsGivenValues(Model):
    """Writes the values that a call is given into the layer."""

    def given(self, owner, values):
        cells = {path.replace("/", "."): cell for path, cell in owner._paths()}
        answer = super().given(owner, values)
        for path, value in values.items():
            cells[path].assign(value)
        return answer


class GivesNothing(Model):
    """Calls a layer with its own values, whatever it is given."""

    def given(self, owner, values):
        super().given(owner, values)
        return owner


class StopsAtFrozen(Model):
    """Lets no gradient through a layer that is frozen."""

    def layer(self, *given, **more):
        return of_kind(super().layer(*given, **more), Stopping)


class Stopping(Layer):
    """A layer that passes no gradient on while it is frozen."""

    def __call__(self, value):
        stops = any(getattr(cell, "frozen", False) for cell in cells_of(self, build=True))
        return super().__call__(tape.constant(tape.evaluate(tape.tensor(value)).tolist()) if stops else value)


class TiesAnyShape(Model):
    """Ties what has another shape, and replaces nothing."""

    def layer(self, *given, **more):
        return of_kind(super().layer(*given, **more), Yielding)

    def replace(self, owner, place, by):
        getattr(owner, place)


class Yielding(Layer):
    """A layer that takes whatever it is given."""

    def __setattr__(self, place, value):
        old = getattr(self, place)
        self._held[place] = value
        self._give_up(old)


class EqualIsOne(Model):
    """Takes layers that are defined alike for one."""

    def layer(self, kind, name, *given, **more):
        made = super().layer(kind, name, *given, **more)
        return next(
            one
            for one in self.now.layers
            if one.__dict__["name"] == made.__dict__["name"] and one.wanted == made.wanted
        )


class ComputesWithStart(Model):
    """Computes in layers with the values that their variables had at first."""

    def layer(self, *given, **more):
        return of_kind(super().layer(*given, **more), Deaf)


class Deaf(Layer):
    """A layer that does not see what is written into its variables."""

    def __call__(self, value):
        self._build()
        held = dict(self._held)
        self._held.update(
            {place: tape.constant(cell.draw().tolist()) for place, cell in held.items() if isinstance(cell, Cell)}
        )
        try:
            return super().__call__(value)
        finally:
            self._held.update(held)
