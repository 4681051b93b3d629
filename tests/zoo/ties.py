"""Backends that tie wrongly: not at all, by halves, or more than was asked for."""

from canireuse.contract import Model
from canireuse.contract.arrays import Array
from canireuse.contract.graphs import Cell
from canireuse.contract.learning import Optimizer
from canireuse.contract.ownership import Layer, Module, Owner, cells_of, clone


class SecondParameter(Cell):
    """A parameter of its own over the memory of another, as `head.weight.data = embedding.weight.data` makes one."""

    def __init__(self, first):
        super().__init__(first.graph, first.name, first.shape, first.dtype, first.draw, first.trainable)
        self.memory = getattr(first, "memory", first)
        self.frozen = first.frozen
        self.graph.cells.append(self)

    def forward(self):
        return self.memory.forward()

    def assign(self, value):
        self.memory.assign(value)

    def initialize(self):
        self.memory.initialize()

    def cast(self, dtype):
        self.dtype = dtype
        self.memory.cast(dtype)


def regrouped(owner, again, seen=None):
    """Put something else wherever in an owner a variable stands that was seen before: `again` is given it, and returns that.

    An owner that stands in a second place is there another owner.
    """
    seen = [] if seen is None else seen
    owner._build()
    for place, held in owner._held.items():
        if isinstance(held, Owner):
            inner = clone(held, lambda cell: cell) if held in seen else held
            seen.append(inner)
            owner._held[place] = regrouped(inner, again, seen)
        elif held in seen:
            owner._held[place] = again(held)
        else:
            seen.append(held)
    return owner


class UntiedByTie(Model):
    """Copies the value where a tie is asked for."""

    def layer(self, *given, **more):
        return odd(super().layer(*given, **more))

    def module(self, **members):
        return odd(super().module(**members))

    def odd_tie(self, value):
        """Return what stands in the place that was to be tied."""
        return self.twin_of(value)

    def twin_of(self, value):
        """Return a variable with the same value, or an owner of such."""
        return self.copy(value) if isinstance(value, Owner) else self._twin(value)


class HalvedByTie(UntiedByTie):
    """Ties the memory, and makes a second parameter of it."""

    def odd_tie(self, value):
        return value if isinstance(value, Owner) else SecondParameter(value)


def odd(owner):
    """Return an owner whose places are tied as its model does."""
    kinds = {Layer: OddLayer, Module: OddModule}
    object.__setattr__(owner, "__class__", kinds.get(type(owner), type(owner)))
    return owner


class OddLayer(Layer):
    """A layer whose places are tied as its model does."""

    def __setattr__(self, place, value):
        super().__setattr__(place, self.__dict__["model"].odd_tie(value))


class OddModule(Module):
    """A module whose places are tied as the model of its members does."""

    def __setattr__(self, place, value):
        super().__setattr__(place, model_of(self, value).odd_tie(value))


def model_of(*owners):
    """Return the model in which something was made."""
    cell = next(cell for owner in owners for cell in cells_of(owner, build=True))
    return cell.graph.model


class UntiedByModule(Model):
    """Gives every member of a module variables of its own."""

    def module(self, **members):
        made = super().module(**members)
        return regrouped(made, self._twin)


class Surviving(Model):
    """Loses a tie in part, whatever is done to the whole model."""

    def again(self, cell):
        """Return what stands in the second place of a tie afterwards."""
        return SecondParameter(cell)

    def copy(self, owner, shallow=False):
        return self.kept(super().copy(owner, shallow), shallow)

    def cast(self, owner, dtype):
        return self.kept(super().cast(owner, dtype))

    def move(self, owner, device):
        return self.kept(super().move(owner, device))

    def restore(self, owner, saved, partial=False):
        super().restore(owner, saved, partial)
        self.kept(owner)

    def average(self, owner, decay):
        return self.kept(super().average(owner, decay))

    def kept(self, owner, shallow=False):
        """Return what is left of an owner."""
        return regrouped(owner, self.again) if isinstance(owner, Owner) and not shallow else owner


class MergesEqualShapes(Surviving):
    """Makes one variable of those of one shape, whatever is done to the whole model."""

    def kept(self, owner, shallow=False):
        return merged(owner, {}) if isinstance(owner, Owner) and not shallow else owner


class MergesMembers(Model):
    """Makes one variable of those of one shape that a module is given."""

    def module(self, **members):
        return merged(super().module(**members), {})


def merged(owner, by_shape):
    """Put the first variable of each shape in every place of that shape."""
    owner._build()
    for place, held in owner._held.items():
        if isinstance(held, Owner):
            merged(held, by_shape)
        else:
            owner._held[place] = by_shape.setdefault((held.shape, held.dtype), held)
    return owner


class HalfStep(Optimizer):
    """Steps once for each name of a variable, with its part of the gradient: the sum under SGD, more with Adam."""

    def __init__(self, model, kind, over, *rest, **given):
        super().__init__(model, kind, over, *rest, **given)
        self.names = list(over) if isinstance(over, list) else paths_of(over)

    def move(self, cells, slopes):
        times = [max(1, self.names.count(cell)) for cell in cells]
        for turn in range(max(times, default=1)):
            now = [index for index, count in enumerate(times) if turn < count]
            super().move([cells[index] for index in now], [part(slopes[index], times[index]) for index in now])


def paths_of(owner):
    """Return the variables of an owner, one as often as it has names there."""
    return [cell for _, cell in owner._paths()] if isinstance(owner, Owner) else [owner]


def part(slope: Array, count: int) -> Array:
    """Return one of so many equal parts of a gradient."""
    return slope.map(lambda number: number / count)


class StepsByHalves(Model):
    """Has optimizers that take a step a name, each with its part of the gradient."""

    def optimizer(self, kind, over, *rate, **given):
        return HalfStep(self, kind, over, *rate, **given)

    def train(self, optimizer, minimize, wrt, rate=0.1, times=1):
        self.update(HalfStep(self, optimizer, wrt, rate), minimize, times=times)
