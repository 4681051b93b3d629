"""Batches of the reference model: tensors of one shape stacked along a new first axis."""

from canireuse.contract.arrays import Array, size
from canireuse.contract.refusals import ShapeMismatch
from canireuse.contract.tape import Tensor


class Stack(Tensor):
    """Tensors of one shape, one after another along a new first axis."""

    operation = "stack"

    def __init__(self, rows):
        if len({row.shape for row in rows}) != 1:
            raise ShapeMismatch("rows of several shapes are stacked", "rows of one shape", "make them alike")
        super().__init__(tuple(rows), (len(rows), *rows[0].shape))

    def forward(self, *rows):
        """Return the rows, joined."""
        return Array([number for row in rows for number in row.data], self.shape)

    def backward(self, gradient, out, *rows):
        """Hand each row its part."""
        width = size(self.shape[1:])
        return [Array(gradient.data[at * width : (at + 1) * width], self.shape[1:]) for at in range(len(rows))]
