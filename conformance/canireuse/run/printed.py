"""What a host does with a block of a document: it runs as it is printed, in the process's own `__main__`.

The lines of the code are those of the document, so that tracebacks, warnings and what is printed name them. Like the host,
this runs in any interpreter from Python 3.7 on and uses the standard library alone.

Answers, beside those of the host: {"printed": {"lines", "text", "stream"}} with the lines of the document that are running,
the innermost first; {"met": {"line", "error", "passed"}} where the statement of a promise is reached, raises, and has
passed; {"late": {"line"}} where the time is over.
"""

import _thread
import ast
import builtins
import contextlib
import faulthandler
import importlib.util
import io
import linecache
import logging
import os
import sys
import tempfile
import threading
import traceback
import types
import warnings
from time import perf_counter  # a block may put something in its place

#: how much of what a block prints is told, in characters of messages, and how much beside of what each promise prints
MOST_PRINTED = 1 << 18
MOST_PROMISED = 1 << 16
#: what a message takes beside the text, in characters
FRAME = 80
#: how many lines of the document are told of a piece of output, at each end of the stack
MOST_LINES = 20
#: what is called before and after the statement of a promise
MET = "__canireuse_met__"
AROUND = """\
{met}({line})
try:
    pass
except BaseException:
    {met}({line}, raised=True)
    raise
finally:
    {met}({line}, passed=True)
"""


def run_block(host, request, answer, listener):
    """Run a block and answer with what it printed, what came of its promises, and how it ended; `host` is the module of that name."""
    running = Running(host, request, answer)
    answer(request["id"], {"began": True})
    running.prepare(listener)
    listener.filename, listener.heard = running.filename, []
    logging.getLogger().removeHandler(listener)  # `logging.basicConfig` does nothing where there is a handler
    error, status = None, 0
    done = _thread.allocate_lock()
    done.acquire()
    _thread.start_new_thread(running.watch_the_time, (done,))  # one that `threading` neither counts nor names
    started = perf_counter()
    try:
        running.run()
    except BaseException as raised:  # SystemExit too is an outcome of the block
        status = status_of(raised)
        error = None if isinstance(raised, SystemExit) and not raised.code else running.described(raised)
    running.await_threads()
    seconds = perf_counter() - started
    done.release()
    if os.getpid() != running.process:  # a child that the block forked: its parent answers
        os._exit(status)
    running.end()
    finished = {"error": error, "warnings": listener.heard, "seconds": seconds, "environment": None}
    answer(request["id"], {"finished": finished})


def status_of(error):
    """Return the status with which a script that ends in an exception leaves its process."""
    code = error.code if isinstance(error, SystemExit) else 1
    return 0 if code is None else code & 0xFF if isinstance(code, int) else 1


