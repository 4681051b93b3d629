"""Optimizers of the reference model: what one step takes from a variable, given its gradient."""

import math

from canireuse.contract.arrays import Array


def descend(rate):
    """Return the step of plain gradient descent."""
    return lambda cell, slope: slope.map(lambda number: rate * number)


class Momentum:
    """The step of gradient descent with momentum 0.9; it remembers a velocity for each variable."""

    def __init__(self, rate):
        self.rate, self.state = rate, {}

    def start_over(self):
        """Forget the velocities."""
        self.state = {cell: Array.full(before.shape, 0.0) for cell, before in self.state.items()}

    def __call__(self, cell, slope):
        """Return what is taken from the variable."""
        before = self.state.get(cell, Array.full(slope.shape, 0.0))
        self.state[cell] = before.map(lambda velocity, number: 0.9 * velocity + number, slope)
        return self.state[cell].map(lambda velocity: self.rate * velocity)


class Adam:
    """The step of Adam with its usual constants; it remembers two means for each variable."""

    def __init__(self, rate):
        self.rate, self.state = rate, {}

    def start_over(self):
        """Forget the means, and how many steps were taken."""
        zeros = {cell: Array.full(first.shape, 0.0) for cell, (_, first, _) in self.state.items()}
        self.state = {cell: (0, zero, zero) for cell, zero in zeros.items()}

    def __call__(self, cell, slope):
        """Return what is taken from the variable."""
        time, first, second = self.state.get(cell, (0, Array.full(slope.shape, 0.0), Array.full(slope.shape, 0.0)))
        time += 1
        first = first.map(lambda mean, number: 0.9 * mean + 0.1 * number, slope)
        second = second.map(lambda mean, number: 0.999 * mean + 0.001 * number * number, slope)
        self.state[cell] = time, first, second
        rate = self.rate * math.sqrt(1 - 0.999**time) / (1 - 0.9**time)
        return first.map(lambda one, other: rate * one / (math.sqrt(other) + 1e-8), second)


#: what each optimizer is called in a spec; adamw decays weights apart from its step
STEPS = {"sgd": descend, "momentum": Momentum, "adam": Adam, "adamw": Adam}
