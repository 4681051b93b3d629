"""The results file of a run: one writer, flushed line by line, and in its place only when it is whole."""

import fcntl
import os
import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from canireuse.results.records import Case, Header, Line, ScriptLine
from canireuse.spec.problems import FileTaken, UsageError

#: how much of a file is read to tell whether it begins with a header, in bytes
LONGEST_HEADER = 1 << 20
#: how a line begins that counts
COUNTED = re.compile(rb'\{"kind": ?"(case|block)"')


def check_place(path: Path) -> None:
    """Make the folder of a results file; raise UsageError if the file could not be written there."""
    why_not = ""
    partial = partial_of(path)
    if os.path.lexists(path) and not path.is_file():
        why_not = "it is a folder" if path.is_dir() else "it is no regular file"
    elif os.path.lexists(partial) and (partial.is_symlink() or not partial.is_file()):
        why_not = f"{partial} is no regular file"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        why_not = error.strerror or str(error)
    if why_not:
        raise UsageError(
            f"no results can be written to {path}: {why_not}\n    expected: a file in a folder that can be written to\n    to do: name another with --results"
        )


def partial_of(path: Path) -> Path:
    """Return where a results file is written until it is whole."""
    return path.with_name(path.name + ".partial")


def held_in(path: Path) -> dict[str, int] | None:
    """Return how many cases and how many blocks a file holds, whole or cut off; None if it is no results file."""
    with path.open("rb") as file:
        try:
            Header.model_validate_json(file.readline(LONGEST_HEADER))
        except ValidationError:
            return None
        kinds = [found[1].decode() for line in file if (found := COUNTED.match(line))]
    return {"cases": kinds.count("case"), "blocks": kinds.count("block")}


def check_replaced(path: Path, cases: int, blocks: int = 0) -> None:
    """Raise UsageError if a file that is there would be replaced by one with fewer cases or blocks, or is no results file at all."""
    if not path.is_file() or not path.stat().st_size:
        return
    there, planned = held_in(path), {"cases": cases, "blocks": blocks}
    held = "is no results file" if there is None else ""
    noun = "cases"
    for kind, count in (there or {}).items():
        if count > planned[kind]:
            held, noun = f"holds {count} {kind}, and this run has {planned[kind] or 'none'}", kind
            break
    if held:
        raise UsageError(
            f"{path} {held}; nothing was run\n    expected: a new file, or one with no more {noun} than this run\n    to do: name another with --results, or replace this one with --replace"
        )


class Writer:
    """Writes a results file beside its place and moves it there at the end; the old file stays till then.

    A run that is killed leaves `NAME.partial` with all that had come. That file is locked from the first, and touched by
    nobody else; what an earlier run left there stays until the first line is written. Raises FileTaken if another run
    writes to the same place; OSError at any time, as when the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, partial_of(path)
        self.begun = False
        #: the digests of the scripts that are in the file
        self.scripts: set[str] = set()
        self._file = open(self.partial, "a", encoding="utf-8", newline="\n", opener=no_link)  # noqa: SIM115  # closed by `close`
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = not os.path.samestat(os.fstat(self._file.fileno()), self.partial.stat())
        except (BlockingIOError, FileNotFoundError):  # locked; or put into its place since it was opened
            taken = True
        except OSError:  # a file system without locks
            taken = False
        if taken:
            self._file.close()
            raise FileTaken(
                f"another run is writing to {path}; nothing was run\n    expected: a results file for each run\n    to do: wait until it has ended, or name another file with --results"
            )

    def write(self, line: Line) -> None:
        """Write one line and flush it; before a case the script that it ran, unless the file has it."""
        if not self.begun:
            self.begun = True
            self._file.truncate(0)
        if isinstance(line, Case) and line.script is not None and line.script_digest not in self.scripts:
            assert line.script_digest
            self.scripts.add(line.script_digest)
            self._file.write(ScriptLine(digest=line.script_digest, text=line.script).model_dump_json() + "\n")
        self._file.write(line.model_dump_json() + "\n")
        self._file.flush()

    @property
    def has_lines(self) -> bool:
        """Whether there is anything in the partial file."""
        return self.partial.exists() and self.partial.stat().st_size > 0

    def close(self, *, keep: bool = True) -> None:
        """Put the file in its place, or leave it as the partial file it is; of a run that wrote nothing, none is left.

        Only the first call does: what is called like that later is another run's.
        """
        if self._file.closed:
            return
        try:
            if keep and self.begun:
                self.partial.replace(self.path)
            elif not self.has_lines:
                self.partial.unlink(missing_ok=True)
        finally:
            with suppress(OSError):  # what could not be written is not to be tried again
                self._file.close()


def no_link(path: str, flags: int) -> int:
    """Open a file, not what a link of its name leads to: it is emptied before it is written."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def command_line() -> str:
    """Return the command that was given, with the program's name alone."""
    given = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return given.encode(errors="backslashreplace").decode()  # an argument may be no text, which no record can hold
