"""Blame: whose doing it is that a script did not get through, and what to do about it.

What is missing or too little in the environment is the environment's; what a script's own words get wrong is the
adapter's; the backend is blamed for what the framework did.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from canireuse.emit import Adapter
from canireuse.run.limits import asked_of, limit_in, misfits, missing_package, said
from canireuse.run.outcome import Outcome

Blame = Literal["backend", "spec", "adapter", "environment"]

#: Errors of a script that is worded wrongly, whatever the framework does.
WORDED_WRONGLY = frozenset({"NameError", "SyntaxError", "IndentationError", "TabError", "UnboundLocalError"})
#: Errors that say, where the script's own words raise them, that these do not fit what they are about.
UNFITTING = WORDED_WRONGLY | {
    "AssertionError", "AttributeError", "ImportError", "IndexError", "KeyError", "ModuleNotFoundError", "RecursionError", "SystemExit", "TypeError",
}  # fmt: skip
#: What Python says of words that do not fit, in errors of other types.
UNFITTING_WORDS = re.compile(r"values? to unpack")
#: What Python's own modules say of an object that a framework made.
OF_AN_OBJECT = re.compile(r"pickle", re.IGNORECASE)
#: What frameworks say when the words of their user do not fit, wherever they say it.
USERS_OWN = re.compile(
    r"^in user code:.*\b(Name|UnboundLocal|Syntax)Error: |"
    r"[Ff]ailed to find name .* in frame|before Module\.__init__\(\) call",
    re.DOTALL,
)
#: Whose doing it is that a process came to no end, by the type of the error that says so.
ENDED: Mapping[str, Blame] = {"UnexpectedAnswer": "adapter", "NoNewHost": "environment"}
#: What ends a process that has done nothing wrong.
SIGNALS = {
    "SIGKILL": "the system does that when memory is short",
    "SIGBUS": "a file that lies in memory had no room on its disk",
}


def environments_fault(outcome: Outcome, adapter: type[Adapter], packages: Mapping[str, str]) -> dict[str, Any] | None:
    """Return verdict, blame and reason of an outcome that the environment is to blame for, wherever it shows; None of others."""
    if outcome.ending != "finished":
        how = outcome.error["message"] if outcome.error else ""
        why = limit_in(f"{how}\n{outcome.output}") if outcome.error else None
        why = why or next((why for signal, why in SIGNALS.items() if signal in how), None)
        return blamed(outcome.ending, "environment", f"{how}: {why}") if why else None
    for error in errors_in(outcome):
        if package := missing_package(error, adapter):
            reason = f"{package} is not installed ({said(error)}); install it with: pip install {package}"
            return blamed("skipped", "environment", reason)
        if limit := limit_in(f"{error['type']}: {error['message']}"):
            return blamed("error", "environment", f"{limit} ({said(error)})")
        if pair := misfits(error, adapter, packages):
            return blamed("error", "environment", f"{pair} ({said(error)})")
    return None


def errors_in(outcome: Outcome) -> Iterator[Mapping[str, Any]]:
    """Yield the errors of an outcome: those that were observed, and the one that ended the script."""
    for raw in outcome.observations.values():
        if isinstance(raw, dict) and isinstance(raw.get("error"), dict):
            yield raw["error"]
    if outcome.error:
        yield outcome.error


def ended(outcome: Outcome) -> dict[str, Any]:
    """Return verdict, blame and reason of a script whose process ended, or did not answer in time."""
    if outcome.error is None:
        return blamed(outcome.ending, "backend", "no answer within the time limit")
    return blamed(outcome.ending, ENDED.get(outcome.error["type"], "backend"), outcome.error["message"])


def script_error(error: Mapping[str, Any]) -> dict[str, Any]:
    """Return verdict, blame and reason of a script that raised where nobody expected it."""
    at = f" at line {error['line']} of the script" if error.get("line") else ""
    reason = f"{error['type']}{at}: {told(error['message'])}"
    if error["type"] == "KeyboardInterrupt":
        return blamed("error", "environment", f"{reason}somebody interrupted it")
    return blamed("error", "adapter" if is_worded_wrongly(error) else "backend", reason)


def told(message: str) -> str:
    """Return a message without what is different each time: of one that carries the traceback of another process, the last line."""
    return message.strip().splitlines()[-1] if "Traceback (most recent call last)" in message else message


def is_worded_wrongly(error: Mapping[str, Any]) -> bool:
    """Return whether an error says that the script's own words do not fit, not what the framework did with them."""
    if USERS_OWN.search(error["message"]) or asked_of(error) == error["by"]:
        return True
    if error["by"] or error["module"] != "builtins" or OF_AN_OBJECT.search(error["message"]):
        return False
    return error["type"] in UNFITTING or bool(UNFITTING_WORDS.search(error["message"]))


def blamed(verdict: str, blame: Blame, reason: str) -> dict[str, Any]:
    """Return what a record says of a case that did not get through."""
    return {"verdict": verdict, "blame": blame, "reason": reason}
