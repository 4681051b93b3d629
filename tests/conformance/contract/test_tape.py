"""The tape of the reference model: values by hand, gradients against finite differences."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canireuse.contract import tape
from canireuse.contract.arrays import Array, common_shape
from canireuse.contract.refusals import BadArgument, DtypeMismatch, ShapeMismatch

STEP = 1e-5
VECTOR, MATRIX, OTHER = [0.3, -1.2, 2.0], [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], [[1.0, -2.0], [0.5, 3.0], [-1.0, 0.7]]


class Leaf(tape.Tensor):
    """A tensor whose numbers can be changed between evaluations."""

    inputs, dtype, name = (), "float32", "leaf"

    def __init__(self, value):
        self.array = Array.of(value)
        self.shape = self.array.shape

    def forward(self):
        return self.array


def value(expression):
    return tape.evaluate(tape.tensor(expression)).tolist()


def by_differences(of, leaf):
    slopes = []
    start = leaf.array
    for place in range(len(start.data)):
        ends = []
        for sign in (1, -1):
            data = list(start.data)
            data[place] += sign * STEP
            leaf.array = Array(data, start.shape)
            ends.append(tape.evaluate(of).data[0])
        slopes.append((ends[0] - ends[1]) / (2 * STEP))
    leaf.array = start
    return slopes


def check(of, *leaves):
    for leaf in leaves:
        found = tape.evaluate(tape.gradient(of, leaf))
        assert found.shape == leaf.shape
        assert found.data == pytest.approx(by_differences(of, leaf), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tape.sum(tape.tanh(x)),
        lambda x: tape.sum(tape.relu(x)),
        lambda x: tape.sum(tape.sigmoid(x)),
        lambda x: tape.sum(tape.exp(x)),
        lambda x: tape.sum(tape.log(tape.square(x))),
        lambda x: tape.mean(tape.square(x)),
        lambda x: tape.sum(x**3),
        lambda x: tape.sum(2.0**x),
        lambda x: tape.sum(tape.square(x) ** x),
        lambda x: tape.sum(-x * x - 1.0 / x + (3.0 - x) / 2.0),
        lambda x: tape.sum(tape.square(tape.softmax(x))),
        lambda x: x[0] * x[-1],
        lambda x: tape.sum(tape.square(tape.constant(MATRIX) @ x)),
        lambda x: tape.sum(tape.square(x @ tape.constant(OTHER))),
        lambda x: x @ x,
        lambda x: tape.sum(tape.square(tape.gather(x, [0, 2, 0]))),
    ],
)
def test_gradient_of_a_vector(function):
    leaf = Leaf(VECTOR)
    check(function(leaf), leaf)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: tape.sum(tape.tanh(x @ y)),
        lambda x, y: tape.sum(tape.square(x + tape.transpose(y))),
        lambda x, y: tape.sum(tape.softmax(x @ y) * tape.constant([[1.0, 2.0], [3.0, 4.0]])),
        lambda x, y: tape.sum(tape.square(tape.gather(y, [[0, 2], [0, 0]]))) + tape.sum(x),
        lambda x, y: tape.sum(tape.square(tape.gather_nd(x @ y, [[0, 1], [1, 1], [0, 1]]))),
        lambda x, y: tape.sum(x[1] * tape.transpose(y)) - tape.mean(y[0]),
    ],
)
def test_gradient_of_two_matrices(function):
    first, second = Leaf(MATRIX), Leaf(OTHER)
    check(function(first, second), first, second)


SHAPES = st.lists(st.integers(1, 3), max_size=3)


@given(st.data(), SHAPES, st.sampled_from(["add", "subtract", "multiply", "divide", "power"]))
def test_gradient_through_broadcasting(data, shape, operation):
    first = [extent if data.draw(st.booleans()) else 1 for extent in shape]
    second = [
        extent if extent != one or data.draw(st.booleans()) else 1 for extent, one in zip(shape, first, strict=True)
    ]
    second = second[data.draw(st.integers(0, len(second))) :]
    numbers = st.floats(0.5, 2.0)
    leaves = [
        Leaf(Array(data.draw(st.lists(numbers, min_size=math.prod(each), max_size=math.prod(each))), each).tolist())
        for each in (first, second)
    ]
    check(tape.sum(tape.square(tape.Binary(operation, *leaves))), *leaves)


def test_gradient_sums_over_uses():
    x = Leaf(3.0)
    assert value(tape.gradient(x * x + 5.0 * x, x)) == 11.0


def test_gradient_is_zero_where_nothing_depends():
    x, y = Leaf([1.0, 2.0]), Leaf(1.0)
    assert value(tape.gradient(y * 2.0, x)) == [0.0, 0.0]


def test_gradient_is_part_of_further_arithmetic():
    x = Leaf([1.0, 2.0])
    assert value(tape.sum(tape.gradient(tape.sum(tape.square(x)), x) * 10.0)) == 60.0


def test_a_tensor_follows_what_it_is_computed_from():
    x = Leaf(1.0)
    doubled = x * 2.0
    assert value(doubled) == 2.0
    x.array = Array.of(5.0)
    assert value(doubled) == 10.0


def test_integers_stay_integers():
    assert value(tape.constant([1, 2]) * 3 + 1) == [4, 7]
    assert tape.constant([1, 2]).dtype == "int32"
    assert tape.constant([1, 2.0]).dtype == "float32"


def test_numbers_beyond_floating_point_are_infinite_or_no_number():
    zero = tape.constant([0.0, 1.0])
    assert value(1.0 / zero) == [math.inf, 1.0]
    assert value(tape.log(zero)) == [-math.inf, 0.0]
    assert value(tape.exp(zero * 1e4)) == [1.0, math.inf]
    assert math.isnan(value(tape.log(zero - 1.0))[0])
    assert value(tape.sigmoid(zero * -1e4)) == [0.5, 0.0]
    assert value(zero**-1) == [math.inf, 1.0]
    assert math.isnan(value((zero - 1.0) ** 0.5)[0])


def test_a_long_chain_is_no_deep_recursion():
    x = Leaf(1.0)
    total = x
    for _ in range(5000):
        total = total + x
    assert value(total) == 5001.0
    assert value(tape.gradient(total, x)) == 5001.0


@pytest.mark.parametrize(
    ("refusal", "build"),
    [
        (ShapeMismatch, lambda: tape.constant([1.0, 2.0]) + tape.constant([1.0, 2.0, 3.0])),
        (ShapeMismatch, lambda: tape.constant([[1.0, 2.0]]) @ tape.constant([[1.0, 2.0]])),
        (ShapeMismatch, lambda: tape.constant(1.0) @ tape.constant([1.0])),
        (ShapeMismatch, lambda: tape.transpose([1.0])),
        (ShapeMismatch, lambda: tape.softmax(1.0)),
        (ShapeMismatch, lambda: tape.constant([[1.0], [1.0, 2.0]])),
        (BadArgument, lambda: tape.constant(["a"])),
        (BadArgument, lambda: tape.constant([1.0])[1]),
        (BadArgument, lambda: tape.constant(1.0)[0]),
        (BadArgument, lambda: tape.constant([1.0]).assign([2.0])),
        (BadArgument, lambda: tape.evaluate(tape.gather([1.0], [1]))),
        (BadArgument, lambda: tape.gather_nd(tape.constant([[1.0]]), [[0, 1]])),
        (ShapeMismatch, lambda: tape.gather_nd(tape.constant([1.0]), [[0, 0]])),
        (BadArgument, lambda: tape.gradient(tape.constant([1.0, 2.0]), tape.constant(1.0))),
    ],
)
def test_refuses(refusal, build):
    with pytest.raises(refusal, match=r"; expected .*; "):
        build()


def test_refuses_two_dtypes():
    wide = Leaf(1.0)
    wide.dtype = "float64"
    with pytest.raises(DtypeMismatch):
        wide + Leaf(1.0)


def test_common_shape_is_that_of_broadcasting():
    assert common_shape((2, 1), (3,)) == (2, 3)
    assert common_shape((), (4,)) == (4,)
    assert common_shape((0,), (1,)) == (0,)
