"""Backends that lose or invent a tie where something is done to the whole model."""

from canireuse.contract import Model
from canireuse.contract.learning import Optimizer
from canireuse.contract.ownership import cells_of


class Untying(Model):
    """Gives every name a variable of its own when a model is cast, moved or restored."""

    def cast(self, owner, dtype):
        return super().cast(self.untied(owner), dtype)

    def move(self, owner, device):
        return super().move(self.untied(owner), device)

    def restore(self, owner, saved, partial=False):
        super().restore(self.untied(owner), saved, partial)

    def untied(self, owner):
        for place, held in owner._held.items():
            owner._held[place] = self._twin(held)
        return owner


class Lasting(Optimizer):
    """Takes a step for each name that it was given."""

    def __init__(self, model, kind, over, *rest, **given):
        super().__init__(model, kind, over, *rest, **given)
        self.cells = list(over) if isinstance(over, list) else [cell for _, cell in over._paths()]


class SteppingTwice(Model):
    """Has optimizers that step once a name."""

    def optimizer(self, kind, over, *rate, **given):
        return Lasting(self, kind, over, *rate, **given)


class Linking(Model):
    """Copies the outermost object and goes on sharing what is inside."""

    def copy(self, owner, shallow=False):
        return super().copy(owner, shallow=True)


class Same(Model):
    """Copies nothing: the copy is the source."""

    def copy(self, owner, shallow=False):
        return super().copy(owner, shallow) if shallow else owner


class CopiesDeeply(Model):
    """Copies what is inside where a shallow copy is asked for."""

    def copy(self, owner, shallow=False):
        return super().copy(owner)


class Thawing(Model):
    """Trains what was frozen."""

    def freeze(self, owner):
        for cell in cells_of(owner, build=True):
            cell.frozen = False
