"""Text as HTML: sentences, and scripts byte for byte. Scripts are coloured in the browser, where one is opened."""

import re
from html import escape

from markupsafe import Markup


def prose(text: str) -> Markup:
    """Return a sentence as HTML, with what stands between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", escape(text, quote=False)))  # noqa: S704  # it was escaped


def clock(time: str) -> str:
    """Return a time of a record, in UTC, for people."""
    return time.replace("T", " ").replace("+00:00", " UTC")


def verbatim(text: str) -> Markup:
    """Return the text as HTML whose text content is the text itself, byte for byte, carriage returns too."""
    return Markup(escape(text, quote=False).replace("\r", "&#13;"))  # noqa: S704  # it was escaped
