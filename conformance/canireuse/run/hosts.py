"""Hosts as the engine sees them: one warm process for each backend, environment and device.

A crash, an OOM kill or a hang is a result of the script that caused it: the process is replaced and
the rest goes on.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal

from canireuse.emit import Adapter, Script, asking
from canireuse.emit.asking import AdapterFault
from canireuse.run.channel import Channel, HostGone
from canireuse.run.limits import limit_in, misfits, said, unfit
from canireuse.run.messages import UnexpectedAnswer
from canireuse.run.outcome import AskedDevice, Device, Outcome
from canireuse.spec.problems import UsageError

HOST = Path(__file__).with_name("host.py")
#: how the name of a host's scratch folder begins
SCRATCH = "canireuse-"
#: how long a scratch folder counts as new: its host may not hold it yet, in seconds
NEW_SECONDS = 3600.0
#: how long a framework may take to import, in seconds, from when its first script waits for it
IMPORT_LIMIT = 120.0


def check_platform() -> None:
    """Raise UsageError on Windows, which has neither the process groups nor the waiting on pipes that hosts are built on."""
    if sys.platform == "win32":
        raise UsageError(
            "canireuse runs no scripts on Windows: hosts need process groups and pipes that can be waited on\n    expected: Linux or macOS\n    to do: run it in WSL; `list`, `show`, `lint` and `report` work here"
        )


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
        #: the edition of the framework, empty for the usual one
        self.edition = ""
        #: why it cannot be used, if it cannot, and whose doing that is
        self.absent: str | None = None
        self.blame: Literal["environment", "adapter"] = "environment"
        #: the last that it printed before it turned out to be absent
        self.last_output = ""
        self.warm_up_seconds = 0.0
        self._channel: Channel | None = None
        self._ready = False
        #: how many scripts the process was given
        self._given = 0

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process, if there is one."""
        return self._channel.process if self._channel else None

    @property
    def started(self) -> bool:
        """Whether its process was started, whatever became of it."""
        return self._ready or self._channel is not None

    def start(self) -> None:
        """Start the process and send it the import lines, without waiting for them."""
        sweep(Path(tempfile.gettempdir()))
        # the host makes it, and so removes it even where this process is killed while it starts the host
        self._scratch = str(Path(tempfile.gettempdir(), f"{SCRATCH}{uuid.uuid4().hex}"))
        environ = {**self.variables(), "TMPDIR": self._scratch, "CANIREUSE_SCRATCH": self._scratch}
        self._started = time.perf_counter()
        self._channel, self._given = Channel([self.python, str(HOST)], environ), 0
        self._channel.send(
            {
                "script": f"{self.adapter.imports}\n{self.adapter.reset}",
                "filename": "<imports>",
                "packages": [*self.adapter.packages, "numpy"],
            },
            self.import_limit,
        )

    def variables(self) -> dict[str, str]:
        """Return the environment variables of the process, but for its scratch folder."""
        return {
            **os.environ,
            **self.adapter.environ,
            **self.adapter.engines.get(self.engine or "", {}),
            **self.adapter.environ_on.get(self.asked, {}),
            **self.environ,
            "PYTHONPATH": os.pathsep.join(self._path()),
            "PYTHONUNBUFFERED": "1",
            "PYTHONSAFEPATH": "",  # the host finds the stopwatch in its own folder
        }

    def _path(self) -> list[str]:
        """Return what another interpreter needs to find the reference model beside this package."""
        own = [str(HOST.parents[2])] if not self.adapter.packages else []
        return own + [part for part in [os.environ.get("PYTHONPATH", "")] if part]

    def ready(self) -> str | None:
        """Wait until the framework is imported and the device was probed; return why not, if not."""
        if self._ready:
            return self.absent
        self._ready = True
        try:
            if self._channel is None:
                self.start()
            outcome = self._receive(time.monotonic() + self.import_limit)
        except (OSError, ValueError) as error:  # an environment variable that cannot be one is a ValueError
            self.absent = f"the interpreter {self.python!r} did not come up: {error}"
            return self.absent
        self.absent = why_not_imported(self.adapter, self.engine, self.import_limit, outcome)
        self.warm_up_seconds = time.perf_counter() - self._started
        if self.absent:
            self.last_output = outcome.output
        else:
            self.environment = outcome.environment or {}
            try:
                self.edition = asking.edition_of(self.adapter, self.environment["packages"])
                self.absent = self._probe()
            except AdapterFault as fault:
                self.absent, self.blame = str(fault), "adapter"
        if self.absent:
            self.stop()
        return self.absent

    def know(self, environment: Mapping[str, Any], device: Device, device_name: str, warm_up_seconds: float) -> None:
        """Take what a host of this environment found before; the process is started when a script is to run."""
        self.environment, self.device, self.device_name = dict(environment), device, device_name
        self.warm_up_seconds = warm_up_seconds
        self.edition = asking.edition_of(self.adapter, self.environment["packages"])

    def _probe(self) -> str | None:
        """Find the device that is really used; return why the one asked for is not."""
        refused = ""
        devices: tuple[Device, ...] = ("gpu", "cpu") if self.asked == "auto" else (self.asked,)
        for device in devices:
            probe = asking.probe_of(self.adapter, device)
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
        """Run a script in a fresh namespace and return what it did; `meanwhile` is called while it runs.

        What brings down a process that ran others before may be their doing: such a script runs again, once, on a new
        host, and `again` says why.
        """
        request = {"script": script.text, "filename": filename, "reset": self.adapter.reset}
        outcome = self._request(request, meanwhile)
        if outcome.ending == "finished" or self._given == 1:
            return outcome
        how = outcome.error["message"] if outcome.error else f"no answer within {self.limit:g} s"
        again = self._request(request)
        again.again = f"the host that had run others before did not get through it: {how}"
        return again

    def run_block(self, block: Mapping[str, Any], filename: str) -> Outcome:
        """Run a block of a document, in the namespace of those that the process ran before, and return what it did."""
        return self._request({"block": block, "filename": filename})

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
        if self._channel is None or self._channel.ended:  # a new process would know nothing of the script
            later = Outcome("crash", error=gone(self._channel.how_it_ended() if self._channel else "stopped"))
            self.stop()
        else:
            later = self._ask({"round": number, "core": self.core if number == 0 else None})
        again = [label for label in later.observations if label in before.observations]
        later.observations = {**before.observations, **later.observations}
        later.repeated = [*before.repeated, *later.repeated, *again]
        return later

    def _request(self, request: Mapping[str, Any], meanwhile: Callable[[], None] = lambda: None) -> Outcome:
        """Have a process run a script: the one that is here, or a new one where it is gone or has said something unasked."""
        if self._channel is None or self._channel.ended or self._channel.unread():
            why_not = self._restart()
            if why_not:
                return why_not
        self._given += 1
        return self._ask(request, meanwhile)

    def _ask(self, request: Mapping[str, Any], meanwhile: Callable[[], None] = lambda: None) -> Outcome:
        """Send a request to the process and return what came of it; a process that is no longer to be trusted is ended."""
        assert self._channel
        try:
            self._channel.send(request, self.limit)
            deadline = time.monotonic() + self.limit
            meanwhile()
            return self._receive(deadline)
        except OSError as error:
            self.stop()
            return Outcome("crash", error=gone(str(error)))
        except BaseException:  # whoever is asked next must not be given what this script answers
            self.stop()
            raise

    def _restart(self) -> Outcome | None:
        """Replace the process, which imports the framework again; return what came instead, if it did not come up."""
        self.stop()
        try:
            self.start()
            outcome = self._receive(time.monotonic() + self.import_limit)
        except (OSError, ValueError) as error:
            outcome = Outcome("crash", error=gone(str(error)))
        if outcome.ending == "finished" and not outcome.error:
            return None
        how = outcome.error["message"] if outcome.error else outcome.ending
        self.stop()
        return Outcome("crash", error=gone(f"a new host did not come up: {how}", "NoNewHost"), output=outcome.output)

    def _receive(self, deadline: float) -> Outcome:
        """Collect answers until the script has finished, the process is gone, or the monotonic clock is at the deadline.

        A process that does not finish is ended. Nothing is kept of one that answered what it was not asked.
        """
        assert self._channel
        outcome, channel = Outcome("timeout"), self._channel
        try:
            while (answer := channel.receive(deadline)) is not None:
                if answer.observed:
                    label = answer.observed.label
                    outcome.repeated += [label] if label in outcome.observations else []
                    outcome.observations[label] = answer.observed.value
                elif answer.waiting is not None:
                    outcome.ending, outcome.waiting = "waiting", answer.waiting
                    return outcome
                elif answer.finished:
                    finished = answer.finished.model_dump()
                    outcome.ending, outcome.error, outcome.warnings = (
                        "finished",
                        finished["error"],
                        finished["warnings"],
                    )
                    outcome.seconds, outcome.environment = finished["seconds"], finished["environment"]
                    break
                elif answer.late:
                    outcome.line = answer.late.line
                    break
                else:
                    outcome.take(answer)
        except HostGone as error:
            outcome.ending, outcome.error = "crash", gone(str(error))
        except UnexpectedAnswer as error:
            outcome = Outcome("crash", error=gone(str(error), "UnexpectedAnswer"))
        if outcome.ending == "finished":
            channel.take_prints()
        else:
            self.stop()
        if outcome.ending != "finished" or outcome.error:
            outcome.output = channel.output
        return outcome

    def stop(self) -> None:
        """End the process and everything it started."""
        if self._channel is not None:
            self._channel.close()
            shutil.rmtree(self._scratch, ignore_errors=True)  # checkpoints, and what frameworks leave there
            self._channel = None


