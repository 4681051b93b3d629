"""The expression language: what it refuses, and that wording keeps the meaning."""

import ast

import pytest

from canireuse.spec import expression
from canireuse.spec.expression import ExpressionError


@pytest.mark.parametrize(
    "text",
    [
        "open('x')", "__import__('os')", "x.__class__", "x._y", "(lambda: 1)()", "[x for x in y]", "x if y else z", "x < y",
        "'text'", "True", "None", "f(x)", "sum(x, y)", "sum(x=y)", "x[y]", "x[1:2]", "x and y", "not x", "x := 1", "{1: 2}",
        "x // y", "x % y", "x | y", "`x`", "", "x y", "(x).real.__init__", "...", "x; y", "x = y", "__name__()",
        "[x]", "[1, sum(x)]", "[[1], 2]", "[[1], [2, 3]]", "[]", "[[]]", "x[True]", "x[-1]", "1[0]", "(2 * 3)[0]", "x # y",
        "(x +\n1)", "\uff58", "x\u00b2", "2 @ 3", "[1.0][x]", "x[1.0]",
        "gather_nd(x)", "gather_nd(x, [])", "gather_nd(x, [0, 1])", "gather_nd(x, [[0]])", "gather_nd(x, [[0, y]])", "gather_nd(x, [[0, -1]])", "gather_nd(x, [[0, True]])",
        "gather_nd(x, [[0, 1], [0]])", "gather_nd(x, y)", "sum(x, [[0, 1]])",
    ],
)  # fmt: skip
def test_what_is_outside_the_language_is_refused(text):
    with pytest.raises(ExpressionError):
        expression.parse(text)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("9**9**9", 0),
        ("x + (9**64)**64", 5),
        ("x * 1e39", 4),
        ("x * 1e999", 4),
        ("x / (1 / 0)", 5),
        ("0.0 ** -1", 0),
        ("(-8) ** 0.5", 0),
        ("x ** -(9**99)", 7),
        ("[1.0, 9**99]", 6),
        ("x[99999999999]", 0),
        ("x + ones(4096, 4097)", 4),
        ("ones(1, 1, 1, 1, 1, 1, 1, 1, 1)", 0),
        ("x + " + "[" * 9 + "1" + "]" * 9, 4),
    ],
)
def test_what_no_machine_should_compute_is_refused_at_its_place(text, column):
    with pytest.raises(ExpressionError) as refused:
        expression.parse(text)
    assert refused.value.column == column, refused.value


@pytest.mark.parametrize(
    "text",
    ["3e38", "-(9**40)", "2 ** 127", "[[1, -2.5], [1 / 4, 2**3]]", "x[0][16777215]", "[1.0][0]", "ones(4096, 4096)"],
)
def test_numbers_that_float32_holds_are_in_the_language(text):
    assert expression.parse(text)


def test_an_error_says_at_which_column():
    with pytest.raises(ExpressionError) as refused:
        expression.parse("x + open(y)")
    assert refused.value.column == 4


def test_places_are_all_that_is_read():
    tree = expression.parse("sum(x @ layer.kernel) + [1.0, 2.0] * -y[0]")
    assert [name for name, _ in expression.places(tree)] == ["x", "layer.kernel", "y"]
    assert expression.places(expression.parse("gather_nd(net.scores, [[0, 1]])")) == [("net.scores", 10)]


def test_every_function_is_described():
    assert all(meaning for meaning in expression.FUNCTIONS.values())
    assert isinstance(expression.parse("softmax(x)"), ast.Call)
