"""Templates: what a hole that nothing fills leaves out, and names that stay what they are."""

import ast

import pytest

from canireuse.emit.fragments import give_way, kept, statements

CLASS = "class Cell:\n    def __init__(self, kernel):\n        self.kernel = kernel\n\nmade = Cell(kernel=2)"


def written(body: list[ast.stmt]) -> str:
    return "\n".join(map(ast.unparse, body))


@pytest.mark.parametrize(
    ("to", "code"), [(None, "with opened(scope):\n    pass"), ("outer", "with opened(scope) as outer:\n    pass")]
)
def test_a_block_that_binds_nothing_has_no_as(to, code):
    assert written(statements("with opened(scope) as $to:\n    pass", to=to)) == code


def test_a_class_that_is_called_by_keywords_keeps_their_names():
    names: dict[str, int] = {}
    body = kept(statements(CLASS))
    (body,), _ = give_way([body], {"kernel"})
    exec(written(body), names)  # what a script would run
    assert names["made"].kernel == 2
    other = statements(CLASS)
    (other,), _ = give_way([other], {"kernel"})
    with pytest.raises(TypeError, match="kernel"):
        exec(written(other), {})  # the same
