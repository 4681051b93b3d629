"""Promises: what a block of a document says will come, and what of that came.

`print(x)  # Output: TEXT` promises what a statement prints, `f()  # raises ERROR: TEXT` what it raises, and what stands
below a prompt is the answer to it. Nothing else is a promise: no comment inside a text, none beside a statement that
prints nothing, none where a framework prints inside a function, which it may trace and run at another time, and no prose.
"""

import ast
import doctest
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canireuse.documents.markdown import Block, Document
from canireuse.results import records
from canireuse.spec.answers import COMPARED

OUTPUT = re.compile(r"#+\s*output:[ \t]*(.*?)\s*", re.IGNORECASE)
RAISES = re.compile(r"#+\s*[Rr]aises:?\s+((?:\w+\.)*[A-Z]\w*)\s*(?::\s*(.*?))?\s*(?:\.\.\.|[.!])?\s*")
#: what is called to print, also as an attribute: `tf.print`, `pprint.pprint`
PRINTING = frozenset({"print", "pprint"})


@dataclass(frozen=True)
class Promised:
    """A promise: the line it stands at, the statement that is to keep it, by its lines and column, and what is to come.

    `error` is the last part of the exception's name where one is promised.
    """

    kind: records.PromiseKind
    line: int
    text: str
    first: int
    last: int
    column: int = 0
    error: str | None = None
    #: whether it may be printed past Python, as by `tf.print`
    below: bool = False
    #: the comments below, which may be further lines of the text
    more: tuple[str, ...] = ()
    options: Mapping[int, bool] = field(default_factory=dict)


def promises_of(document: Document) -> dict[int, list[Promised]]:
    """Return the promises of each block of a document, by its number."""
    printing = PRINTING | {
        node.name
        for block in document.blocks
        for tree in block.trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and calls(node, PRINTING)
    }
    return {
        block.number: list(answers(block) if block.examples else comments(block, printing)) for block in document.blocks
    }


def answers(block: Block) -> Iterator[Promised]:
    """Yield the answers that stand below prompts."""
    for example in block.examples:
        if example.options.get(doctest.SKIP):
            continue
        if example.answer or example.raises:
            text = example.raises or example.answer
            error = re.match(r"[\w.]*", example.raises)[0].rpartition(".")[2] if example.raises else None  # type: ignore[index]
            yield Promised(
                "answers", example.line, text, example.line, example.last_line, error=error, options=example.options
            )