@cache
def sweep(folder: Path) -> None:
    """Remove the scratch folders that hosts left which were killed together with their run; those that a process holds stay."""
    import fcntl  # not on Windows, where this module is loaded, too

    for scratch in folder.glob(f"{SCRATCH}*"):
        with suppress(OSError):  # another one's, or gone
            if scratch.is_symlink() or time.time() - scratch.stat().st_mtime < NEW_SECONDS:
                continue
            held = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(scratch, ignore_errors=True)
            finally:
                os.close(held)


def gone(how: str, kind: str = "HostGone") -> dict[str, Any]:
    """Return the error of a process that gave no answer that could be used: it ended, answered rubbish, or never came up."""
    return {
        "type": kind,
        "message": how,
        "bases": [],
        "module": "",
        "line": None,
        "through": [],
        "by": "",
        "name": None,
    }


def why_not_imported(adapter: type[Adapter], engine: str | None, limit: float, outcome: Outcome) -> str | None:
    """Return why a framework cannot be used after its import, None if it can: it is not here, broken, too old, or hangs."""
    title, install = adapter.title, adapter.install
    packages = (outcome.environment or {}).get("packages", {})
    if outcome.ending == "timeout":
        return f"{title} was still importing after {limit:g} s; give it more time with --import-limit, or install it anew: {install}"
    if outcome.ending == "finished" and not outcome.error:
        why = unfit(adapter, engine, packages)
        return f"{title} is too old here: {why}" if why else None
    how = said(outcome.error) if outcome.error and outcome.ending == "finished" else ""
    ended = outcome.error["message"] if outcome.error else outcome.ending
    happened = f"{title} cannot be imported ({how})" if how else f"{title} ended its process at import ({ended})"
    if lack := limit_in(f"{how}\n{outcome.output}"):
        return f"{happened}: {lack}"
    if why := unfit(adapter, engine, packages):
        return f"{happened}: {why}"
    if how and outcome.error and (why := misfits(outcome.error, adapter, packages)):
        return f"{happened}: {why}"
    absent = [name for name in (*adapter.packages, "numpy") if name not in packages] if how else []
    lacking = f"; not installed: {', '.join(absent)}" if absent else ""
    return f"{happened}{lacking}; install it {'with' if how else 'anew'}: {install}"


def is_on(device: str, name: str) -> bool:
    """Return whether a device by that name is what was asked for; some frameworks fall back in silence."""
    return device == "cpu" or any(word in name.lower() for word in ("gpu", "cuda", "rocm"))
