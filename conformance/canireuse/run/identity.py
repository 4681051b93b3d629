"""The identity of an environment: all that the result of a script may depend on beside the script, told without importing a framework.

Two runs of a script in environments of one identity are taken for one. So the identity has too much rather than too little: the
interpreter, the machine, every package that the framework requires, directly or not, with its version, what the adapter has hosts do before each
script, the host itself, and the environment variables of its process.
"""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from canireuse.run.hosts import HOST, Host

INSTALLED = HOST.with_name("installed.py")
#: the part of the engine that scripts of a backend without packages import
CONTRACT = HOST.parents[1] / "contract"
#: how long an interpreter may take to say what is installed, in seconds
PATIENCE = 30.0
#: environment variables that are a session's, a terminal's or a tool's own, and say nothing to a framework
PASSING = re.compile(
    r"_|(OLD)?PWD|SHLVL|SHELL|PATH|MANPATH|INFOPATH|HOME|USER|USERNAME|LOGNAME|MAIL|HOSTNAME|HOSTTYPE|EDITOR|VISUAL|PAGER|BROWSER|DISPLAY|"
    r"TERM\w*|COLORTERM|COLUMNS|LINES|NO_COLOR|\w*COLORS?|CLICOLOR\w*|LESS\w*|PS\d|PROMPT\w*|HIST\w*|TMPDIR|TEMP|TMP|TZ|STY|WINDOW\w*|INIT|MOTD\w*|"
    r"(TMUX|SSH|GPG|XDG|DBUS|DESKTOP|GNOME|KDE|GTK|QT|VTE|WAYLAND|ITERM|KITTY|ALACRITTY|WEZTERM|VSCODE|JETBRAINS|PYCHARM|EMACS|NVIM|VIM)_?\w*|"
    r"(PYTEST|TOX|VIRTUAL_ENV|VIRTUALENV|PIP|UV|PYENV|CONDA|POETRY|PDM|PIPX|NOX|GIT|GITHUB|GITLAB|RUNNER|CI|BUILD|JOB|npm|NVM|JOURNAL|SYSTEMD|INVOCATION)\w*|"
    r"CANIREUSE\w*|PYTHONUNBUFFERED|PYTHONSAFEPATH|PYTHONDONTWRITEBYTECODE|PYTHONPYCACHEPREFIX|PYTHONHASHSEED"
)


class Interpreter:
    """An interpreter that is asked what is installed for it, while others go on."""

    def __init__(self, python: str) -> None:
        environ = {**os.environ, "PYTHONSAFEPATH": ""}
        try:
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(  # noqa: S603  # the interpreter is the one the user named
                [python, str(INSTALLED)],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError:  # the host says so, as a result of each case
            self._process = None

    @cached_property
    def told(self) -> dict[str, Any] | None:
        """What the interpreter told, None if it could not."""
        if self._process is None:
            return None
        try:
            answer, _ = self._process.communicate(timeout=PATIENCE)
            told = json.loads(answer)
        except (subprocess.TimeoutExpired, ValueError):
            self._process.kill()
            self._process.communicate()
            return None
        return told if isinstance(told, dict) else None

    def identity(self, host: Host) -> str | None:
        """Return the identity of what a host would be, as a SHA-256; None where something could change and nobody would see it.

        That is so where a package is installed in editable mode, and where the framework is here without metadata.
        """
        if self.told is None:
            return None
        adapter = host.adapter
        installed = self.told["distributions"]
        needed = closure([*adapter.packages, "numpy"], installed)
        if any(installed[name]["changes"] for name in needed) or not all(
            normalized(name) in installed for name in adapter.packages[:1]
        ):
            return None
        parts = {
            **{name: said for name, said in self.told.items() if name != "distributions"},
            "packages": {name: [installed[name]["version"], installed[name]["content"]] for name in sorted(needed)},
            "host": [adapter.imports, adapter.reset, host.asked, host.engine],
            "own": digest_of([HOST.parent, *([] if adapter.packages else [CONTRACT])]),
            "variables": {name: said for name, said in sorted(host.variables().items()) if not PASSING.fullmatch(name)},
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def closure(names: Iterable[str], installed: Mapping[str, Any]) -> set[str]:
    """Return the distributions of those names that are installed, with all that they require."""
    found: set[str] = set()
    left = [normalized(name) for name in names]
    while left:
        name = left.pop()
        if name in installed and name not in found:
            found.add(name)
            left += installed[name]["requires"]
    return found


def normalized(name: str) -> str:
    """Return the name of a distribution as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def digest_of(places: Iterable[Path]) -> str:
    """Return the SHA-256 of all files in folders, and of files, with their names; of what Python compiled of them, nothing."""
    found = hashlib.sha256()
    for place in places:
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                content = file.read_bytes()
                found.update(f"{file.relative_to(place.parent)} {len(content)}\n".encode() + content)
    return found.hexdigest()
