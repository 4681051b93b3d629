"""A run of documents: blocks side by side in processes of their own, their records as they come, and what is told at the end."""

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import click
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from canireuse import VERSION
from canireuse.documents.blocks import Mode, Plan, plan, run_plan
from canireuse.documents.markdown import load
from canireuse.results import records
from canireuse.results.writer import Writer, check_place, check_replaced, command_line
from canireuse.run.hosts import Host, check_platform
from canireuse.run.outcome import AskedDevice
from canireuse.runner.ending import end_as_before, end_as_by_ctrl_c
from canireuse.runner.progress import Patient
from canireuse.runner.session import check_seconds, interpreters, split_backends
from canireuse.runner.summary import absent_lines, printable, some
from canireuse.spec.problems import FileTaken, UsageError

#: how many lines of a text are shown
MOST_LINES = 12
#: what makes a text bold or coloured on a terminal
STYLED = re.compile(r"\x1b\[[0-9;]*m")
WELL, UNWELL, INTERRUPTED, FAILED = 0, 1, 2, 3


@dataclass(frozen=True)
class Options:
    """What a run of documents is asked for, as the command line has it."""

    documents: tuple[Path, ...]
    backend: tuple[str, ...]
    device: AskedDevice
    python: tuple[str, ...]
    results: Path
    replace: bool
    workers: int
    limit: float
    import_limit: float
    together: bool
    as_json: bool


class DocumentRun:
    """Runs the blocks of documents; raises UsageError and InputError before anything runs."""

    def __init__(self, options: Options) -> None:
        check_platform()
        check_seconds(options.limit, options.import_limit)
        self.options = options
        self.named = split_backends(list(options.backend))
        pythons = interpreters(list(options.python))
        self.plans = plan(load(options.documents), self.named, together=options.together)
        self.modes = {
            name: Mode(name, pythons.get(name), options.device, options.limit, options.import_limit)
            for name in dict.fromkeys(one.mode for one in self.plans)
        }
        self.count = sum(len(one.blocks) for one in self.plans)
        check_place(options.results)
        self.path = options.results.resolve() if options.results.is_symlink() else options.results
        if not options.replace:
            check_replaced(self.path, 0, self.count)
        self.console = Patient(stderr=options.as_json, highlight=False, soft_wrap=True)
        self.blocks: list[records.Block] = []
        self.environments: dict[str, records.Environment] = {}
        self._lock, self._stopped = threading.Lock(), False
        self._hosts: list[Host] = []

    def run(self) -> int:
        """Run every block and return the exit code."""
        try:
            writer = Writer(self.path)
        except FileTaken as error:
            click.echo(f"error: {error}", err=True)
            return FAILED
        end_as_by_ctrl_c()
        started, why_not = time.perf_counter(), ""
        try:
            writer.write(records.Header(canireuse=VERSION, started=records.now(), command=command_line()))
            with closing(self.finished()) as finished:
                for line in (line for lines in finished for line in lines):
                    writer.write(line)
            ended = Counter(block.ended for block in self.blocks)
            seconds = time.perf_counter() - started
            writer.write(
                records.Footer(cases=0, blocks=len(self.blocks), seconds=seconds, verdicts=dict(sorted(ended.items())))
            )
            writer.close()
        except KeyboardInterrupt:
            why_not, code = "interrupted", INTERRUPTED
        except OSError as error:
            why_not, code = f"the results could not be written ({error.strerror or error})", FAILED
        else:
            code = WELL if all(block.as_it_says for block in self.blocks if not self.is_passed_over(block)) else UNWELL
        finally:
            come = f"what had come is in {writer.partial}, " if writer.has_lines else ""
            with suppress(OSError):
                writer.close(keep=False)
            end_as_before()
        self.tell(f"{why_not}: {come}{self.path} is as it was" if why_not else f"records: {self.path}")
        if self.options.as_json:
            click.echo(json.dumps(self.counts(code)))
        return code

    def is_passed_over(self, block: records.Block) -> bool:
        """Return whether a block was skipped for a backend that nobody named."""
        return block.ended == "skipped" and block.mode not in self.named

    def counts(self, code: int) -> dict[str, object]:
        """Return how the blocks ended, as `--json` prints it."""
        ended = Counter(block.ended for block in self.blocks)
        return {
            "results": str(self.options.results),
            "exit_code": code,
            "ended": dict(sorted(ended.items())),
            "as_they_say": sum(block.as_it_says for block in self.blocks),
        }

    # -- running

    def finished(self) -> Generator[list[records.Line]]:
        """Yield the lines of each plan as it ends: its environment, if it is the first of that, and its blocks."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        silent = not self.console.is_terminal
        with (
            Progress(*columns, console=self.console, transient=True, disable=silent) as progress,
            ThreadPoolExecutor(self.options.workers) as pool,
        ):
            task = progress.add_task("importing frameworks", total=self.count)
            running = {pool.submit(self.run_one, one): one for one in self.plans}
            try:
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        one = running.pop(future)
                        yield self.taken(one, future)
                        progress.update(
                            task, advance=len(one.blocks), description=printable(f"{one.document.file} {one.mode}")
                        )
            finally:
                self.stop()
                pool.shutdown(cancel_futures=True)

    def taken(self, one: Plan, future: "Future[list[records.Block]]") -> list[records.Line]:
        """Return the lines of a plan that ended; where there is no terminal, print a line of it."""
        blocks = future.result()
        self.blocks += blocks
        lines: list[records.Line] = [*blocks]
        environment = self.modes[one.mode].environment()
        if environment.id not in self.environments:
            self.environments[environment.id] = environment
            lines.insert(0, environment)
        if not self.console.is_terminal:
            for block in blocks:
                how = "as it says" if block.as_it_says else outcome_of(block)
                self.print(f"{len(self.blocks)}/{self.count} {block.file}:{block.line} {block.mode}: {how}")
        return lines

    def run_one(self, one: Plan) -> list[records.Block]:
        """Run what one process runs; nothing after the run was stopped."""
        if self._stopped:
            return []
        return list(run_plan(one, self.modes[one.mode], self.begun))

    def begun(self, host: Host) -> None:
        """Note a host that is about to run something; raise RuntimeError after the run was stopped."""
        with self._lock:
            if self._stopped:
                raise RuntimeError("the run was stopped")
            self._hosts.append(host)

    def stop(self) -> None:
        """Kill the processes that still run: whoever waits for one goes on then, and begins no other."""
        with self._lock:
            self._stopped = True
            hosts = [*self._hosts, *(mode.tried for mode in self.modes.values())]
        for host in hosts:
            host.limit = host.import_limit = 0.0  # one that is only starting
            if (process := host.process) and process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    # -- telling

    def print(self, text: str) -> None:
        """Print a text as it is, without what a terminal would obey."""
        self.console.print(printable(text), markup=False)

    def tell(self, where: str) -> None:
        """Print the tables, what is to know of each block that is not as it says, and where the records are."""
        planned = [(one.document.name, block.number, one.mode) for one in self.plans for block in one.blocks]
        order = {name: at for at, name in enumerate(planned)}
        self.blocks.sort(key=lambda block: order[block.document, block.number, block.mode])
        for document in dict.fromkeys(block.document for block in self.blocks):
            self.console.print()
            self.console.print(table([block for block in self.blocks if block.document == document]))
        for block in self.blocks:
            if not block.as_it_says and block.ended != "skipped":
                self.print("\n".join(explained(block)))
        for line in absent_lines(self.environments.values(), self.named):
            self.print(line)
        well = sum(block.as_it_says for block in self.blocks)
        self.print(f"{well} of {len(self.blocks)} blocks as they say; {where}")


def outcome_of(block: records.Block) -> str:
    """Return how a block ended, in a few words."""
    return f"raised {block.error['type']}" if block.error else block.ended


def table(blocks: Sequence[records.Block]) -> Table:
    """Return the table of a document's blocks: mode, how each ended and at which line, promises kept and broken."""
    found = Table(title=escape(printable(blocks[0].file)), title_justify="left", title_style="bold")
    found.add_column("block", justify="right")
    found.add_column("line", justify="right")
    found.add_column("mode", min_width=max(len(block.mode) for block in blocks))
    found.add_column("ended", no_wrap=True)
    for heading in ("at\nline", "kept", "broken", "not\nreached"):
        found.add_column(heading, justify="right", no_wrap=True)
    found.add_column("as it\nsays", no_wrap=True)
    for block in blocks:
        missed = sum(promise.came is None for promise in block.promises)
        kept = sum(promise.kept for promise in block.promises)
        counts = (kept, len(block.promises) - kept - missed, missed)
        style = "green" if block.as_it_says else "yellow" if block.ended == "skipped" else "red"
        found.add_row(
            str(block.number),
            str(block.line),
            escape(" ".join([block.mode, *block.way.values()])),
            escape(printable(outcome_of(block))),
            str(block.at_line or "·"),
            *(str(count or "·") for count in counts),
            f"[{style}]{'yes' if block.as_it_says else '·' if block.ended == 'skipped' else 'no'}[/]",
        )
    return found


