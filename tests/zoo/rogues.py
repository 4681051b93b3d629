"""Backends that take their host, or whoever asks them, out of order on one spec; on all others they are as the reference.

Each entry says what the rogue does, and which verdict and blame its own case is to have. Whatever it does, no other case
may have another record for it.
"""

from dataclasses import replace

import pytest

from canireuse.emit import Script, Unsupported
from canireuse_adapters.reference import Reference

#: the title of the spec on which they go wrong
WRONG_ON = "The gradient of a variable got twice by name sums over both uses"

#: finds the end of the channel to which the host answers, and the request that it answers
CHANNEL = """\
import json, os, stat, sys, threading, time
frame = sys._getframe()
while 'request' not in frame.f_locals:
    frame = frame.f_back
asked = frame.f_locals['request']['id']
channel = frame.f_locals['answer'].__closure__[0].cell_contents.fileno()
"""

#: has its script observe something else
OBSERVES = """\
deep = lambda levels: [deep(levels - 1)] if levels else 1
honest = observe
observe = lambda label, value: honest(label, {})
"""

#: what stands before its script -> the verdict and the blame of its case
SCRIPTS = {
    "label-that-is-a-list": ("observe(['a'], 1)", "error", "adapter"),
    "label-that-is-none": ("observe(None, 1)", "error", "adapter"),
    "label-that-is-no-text": ("observe('\\ud800', 1)", "fails", "adapter"),
    "label-that-nobody-asked-for": ("observe('all-is-well', True)", "fails", "adapter"),
    "label-twice": ("observe('gradient-sums-over-both-uses', 1)", "fails", "adapter"),
    "value-in-itself": ("value = []\nvalue.append(value)\nobserve('value', value)", "error", None),
    "value-without-words": ("class Mute:\n    __repr__ = None\nobserve('value', Mute())", "error", None),
    "value-of-50-megabytes": ("observe('value', 'x' * 50_000_000)", "fails", "adapter"),
    "values-of-20-megabytes": ("for n in range(20): observe(str(n), 'x' * 1_000_000)", "crash", "adapter"),
    "number-of-10000-digits": ("observe('value', 10 ** 10_000)", "fails", "adapter"),
    "error-without-words": ("class Mute(Exception):\n    __str__ = None\nraise Mute", "error", None),
    "error-of-10-megabytes": ("raise ValueError('x' * 10_000_000)", "error", None),
    "error-of-a-long-name": ("raise type('x' * 1_000_000, (Exception,), {})", "error", None),
    "exits": ("raise SystemExit('enough')", "error", None),
    "is-interrupted": ("raise KeyboardInterrupt", "error", None),
    "raises-what-is-no-error": ("raise GeneratorExit", "error", None),
    "is-no-python": ("def (", "error", "adapter"),
    "has-a-nul": ("x = '\x00'", "error", "adapter"),
    "ends-its-process": ("import os; os._exit(0)", "crash", "backend"),
    "aborts": ("import os; os.abort()", "crash", "backend"),
    "segfaults": ("import ctypes; ctypes.string_at(0)", "crash", "backend"),
    "kills-its-process": ("import os; os.kill(os.getpid(), 9)", "crash", None),
    "stops-its-process": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "timeout", "backend"),
    "hangs": ("while True: pass", "timeout", "backend"),
    "hangs-in-c": ("import time; time.sleep(1000)", "timeout", "backend"),
    "forks": ("import os; os.fork()", "conforms", None),
    "forks-what-stays": ("import os, time\nif not os.fork(): time.sleep(3)", "conforms", None),
    "observes-in-a-thread-later": (
        "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), observe('late', 1))).start()", "conforms", None,
    ),
    "exits-in-a-thread-later": (
        "import os, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.1), os._exit(3))).start()", "conforms", None,
    ),
    "answers-rubbish": (CHANNEL + "os.write(channel, b'rubbish\\n')", "crash", "adapter"),
    "answers-half-a-line": (CHANNEL + "os.write(channel, b'{\"id\": ')", "crash", "adapter"),
    "answers-without-an-id": (CHANNEL + "os.write(channel, b'{\"finished\": {}}\\n')", "crash", "adapter"),
    "answers-another-request": (CHANNEL + "os.write(channel, json.dumps({'id': asked + 1, 'began': True}).encode() + b'\\n')", "crash", "adapter"),
    "answers-what-is-no-json": (CHANNEL + "os.write(channel, b'{\"id\": %d, \"observed\": {\"label\": \"x\", \"value\": NaN}}\\n' % asked)", "crash", "adapter"),
    "answers-more-than-it-should": (CHANNEL + "os.write(channel, json.dumps({'id': asked, 'began': True, 'more': 1}).encode() + b'\\n')", "crash", "adapter"),
    "answers-without-end": (CHANNEL + "for _ in range(40): os.write(channel, b'x' * 1_000_000)", "crash", "adapter"),
    "answers-later": (CHANNEL + "threading.Thread(target=lambda: (time.sleep(0.1), os.write(channel, b'rubbish\\n'))).start()", "conforms", None),
    "finishes-before-its-end": (
        CHANNEL + "end = {'error': None, 'warnings': [], 'seconds': 0.0, 'environment': None}\n"
        "os.write(channel, json.dumps({'id': asked, 'finished': end}).encode() + b'\\n')", "fails", "adapter",
    ),
    "closes-the-channel": (CHANNEL + "os.close(channel)", "crash", "backend"),
    "closes-all-files": ("import os; os.closerange(0, 100)", "crash", "backend"),
    "closes-its-output": ("import os; os.close(1); os.close(2)", "conforms", None),
    "has-no-output": ("import sys; sys.stdout = sys.stderr = None", "conforms", None),
    "prints-without-end": ("import os\nfor _ in range(100): os.write(2, b'\\xff' * 1_000_000)", "conforms", None),
    "prints-answers": ("print('{\"finished\": {}}', flush=True)", "conforms", None),
    "warns-without-end": ("import warnings\nfor n in range(1000): warnings.warn('x' * 10_000)", "conforms", None),
    "reads-the-requests": (
        CHANNEL + "def steal(fd):\n    while True: os.read(fd, 1 << 16)\n"
        "for fd in range(3, 32):\n    try: pipe = stat.S_ISFIFO(os.fstat(fd).st_mode)\n    except OSError: continue\n"
        "    if pipe and fd != channel: threading.Thread(target=steal, args=(fd,), daemon=True).start()", "conforms", None,
    ),
    "breaks-json": ("import json; json.dumps = lambda *_, **__: 'rubbish'", "crash", "adapter"),
    "breaks-json-for-good": ("import json; json.dumps = None", "crash", "backend"),
    "breaks-builtins": ("import builtins; builtins.dict = None", "crash", "backend"),
    "removes-its-folder": ("import os, shutil; shutil.rmtree(os.environ['TMPDIR'])", "conforms", None),
    "observes-what-lies-too-deep": (OBSERVES.replace("{}", "deep(300)"), "error", None),
    "observes-a-number-beyond-any-float": (OBSERVES.replace("{}", "10 ** 400"), "fails", None),
    "observes-what-looks-like-an-error": (OBSERVES.replace("{}", "{'error': {'bases': ['KeyError'], 'message': 'x'}}"), "crash", "adapter"),
    "observes-what-looks-like-what-was-cut": (OBSERVES.replace("{}", "{'cut': 1, 'last': 5}"), "crash", "adapter"),
    "reads-no-more": ("import os, signal, threading\nthreading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGSTOP)).start()", "conforms", None),
    "ends-with-observe": ("del observe", "error", "adapter"),
}  # fmt: skip


