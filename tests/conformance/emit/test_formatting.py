"""Tests of formatting: the layout changes, and nothing that runs does."""

import ast

import pytest

from canireuse.emit.formatting import COLUMNS, all_formatted, formatted

LONG = f"observe('label', [{', '.join(f'variable_{number}' for number in range(20))}])\n"
TEXT = f"import math\ndef loss():\n    return math.pi\n{LONG}"


def test_lines_are_broken_and_functions_stand_apart() -> None:
    laid_out = formatted(TEXT)
    assert max(map(len, laid_out.splitlines())) <= COLUMNS
    assert "import math\n\n\ndef loss():" in laid_out
    assert ast.dump(ast.parse(laid_out)) == ast.dump(ast.parse(TEXT))


def test_the_layout_is_read_by_the_oldest_python_that_scripts_run_on() -> None:
    opened = ", ".join(f"open('file_{number}') as file_{number}" for number in range(9))
    laid_out = formatted(f"with {opened}:\n    pass\n")
    assert max(map(len, laid_out.splitlines())) <= COLUMNS
    ast.parse(laid_out, feature_version=(3, 7))


def test_many_scripts_are_formatted_as_each_alone() -> None:
    assert all_formatted([TEXT, LONG, TEXT]) == [formatted(TEXT), formatted(LONG), formatted(TEXT)]


@pytest.mark.parametrize("text", ["def (", "x = (\n", ""])
def test_what_is_no_python_stays_as_it_is(text: str) -> None:
    assert formatted(text) == text
    assert all_formatted([text, TEXT]) == [text, formatted(TEXT)]
