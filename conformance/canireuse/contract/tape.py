"""Tiny tensors with reverse-mode gradients, for the reference model: lists of numbers and a shape.

A tensor is an expression. Over variables of a deferred graph it is evaluated anew whenever its value
is asked for, so it can be built from variables that have no value yet; over variables of an immediate
one it is evaluated once, when it is made, and keeps what its gradient needs. Correctness comes before speed. The standard library is all this needs, from Python 3.7 on.
"""

import builtins

from canireuse.contract.arrays import (
    BINARY,
    UNARY,
    Array,
    common_shape,
    divide,
    exponential,
    multiplied,
    size,
    transposed,
)
from canireuse.contract.refusals import BadArgument, DtypeMismatch, ShapeMismatch


class Tensor:
    """An expression over variables and constants."""

    #: what the operation is called in the names that a graph gives
    operation = ""
    #: the graph whose variables stand in the expression, if any do
    graph = None
    #: where the graph is immediate, the value and those of the inputs at that time
    kept = None
    #: whether the dtype gives way to that of what it is combined with, as that of plain numbers does
    gives_way = False

    def __init__(self, inputs, shape, dtype=None, graph=None):
        self.inputs, self.shape = inputs, tuple(shape)
        self.dtype = dtype or common_dtype(inputs)
        self.gives_way = all(each.gives_way for each in inputs)
        graphs = [each.graph for each in inputs if each.graph is not None]
        if any(graph is not graphs[0] for graph in graphs):
            raise BadArgument("variables of two graphs meet", "variables of one graph", "build it all in one graph")
        self.graph = graphs[0] if graphs else graph
        self.name = self.graph.unique_name(self.operation) if self.graph else None
        if self.graph and self.graph.immediate:
            arrays = [evaluate(each) for each in inputs]
            self.kept = self.forward(*arrays), arrays

    def assign(self, value):
        """Refuse: a tensor is worth what it is computed from."""
        raise BadArgument("a tensor is assigned to", "a variable", "make a variable of it")

    def forward(self, *arrays):
        """Return the value, given those of the inputs."""
        raise NotImplementedError

    def backward(self, gradient, out, *arrays):
        """Return the gradient of each input, given that of the value."""
        raise NotImplementedError

    def __add__(self, other):
        return Binary("add", self, other)

    def __radd__(self, other):
        return Binary("add", other, self)

    def __sub__(self, other):
        return Binary("subtract", self, other)

    def __rsub__(self, other):
        return Binary("subtract", other, self)

    def __mul__(self, other):
        return Binary("multiply", self, other)

    def __rmul__(self, other):
        return Binary("multiply", other, self)

    def __truediv__(self, other):
        return Binary("divide", self, other)

    def __rtruediv__(self, other):
        return Binary("divide", other, self)

    def __pow__(self, other):
        return Binary("power", self, other)

    def __rpow__(self, other):
        return Binary("power", other, self)

    def __matmul__(self, other):
        return MatMul(self, other)

    def __neg__(self):
        return Unary("negative", self)

    def __getitem__(self, index):
        if not isinstance(index, int):
            raise BadArgument(f"{index!r} is an index", "an integer", "take one row at a time")
        if not self.shape or not -self.shape[0] <= index < self.shape[0]:
            raise BadArgument(
                f"{list(self.shape)} has no index {index}", "an index within the first axis", "correct it"
            )
        return Gather(self, index % self.shape[0])


def common_dtype(inputs):
    """Return the dtype of a combination; raise DtypeMismatch if variables of two dtypes meet."""
    dtypes = {each.dtype for each in inputs if not each.gives_way}
    if len(dtypes) > 1:
        raise DtypeMismatch(f"the dtypes {' and '.join(sorted(dtypes))} meet", "one dtype", "make the variables alike")
    return dtypes.pop() if dtypes else min(each.dtype for each in inputs)


class Constant(Tensor):
    """Numbers that stand in the script."""

    gives_way = True

    def __init__(self, value):
        self.value = Array.of(value)
        self.inputs, self.shape, self.dtype = (), self.value.shape, dtype_of(self.value)

    def forward(self):
        """Return the numbers."""
        return self.value


def dtype_of(array):
    """Return the dtype that plain numbers have by themselves."""
    if array.data and all(isinstance(number, bool) for number in array.data):
        return "bool"
    return "int32" if array.data and all(isinstance(number, int) for number in array.data) else "float32"


def tensor(value):
    """Return the value if it is a tensor, else the constant that it is."""
    return value if isinstance(value, Tensor) else Constant(value)


class Binary(Tensor):
    """An operation on the elements of two tensors, with broadcasting."""

    def __init__(self, name, first, second):
        self.operation, self.function, self.derivative = BINARY[name]
        inputs = (tensor(first), tensor(second))
        super().__init__(inputs, common_shape(inputs[0].shape, inputs[1].shape))

    def forward(self, first, second):
        """Return the operation on each pair."""
        return first.spread(self.shape).map(self.function, second.spread(self.shape))

    def backward(self, gradient, out, first, second):
        """Sum over the axes along which an input was repeated."""
        pairs = list(map(self.derivative, first.spread(self.shape).data, second.spread(self.shape).data, out.data))
        return [
            gradient.map(lambda slope, pair, at=at: slope * pair[at], Array(pairs, self.shape)).gathered(each.shape)
            for at, each in enumerate((first, second))
        ]


