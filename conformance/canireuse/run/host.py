"""A host process: it runs scripts one after another and says what they observed.

It is run by path, in any interpreter from Python 3.7 on, and uses the standard library alone. One
request a line comes in on the standard input; answers go out on the standard output, which is taken
away from everybody else first, so that what a framework prints can never corrupt the channel.

Requests: {"id": number, "script": text, "filename": name, "reset": text, "packages": [name], "core": number, "measuring": settings}.
A block of a document comes as {"id": number, "block": what `printed` runs, "filename": name}.
Answers, each with the `id` of the request: {"began": true}, {"observed": {"label", "value"}} as each observation comes, then
{"finished": {"error", "warnings", "seconds", "environment"}}. With `measuring`, which holds the arguments
of `Stopwatch`, a script waits in between: the answer {"waiting": samples} is
followed by the request {"id": number, "round": number, "core": number}, or null to go on. The process stays on the `core`, if one
is named.
"""

import _thread
import contextlib
import fcntl
import gc
import json
import linecache
import logging
import os
import platform
import queue
import re
import shutil
import signal
import sys
import threading
import time
import traceback
import warnings

LONGEST = 4000
#: of an observation that is longer than this as JSON, the last part is kept
LONGEST_OBSERVATION = 1 << 20
#: whether what the frameworks brought was taken out of the garbage collector's sight
FROZEN = []
MOST_WARNINGS = 50
#: levels of lists and mappings in an observation; whole numbers beyond the other are observed by their words
DEEPEST_VALUE = 100
LARGEST_WHOLE = 2**1023


def encode(value, depth=0):  # noqa: PLR0911  # one case a type
    """Return a value as JSON can carry it; what is no plain data becomes {"repr": ...}."""
    if depth > DEEPEST_VALUE:
        raise TypeError("an observation has at most %d levels of lists and mappings" % DEEPEST_VALUE)
    if isinstance(value, BaseException):
        return {"error": describe(value)}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= LARGEST_WHOLE else {"repr": hex(value)[:LONGEST]}
    if isinstance(value, float):
        return float(value) if value - value == 0 else {"float": repr(value)}
    if isinstance(value, dict):
        return {str(key): encode(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item, depth + 1) for item in value]
    return {"repr": repr(value)[:LONGEST]}


def observation(label, value):
    """Return an observation as JSON can carry it; of one that is too long, its length and its last part."""
    if not isinstance(label, str):
        raise TypeError("the label of an observation is a text, not %s" % type(label).__name__)
    encoded = encode(value)
    text = json.dumps(encoded, ensure_ascii=False)
    if len(text) > LONGEST_OBSERVATION:
        encoded = {"cut": len(text), "last": text[-LONGEST:]}
    return {"label": label[-LONGEST:], "value": encoded}


def without_places(text):
    """Return a message without paths of this machine and addresses: results are passed round, and compared."""
    for place in sorted({sys.prefix, sys.base_prefix, os.path.expanduser("~"), os.getcwd()}, key=len, reverse=True):
        if len(place) > 1:
            text = text.replace(place, "...")
    return re.sub(r"\b0x[0-9a-f]{6,}", "0x...", text)


def describe(error, filename=None):
    """Return an exception as data: its class, its bases, its message, its line in the script, and where it came from.

    `through` names the packages that it came through, outermost first, without the script; `by` is the one that raised
    it, empty where the script's own words did. Who asks a module for what it has not raises that, whatever the module's
    own `__getattr__` says to it. `name` is the module that an import did not find.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    asked = asked_module(error)
    own = next((index for index, frame in enumerate(frames) if index and frame.f_code is asked), len(frames))
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == filename]
    packages = [str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame in frames]
    through = [name if name not in ("__script__", __name__) else "" for name in packages]
    try:
        message = str(error)
    except BaseException as why:  # an exception that cannot say what it is
        message = "an exception without words: its __str__ raised %s" % type(why).__name__
    return {
        "type": type(error).__name__,
        "module": str(type(error).__module__),
        "bases": [base.__name__ for base in type(error).__mro__],
        "message": without_places(message)[:LONGEST],
        "line": lines[-1] if lines else None,
        "through": list(dict.fromkeys(name for name in through if name)),
        "by": through[own - 1] if through else "",
        "name": missing_module(error),
    }


def asked_module(error):
    """Return the code of the `__getattr__` of the module that an attribute was not found in, None if it has none."""
    module = getattr(error, "obj", None)  # Python 3.10
    asked = vars(module).get("__getattr__") if isinstance(module, type(sys)) else None
    return getattr(getattr(asked, "__wrapped__", asked), "__code__", None)


def missing_module(error):
    """Return the module that was not found, where an import ended in this error or in the one that it came of; else None."""
    name = None
    for _ in range(20):  # a chain of causes may be a circle
        if not isinstance(error, ImportError):
            return name
        name = str(error.name) if error.name else name
        if isinstance(error, ModuleNotFoundError) and error.name:
            return name
        error = error.__cause__ or error.__context__
    return name


def script_line(filename):
    """Return the line of the script that is being run now, or None."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename == filename:
            return frame.f_lineno
        frame = frame.f_back
    return None