class Rogue(Reference):
    """Goes wrong on one spec."""

    before = ""
    instead = None

    def translate(self, spec):
        if spec.title != WRONG_ON:
            return super().translate(spec)
        if self.instead:
            return self.instead()
        script = super().translate(spec)
        return replace(script, text=f"{self.before}\n{script.text}")


def raises(error):
    """Return what raises an error in place of a script."""

    def instead(_self):
        raise error

    return instead


def answers(value):
    """Return what answers something else in place of a script."""
    return lambda _self: value


class Mute(Exception):
    __str__ = None


#: what it does in place of a script -> the verdict and the blame of its case
TRANSLATIONS = {
    "translates-to-nothing": (answers(None), "error", "adapter"),
    "translates-to-a-text": (answers("x = 1"), "error", "adapter"),
    "translates-to-a-script-of-nothing": (answers(Script(None)), "error", "adapter"),
    "translates-to-a-script-of-bytes": (answers(Script(b"x = 1")), "error", "adapter"),
    "translates-to-what-is-no-text": (answers(Script("x = '\ud800'")), "error", "adapter"),
    "has-idioms-that-are-a-number": (answers(Script("x = 1", idioms=1)), "error", "adapter"),
    "translates-with-a-bug": (raises(KeyError("kernel")), "error", "adapter"),
    "translates-with-an-exit": (raises(SystemExit("no script today")), "error", "adapter"),
    "translates-with-a-skip": (raises(pytest.skip.Exception("not today")), "error", "adapter"),
    "translates-with-an-end-of-pytest": (raises(pytest.exit.Exception("enough")), "error", "adapter"),
    "translates-with-an-error-without-words": (raises(Mute()), "error", "adapter"),
    "translates-without-end": (lambda self: self.instead(), "error", "adapter"),
    "refuses-without-words": (raises(Unsupported(None)), "unsupported", None),
}  # fmt: skip


