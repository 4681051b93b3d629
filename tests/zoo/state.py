"""Backends that keep values wrongly: they write, initialize, cast and restore in another way than was asked."""

from canireuse.contract import Model, tape
from canireuse.contract.arrays import Array
from canireuse.contract.graphs import Cell, converter
from canireuse.contract.ownership import cells_of
from canireuse.contract.refusals import ShapeMismatch


class Odd(Model):
    """Makes cells of another kind."""

    kind: type[Cell] = Cell

    def __init__(self, *given, **more):
        super().__init__(*given, **more)
        self.oddly()

    def oddly(self):
        """Make the cells of the current graph odd."""
        graph, kind = self.now, self.kind
        add = graph.add

        def added(*given):
            cell = add(*given)
            cell.__class__ = kind
            return cell

        graph.add = added


class Yielding(Cell):
    """A cell that takes values of any shape."""

    def assign(self, value):
        try:
            super().assign(value)
        except ShapeMismatch:
            super().assign(tape.constant(0.0) * tape.ones(*self.shape))


class TakesAnyShape(Odd):
    """Writes zero where values of another shape are written."""

    kind = Yielding


class Blank(Cell):
    """A cell that is zero until it is initialized."""

    def forward(self):
        self.session().values.setdefault(self, Array.full(self.shape, converter(self.dtype)(0)))
        return super().forward()


class ReadsZero(Odd):
    """Reads zero from what was never initialized."""

    kind = Blank


class Sticky(Cell):
    """A cell that is initialized once."""

    def initialize(self):
        if self not in self.session().values:
            super().initialize()


class InitializesOnce(Odd):
    """Leaves what has a value as it is where it is initialized again."""

    kind = Sticky


class Sweeping(Cell):
    """A cell that is initialized with all others."""

    def initialize(self):
        for cell in self.graph.cells:
            Cell.initialize(cell)


class InitializesAll(Odd):
    """Initializes every variable where one is meant."""

    kind = Sweeping


class Immediate(Model):
    """Computes every tensor when it is made, and gives variables their value when they are made."""

    def __init__(self, device="cpu", immediate=False):
        super().__init__(device, immediate=True)


class StartsEqual(Model):
    """Starts every variable of a shape at the same numbers, whatever its initializer draws."""

    def _start(self, shape, dtype, init):
        shape, dtype, draw = super()._start(shape, dtype, init)
        return shape, dtype, (lambda: Array.full(shape, converter(dtype)(1))) if init in (None, "random") else draw


class OneDtype(Model):
    """Keeps every number as float32."""

    def _start(self, shape, dtype, init):
        shape, _, draw = super()._start(shape, dtype, init)
        return shape, "float32", draw

    def cast(self, owner, dtype):
        return owner


class RestoresWhatFits(Model):
    """Restores what has a value of its shape in the file, and leaves the rest as it is."""

    def restore(self, owner, saved, partial=False):
        super().restore(owner, self.fitting(owner, saved), partial=True)

    def fitting(self, owner, saved):
        """Return the saved values that fit."""
        return {path: saved[path] for path, cell in owner._paths() if path in saved and saved[path].shape == cell.shape}


class RestoresNothing(Model):
    """Leaves every value as it is where a checkpoint is restored."""

    def restore(self, owner, saved, partial=False):
        pass


class SavesLive(Model):
    """Saves the variables, and not what they hold."""

    def save(self, owner, only=()):
        return Live(owner, super().save(owner, only))


class Live(dict):
    """Saved values that follow their variables."""

    def __init__(self, owner, saved):
        super().__init__(saved)
        self.cells = dict(owner._paths())

    def __getitem__(self, path):
        return self.cells[path].forward()


class SharesLayout(Model):
    """Moves and shards nothing, and keeps half of each number of what is sharded."""

    def shard(self, cell):
        cell.assign(cell.forward().map(lambda number: number / 2).tolist())

    def move(self, owner, device):
        for cell in cells_of(owner, build=True):
            cell.assign(cell.forward().map(lambda number: 0 * number).tolist())
        return owner


class StartsLive(Model):
    """Makes a view of what a variable starts from, and no variable of its own."""

    def variable(self, name, init=0.0, **given):
        made = super().variable(name, init, **given)
        if isinstance(init, tape.Tensor):
            made.forward = lambda: tape.evaluate(init)
        return made


class Following(Cell):
    """A cell that is worth what was assigned to it, now and later."""

    def assign(self, value):
        super().assign(value)
        self.follows = value if isinstance(value, Cell) and value is not self else None

    def forward(self):
        return self.follows.forward() if getattr(self, "follows", None) else super().forward()


class AssignsLinks(Odd):
    """Goes on following a variable whose value was assigned."""

    kind = Following


class Growing(Cell):
    """A cell to which is added in place."""

    def __add__(self, other):
        total = super().__add__(other)
        if total.shape == self.shape:
            self.assign(tape.constant(tape.evaluate(total).tolist()))
        return total


class AddsInPlace(Odd):
    """Writes the sum into the variable to which something is added."""

    kind = Growing


class InitializesBackwards(Model):
    """Initializes variables from the last to the first."""

    def initialize(self):
        self.now.cells.reverse()
        try:
            super().initialize()
        finally:
            self.now.cells.reverse()
