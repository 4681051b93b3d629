"""The results file of a run: one writer, flushed line by line, and in its place only when it is whole."""

import fcntl
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from canireuse.results.records import Case, Footer, Header, Line, Measurement, Measuring, Results, ScriptLine
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


def left_of(path: Path) -> Path:
    """Return the file that a run left which did not come to its end: beside its place, or in it, if planned cases have no record.

    Raises UsageError if there is none.
    """
    found = {}
    for one in (partial_of(path), path):
        held = held_in(one) if one.is_file() else None
        if held and (one != path or is_incomplete(one)):
            found[one] = held["cases"]
    if not found:
        raise UsageError(
            f"there is no run to resume: {partial_of(path)} is not here, and {path} lacks nothing\n    expected: what a run left that was stopped\n    to do: leave out --resume, or name the file with --results"
        )
    return max(found, key=lambda one: found[one])


def is_incomplete(path: Path) -> bool:
    """Return whether a file says in its footer that planned cases have no record."""
    last = path.read_bytes().rstrip(b"\n").rpartition(b"\n")[2]
    with suppress(ValidationError):
        return bool(Footer.model_validate_json(last).missing)
    return False


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
        #: the lines that are in the file, by kind and id; of headers, footers and what was measured, nothing
        self.held: set[tuple[str, str]] = set()
        #: whether it goes on with what a run left, which has a header
        self.goes_on = False
        self._source, self._kept = path, b""
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
        """Write one line and flush it, unless the file has it; before a case the script that it ran."""
        if not self.begun:
            self._begin()
        if isinstance(line, Case) and line.script is not None:
            assert line.script_digest
            self._write(ScriptLine(digest=line.script_digest, text=line.script))
        self._write(line)
        self._file.flush()

    def _write(self, line: Line) -> None:
        if key := key_of(line):
            if key in self.held:
                return
            self.held.add(key)
        self._file.write(line.model_dump_json() + "\n")

    def go_on(self, results: Results, source: Path) -> None:
        """Go on with what a run left in a file, given also as it was read: a line that was cut off is left out, and so is a footer.

        Nothing is changed before the first line is written.
        """
        self.goes_on, self._source, self._kept = True, source, whole_lines(source.read_bytes())
        self.held = {key for line in (*lines_of(results), *results.scripts.values()) if (key := key_of(line))}

    def _begin(self) -> None:
        """Leave in the file what is kept of it."""
        self.begun = True
        if self._source == self.partial:
            self._file.truncate(len(self._kept))
        else:
            self._file.truncate(0)
            self._file.write(self._kept.decode())

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
                os.fsync(self._file.fileno())  # a file that is in its place is whole, also after the power failed
                self.partial.replace(self.path)
            elif not self.has_lines:
                self.partial.unlink(missing_ok=True)
        finally:
            with suppress(OSError):  # what could not be written is not to be tried again
                self._file.close()


def whole_lines(content: bytes) -> bytes:
    """Return the lines of a results file that were written to their ends, but for the footer."""
    kept = content[: content.rfind(b"\n") + 1]
    last = kept.rstrip(b"\n").rfind(b"\n") + 1
    return kept[:last] if kept.startswith(b'{"kind":"footer"', last) else kept


def lines_of(results: Results) -> Iterator[Line]:
    """Yield the lines of results in the order in which a file has them, but for headers, footers, scripts, and what was measured."""
    for held in (
        results.environments,
        results.specs,
        results.documents,
        results.claims,
        results.scenarios,
        results.cases,
        results.blocks,
    ):
        yield from held.values()


def key_of(line: Line) -> tuple[str, str] | None:
    """Return what a file has once of a line, its kind and id; None of headers, footers, and what was measured."""
    if isinstance(line, Header | Footer | Measurement | Measuring):
        return None
    return line.kind, line.id  # type: ignore[attr-defined]


def no_link(path: str, flags: int) -> int:
    """Open a file, not what a link of its name leads to: it is emptied before it is written."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def command_line() -> str:
    """Return the command that was given, with the program's name alone."""
    given = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return given.encode(errors="backslashreplace").decode()  # an argument may be no text, which no record can hold