def of_spec(answer, usual):
    """Return a class method that answers something else where the spec is the one it goes wrong on."""

    def instead(cls, spec):
        if spec.title == WRONG_ON:
            if isinstance(answer, BaseException):
                raise answer
            return answer
        return usual(cls, spec)

    return classmethod(instead)


WAYS = Reference.ways_of.__func__
#: what it says of itself -> the verdict and the blame of its case
CLASSES = {
    "has-ways-that-raise": ({"ways_of": of_spec(KeyError("way"), WAYS)}, "error", "adapter"),
    "has-no-ways": ({"ways_of": of_spec([], WAYS)}, "error", "adapter"),
    "has-ways-that-are-nothing": ({"ways_of": of_spec(None, WAYS)}, "error", "adapter"),
    "has-a-way-twice": ({"ways_of": of_spec([{"save": "a"}, {"save": "a"}], WAYS)}, "error", "adapter"),
    "has-two-ways-of-one-name": ({"ways_of": of_spec([{"save": "a b"}, {"save": "a-b"}], WAYS)}, "error", "adapter"),
    "has-ways-that-are-no-text": ({"ways_of": of_spec([{"save": "\ud800"}], WAYS)}, "error", "adapter"),
    "has-ways-that-are-numbers": ({"ways_of": of_spec([{"save": 1}], WAYS)}, "error", "adapter"),
}  # fmt: skip

#: what goes wrong on every spec: each case that does not conform is the adapter's fault
EVERYWHERE = {
    "has-a-probe-that-raises": {"probe": classmethod(lambda _cls, _device: 1 / 0)},
    "has-a-probe-that-is-nothing": {"probe": classmethod(lambda _cls, _device: None)},
    "has-an-edition-that-is-no-text": {"edition": classmethod(lambda _cls, _versions: "\ud800")},
    "tells-kinds-that-are-no-text": {"kind_of": classmethod(lambda _cls, _error: "\ud800")},
    "has-an-edition-that-raises": {"edition": classmethod(lambda _cls, _versions: 1 / 0)},
    "has-an-edition-that-is-nothing": {"edition": classmethod(lambda _cls, _versions: None)},
    "tells-kinds-with-an-error": {"kind_of": classmethod(lambda _cls, _error: 1 / 0)},
    "tells-kinds-that-are-lists": {"kind_of": classmethod(lambda _cls, _error: ["not_found"])},
}

ROGUES = {name: {"before": before} for name, (before, *_) in SCRIPTS.items()}
ROGUES |= {name: {"instead": instead} for name, (instead, *_) in TRANSLATIONS.items()}
ROGUES |= {name: own for name, (own, *_) in CLASSES.items()} | EVERYWHERE
for _name, _own in ROGUES.items():
    globals()[_name.replace("-", "_")] = type("Rogue", (Rogue,), {"name": _name, "title": _name, **_own})
