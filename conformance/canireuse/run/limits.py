"""Limits: what an environment has too little of, or not at all, read from what Python and frameworks say of it."""

import re
import textwrap
from collections.abc import Mapping
from typing import Any

from canireuse.emit import Adapter
from canireuse.emit.since import unmet

#: what there is too little of -> what Python, the C library, and frameworks say then
LIMITS = {
    "no temporary folder can be made": r"[Nn]o usable temporary directory",
    "there is no room on the disk": r"[Nn]o space left|iostream error|[Dd]isk quota|RESOURCE_EXHAUSTED: Error writing",
    "a process may have too few open files": r"[Tt]oo many open files",
    "there is too little memory": r"[Cc]an(no|')t allocate memory|[Oo]ut of memory|bad_alloc|[Uu]nable to allocate|^MemoryError|"
    r"failed to map segment|[Mm]emory allocation still failed|OutOfMemoryError",
    "there is no permission for that": r"[Pp]ermission denied|[Rr]ead-only file system",
}
#: what stands in a message beside its words: colours of a terminal, TensorFlow's name for the operation, Keras' for the layer
BESIDE = re.compile(
    r"\x1b\[[0-9;]*m|\{\{(?:function_)?node [^}]*\}\} ?|^Exception encountered when calling .*\.$| \[Op:\w+\](?: name: *)?(?=\x1b|$)",
    re.MULTILINE,
)
#: how much of a line is told: the longest that TensorFlow says of a variable made twice has 240 characters
LONGEST = 300
#: what frameworks say of a package that they need, where no import says it
LACKS = re.compile(
    r"pip install ([\w.-]+)|requires (\w+) to be installed|^Module (\w+) is not installed|^(\w+) (?:is not available|cannot be imported\. Check that it is installed)"
)
#: what Python and frameworks say where a module has not, or no longer, what it is asked for
HAS_NOT = re.compile(
    r"^(?:[Mm]odule '?|cannot import name '\w+' from ')(\w+)|^(\w+)\.[\w.]+ (?:is|was|has been) (?:deprecated|removed)"
)


def limit_in(text: str) -> str | None:
    """Return what there is too little of, if a text says so."""
    return next((limit for limit, pattern in LIMITS.items() if re.search(pattern, text, re.MULTILINE)), None)


def missing_package(error: Mapping[str, Any], adapter: type[Adapter]) -> str | None:
    """Return the package that is to be installed, if an error says that one is missing.

    What a script imports itself is missing only if its adapter names it; else the script is worded wrongly.
    """
    module = (error.get("name") or "").partition(".")[0]
    if module and f"No module named {error['name']!r}" in error["message"] and "." not in error["name"]:
        package = adapter.distributions.get(module, module)
        return package if error["by"] or package in adapter.packages else None
    if error["type"] in {"ImportError", "ModuleNotFoundError", "OnnxExporterError", "RuntimeError"} and (
        found := LACKS.search(error["message"])
    ):
        return str(next(filter(None, found.groups()))).lower()
    return None


def unfit(adapter: type[Adapter], engine: str | None, packages: Mapping[str, str]) -> str | None:
    """Return which package of an environment is older than the adapter asks for, None if none is; engines that do not run are no matter."""
    idle = adapter.engines.keys() - {engine}
    for text in adapter.requires:
        if (requirement := unmet(text, packages)) and requirement.name not in idle:
            return f"{requirement.name} {packages[requirement.name]} is here, and {text} is needed; install it with: pip install '{text}'"
    return None


def misfits(error: Mapping[str, Any], adapter: type[Adapter], packages: Mapping[str, str]) -> str | None:
    """Return which two packages do not fit each other, since one asked the other for what it has not; None of other errors."""
    asked = asked_of(error) if error["type"] in {"AttributeError", "ImportError"} else None
    pair = [adapter.distributions.get(name, name) for name in (error["by"], asked) if name]
    if len({*pair} & packages.keys()) < 2:  # noqa: PLR2004  # who asks, and who is asked
        return None
    here = " and ".join(f"{name} {packages[name]}" for name in pair)
    return f"{here} do not fit each other; install versions that do: pip install --upgrade {' '.join(pair)}"


def asked_of(error: Mapping[str, Any]) -> str | None:
    """Return the package of which a module was asked for what it has not, None if an error says nothing of that."""
    found = HAS_NOT.search(error["message"])
    return str(next(filter(None, found.groups()))) if found else None


def said(error: Mapping[str, Any]) -> str:
    """Return the type and the first line of an error; of one in a function that TensorFlow traced, the line that says it."""
    lines = [line.strip() for line in BESIDE.sub("", error["message"]).strip().splitlines()]
    told = f"{error['type']}: "
    if lines and lines[0] == "in user code:":  # the lines of the function come before the error's own
        lines = [line.removeprefix(told) for line in lines if line.startswith(told)] or lines
    return shortened(f"{told}{lines[0]}") if lines and lines[0] else error["type"]


def shortened(line: str) -> str:
    """Return a line of a message; of one that is too long to be read the beginning, which shows that there is more."""
    return line if len(line) <= LONGEST else textwrap.shorten(line, LONGEST, placeholder=" ...")
