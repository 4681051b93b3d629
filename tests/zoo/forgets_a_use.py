"""A backend whose gradient knows one use of a variable alone."""

from canireuse.contract import tape
from canireuse.contract.arrays import Array
from canireuse.contract.tape import *  # noqa: F403  # everything but the gradient is as it is


class LastUse(tape.Gradient):
    """Keeps the last contribution where contributions sum."""

    def forward(self):
        values, gradients = {}, {self.of: Array.full(self.of.shape, 1.0)}
        tape.evaluate(self.of, values)
        for each in reversed(tape.in_order(self.of)):
            if each not in gradients or not each.inputs:
                continue
            received = each.backward(gradients[each], values[each], *[values[one] for one in each.inputs])
            gradients.update(
                {one: slope for one, slope in zip(each.inputs, received, strict=True) if slope is not None}
            )
        return gradients.get(self.wrt) or Array.full(self.wrt.shape, 0.0)


def gradient(of, wrt):
    return LastUse(tape.tensor(of), tape.tensor(wrt))
