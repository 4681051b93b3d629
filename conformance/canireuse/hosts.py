"""Hosts as the engine sees them: one warm process for each backend, environment and device.

A crash, an OOM kill or a hang is a result of the script that caused it: the process is replaced and
the rest goes on.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from canireuse.problems import UsageError
from canireuse.translation import Adapter, Script

HOST = Path(__file__).with_name("host.py")
#: how long a framework may take to import, in seconds, from when its first script waits for it
IMPORT_LIMIT = 120.0
#: how much of what a process printed is kept, in bytes: the end of it
LAST_OUTPUT = 4000
Device = Literal["cpu", "gpu"]
AskedDevice = Literal["cpu", "gpu", "auto"]


@dataclass
class Outcome:
    """What a script did: `ending` is finished, crash, timeout, or waiting where it has not ended."""

    ending: str
    observations: dict[str, Any] = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    warnings: list[dict[str, Any]] = field(default_factory=list)
    seconds: float | None = None
    environment: dict[str, Any] | None = None
    output: str = ""
    #: what a script that is being measured has to say while it waits: then `ending` is waiting
    waiting: dict[str, Any] = field(default_factory=dict)


def check_platform() -> None:
    """Raise UsageError on Windows, which has neither the process groups nor the waiting on pipes that hosts are built on."""
    if sys.platform == "win32":
        raise UsageError(
            "canireuse runs no scripts on Windows: hosts need process groups and pipes that can be waited on\n    expected: Linux or macOS\n    to do: run it in WSL; `list`, `show`, `lint` and `report` work here"
        )


class HostGone(Exception):
    """The process ended before it answered; the message says how."""


class Host:
    """A warm process that runs the scripts of one adapter on one device.

    `device` is `cpu`, `gpu` or `auto` (a GPU where there is one). Nothing is started before `start`;
    `ready` waits for the framework and says why the backend cannot be used, if it cannot. `engine` is
    one of the adapter's engines, if it has any; `environ` holds further environment variables. `limit` is the time a script
    may take, `import_limit` the time the framework may take to import, both in seconds. Where `core` is set,
    the process stays on that core from before its first variable on, so that the framework counts one core; another
    core takes effect with the next script or its first round.
    """

    def __init__(
        self,
        adapter: type[Adapter],
        python: str | None = None,
        device: AskedDevice = "auto",
        limit: float = 60.0,
        engine: str | None = None,
        environ: Mapping[str, str] | None = None,
        import_limit: float = IMPORT_LIMIT,
    ) -> None:
        self.import_limit = import_limit
        self.adapter, self.python, self.limit, self.engine = adapter, python or sys.executable, limit, engine
        self.asked: AskedDevice = device
        self.environ = dict(environ or {})
        self.core: int | None = None
        self.device: Device = "cpu" if device == "auto" else device
        self.device_name = ""
        self.environment: dict[str, Any] = {}
        self.absent: str | None = None
        #: the last that it printed before it turned out to be absent
        self.last_output = ""
        self.warm_up_seconds = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self._ready = False

    def start(self) -> None:
        """Start the process and send it the import lines, without waiting for them."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as the process
        self._folder = tempfile.TemporaryDirectory(prefix="canireuse-", ignore_cleanup_errors=True)
        environ = {
            **os.environ,
            **self.adapter.environ,
            **self.adapter.engines.get(self.engine or "", {}),
            **self.adapter.environ_on.get(self.asked, {}),
            **self.environ,
            "PYTHONPATH": os.pathsep.join(self._path()),
            "PYTHONUNBUFFERED": "1",
            "PYTHONSAFEPATH": "",  # the host finds the stopwatch in its own folder
            "TMPDIR": self._folder.name,
        }
        self._started = time.perf_counter()
        self.process = subprocess.Popen(  # noqa: S603  # the interpreter is the one the user named
            [self.python, str(HOST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            env=environ, start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout
        os.set_blocking(self.process.stdout.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ)
        self._buffer = bytearray()
        self._send(
            {
                "script": f"{self.adapter.imports}\n{self.adapter.reset}",
                "filename": "<imports>",
                "packages": [*self.adapter.packages, "numpy"],
            }
        )

    def _path(self) -> list[str]:
        """Return what another interpreter needs to find the reference model beside this package."""
        own = [str(HOST.parent.parent)] if not self.adapter.packages else []
        return own + [part for part in [os.environ.get("PYTHONPATH", "")] if part]

    def ready(self) -> str | None:
        """Wait until the framework is imported and the device was probed; return why not, if not."""
        if self._ready:
            return self.absent
        self._ready = True
        try:
            if self.process is None:
                self.start()
            outcome = self._receive(time.monotonic() + self.import_limit)
        except (OSError, HostGone) as error:
            self.absent = f"the interpreter {self.python!r} did not come up: {error}"
            return self.absent
        self.absent = self._why_not_imported(outcome)
        self.warm_up_seconds = time.perf_counter() - self._started
        if self.absent:
            self.last_output = self._printed()
        else:
            self.environment = outcome.environment or {}
            self.absent = self._probe()
        if self.absent:
            self.stop()
        return self.absent

    def _why_not_imported(self, outcome: Outcome) -> str | None:
        """Return why the framework did not come up, None if it did: it is not here, broken, or hangs."""
        title, install = self.adapter.title, self.adapter.install
        if outcome.ending == "timeout":
            return f"{title} was still importing after {self.import_limit:g} s; give it more time with --import-limit, or install it anew: {install}"
        if outcome.ending != "finished":
            how = outcome.error["message"] if outcome.error else outcome.ending
            return f"{title} ended its process at import ({how}); install it anew: {install}"
        if outcome.error:
            why = f"{outcome.error['type']}: {outcome.error['message']}".splitlines()[0]
            return f"{title} cannot be imported ({why}); install it with: {install}"
        return None

    def _printed(self, offset: int = 0) -> str:
        """Return the end of what the process printed since an offset into its log."""
        self._log.seek(max(offset, self._log.seek(0, os.SEEK_END) - LAST_OUTPUT))
        return self._log.read().decode("utf-8", "replace")

    def _probe(self) -> str | None:
        """Find the device that is really used; return why the one asked for is not."""
        refused = ""
        devices: tuple[Device, ...] = ("gpu", "cpu") if self.asked == "auto" else (self.asked,)
        for device in devices:
            try:
                probe = self.adapter.probe(device)
            except Exception as error:  # noqa: BLE001  # an adapter of somebody else may raise anything
                return f"the adapter does not say how the device of {self.adapter.title} is found ({type(error).__name__}: {error})"
            outcome = self._request({"script": probe, "filename": "<probe>", "core": self.core})
            name = outcome.observations.get("device")
            if outcome.ending == "finished" and not outcome.error and isinstance(name, str) and is_on(device, name):
                self.device, self.device_name = device, name
                return None
            self.last_output = outcome.output
            refused = (
                f"{outcome.error['type']}: {outcome.error['message']}"
                if outcome.error
                else f"{outcome.ending}, on {name}"
            )
        return f"no {self.asked} device for {self.adapter.title} here ({refused.splitlines()[0][:200]})"

    def run(self, script: Script, filename: str, meanwhile: Callable[[], None] = lambda: None) -> Outcome:
        """Run a script in a fresh namespace and return what it did; `meanwhile` is called while it runs."""
        return self._request({"script": script.text, "filename": filename, "reset": self.adapter.reset}, meanwhile)

    def begin(self, script: Script, filename: str, measuring: Mapping[str, Any]) -> Outcome:
        """Start a script that is measured; it waits at its first round, if it gets there.

        `measuring` holds the arguments of a `Stopwatch`.
        """
        return self._request(
            {
                "script": script.text,
                "filename": filename,
                "reset": self.adapter.reset,
                "core": self.core,
                "measuring": measuring,
            }
        )

    def turn(self, number: int | None, before: Outcome) -> Outcome:
        """Have the script that waits do one round, or go on where it is None; return `before` with what came since."""
        if self.process is None or self.process.poll() is not None:  # a new process would know nothing of the script
            later = Outcome("crash", error=gone(self._how_it_ended() if self.process else "stopped"))
            self.stop()
        else:
            later = self._request({"round": number, "core": self.core if number == 0 else None})
        again = [label for label in later.observations if label in before.observations]
        later.observations = {**before.observations, **later.observations}
        later.repeated = [*before.repeated, *later.repeated, *again]
        return later

    def _request(self, request: Mapping[str, Any], meanwhile: Callable[[], None] = lambda: None) -> Outcome:
        offset = 0
        try:
            if self.process is None or self.process.poll() is not None:
                self._restart()
            offset = self._log.seek(0, os.SEEK_END)
            self._send(request)
            deadline = time.monotonic() + self.limit
            meanwhile()
            outcome = self._receive(deadline)
        except (OSError, HostGone) as error:
            outcome = Outcome("crash", error=gone(str(error)))
        except BaseException:  # whoever is asked next must not be given what this script answers
            self.stop()
            raise
        if outcome.ending in {"crash", "timeout"}:
            self.stop()
        if outcome.ending in {"crash", "timeout"} or outcome.error:
            outcome.output = self._printed(offset)
        return outcome

    def _restart(self) -> None:
        """Replace the process; the framework is imported again."""
        self.stop()
        self.start()
        outcome = self._receive(time.monotonic() + self.import_limit)
        if outcome.ending != "finished":
            raise HostGone(f"the replacement did not come up: {outcome.ending}")

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()

    def _receive(self, deadline: float) -> Outcome:
        """Collect answers until the script has finished, the process is gone, or the monotonic clock is at the deadline."""
        outcome = Outcome("timeout")
        while True:
            line = self._line(deadline)
            if line is None:
                return outcome
            if line == b"":
                outcome.ending, outcome.error = "crash", gone(self._how_it_ended())
                return outcome
            message = json.loads(line)
            if "observed" in message:
                label = message["observed"]["label"]
                if label in outcome.observations:
                    outcome.repeated.append(label)
                outcome.observations[label] = message["observed"]["value"]
            elif "waiting" in message:
                outcome.ending, outcome.waiting = "waiting", message["waiting"]
                return outcome
            else:
                finished = message["finished"]
                outcome.ending, outcome.error, outcome.warnings = "finished", finished["error"], finished["warnings"]
                outcome.seconds, outcome.environment = finished["seconds"], finished["environment"]
                return outcome

    def _line(self, deadline: float) -> bytes | None:
        """Return the next line of the channel, empty at its end, None when time is up."""
        assert self.process is not None
        assert self.process.stdout is not None
        while (end := self._buffer.find(b"\n", max(0, len(self._buffer) - (1 << 16)))) < 0:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                return None
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
            if not chunk:
                return b""
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _how_it_ended(self) -> str:
        assert self.process
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            return "closed its end of the channel and went on"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"

    def stop(self) -> None:
        """End the process and everything it started."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._selector.close()
        self._folder.cleanup()  # checkpoints, and what frameworks leave there
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):  # the reader is gone
                if pipe:
                    pipe.close()
        self.process = None


def gone(how: str) -> dict[str, Any]:
    """Return the error of a process that ended before it answered."""
    return {"type": "HostGone", "message": how, "bases": [], "module": "", "line": None, "through": [], "name": None}


def is_on(device: str, name: str) -> bool:
    """Return whether a device by that name is what was asked for; some frameworks fall back in silence."""
    return device == "cpu" or any(word in name.lower() for word in ("gpu", "cuda", "rocm"))
