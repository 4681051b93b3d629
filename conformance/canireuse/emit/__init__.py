"""Emitting: a spec whose names are resolved becomes nodes of Python, and these a script."""

from canireuse.emit.emitter import Emitter
from canireuse.emit.fragments import Body, Fill, Names, attribute, expr, literal, name, node, statements, text
from canireuse.emit.script import Script, Unsupported
from canireuse.emit.tables import Code, Effects, Lack, Reads, Tables
from canireuse.emit.translation import Adapter
from canireuse.program import Fate, Slot

__all__ = [
    "Adapter",
    "Body",
    "Code",
    "Effects",
    "Emitter",
    "Fate",
    "Fill",
    "Lack",
    "Names",
    "Reads",
    "Script",
    "Slot",
    "Tables",
    "Unsupported",
    "attribute",
    "expr",
    "literal",
    "name",
    "node",
    "statements",
    "text",
]  # fmt: skip
