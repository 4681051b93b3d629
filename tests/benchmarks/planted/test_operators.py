"""Faults in code: what could be planted, and that what is planted is in effect and no file is touched."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.planted import operators

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("body", "operator", "mutated"),
    [
        ("return a == b", "comparison turned", "return a != b"),
        ("return a < b", "comparison turned", "return a <= b"),
        ("if a is None: b = 1", "comparison turned", "if a is not None"),
        ("if a: b = 1", "condition negated", "if not a"),
        ("if not a: b = 1", "condition negated", "if a"),
        ("b = 1 if a else 2", "condition negated", "b = 1 if not a else 2"),
        ("b = a and c", "and for or", "b = a or c"),
        ("b = a or c", "and for or", "b = a and c"),
        ("b = a + 1", "one dropped", "b = a"),
        ("a += 1", "one dropped", "pass"),
        ("a.append(b)", "call dropped", "pass"),
        ("a.b = c", "assignment dropped", "pass"),
        ("a[b] = c", "assignment dropped", "pass"),
        ("return a", "nothing returned", "return None"),
        ("b = a(True)", "constant flipped", "b = a(False)"),
        ("b = a(c=c, d=1)", "argument not handed on", "b = a(d=1)"),
        ("for b in a: break", "loop goes on", "continue"),
        ("for b in a: continue", "loop ends", "break"),
    ],
)
def test_each_kind_of_fault(body, operator, mutated):
    found = [one for one in operators.places(ast.parse(f"def f(a, b, c):\n    {body}\n")) if one.operator == operator]
    assert [(one.function, one.line, one.mutated) for one in found] == [("f", 2, mutated)]


@pytest.mark.parametrize(
    ("given", "mutated"),
    [("a, b=True", "b=False"), ("a=1", "a=2"), ("*, a='x'", "a=''"), ("a=None, /", "a=True"), ("a=(), *, b, c=0.5", "c=1.5")],
)  # fmt: skip
def test_defaults_are_changed(given, mutated):
    (found,) = operators.places(ast.parse(f"class C:\n    def f(self, {given}):\n        pass\n"))
    assert (found.function, found.operator, found.mutated) == ("C.f", "default changed", mutated)


@pytest.mark.parametrize(
    "text",
    [
        "a = b == c",
        "def f():\n    raise Error(a == b)",
        "def f():\n    assert a == b",
        "def __repr__(self):\n    return a == b",
        "@made(a=b)\ndef f(a: b == c) -> a and b:\n    pass",
        "def f():\n    logging.info(a)",
        "def f():\n    return None",
    ],
)
def test_where_no_fault_is_planted(text):
    assert list(operators.places(ast.parse(text))) == []


def test_planting_a_place_gives_the_code_that_it_says_and_listing_places_changes_nothing():
    text = "def f(a, b=1):\n    if a == b and (not b):\n        return g(a, b=b)\n    return b + 1"
    for number, one in enumerate(operators.places(ast.parse(text))):
        tree = ast.parse(text)
        again = list(operators.places(tree))
        assert ast.unparse(tree) == text
        again[number].plant()
        changed = ast.unparse(tree)
        assert one.original in text
        assert one.mutated in changed
        assert text.replace(one.original, one.mutated, 1) == changed


TOY = """\
'A module.'
from __future__ import annotations


def count(a, more=False):
    'A docstring.'
    if more:
        return a + 1
    return a
"""
ASK = """\
import json, sys
sys.path[:0] = [{root!r}, {folder!r}]
from benchmarks.planted import operators
{call}
import toy
operators.CHANNEL and operators.began()
print(json.dumps([toy.count(1), toy.count(1, more=True), toy.count.__doc__]))
"""


def asked(folder, call):
    """Return what the toy says in a process where something of `operators` was called before it was imported."""
    code = ASK.format(root=str(ROOT), folder=str(folder), call=call)
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    return json.loads(ran.stdout) if not ran.returncode else ran.stderr


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "toy.py").write_text(TOY)
    return tmp_path


def faults():
    """Return the faults of the toy as they would be frozen."""
    names = ("function", "line", "operator", "original", "mutated")
    return [{"module": "toy", **dict(zip(names, one.key, strict=True))} for one in operators.places(ast.parse(TOY))]


def test_a_planted_fault_is_in_effect_and_gone_in_the_next_process(toy):
    came = {fault["mutated"]: asked(toy, f"operators.plant({fault!r})") for fault in faults()}
    assert came == {
        "more=True": [2, 2, "A docstring."],
        "if not more": [2, 1, "A docstring."],
        "return a": [1, 1, "A docstring."],
        "return None": [None, 2, "A docstring."],
    }
    assert asked(toy, "pass") == [1, 2, "A docstring."]
    assert (toy / "toy.py").read_text() == TOY


def test_marks_say_what_is_reached_and_change_nothing(toy):
    marks = toy / "marks"
    watched = faults()
    assert asked(toy, f"operators.watch({watched!r}, {str(marks)!r})") == [1, 2, "A docstring."]
    numbers = marks.read_bytes().partition(operators.BEGAN)[2].split()
    assert sorted(map(int, numbers)) == [*range(len(watched))]


def test_what_is_not_reached_has_no_mark(toy):
    marks = toy / "marks"
    (toy / "toy.py").write_text(TOY.replace("if more:", "if a > 5:"))
    watched = [{**fault, "original": "if a > 5", "mutated": "if a >= 5", "operator": "comparison turned"} if "if" in fault["original"] else fault for fault in faults()]  # fmt: skip
    asked(toy, f"operators.watch({watched!r}, {str(marks)!r})")
    numbers = set(map(int, marks.read_bytes().partition(operators.BEGAN)[2].split()))
    assert {watched[number]["original"] for number in numbers} == {"more=False", "if a > 5", "return a"}


def test_a_fault_of_another_version_is_refused(toy):
    fault = {**faults()[0], "original": "more=None"}
    assert "1 frozen faults are not in this version of the code" in asked(toy, f"operators.plant({fault!r})")
