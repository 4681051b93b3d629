"""Promises: what is one, what is none, and when one is kept."""

from pathlib import Path

import pytest

from canireuse.documents.markdown import document
from canireuse.documents.promises import judged, promises_of


def promised(*blocks):
    page = document(Path("p.md"), "p.md", "\n".join(f"```python\n{block}\n```\n" for block in blocks))
    return [one for each in promises_of(page).values() for one in each]


def told(*blocks):
    return [(one.kind, one.line, one.text) for one in promised(*blocks)]


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("print(1)  # Output: 1", ("prints", 2, "1")),
        ("print(1) # output:1 # 2", ("prints", 2, "1 # 2")),
        ("x = 1; print(x)  # Output: 1", ("prints", 2, "1")),
        ("print(1,\n      2)  # Output: 1 2", ("prints", 3, "1 2")),
        ("print(1)\n# Output: 1", ("prints", 3, "1")),
        ("print(1)\n# Output:\n# 1", ("prints", 3, "1")),
        ("if True: print(1)  # Output: 1", ("prints", 2, "1")),
        ("tf.print(x)  # Output: 1", ("prints", 2, "1")),
        ("def show():\n    print(1)\nshow()  # Output: 1", ("prints", 4, "1")),
        ("f()  # raises ValueError", ("raises", 2, "ValueError")),
        ("f()  # Raises ValueError: no such thing.", ("raises", 2, "ValueError: no such thing")),
        ("f()  # raises ValueError: no such thing ...", ("raises", 2, "ValueError: no such thing")),
        ("x = f()  # raises tf.errors.NotFoundError:   gone", ("raises", 2, "tf.errors.NotFoundError: gone")),
        (">>> 1\n1", ("answers", 2, "1\n")),
    ],
)
def test_what_is_a_promise(block, found):
    assert told(block) == [found]


@pytest.mark.parametrize(
    "block",
    [
        "print('# Output: 1')",
        "text = '''\nprint(1)  # Output: 1\n'''",
        "y = model(x)  # Output: (batch, 10)",  # what a value is, not what is printed
        "model(x)  # Output: 1",
        "print(1)  # the output: 1",
        "print(1)  # Output 1",
        "print(1)  # Output:",
        "print(1)\n\n# Output: 1",
        "# Output: 1",
        "print(1,  # Output: 1\n      2)",
        "for x in print(1):  # Output: 1\n    pass",
        "f()  # raises the learning rate",
        "f()  # raises ValueError if x is negative",
        "f()\n# raises ValueError",
        "def f():  # raises ValueError\n    pass",
        ">>> x = 1",
        ">>> 1 # doctest: +SKIP\n2",
        "@tf.function\ndef f(x):\n    tf.print(x)  # Output: 1",  # runs when the framework runs it
        "print 1  # Output: 1",  # no Python of today
    ],
)
def test_what_is_no_promise(block):
    assert told(block) == []


def test_a_function_of_another_block_prints_too():
    assert told("def show():\n    print(1)", "show()  # Output: 1") == [("prints", 7, "1")]


def raised(kind, message="", bases=()):
    return {"type": kind, "module": "builtins", "bases": [kind, *bases, "Exception"], "message": message}


def piece(text, *lines, stream="stdout"):
    return {"lines": list(lines), "text": text, "stream": stream}


def reached(error=None, *, passed=True):
    return {2: {"error": error, "passed": passed}}


def came(block, printed=(), met=None):
    (one,) = promised(block)
    found = judged(one, printed, met or {})
    return found.came, found.kept


OUTPUT = "print(x)  # Output: [1, 2]"


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ([piece("[1, 2]\n", 2)], ("[1, 2]", True)),
        ([piece("[1,\n   2]\n", 2)], ("[1,\n   2]", True)),  # white space is no matter
        ([piece("[1,", 2), piece(" 2]\n", 9, 2)], ("[1, 2]", True)),  # from a function that it calls
        ([piece("[1, 3]\n", 2)], ("[1, 3]", False)),
        ([piece("[1, 2] and more\n", 2)], ("[1, 2] and more", False)),
        ([piece("[1, 2]\n", 3)], ("", False)),
        ([piece("[1, 2]\n", 2, stream="stderr")], ("", False)),
        ([], ("", False)),
    ],
)
def test_what_is_printed_is_the_text(printed, expected):
    assert came(OUTPUT, printed, reached()) == expected


def test_what_was_not_reached_is_not_kept():
    assert came(OUTPUT) == (None, False)
    assert came("f()  # raises ValueError") == (None, False)
    assert came(">>> 1\n1") == (None, False)


def test_comments_below_may_be_more_of_the_text():
    block = "print(x)  # Output: [1,\n#  2]\n# That was it."
    (one,) = promised(block)
    found = judged(one, [piece("[1, 2]\n", 2)], reached())
    assert (found.promised, found.kept) == ("[1,\n 2]", True)
    assert came("print(x)  # Output: 1\n# And on.", [piece("1\n", 2)], reached()) == ("1", True)


RAISES = "f()  # raises ValueError: wrong"


@pytest.mark.parametrize(
    ("met", "expected"),
    [
        (reached(raised("ValueError", "it is wrong here")), ("ValueError: it is wrong here", True)),
        (reached(raised("UnicodeError", "wrong", ["ValueError"])), ("UnicodeError: wrong", True)),
        (reached(raised("ValueError", "it is odd")), ("ValueError: it is odd", False)),
        (reached(raised("TypeError", "wrong")), ("TypeError: wrong", False)),
        (reached(), ("nothing was raised", False)),
        (reached(passed=False), (None, False)),  # its process ended in it
    ],
)
def test_what_is_raised_is_of_that_type_and_says_so(met, expected):
    assert came(RAISES, met=met) == expected


@pytest.mark.parametrize(
    ("block", "text", "error", "kept"),
    [
        (">>> x\n[1, ...]", "[1, 2]\n", None, True),
        (">>> x\n1  2", "1 2\n", None, True),
        (">>> x\n1", "2\n", None, False),
        (">>> x\n1", "", raised("ValueError", "no"), False),
        (">>> x\nTraceback (most recent call last):\nValueError: n...", "", raised("ValueError", "no"), True),
        (">>> x\nTraceback (most recent call last):\nbuiltins.ValueError: no", "", raised("ValueError", "no"), True),
        (">>> x\nTraceback (most recent call last):\nTypeError: no", "", raised("ValueError", "no"), False),
        (">>> x\nTraceback (most recent call last):\nValueError: no", "1\n", None, False),
        (">>> x # doctest: -ELLIPSIS\n[1, ...]", "[1, 2]\n", None, False),
        (">>> x\n<BLANKLINE>\n1", "\n1\n", None, True),
    ],
)
def test_answers_are_compared_as_doctest_does(block, text, error, kept):
    assert came(block, [piece(text, 2)], reached(error))[1] is kept