class Unary(Tensor):
    """An operation on the elements of one tensor."""

    def __init__(self, name, value):
        self.operation, self.function, self.derivative = UNARY[name]
        super().__init__((tensor(value),), tensor(value).shape)

    def forward(self, value):
        """Return the operation on each element."""
        return value.map(self.function)

    def backward(self, gradient, out, value):
        """Multiply by the derivative."""
        return [gradient.map(lambda slope, a, result: slope * self.derivative(a, result), value, out)]


class Total(Tensor):
    """The sum of all elements, or their mean."""

    def __init__(self, value, mean=False):
        value = tensor(value)
        self.operation = "Mean" if mean else "Sum"
        self.weight = divide(1.0, size(value.shape)) if mean else 1
        super().__init__((value,), ())

    def forward(self, value):
        """Return the weighted sum."""
        return Array([builtins.sum(value.data) * self.weight], ())

    def backward(self, gradient, out, value):
        """Hand the gradient to every element."""
        return [Array.full(value.shape, gradient.data[0] * self.weight)]


class Transpose(Tensor):
    """A matrix with its axes exchanged."""

    operation = "transpose"

    def __init__(self, value):
        value = tensor(value)
        if len(value.shape) != 2:
            raise ShapeMismatch(f"{list(value.shape)} is transposed", "a matrix", "give it two axes")
        super().__init__((value,), value.shape[::-1])

    def forward(self, value):
        """Exchange rows and columns."""
        return transposed(value)

    def backward(self, gradient, out, value):
        """Exchange them back."""
        return [transposed(gradient)]


class MatMul(Tensor):
    """The product of two matrices; a vector stands for a row on the left, a column on the right."""

    operation = "matmul"

    def __init__(self, first, second):
        first, second = tensor(first), tensor(second)
        self.left, self.right = self.matrix_shapes(first.shape, second.shape)
        super().__init__((first, second), first.shape[:-1] + second.shape[1:])

    @staticmethod
    def matrix_shapes(first, second):
        """Return both shapes as those of matrices; raise ShapeMismatch if they do not fit."""
        if not 1 <= len(first) <= 2 or not 1 <= len(second) <= 2 or first[-1] != second[0]:
            raise ShapeMismatch(f"{list(first)} @ {list(second)}", "as many columns as rows", "make the shapes fit")
        return (size(first[:-1]), first[-1]), (second[0], size(second[1:]))

    def forward(self, first, second):
        """Multiply rows by columns."""
        return Array(multiplied(Array(first.data, self.left), Array(second.data, self.right)).data, self.shape)

    def backward(self, gradient, out, first, second):
        """Multiply the gradient by the other factor, transposed."""
        slope = Array(gradient.data, (self.left[0], self.right[1]))
        by_first = multiplied(slope, transposed(Array(second.data, self.right)))
        by_second = multiplied(transposed(Array(first.data, self.left)), slope)
        return [Array(by_first.data, first.shape), Array(by_second.data, second.shape)]


class Softmax(Tensor):
    """Softmax along the last axis."""

    operation = "Softmax"

    def __init__(self, value):
        value = tensor(value)
        if not value.shape:
            raise ShapeMismatch("softmax of a number", "at least one axis", "give it a list")
        super().__init__((value,), value.shape)

    def rows(self, array):
        """Return the lists along the last axis."""
        width = self.shape[-1]
        return [array.data[start : start + width] for start in range(0, len(array.data), width)]

    def forward(self, value):
        """Take the largest element away first, so that nothing overflows."""
        result = []
        for row in self.rows(value):
            powers = [exponential(number - max(row)) for number in row]
            result += [number / builtins.sum(powers) for number in powers]
        return Array(result, self.shape)

    def backward(self, gradient, out, value):
        """Take from each slope the mean slope of its row."""
        result = []
        for slopes, shares in zip(self.rows(gradient), self.rows(out)):
            mean = builtins.sum(slope * share for slope, share in zip(slopes, shares))
            result += [share * (slope - mean) for slope, share in zip(slopes, shares)]
        return [Array(result, self.shape)]