def comments(block: Block, printing: Iterable[str]) -> Iterator[Promised]:
    """Yield the promises that the comments of a script make."""
    if block.tree is None:
        return
    found = comments_in(block)
    simple = [node for node in ast.walk(block.tree) if isinstance(node, ast.stmt) and not compound(node)]
    ends: dict[int, ast.stmt] = {}  # the last statement that ends in a line
    for node in sorted(simple, key=lambda node: (node.lineno, node.col_offset)):
        ends[node.end_lineno or node.lineno] = node
    functions = [node for node in ast.walk(block.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    late = {
        inner for node in functions for inner in ast.walk(node) if isinstance(inner, ast.stmt) and prints_itself(inner)
    }
    for line, (text, alone) in found.items():
        statement = ends.get(line - 1 if alone else line)
        if statement is None:
            continue
        where = statement.lineno, statement.end_lineno or statement.lineno, statement.col_offset
        if (raises := RAISES.fullmatch(text)) and not alone:
            words = raises[1] + (f": {raises[2]}" if raises[2] else "")
            yield Promised("raises", line, words, *where, error=raises[1].rpartition(".")[2])
        elif (output := OUTPUT.fullmatch(text)) and calls(statement, printing) and statement not in late:
            promised, *more = [output[1], *below(found, line)] if output[1] else ["\n".join(below(found, line)).strip()]
            if promised:
                yield Promised("prints", line, promised, *where, below=prints_itself(statement), more=tuple(more))


def comments_in(block: Block) -> dict[int, tuple[str, bool]]:
    """Return the comments of a script by their line, and whether each has its line for itself."""
    found = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(block.text).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                found[row + block.line - 1] = token.string, not token.line[:column].strip()
    except (tokenize.TokenError, SyntaxError):  # it could be parsed; what was found is found
        pass
    return found


def below(found: Mapping[int, tuple[str, bool]], line: int) -> Iterator[str]:
    """Yield the texts of the comments in the lines right below a line."""
    while (line := line + 1) in found and found[line][1]:
        yield found[line][0].lstrip("#").removeprefix(" ")


def compound(node: ast.stmt) -> bool:
    """Return whether a statement has others inside."""
    return hasattr(node, "body") or isinstance(node, ast.Match)


def calls(node: ast.AST, names: Iterable[str]) -> bool:
    """Return whether something calls one of some names, also as an attribute."""
    called = (one.func for one in ast.walk(node) if isinstance(one, ast.Call))
    return any((one.id if isinstance(one, ast.Name) else getattr(one, "attr", "")) in names for one in called)


def prints_itself(node: ast.AST) -> bool:
    """Return whether something calls a `print` that is not Python's own, which may print past it: `tf.print`."""
    called = (one.func for one in ast.walk(node) if isinstance(one, ast.Call))
    return any(isinstance(one, ast.Attribute) and one.attr == "print" for one in called)


# -- what came


def judged(
    promised: Promised, printed: Sequence[Mapping[str, Any]], met: Mapping[int, Mapping[str, Any]]
) -> records.Promise:
    """Return what came of a promise: `came` is None if its statement was not reached.

    `printed` are the pieces that were printed, each with the lines of the document that were running then; `met` says of the
    statements that were reached how each went.
    """
    here, wanted = met.get(promised.line), promised.text
    text = printed_by(promised, printed, "stdout") or printed_by(promised, printed, "below")
    came, kept = None, False
    if promised.kind == "raises" and here and (here["error"] or here["passed"]):
        came = records.raised(here["error"]) if here["error"] else "nothing was raised"
        part = wanted.partition(": ")[2]
        kept = bool(here["error"]) and promised.error in here["error"]["bases"] and part in here["error"]["message"]
    elif promised.kind == "prints" and (here or text):
        came = text.rstrip("\n") or (records.raised(here["error"]) if here and here["error"] else "")
        texts = ("\n".join([wanted, *promised.more[:count]]) for count in range(len(promised.more) + 1))
        wanted, kept = next(((one, True) for one in texts if one.split() == text.split()), (wanted, False))
    elif promised.kind == "answers" and here and (here["error"] or here["passed"]):
        came = text.rstrip("\n") if not here["error"] else f"{text}{records.raised(here['error'])}"
        kept = answered(promised, text, here["error"])
    return records.Promise(line=promised.line, kind=promised.kind, promised=wanted.rstrip("\n"), came=came, kept=kept)


def printed_by(promised: Promised, printed: Iterable[Mapping[str, Any]], stream: str) -> str:
    """Return what was printed to a stream while the statement of a promise was running."""
    here = range(promised.first, promised.last + 1)
    return "".join(
        piece["text"] for piece in printed if piece["stream"] == stream and not set(piece["lines"]).isdisjoint(here)
    )


def answered(promised: Promised, text: str, error: Mapping[str, Any] | None) -> bool:
    """Return whether an answer is the one that is shown, as doctest compares them."""
    flags = COMPARED
    for flag, on in promised.options.items():
        flags = flags | flag if on else flags & ~flag
    if (error is None) != (promised.error is None):
        return False
    if error is None:
        return doctest.OutputChecker().check_output(promised.text, text, flags)
    if flags & doctest.IGNORE_EXCEPTION_DETAIL and promised.error == error["type"]:
        return True
    names = [records.raised(error), f"{error['module']}.{records.raised(error)}"]
    return any(doctest.OutputChecker().check_output(promised.text, f"{name}\n", flags) for name in names)