class Running:
    """A block that runs."""

    def __init__(self, host, request, answer):
        self.host, self.block, self.filename = host, request["block"], request["filename"]
        self.id, self._answer = request["id"], answer
        self.process, self.main = os.getpid(), threading.get_ident()
        self.cut, self.between = 0, False
        #: the promises whose statements run, by their lines, and how much there is still room for, by the innermost of them
        self.at, self.left = [None], {None: MOST_PRINTED}
        #: what is known of the statements of promises, by the line of the promise
        self.met_before = {}
        #: the promises whose statements print past Python, and what was opened to read that, for each that runs
        self.below = {line for line, _, _, below in self.block["promised"] if below}
        self.opened = []

    def answer(self, message):
        """Answer, as long as the block runs."""
        if self._answer is not None and os.getpid() == self.process:
            self._answer(self.id, message)

    def prepare(self, listener):
        """Make the process look as it does to a script of that text, in the scratch folder; what blocks before this one changed stays."""
        if getattr(sys.modules["__main__"], "__document__", None) != self.filename:
            os.chdir(os.environ["TMPDIR"])
            module = types.ModuleType("__main__")
            module.__document__ = self.filename
            module.__file__ = os.path.join(os.getcwd(), "document.py")
            sys.modules["__main__"] = module
            sys.path.insert(0, os.getcwd())
            sys.argv[:] = [module.__file__]
            linecache.cache[self.filename] = (0, None, [], self.filename)
            faulthandler.enable(os.dup(2))
            self.host.listen_as_a_user("default")
            warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
            warnings.showwarning = listener.show
            sys.modules.pop("stopwatch", None)  # ours: a package of a block may be called that
        before = linecache.cache[self.filename][2]
        own = self.padded(self.block["text"], self.block["line"]).splitlines(keepends=True)
        lines = [one if one.strip() else other for one, other in zip(own, before + ["\n"] * len(own))]  # noqa: B905
        lines += before[len(own) :]
        linecache.cache[self.filename] = (sum(map(len, lines)), None, lines, self.filename)
        with open(sys.modules["__main__"].__file__, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(lines)  # what processes that it spawns read
        setattr(builtins, MET, self.met)
        sys.stdout = sys.__stdout__ = Written("stdout", 1, self.print)
        sys.stderr = sys.__stderr__ = Written("stderr", 2, self.print)

    def run(self):
        """Run the script, or what is typed at each prompt."""
        names = sys.modules["__main__"].__dict__
        if not self.block["examples"]:
            exec(self.compiled(self.block["text"], self.block["line"], "exec"), names)
        for example in self.block["examples"]:
            line = example["line"]
            self.at = [None, line]
            try:
                exec(self.compiled(example["source"], line, "single"), names)
            except BaseException as error:  # SystemExit too may be the answer
                self.met(line, raised=True)
                if not example["raises"] or isinstance(error, KeyboardInterrupt):
                    raise
            else:
                self.met(line, passed=True)

    @staticmethod
    def padded(text, line):
        """Return a text so that it begins at a line."""
        return "\n" * (line - 1) + text

    def compiled(self, text, line, mode):
        """Return the code of a text that begins at a line of the document."""
        tree = ast.parse(self.padded(text, line), self.filename, mode)
        if self.block["imported_as"]:
            tree = ast.fix_missing_locations(Imports(self.block["imported_as"]).visit(tree))
        promised = {(first, column): line for line, first, column, _ in self.block["promised"]}
        if promised:
            watch(tree, promised)
        return compile(tree, self.filename, mode, dont_inherit=True)

    def met(self, line, *, raised=False, passed=False):
        """Tell that the statement of a promise was reached, raised, or passed, which it also has when it raised; each once."""
        self.flush(between=not raised and not passed)
        if passed:
            self.at.remove(line)
        elif not raised:
            self.at.append(line)
        if line in self.below and not raised:
            self.close_below() if passed else self.open_below()
        known = self.met_before.setdefault(line, set())
        news = "raised" if raised else "passed" if passed else "reached"
        if news not in known:
            known.add(news)
            error = self.described(sys.exc_info()[1]) if raised else None
            self.answer({"met": {"line": line, "error": error, "passed": passed}})

    def flush(self, *, between):
        """Have streams that the block put around its own hand over what they hold; `between` statements, of no line that is known."""
        self.between = between
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # closed, or none
                stream.flush()
        self.between = False

    def open_below(self):
        """Have a file take what is printed past Python, as `tf.print` does."""
        file = tempfile.TemporaryFile()
        self.opened.append((file, os.dup(1), os.dup(2)))
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)

    def close_below(self):
        """Tell what was printed past Python since."""
        file, *copies = self.opened.pop()
        for number, copy in zip((1, 2), copies):  # noqa: B905
            os.dup2(copy, number)
            os.close(copy)
        with file:
            file.seek(0)
            self.print("below", file.read().decode("utf-8", "replace"))

    def print(self, stream, text):
        """Tell what is printed, with the lines that are running; what a forked child prints goes past."""
        if os.getpid() != self.process:
            os.write(2, text.encode("utf-8", "replace"))
            return
        room = max(0, self.left.setdefault(self.at[-1], MOST_PROMISED))
        self.cut += len(text[room:])
        if text[:room]:
            lines = [] if self.between else self.lines()
            self.left[self.at[-1]] -= len(text) + 8 * len(lines) + FRAME
            self.answer({"printed": {"lines": lines, "text": text[:room], "stream": stream}})

    def lines(self):
        """Return the lines of the document that are running, the innermost first; those of the main thread where this one has none."""
        lines = self.lines_of(sys._getframe())
        if not lines and threading.get_ident() != self.main:
            lines = self.lines_of(sys._current_frames().get(self.main))
        return lines if len(lines) <= 2 * MOST_LINES else lines[:MOST_LINES] + lines[-MOST_LINES:]

    def lines_of(self, frame):
        """Return the lines of the document in a stack, the innermost first."""
        lines = []
        while frame is not None:
            if frame.f_code.co_filename == self.filename and frame.f_lineno is not None:
                lines.append(frame.f_lineno)
            frame = frame.f_back
        return list(dict.fromkeys(lines))

    def described(self, error):
        """Return an exception as data, with its line in the document, without the frames of the host."""
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != self.filename:
            trace = trace.tb_next
        own = traceback.extract_tb(trace)
        before = error.__traceback__
        BaseException.with_traceback(error, trace)  # also where the class lets nothing be set
        try:
            found = self.host.describe(error, self.filename)
        finally:
            BaseException.with_traceback(error, before)
        if not own and isinstance(error, SyntaxError) and error.filename == self.filename:
            found["line"] = error.lineno
            found["message"] = error.msg
        return found

    def watch_the_time(self, done):
        """Tell at which line the block is when its time is over, if it is not done by then."""
        if done.acquire(timeout=self.block["limit"]):
            return
        lines = self.lines_of(sys._current_frames().get(self.main))
        self.answer({"late": {"line": lines[0] if lines else None}})

    def await_threads(self):
        """Wait for the threads that a script would wait for at its end; those of pools are told to end then."""
        pools = getattr(sys.modules.get("concurrent.futures.thread"), "_threads_queues", ())
        for thread in threading.enumerate():
            if not thread.daemon and thread is not threading.current_thread() and thread not in pools:
                thread.join()

    def end(self):
        """Say how much was printed beyond what was told, and hear no more of this block."""
        self.flush(between=True)
        if self.cut:
            text = "[%d more characters]\n" % self.cut
            self.answer({"printed": {"lines": [], "text": text, "stream": "stdout"}})
        self._answer = None


