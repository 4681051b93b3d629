"""Highlighting at build time, with few marks: a page with a thousand scripts stays light."""

import re
from html import escape
from itertools import groupby

from markupsafe import Markup
from pygments.lexers import PythonLexer, YamlLexer
from pygments.token import Comment, Keyword, Name, Number, String, _TokenType, is_token_subtype

#: kinds of token that are marked, with the class they get; the rest is plain text
CLASSES: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "c"), (Keyword, "k"), (Number, "m"), (String, "s"), (Name.Tag, "t"), (Name.Builtin, "b"), (Name.Function, "b"),
)  # fmt: skip
LEXERS = {"python": PythonLexer(stripnl=False, ensurenl=False), "yaml": YamlLexer(stripnl=False, ensurenl=False)}


def css_class(token: _TokenType) -> str:
    """Return the class of a kind of token, empty for plain text."""
    return next((name for kind, name in CLASSES if is_token_subtype(token, kind)), "")


def prose(text: str) -> Markup:
    """Return a sentence as HTML, with what stands between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", escape(text, quote=False)))  # noqa: S704  # it was escaped


def highlight(text: str, language: str) -> Markup:
    """Return the text as HTML whose text content is the text itself, byte for byte.

    A text that the lexer would change (it drops carriage returns and byte order marks) stays unmarked.
    """
    tokens = list(LEXERS[language].get_tokens(text))
    if "".join(part for _, part in tokens) != text:
        return Markup(escape(text, quote=False).replace("\r", "&#13;"))  # noqa: S704  # it was escaped
    marked = ((css_class(token), part) for token, part in tokens)
    pieces = []
    for name, group in groupby(marked, key=lambda pair: pair[0]):
        part = escape("".join(part for _, part in group), quote=False)
        pieces.append(f'<span class="{name}">{part}</span>' if name else part)
    return Markup("".join(pieces))  # noqa: S704  # every part was escaped
