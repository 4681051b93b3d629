"""Backends that learn wrongly: optimizers forget, are one, or train what they were not given; no gradient is stopped."""

from canireuse.contract import Model, tape
from canireuse.contract.learning import Optimizer
from canireuse.contract.optimizers import STEPS
from canireuse.contract.tape import *  # noqa: F403  # a module that stands in for `tape` has all that it has


class Forgetful(Optimizer):
    """Begins each step without what the last one left."""

    kind = "sgd"

    def update(self, *losses):
        self.take = STEPS[self.kind](self.rate)
        super().update(*losses)


class ForgetsSlots(Model):
    """Has optimizers that forget their state after each step."""

    def optimizer(self, kind, over, *rate, **given):
        made = Forgetful(self, kind, over, *rate, **given)
        made.kind = kind
        return made

    def train(self, optimizer, minimize, wrt, rate=0.1, times=1):
        self.update(self.optimizer(optimizer, wrt, rate), minimize, times=times)


class OneOptimizer(Model):
    """Has one optimizer, whatever is made afterwards."""

    def optimizer(self, *given, **more):
        self.only = getattr(self, "only", None) or super().optimizer(*given, **more)
        return self.only


class TrainsEverything(Model):
    """Trains every variable, whatever an optimizer is given."""

    def optimizer(self, kind, over, *rest, **more):
        return super().optimizer(kind, self.all_of(over), *rest, **more)

    def train(self, optimizer, minimize, wrt, rate=0.1, times=1):
        super().train(optimizer, minimize, self.all_of(wrt), rate, times)

    def all_of(self, over):
        """Return every variable that there is."""
        super().optimizer("sgd", over)
        return [cell for cell in self.now.cells if not cell.local]


class TrainsNothing(Model):
    """Takes no step where a function leads up to the scalar."""

    def update(self, optimizer, *minimize, times=1):
        super().update(optimizer, *minimize, times=0)


class IgnoresDecay(Model):
    """Has optimizers without decay and clipping."""

    def optimizer(self, kind, over, rate=0.1, **given):
        return super().optimizer(kind, over, rate, rates=given.get("rates", ()))


def stop_gradient(value):
    """Return a value through which the gradient goes on: this module is a `tape` that stops none."""
    return tape.tensor(value) * 1.0