class Gather(Tensor):
    """Rows of a table, in the order of the indices given; one index gives one row."""

    operation = "GatherV2"

    def __init__(self, table, rows):
        table, rows = tensor(table), tensor(rows)
        if not table.shape:
            raise ShapeMismatch("rows of a number", "at least one axis", "give it a list")
        super().__init__((table, rows), rows.shape + table.shape[1:], dtype=table.dtype)
        self.gives_way = table.gives_way

    def forward(self, table, rows):
        """Look the rows up."""
        width = size(table.shape[1:])
        for row in rows.data:
            if not isinstance(row, int) or not 0 <= row < table.shape[0]:
                raise BadArgument(f"row {row!r} of {table.shape[0]}", "an index within the table", "correct it")
        return Array(
            [number for row in rows.data for number in table.data[row * width : (row + 1) * width]], self.shape
        )

    def backward(self, gradient, out, table, rows):
        """Add up what each row receives; indices have no gradient."""
        width, total = size(table.shape[1:]), Array.full(table.shape, 0.0)
        for use, row in enumerate(rows.data):
            for column in range(width):
                total.data[row * width + column] += gradient.data[use * width + column]
        return [total, None]


class GatherNd(Tensor):
    """Elements of a matrix, in the order of the pairs of row and column given."""

    operation = "GatherNd"

    def __init__(self, matrix, pairs):
        matrix = tensor(matrix)
        if len(matrix.shape) != 2:
            raise ShapeMismatch(f"{list(matrix.shape)} is looked up by pairs", "a matrix", "give it two axes")
        for pair in pairs:
            if any(index >= length for index, length in zip(pair, matrix.shape)):
                raise BadArgument(f"{pair} of {list(matrix.shape)}", "indices within the matrix", "correct it")
        self.at = [row * matrix.shape[1] + column for row, column in pairs]
        super().__init__((matrix,), (len(pairs),), dtype=matrix.dtype)
        self.gives_way = matrix.gives_way

    def forward(self, matrix):
        """Look the elements up."""
        return Array([matrix.data[at] for at in self.at], self.shape)

    def backward(self, gradient, out, matrix):
        """Add up what each element receives."""
        total = Array.full(matrix.shape, 0.0)
        for slope, at in zip(gradient.data, self.at):
            total.data[at] += slope
        return [total]


class Gradient(Tensor):
    """The gradient of a scalar with respect to another tensor: the sum over all its uses."""

    operation = "gradients"

    def __init__(self, of, wrt):
        if size(of.shape) != 1:
            raise BadArgument(f"the gradient of {list(of.shape)}", "a scalar", "sum it first")
        self.of, self.wrt = of, wrt
        super().__init__((), wrt.shape, dtype=wrt.dtype, graph=of.graph)

    def forward(self):
        """Run backwards through the expression."""
        return slopes(self.of, [self.wrt])[0] or Array.full(self.wrt.shape, 0.0)


# -- evaluation


def evaluate(root, values=None):
    """Return the value of a tensor; `values` remembers what was evaluated on the way."""
    values = {} if values is None else values
    for each in in_order(root, values):
        values[each] = each.kept[0] if each.kept else each.forward(*[values[one] for one in each.inputs])
    return values[root]


def in_order(root, values=None):
    """Return the tensors an expression is made of, each after its inputs; those that need no evaluation are left out if `values` is given."""
    order, seen, waiting = [], set(values or ()), [(root, False)]
    while waiting:
        each, ready = waiting.pop()
        if ready:
            order.append(each)
        elif each not in seen:
            seen.add(each)
            waiting.append((each, True))
            if values is None or not each.kept:
                waiting.extend((one, False) for one in each.inputs)
    return order


def slopes(of, wrt):
    """Return the gradient of a scalar with respect to each tensor; None where it does not depend on it."""
    values, gradients = {}, {of: Array.full(of.shape, 1.0)}
    for each in reversed(in_order(of)):
        if each not in gradients or not each.inputs:
            continue
        out, arrays = each.kept or (evaluate(each, values), [values[one] for one in each.inputs])
        received = each.backward(gradients[each], out, *arrays)
        for one, gradient in zip(each.inputs, received):
            if gradient is not None:
                gradients[one] = gradients[one].map(lambda a, b: a + b, gradient) if one in gradients else gradient
    return [gradients.get(each) for each in wrt]


# -- what scripts call


def constant(value):
    """Return numbers as a tensor."""
    return Constant(value)


def ones(*shape):
    """Return a tensor of ones."""
    values = 1.0
    for length in reversed(shape):
        values = [values] * length
    return Constant(values)


def gather(table, rows):
    """Return rows of a table."""
    return Gather(table, rows)


def gather_nd(matrix, pairs):
    """Return elements of a matrix, by pairs of row and column."""
    return GatherNd(matrix, pairs)


def gradient(of, wrt):
    """Return the gradient of a scalar with respect to a variable."""
    return Gradient(tensor(of), tensor(wrt))


def _unary(name):
    """Return the function that applies an operation to each element."""

    def function(value):
        return Unary(name, value)

    return function


tanh, relu, sigmoid, exp = map(_unary, ("tanh", "relu", "sigmoid", "exp"))
log, square, stop_gradient = map(_unary, ("log", "square", "stop_gradient"))
transpose, softmax = Transpose, Softmax


def sum(value):  # noqa: A001  # the name it has in the expression language
    """Return the sum of all elements."""
    return Total(value)


def mean(value):
    """Return the mean of all elements."""
    return Total(value, mean=True)
