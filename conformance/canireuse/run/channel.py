"""The channel to a host's process: requests go in, answers come out, and the end of what it prints is kept.

Whatever the process does, nothing here grows without bound and nothing waits longer than it was told to.
"""

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from canireuse.run.messages import Message, UnexpectedAnswer, message

#: how much of what a process printed is kept, in bytes: the end of it
LAST_OUTPUT = 4000
#: how much a process may answer to one request, in bytes
MOST_ANSWERED = 16 << 20
#: how long is waited at once, in seconds: what waits for a pipe takes no more than weeks
LONGEST_WAIT = 3600.0
#: how much is read from a pipe at once, in bytes
CHUNK = 1 << 16


class HostGone(Exception):
    """The process ended before it answered; the message says how."""


class Channel:
    """A process that answers requests, one line each way, and prints beside that."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603  # the interpreter is the one the user named
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, start_new_session=True
        )  # fmt: skip
        self._requests, self._answers = opened(self.process.stdin), opened(self.process.stdout)
        self._prints = opened(self.process.stderr)
        self._selector = selectors.DefaultSelector()
        os.set_blocking(self._requests.fileno(), False)
        for pipe in (self._answers, self._prints):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ)
        #: the id of the last request, and how much was answered to it and printed since, in bytes
        self._asked = self._answered = self._printed = 0
        self._buffer, self._output = bytearray(), bytearray()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    def send(self, request: Mapping[str, Any], limit: float) -> None:
        """Send a request under the next id; what was printed before it is forgotten.

        Raises OSError if nobody reads, or the process has not read it after so many seconds.
        """
        self.take_prints()
        self._output.clear()
        self._asked, self._answered, self._printed = self._asked + 1, 0, 0
        unsent = memoryview(json.dumps({**request, "id": self._asked}).encode() + b"\n")
        deadline = time.monotonic() + limit
        while unsent:
            try:
                unsent = unsent[os.write(self._requests.fileno(), unsent) :]
            except BlockingIOError:  # the pipe is full
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"it did not read what it was asked within {limit:g} s") from None
                self._await_reader(min(left, 1.0))

    def _await_reader(self, seconds: float) -> None:
        """Wait until there is room in the pipe of requests; what is printed meanwhile is taken, for that pipe may be full too."""
        with selectors.DefaultSelector() as room:
            room.register(self._requests, selectors.EVENT_WRITE)
            room.select(seconds)
        self.take_prints()

    def receive(self, deadline: float) -> Message | None:
        """Return the next answer to the last request, None when the monotonic clock is at the deadline.

        Raises HostGone if the process ends before, and UnexpectedAnswer for anything else that comes.
        """
        while (end := self._buffer.find(b"\n", max(0, len(self._buffer) - CHUNK))) < 0:
            left = deadline - time.monotonic()
            ready = [key.fileobj for key, _ in self._selector.select(min(max(0.0, left), LONGEST_WAIT))]
            if self._prints in ready:
                self.take_prints()
            if self._answers in ready and not self._take_answers():
                raise HostGone(self.how_it_ended())
            if self._answers not in ready and left <= 0:
                return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return message(line, self._asked)

    def _take_answers(self) -> bool:
        """Read what was answered; return whether more can come."""
        chunk = os.read(self._answers.fileno(), CHUNK)
        self._buffer += chunk
        self._answered += len(chunk)
        if self._answered > MOST_ANSWERED:
            raise UnexpectedAnswer(f"it answered more than {MOST_ANSWERED >> 20} MB")
        return bool(chunk)

    def take_prints(self) -> None:
        """Take what the process has printed out of its pipe, as far as it has come, and keep the end."""
        for _ in range(MOST_ANSWERED // CHUNK):  # what a child of it prints on may have no end
            try:
                chunk = os.read(self._prints.fileno(), CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                if self._prints in self._selector.get_map():
                    self._selector.unregister(self._prints)
                return
            self._printed += len(chunk)
            self._output += chunk
            del self._output[:-LAST_OUTPUT]

    def unread(self) -> bool:
        """Return whether the process said something since it had answered."""
        return bool(self._buffer) or any(key.fileobj is self._answers for key, _ in self._selector.select(0))

    @property
    def output(self) -> str:
        """The end of what the process printed since the last request, with how much there was if that was more."""
        text = self._output.decode("utf-8", "replace")
        return f"[the end of {self._printed} bytes]\n{text}" if self._printed > LAST_OUTPUT else text

    def how_it_ended(self) -> str:
        """Return how the process ended, in words; it has ten seconds to do so."""
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            return "closed its end of the channel and went on"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"

    def close(self) -> None:
        """End the process and everything it started; its last output stays known."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.take_prints()
        self._selector.close()
        for pipe in (self._requests, self._answers, self._prints):
            with suppress(BrokenPipeError):  # the reader is gone
                pipe.close()


def opened(pipe: IO[bytes] | None) -> IO[bytes]:
    """Return a pipe that was asked for."""
    assert pipe is not None
    return pipe