def explained(block: records.Block) -> Iterator[str]:
    """Yield what to know of a block that is not as it says: how it ended, the framework's message, and its broken promises."""
    head = f"\n{block.file}:{block.at_line or block.line}: block {block.number} as {block.mode}: {outcome_of(block)}"
    yield head
    if block.error and block.error["message"]:
        yield from shown(block.error["message"])
    if block.reason:
        yield f"    {block.reason}"
    for promise in block.promises:
        if not promise.kept and promise.came is not None:
            yield f"    {block.file}:{promise.line}: a promise is broken"
            yield from beside("promised", promise.promised)
            yield from beside("came", promise.came or "nothing")
    if missed := [str(promise.line) for promise in block.promises if promise.came is None]:
        yield f"    not reached: {some(missed, 'promise')}"
    if block.ended == "crash" and block.last_output.strip():
        yield from shown(block.last_output)


def shown(text: str) -> Iterator[str]:
    """Yield the first lines of a text, indented."""
    lines = STYLED.sub("", text).strip().splitlines()
    yield from (f"    | {line}" for line in lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield f"    | ... and {len(lines) - MOST_LINES} more lines, which are in the records"


def beside(word: str, text: str) -> Iterator[str]:
    """Yield the first lines of a text behind a word."""
    first, *others = text.splitlines() or [""]
    yield f"        {word + ':':<10}{first}"
    yield from (f"{' ' * 18}{line}" for line in others[:MOST_LINES])
    if len(others) > MOST_LINES:
        yield f"{' ' * 18}... and {len(others) - MOST_LINES} more lines"


def workers_of(given: str | None) -> int:
    """Return how many blocks run side by side; raise UsageError for what is no number above zero, nor `auto`."""
    if given in {"auto", "logical"}:
        return os.cpu_count() or 1
    if given is not None and not (given.isdecimal() and int(given)):
        raise UsageError(
            f"-n {given!r} is no number of processes\n    expected: a whole number above zero, or auto\n    to do: leave it out for one after the other"
        )
    return int(given or 1)


def refuse(given: Iterable[str]) -> None:
    """Raise UsageError for options that documents have no use for."""
    for option in given:
        raise UsageError(
            f"{option} is for specs, and documents were given\n    expected: --backend, --device, --python, --results, --replace, -n, --limit, --import-limit, --together or --json\n    to do: leave it out"
        )