class Written(io.TextIOBase):
    """What a block has for its standard output or error."""

    encoding, errors = "utf-8", "replace"

    def __init__(self, name, number, tell):
        super().__init__()
        self.name, self._number, self._tell = "<%s>" % name, number, tell
        self._stream = name
        self.buffer = Bytes(self)

    def write(self, text):
        """Tell a text."""
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        self._tell(self._stream, text)
        return len(text)

    def writable(self):
        """Return true."""
        return True

    def reconfigure(self, **_):
        """Stay as it is: every encoding and every way to buffer ends as text in the record."""

    def detach(self):
        """Return what stands below, for those who put a stream of their own around it."""
        return self.buffer

    def fileno(self):
        """Return the number of the file that other processes write to."""
        return self._number


class Bytes(io.RawIOBase):
    """What stands below a text stream, for those who write bytes."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream

    def write(self, data):
        """Tell bytes as the text that they are."""
        self.stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def writable(self):
        """Return true."""
        return True


class Imports(ast.NodeTransformer):
    """Has a script import a module instead of another one, under the name that it gives it."""

    def __init__(self, imported_as):
        self.imported_as = imported_as

    def visit_Import(self, node):
        """Change `import module`, and `import module.part as name` where the other module has that part."""
        names = []
        for alias in node.names:
            other = self.other(alias.name)
            if alias.name in self.imported_as:
                alias = ast.alias(name=other, asname=alias.asname or alias.name)  # noqa: PLW2901  # it takes its place
            elif other and alias.asname:
                alias = ast.alias(name=other, asname=alias.asname)  # noqa: PLW2901
            names.append(alias)
            root = alias.name.partition(".")[0]
            if root in self.imported_as and not alias.asname:  # `import module.part` binds the module
                names.append(ast.alias(name=self.imported_as[root], asname=root))
        return ast.copy_location(ast.Import(names=names), node)

    def visit_ImportFrom(self, node):
        """Change `from module import name`, and `from module.part import name` where the other module has that part."""
        other = None if node.level or not node.module else self.other(node.module)
        if other is None:
            return node
        return ast.copy_location(ast.ImportFrom(module=other, names=node.names, level=0), node)

    def other(self, name):
        """Return what is imported instead of a dotted name, None if that stays as it is."""
        root, dot, rest = name.partition(".")
        if root not in self.imported_as:
            return None
        found = self.imported_as[root] + dot + rest
        if name.startswith(self.imported_as[root].rpartition(".")[0]) and rest:  # who says `compat` means it
            return None
        try:
            return found if not rest or importlib.util.find_spec(found) else None
        except Exception:  # a parent that is no package
            return None


def watch(tree, promised):
    """Put the calls that tell how a statement went around those of promises: (line, column) -> line of the promise."""
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, name, [new for one in value for new in watched(one, promised)])


def watched(statement, promised):
    """Return what stands for a statement: itself, or itself between the calls that tell how it went."""
    line = promised.get((statement.lineno, statement.col_offset))
    if line is None or hasattr(statement, "body"):
        return [statement]
    around = ast.parse(AROUND.format(met=MET, line=line)).body
    for part in around:
        for node in ast.walk(part):
            if hasattr(node, "lineno"):
                ast.copy_location(node, statement)
    around[1].body = [statement]
    return around
