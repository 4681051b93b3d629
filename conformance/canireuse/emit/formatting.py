"""Formatting: scripts laid out as `ruff format` does, at 100 columns."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ruff import find_ruff_bin  # type: ignore[import-untyped]  # it is a program in a package

COLUMNS = 100
#: what is formatted alone takes no folder: a script runs while the next one is formatted
FORMAT = (
    "format",
    "--isolated",
    "--no-cache",
    "--quiet",
    "--line-length",
    str(COLUMNS),
    "--config",
    "format.quote-style = 'single'",
    # the oldest Python that a script runs on is that of TensorFlow 1.15: no parentheses around what a `with` opens
    "--target-version",
    "py37",
)


def formatted(text: str) -> str:
    """Return a script formatted; one that is no Python stays as it is, and says so when it runs."""
    done = subprocess.run(  # noqa: S603  # the formatter of this environment
        [find_ruff_bin(), *FORMAT, "--stdin-filename", "script.py", "-"],
        input=text.encode(errors="surrogatepass"), capture_output=True, check=False,
    )  # fmt: skip
    return done.stdout.decode() if done.returncode == 0 else text


def all_formatted(texts: Sequence[str]) -> list[str]:
    """Return many scripts formatted by one process, whose start takes longer than the formatting of one."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.py" for number, _ in enumerate(texts)]
        for file, text in zip(files, texts, strict=True):
            file.write_bytes(text.encode())
        subprocess.run(  # noqa: S603  # the same
            [find_ruff_bin(), *FORMAT, folder], capture_output=True, check=False
        )
        return [file.read_bytes().decode() for file in files]
