"""Tiny arrays for the reference model: numbers in row-major order with a shape, and arithmetic on them."""

import math
from itertools import product

from canireuse.contract.refusals import BadArgument, ShapeMismatch

INFINITY = float("inf")
NAN = float("nan")


class Array:
    """Numbers in row-major order with a shape."""

    __slots__ = ("data", "shape")

    def __init__(self, data, shape):
        self.data, self.shape = list(data), tuple(shape)

    @classmethod
    def of(cls, value):
        """Return the array that nested lists, a number or an array stand for."""
        if isinstance(value, Array):
            return value
        if not isinstance(value, (list, tuple)):
            if not isinstance(value, (int, float)):
                raise BadArgument(f"{value!r} is no number", "numbers, or lists of them", "write numbers")
            return cls([value], ())
        rows = [cls.of(item) for item in value]
        if len({row.shape for row in rows}) > 1:
            raise ShapeMismatch("the rows of a list differ in shape", "rows of one shape", "make them alike")
        return cls([number for row in rows for number in row.data], (len(rows),) + (rows[0].shape if rows else ()))

    @classmethod
    def full(cls, shape, number):
        """Return an array that holds one number everywhere."""
        return cls([number] * size(shape), shape)

    def tolist(self):
        """Return nested lists, or the number itself where there are no axes."""
        if not self.shape:
            return self.data[0]
        step = size(self.shape[1:])
        return [
            Array(self.data[row * step : (row + 1) * step], self.shape[1:]).tolist() for row in range(self.shape[0])
        ]

    def map(self, function, *others):
        """Return the array of what a function makes of the elements, of others of the same shape too."""
        return Array([function(*numbers) for numbers in zip(self.data, *[other.data for other in others])], self.shape)

    def spread(self, shape):
        """Return this array repeated along the axes that it lacks or has once."""
        if self.shape == tuple(shape):
            return self
        lacking = len(shape) - len(self.shape)
        own = (1,) * lacking + self.shape
        steps = [size(own[axis + 1 :]) if own[axis] != 1 else 0 for axis in range(len(own))]
        return Array([self.data[sum(map(int.__mul__, at, steps))] for at in product(*map(range, shape))], shape)

    def gathered(self, shape):
        """Return the sum over the axes along which an array of that shape was repeated to make this one."""
        total = Array.full(shape, 0.0)
        places = Array(range(size(shape)), shape).spread(self.shape)
        for place, number in zip(places.data, self.data):
            total.data[place] += number
        return total


def size(shape):
    """Return how many elements a shape has."""
    count = 1
    for extent in shape:
        count *= extent
    return count


def common_shape(first, second):
    """Return the shape to which two shapes are broadcast; raise ShapeMismatch if there is none."""
    rank = max(len(first), len(second))
    extents = zip((1,) * (rank - len(first)) + tuple(first), (1,) * (rank - len(second)) + tuple(second))
    shape = []
    for one, other in extents:
        if one != other and 1 not in (one, other):
            raise ShapeMismatch(
                f"shapes {list(first)} and {list(second)} meet",
                "extents that are equal or 1",
                "make the shapes fit",
            )
        shape.append(other if one == 1 else one)
    return tuple(shape)


def transposed(matrix):
    """Return a matrix with rows and columns exchanged."""
    rows, columns = matrix.shape
    return Array(
        [matrix.data[row * columns + column] for column in range(columns) for row in range(rows)], (columns, rows)
    )


def multiplied(first, second):
    """Return the product of two matrices."""
    (rows, inner), columns = first.shape, second.shape[1]
    return Array(
        [
            sum(first.data[row * inner + at] * second.data[at * columns + column] for at in range(inner))
            for row in range(rows)
            for column in range(columns)
        ],
        (rows, columns),
    )


# -- arithmetic on single numbers, where Python raises and floating point does not


def divide(a, b):
    """Return the quotient."""
    if b == 0:
        return NAN if a == 0 or math.isnan(a) else math.copysign(INFINITY, a) * math.copysign(1.0, b)
    return a / b


def power(a, b):
    """Return the power."""
    try:
        result = a**b if a != 0 or b >= 0 else INFINITY
    except OverflowError:
        return INFINITY
    return NAN if isinstance(result, complex) else result


def exponential(a):
    """Return e to a power."""
    try:
        return math.exp(a)
    except OverflowError:
        return INFINITY


def logarithm(a):
    """Return the natural logarithm."""
    if a == 0:
        return -INFINITY
    return math.log(a) if a > 0 else NAN


def logistic(a):
    """Return 1 / (1 + exp(-a))."""
    return 1 / (1 + exponential(-a)) if a >= 0 else 1 - 1 / (1 + exponential(a))


#: operation -> (its name in a graph, the function, its derivatives by both arguments, given those and the result)
BINARY = {
    "add": ("add", lambda a, b: a + b, lambda a, b, out: (1.0, 1.0)),
    "subtract": ("sub", lambda a, b: a - b, lambda a, b, out: (1.0, -1.0)),
    "multiply": ("mul", lambda a, b: a * b, lambda a, b, out: (b, a)),
    "divide": ("truediv", divide, lambda a, b, out: (divide(1.0, b), divide(-out, b))),
    "power": (
        "pow",
        power,
        lambda a, b, out: (b * power(a, b - 1) if b else 0.0, out * logarithm(a) if a > 0 else 0.0),
    ),
}
#: operation -> (its name in a graph, the function, its derivative, given the argument and the result)
UNARY = {
    "negative": ("Neg", lambda a: -a, lambda a, out: -1.0),
    "tanh": ("Tanh", math.tanh, lambda a, out: 1 - out * out),
    "relu": ("Relu", lambda a: max(a, 0), lambda a, out: 1.0 if a > 0 else 0.0),
    "sigmoid": ("Sigmoid", logistic, lambda a, out: out * (1 - out)),
    "exp": ("Exp", exponential, lambda a, out: out),
    "log": ("Log", logarithm, lambda a, out: divide(1.0, a)),
    "square": ("Square", lambda a: a * a, lambda a, out: 2 * a),
    "stop_gradient": ("StopGradient", lambda a: a, lambda a, out: 0.0),
}
