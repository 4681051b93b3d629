"""Emitting: a spec whose names are resolved becomes nodes of Python, and these a script."""

from canireuse.emit.emitter import Emitter
from canireuse.emit.fragments import Body, Fill, Names, attribute, expr, literal, name, node, statements, text
from canireuse.emit.tables import Effects, Lack, Reads, Tables, Words
from canireuse.program import Fate, Slot
from canireuse.script import Unsupported

__all__ = [
    "Body", "Effects", "Emitter", "Fate", "Fill", "Lack", "Names", "Reads", "Slot", "Tables", "Unsupported", "Words", "attribute", "expr", "literal", "name",
    "node", "statements", "text",
]  # fmt: skip
