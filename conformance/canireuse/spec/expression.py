"""The expression language of specs: arithmetic on names, parsed by Python's own `ast`.

Only names, numbers, lists of numbers, the operators `+ - * / @ **`, indexing by an integer and the
functions of `FUNCTIONS` are in the language. Everything else is refused where it stands, so that an
expression can never run code; and what its numbers come to is bounded, so that none takes long.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from canireuse.spec.bounds import LARGEST, LONGEST_EXPRESSION, MOST_AXES, MOST_ELEMENTS

#: Functions of the language, each with what it means.
FUNCTIONS: Mapping[str, str] = {
    "tanh": "hyperbolic tangent of each element",
    "relu": "the larger of each element and zero",
    "sigmoid": "1 / (1 + exp(-x)) of each element",
    "exp": "e to the power of each element",
    "log": "natural logarithm of each element",
    "square": "each element times itself",
    "sum": "sum of all elements, a scalar",
    "mean": "mean of all elements, a scalar",
    "transpose": "a matrix with its two axes exchanged",
    "softmax": "softmax along the last axis",
    "stop_gradient": "the same value, through which no gradient goes",
    "ones": "an array of ones; the arguments are its shape",
    "gather_nd": "the elements of a matrix at pairs of row and column, which are the second argument: `gather_nd(x, [[0, 1], [2, 0]])`",
}
#: what Python would drop from an expression, or read as another character
FOREIGN = re.compile("[^ -~]|#")
#: operators, each with what it makes of two numbers
OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
}


class ExpressionError(ValueError):
    """An expression that is not in the language; `column` counts from 0 within its text."""

    def __init__(self, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.column = column


@lru_cache(10_000)  # each is asked for by every adapter, and by several of its questions
def parse(text: str) -> ast.expr:
    """Parse an expression, once, and refuse whatever is outside the language.

    Raises ExpressionError: what is wrong, and at which column.
    """
    if len(text) > LONGEST_EXPRESSION:
        raise ExpressionError(
            f"{text[:20]!r}... is longer than {LONGEST_EXPRESSION} characters: compute it in several steps"
        )
    foreign = FOREIGN.search(text.strip())
    if foreign:
        message = f"{foreign[0]!r} stands in an expression: write it on one line, in ASCII and without a comment"
        raise ExpressionError(message, foreign.start())
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError) as error:
        why = error.args[0] if error.args else "too deeply nested"
        raise ExpressionError(f"{text!r} is not an expression: {why}", (getattr(error, "offset", 1) or 1) - 1) from None
    check(tree)
    return tree


def check(node: ast.expr) -> None:  # noqa: C901, PLR0912  # one case a kind of node
    """Raise ExpressionError at the first node that is outside the language."""
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            number_of(node)
        case ast.Name():
            return
        case ast.Attribute(value=inner) if not node.attr.startswith("_") and isinstance(
            inner, ast.Name | ast.Attribute
        ):
            check(inner)
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in OPERATORS:
            check(left)
            check(right)
            number_of(node)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            check(operand)
        case ast.List():
            shape_of(node)
        case ast.Subscript(value=value, slice=ast.Constant(value=index)) if (
            is_index(index) and number_of(value) is None
        ):
            check(value)
        case ast.Call(func=ast.Name(id="ones"), args=[_, *_] as sizes, keywords=[]) if all(map(is_size, sizes)):
            if len(sizes) > MOST_AXES or math.prod(ast.literal_eval(size) for size in sizes) > MOST_ELEMENTS:
                raise ExpressionError(
                    f"{ast.unparse(node)!r} is too large: at most {MOST_ELEMENTS} elements on {MOST_AXES} axes",
                    node.col_offset,
                )
        case ast.Call(func=ast.Name(id="gather_nd"), args=[matrix, ast.List(elts=[_, *_] as pairs)], keywords=[]) if (
            all(map(is_pair, pairs))
        ):
            check(matrix)
        case ast.Call(func=ast.Name(id=function), args=[argument], keywords=[]) if function not in {
            "ones",
            "gather_nd",
        }:
            if function not in FUNCTIONS:
                raise ExpressionError(
                    f"{function!r} is no function of the language: use one of {', '.join(FUNCTIONS)}", node.col_offset
                )
            check(argument)
        case _:
            raise ExpressionError(
                f"{ast.unparse(node)!r} is outside the expression language: use names, numbers, lists, "
                f"+ - * / @ **, an integer index and {', '.join(FUNCTIONS)}",
                node.col_offset,
            )


def number_of(node: ast.expr) -> float | None:
    """Return what a node of numbers alone comes to, None for any other; raise ExpressionError if float32 cannot hold it."""
    try:
        value = computed(node)
    except (ArithmeticError, TypeError):  # too large, divided by zero, or no product of matrices
        value = math.inf
    if value is not None and not (isinstance(value, float) and abs(value) <= LARGEST):
        message = f"{ast.unparse(node)[:40]!r} comes to no finite number that float32 can hold"
        raise ExpressionError(message, node.col_offset)
    return value


def computed(node: ast.expr) -> Any:
    """Return what a node of numbers alone comes to, in floats, so that it takes no time; None for any other."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = computed(operand)
            return value if value is None else -value
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in OPERATORS:
            values = computed(left), computed(right)
            return None if None in values else OPERATORS[type(operation)](*values)
    return None


def shape_of(node: ast.expr) -> tuple[int, ...]:
    """Return the shape of a list of numbers; raise ExpressionError if it is none."""
    if not isinstance(node, ast.List):
        if number_of(node) is None:
            raise ExpressionError(f"{ast.unparse(node)!r} stands in a list: a list has numbers alone", node.col_offset)
        return ()
    shapes = [shape_of(element) for element in node.elts]
    if not shapes or any(shape != shapes[0] for shape in shapes) or len(shapes[0]) >= MOST_AXES:
        raise ExpressionError(
            f"{ast.unparse(node)!r} is no array: a list has numbers in rows of equal length, on at most {MOST_AXES} axes",
            node.col_offset,
        )
    return len(shapes), *shapes[0]


def is_index(index: object) -> bool:
    """Return whether the index of a subscript is a whole number that an axis could have."""
    return type(index) is int and 0 <= index < MOST_ELEMENTS


def is_size(node: ast.expr) -> bool:
    """Return whether a node is a whole number above zero."""
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value > 0


def is_pair(node: ast.expr) -> bool:
    """Return whether a node is a list of two whole numbers that axes could have as indices."""
    match node:
        case ast.List(elts=[ast.Constant(value=row), ast.Constant(value=column)]):
            return is_index(row) and is_index(column)
    return False


def places(tree: ast.expr) -> list[tuple[str, int]]:
    """Return every place an expression reads (`w`, `layer.kernel`) with its column."""
    if isinstance(tree, ast.Name | ast.Attribute):
        return [(ast.unparse(tree), tree.col_offset)]
    if isinstance(tree, ast.Call):
        return places(tree.args[0])
    return [place for child in ast.iter_child_nodes(tree) if isinstance(child, ast.expr) for place in places(child)]