class Listener(logging.Handler):
    """Keeps what frameworks warn of, with the line of the script at which they do."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.filename = None
        self.heard = []

    def emit(self, record):
        """Keep a log record of level warning or above."""
        self.hear(record.name, record.getMessage())

    def show(self, message, category, filename, lineno, file=None, line=None):
        """Keep a Python warning; stands in for `warnings.showwarning`."""
        self.hear(category.__name__, str(message))

    def hear(self, category, message):
        """Keep one warning."""
        if len(self.heard) < MOST_WARNINGS:
            self.heard.append(
                {"category": category, "message": without_places(message)[:LONGEST], "line": script_line(self.filename)}
            )


def listen_as_a_user(how_often):
    """Let through what Python shows a user by default; what is only for developers depends on who came first."""
    warnings.simplefilter(how_often)
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings(how_often, category=DeprecationWarning, module="__script__")


def versions(packages):
    """Return the version of each package that is here."""
    found = {}
    for package in packages:
        try:
            from importlib import metadata

            found[package] = metadata.version(package)
        except Exception:  # Python 3.7 has no importlib.metadata; the package is asked then
            module = sys.modules.get(package.replace("-", "_"))
            if module is not None and hasattr(module, "__version__"):
                found[package] = str(module.__version__)
    return found


def environment(packages):
    """Return what this process is: interpreter, machine, packages, threads."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": {name: os.environ[name] for name in sorted(os.environ) if name.endswith("_THREADS")},
        "packages": versions(packages),
    }


def measured_loops(request, asked, answer, receive):
    """Return what turns the measured loops of a script: a clock that the engine drives, or none.

    `asked` holds the id of the request that is answered, which each round changes.
    """
    from stopwatch import Stopwatch, Untimed, pin

    pin(request.get("core"))
    if request.get("measuring") is None:
        return Untimed()

    def ask(message):
        answer(asked[0], {"waiting": message})
        told = receive()
        asked[0] = told["id"]
        pin(told.get("core"))
        return told

    if not FROZEN:  # frameworks are there to stay: to look through them takes a third of a second each time
        gc.collect()
        gc.freeze()
        FROZEN.append(True)
    return Stopwatch(ask, **request["measuring"])


def run(request, answer, receive, listener):
    """Run one script and answer with what it observed."""
    filename, text = request["filename"], request["script"]
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)

    running, asked = [os.getpid()], [request["id"]]

    def observe(label, value):
        observed = observation(label, value)
        # a thread may outlive its script, and a child is not asked: what they observe is not this script's
        if running and running[0] == os.getpid():
            answer(asked[0], {"observed": observed})

    answer(asked[0], {"began": True})
    error = None
    loops = measured_loops(request, asked, answer, receive)
    names = {"__name__": "__script__", "observe": observe, "rounds": loops.rounds, "measure": loops.measure}
    exec(request.get("reset") or "", {"__name__": "__reset__"})
    listener.filename, listener.heard = filename, []
    with warnings.catch_warnings():
        # a place that warns does so every time; where time is taken, once, as it does to users
        listen_as_a_user("default" if request.get("measuring") else "always")
        warnings.showwarning = listener.show
        started = time.perf_counter()
        try:
            exec(compile(text, filename, "exec"), names)
        except BaseException as raised:  # SystemExit too is an outcome of the script
            error = describe(raised, filename)
            if request.get("packages") is not None:  # a framework that cannot be imported: its user wants to see where
                inside = raised.__traceback__.tb_next
                sys.stderr.write(without_places("".join(traceback.format_exception(type(raised), raised, inside))))
        seconds = time.perf_counter() - started
    if os.getpid() != running.pop():  # a child that the script forked: its parent answers
        os._exit(0)
    linecache.cache.pop(filename, None)
    packages = request.get("packages")
    finished = {
        "error": error,
        "warnings": listener.heard,
        "seconds": seconds,
        "environment": environment(packages) if packages is not None else None,
    }
    answer(asked[0], {"finished": finished})


def main():
    """Serve requests until the standard input ends."""
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")  # half a surrogate pair is no text
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.stdin = open(os.devnull)
    import printed  # while its folder, which scripts are not to see, is on the path
    import stopwatch  # noqa: F401  # the same

    sys.path[:] = [
        path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))
    ]

    lock = threading.Lock()  # scripts observe from threads too

    def answer(request, message):
        line = json.dumps(dict(message, id=request), ensure_ascii=False) + "\n"
        with lock:
            channel.write(line)
            channel.flush()

    listener = Listener()
    logging.getLogger().addHandler(listener)
    lines = queue.Queue()
    folder = os.environ.get("CANIREUSE_SCRATCH")
    if folder:
        claim(folder)
    _thread.start_new_thread(queue_up, (requests, lines, folder))  # one that `threading` neither counts nor names

    def receive():
        return json.loads(lines.get())

    own = sys.modules[__name__]
    while True:
        request = receive()
        if request.get("block") is not None:
            printed.run_block(own, request, answer, listener)
        else:
            run(request, answer, receive, listener)


def queue_up(requests, lines, folder):
    """Queue requests as they come, and end with them the process, what it started, and its scratch folder: a script that hangs must not outlive the run."""
    for line in iter(requests.readline, ""):
        lines.put(line)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def claim(folder):
    """Make the scratch folder, and hold a lock on it as long as this process lives, and what it forks: one that nobody holds may be removed."""
    os.makedirs(folder, mode=0o700)
    with contextlib.suppress(OSError):  # a file system without locks, or no folder of ours
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)


if __name__ == "__main__":
    main()
