"""Hosts: whatever a script does is a result of that script, and the next one runs."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from canireuse.emit import Adapter, Script
from canireuse.run import hosts
from canireuse.run.hosts import Host, check_platform, is_on
from canireuse.spec.problems import UsageError


class Plain(Adapter):
    """An adapter whose scripts are given word for word."""

    name = title = "plain"
    packages = ("pytest",)
    imports = "import json"
    install = "pip install plain"

    @classmethod
    def probe(cls, device):
        return f"observe('device', {device!r} + ':0')"


@pytest.fixture(scope="module")
def host():
    host = Host(Plain, device="cpu", limit=5.0)
    assert host.ready() is None
    yield host
    host.stop()


def run(host, text):
    return host.run(Script(text), "<test>")


def test_the_environment_is_known(host):
    assert host.environment["python"] == sys.version.split()[0]
    assert host.environment["packages"]["pytest"] == pytest.__version__
    assert host.device_name == "cpu:0"


def test_observations_come_back_in_order_and_plain(host):
    outcome = run(
        host,
        "observe('b', [1, 2.5, True, None, 'x'])\nobserve('a', {'k': (1,)})\nobserve('n', float('nan'))\nobserve('o', object)",
    )
    assert list(outcome.observations) == ["b", "a", "n", "o"]
    assert outcome.observations["b"] == [1, 2.5, True, None, "x"]
    assert outcome.observations["a"] == {"k": [1]}
    assert outcome.observations["n"] == {"float": "nan"}
    assert outcome.observations["o"] == {"repr": "<class 'object'>"}


def test_an_exception_is_described(host):
    outcome = run(host, "try:\n    {}['x']\nexcept Exception as error:\n    observe('e', error)")
    error = outcome.observations["e"]["error"]
    assert error["type"] == "KeyError"
    assert "LookupError" in error["bases"]
    assert error["through"] == []


#: two modules: one says itself what it has not, the other asks it for that
MODULES = """
from types import ModuleType
lacks, asks = ModuleType('lacks'), ModuleType('asks')
exec('def __getattr__(name):\\n    raise AttributeError(name)', vars(lacks))
exec('def ask(other):\\n    return other.what_it_has_not', vars(asks))
"""


@pytest.mark.parametrize(
    ("words", "through", "by", "name"),
    [
        ("import json; json.loads('{')", ["json"], "json", None),
        ("import copy, json; copy.deepcopy(type('A', (), {'__deepcopy__': lambda a, m: json.loads('')})())", ["copy", "json"], "json", None),
        ("import copy; copy.deepcopy(type('A', (), {'__deepcopy__': lambda a, m: 1 / 0})())", ["copy"], "", None),
        ("import nothing_of_this_name.at_all", [], "", "nothing_of_this_name"),
        ("try:\n    import nothing_of_this_name\nexcept ImportError:\n    raise ImportError('no')", [], "", "nothing_of_this_name"),
        ("import json; json.louds", [], "", None),
        (f"{MODULES}lacks.what_it_has_not", ["lacks"], "", None),
        (f"{MODULES}asks.ask(lacks)", ["asks", "lacks"], "asks", None),
        ("observe(1, 1)", [], "", None),
    ],
)  # fmt: skip
def test_an_exception_says_through_which_packages_it_came(host, words, through, by, name):
    error = run(host, words).error
    assert (error["through"], error["by"], error["name"]) == (through, by, name)


def test_an_exception_that_cannot_say_what_it_is_is_told_all_the_same(host):
    outcome = run(host, "class Mute(Exception):\n    def __str__(self):\n        raise KeyError\nraise Mute")
    assert outcome.ending == "finished"
    assert outcome.error["message"] == "an exception without words: its __str__ raised KeyError"


def test_a_script_that_raises_says_at_which_line_and_keeps_what_it_observed(host):
    outcome = run(host, "observe('a', 1)\nraise ValueError('no')")
    assert outcome.ending == "finished"
    assert outcome.observations == {"a": 1}
    assert (outcome.error["type"], outcome.error["message"], outcome.error["line"]) == ("ValueError", "no", 2)


def test_each_script_has_a_fresh_namespace(host):
    run(host, "left = 1")
    assert run(host, "observe('left', 'left' in globals())").observations == {"left": False}


@pytest.mark.parametrize(
    "noise",
    [
        "print('{\"observed\": 1}')",
        "import os; os.write(1, b'rubbish')",
        "import sys; sys.stderr.write('x' * 100000)",
        "import subprocess; subprocess.run(['echo', 'hello'])",
    ],
)
def test_noise_cannot_corrupt_the_channel(host, noise):
    assert run(host, f"{noise}\nobserve('a', 1)").observations == {"a": 1}


def test_a_script_cannot_read_the_requests(host):
    assert run(host, "import sys\nobserve('a', sys.stdin.read())").observations == {"a": ""}


def test_messages_name_no_place_of_this_machine(host):
    outcome = run(host, "import os, sys\nraise ValueError(f'{sys.prefix}/lib {os.getcwd()}/x {object()}')")
    assert outcome.error["message"] == ".../lib .../x <object object at 0x...>"


def test_warnings_for_developers_are_not_heard_unless_the_script_makes_them(host):
    loud = "import warnings\nwarnings.warn('old', DeprecationWarning)"
    hidden = "import warnings\nexec(compile(\"warnings.warn('old', DeprecationWarning)\", 'lib', 'exec'), {'__name__': 'lib', 'warnings': warnings})"
    assert len(run(host, loud).warnings) == 1
    assert run(host, hidden).warnings == []


def test_warnings_are_kept_with_their_line(host):
    outcome = run(host, "import warnings, logging\nwarnings.warn('careful')\nlogging.getLogger('lib').warning('mind')")
    assert [(warning["message"], warning["line"]) for warning in outcome.warnings] == [("careful", 2), ("mind", 3)]


@pytest.mark.parametrize(
    ("death", "how"),
    [
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os; os._exit(3)", "status 3"),
    ],
)
def test_a_crash_is_a_result_and_the_next_script_runs(host, death, how):
    outcome = run(host, f"observe('a', 1)\n{death}")
    assert outcome.ending == "crash"
    assert how in outcome.error["message"]
    assert outcome.observations == {"a": 1}
    assert run(host, "observe('a', 2)").observations == {"a": 2}


@pytest.mark.parametrize(
    ("mischief", "ending"),
    [
        ("import os; os.close(1); os.close(2)", "finished"),
        ("import os; os.closerange(0, 50)", "crash"),
        ("import os\nif os.fork() == 0: raise SystemExit", "finished"),
        ("import threading, time\nthreading.Timer(0.2, lambda: observe('late', 1)).start()", "finished"),
    ],
)
def test_mischief_does_not_reach_the_next_script(host, mischief, ending):
    assert run(host, mischief).ending == ending
    for number in range(3):
        assert run(host, f"import time; time.sleep(0.15); observe('a', {number})").observations == {"a": number}


def test_a_channel_that_is_closed_while_the_script_goes_on_is_a_crash():
    host = Host(Plain, device="cpu", limit=5.0)
    assert host.ready() is None
    outcome = run(host, "import os\nos.closerange(3, 50)\nwhile True: pass")
    assert (outcome.ending, outcome.error["message"]) == ("crash", "closed its end of the channel and went on")
    assert run(host, "observe('a', 2)").observations == {"a": 2}
    host.stop()


def test_of_an_observation_that_is_too_long_the_last_part_is_kept_and_texts_that_are_none_come_through(host):
    words = "observe('long', ['x' * 30_000_000, 'end'])\nobserve('half', 'a\\ud800b')\nraise ValueError('\\udcff')"
    outcome = run(host, words)
    assert outcome.observations["long"]["cut"] == 30_000_011
    assert outcome.observations["long"]["last"].endswith('xxx", "end"]')
    assert len(outcome.observations["long"]["last"]) == 4000
    assert outcome.observations["half"] == "a?b"
    assert outcome.error["message"] == "?"


def test_of_what_is_printed_the_last_part_is_kept(host):
    outcome = run(host, "import sys\nfor _ in range(100): sys.stderr.write('x' * 1_000_000)\nraise ValueError('end')")
    assert outcome.output.startswith("[the end of 100000000 bytes]\nxxx")
    assert len(outcome.output) < 4100
    assert run(host, "print('short')\nraise ValueError").output == "short\n"


def test_a_process_that_reads_no_more_is_replaced_however_long_the_next_script():
    host = Host(Plain, device="cpu", limit=2)
    stop = "import os, signal, threading\nthreading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGSTOP)).start()"
    assert host.ready() is None
    assert host.run(Script(stop), "<stops later>").ending == "finished"
    time.sleep(0.5)
    outcome = host.run(Script("x = 1\n" * 50_000 + "observe('a', x)"), "<long>")  # more than a pipe holds
    host.stop()
    assert (outcome.ending, outcome.observations) == ("finished", {"a": 1})
    assert "did not read what it was asked within 2 s" in outcome.again


@pytest.mark.parametrize(
    ("value", "ending", "observed"),
    [
        ("10 ** 400", "finished", {"repr": hex(10**400)}),
        ("deep(90)", "finished", None),
        ("deep(300)", "finished", {}),
        ("{'error': 5}", "crash", {}),
        ("{'error': {'bases': ['KeyError'], 'message': 'm'}}", "crash", {}),
        ("{'cut': 1, 'last': 5}", "crash", {}),
    ],
)
def test_what_no_record_could_hold_is_not_observed(host, value, ending, observed):
    deep = "def deep(levels):\n    return [deep(levels - 1)] if levels else 1\n"
    outcome = host.run(Script(f"{deep}observe('a', {value})"), "<odd>")
    assert outcome.ending == ending
    if observed == {}:
        assert outcome.observations == {}
        assert outcome.error["type"] in {"TypeError", "UnexpectedAnswer"}
    else:
        assert outcome.observations["a"] == observed or observed is None
    assert host.run(Script("observe('b', 1)"), "<next>").observations == {"b": 1}


def test_a_replacement_that_does_not_come_up_is_a_result():
    host = Host(Plain, device="cpu", limit=5.0)
    assert host.ready() is None
    host.python = "/no/such/python"
    assert run(host, "import os; os._exit(1)").ending == "crash"
    assert "/no/such/python" in run(host, "observe('a', 1)").error["message"]
    host.stop()


@pytest.mark.parametrize(
    "hang",
    [
        "host.run(Script('while True: pass'), '<test>')",
        "begin(host); print('waits', flush=True); time.sleep(100)",
    ],
)
def test_a_script_that_hangs_or_waits_ends_with_the_run(hang):
    program = (
        "import time\nfrom test_hosts import Plain, Script, Host, begin\nhost = Host(Plain, device='cpu')\nhost.ready()\n"
        f"print(host.process.pid, flush=True)\n{hang}"
    )
    run_of = subprocess.Popen(
        [sys.executable, "-c", program], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True
    )
    pid = int(run_of.stdout.readline())
    time.sleep(0.2)
    run_of.kill()
    run_of.wait()
    run_of.stdout.close()
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def is_running(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_sys_exit_is_no_crash(host):
    assert run(host, "import sys; sys.exit(0)").error["type"] == "SystemExit"


def test_a_hang_is_a_result_and_the_next_script_runs():
    host = Host(Plain, device="cpu", limit=0.5)
    assert host.ready() is None
    assert run(host, "observe('a', 1)\nwhile True: pass").ending == "timeout"
    assert run(host, "observe('a', 2)").observations == {"a": 2}
    host.stop()


def test_a_backend_that_is_not_here_says_what_to_install():
    class Absent(Plain):
        imports = "import there_is_no_such_framework"

    why = Host(Absent).ready()
    assert "there_is_no_such_framework" in why
    assert "pip install plain" in why


def test_an_interpreter_that_is_none_is_told():
    assert "did not come up" in Host(Plain, python=str(Path(__file__))).ready()


def test_a_gpu_that_is_not_there_is_refused_and_auto_falls_back():
    class OnlyCpu(Plain):
        @classmethod
        def probe(cls, device):
            return "observe('device', 'cpu:0')"  # a framework that falls back in silence

    asked = Host(OnlyCpu, device="gpu")
    assert "no gpu device" in asked.ready()
    asked.stop()
    auto = Host(OnlyCpu, device="auto")
    assert auto.ready() is None
    assert auto.device == "cpu"
    auto.stop()


def test_a_gpu_from_a_list_of_devices_is_used():
    class Fake(Plain):
        @classmethod
        def probe(cls, device):
            return f"devices = {{'cpu': 'cpu:0', 'gpu': 'cuda:0 Fake'}}\nobserve('device', devices[{device!r}])"

    host = Host(Fake, device="auto")
    assert host.ready() is None
    assert (host.device, host.device_name) == ("gpu", "cuda:0 Fake")
    host.stop()


@pytest.mark.parametrize(
    ("device", "name", "here"),
    [
        ("gpu", "/device:GPU:0", True),
        ("gpu", "cuda:0", True),
        ("gpu", "/device:CPU:0", False),
        ("cpu", "anything", True),
    ],
)
def test_where_a_name_is(device, name, here):
    assert is_on(device, name) is here


def test_the_host_runs_on_python_3_7():
    by_pyenv = Path.home().glob(".pyenv/versions/3.7.*/bin/python3.7")  # pyenv's own shim does not start it
    found = [*by_pyenv, *filter(None, [shutil.which("python3.7")])]
    if not found:
        pytest.skip("there is no Python 3.7")
    host = Host(Plain, python=str(found[0]))
    assert host.ready() is None
    assert run(host, "observe('a', 1)").observations == {"a": 1}
    assert host.environment["python"].startswith("3.7")
    outcome = host.turn(0, begin(host))
    assert outcome.waiting["samples"][0]["label"] == "loop"
    assert host.turn(None, host.turn(None, outcome)).ending == "finished"
    host.stop()


MEASURED = (
    "observe('before', 1)\nfor _ in rounds():\n    for _ in measure('loop'):\n        {}\n"
    "observe('after', 2)\nfor _ in rounds():\n    for _ in measure('second'):\n        pass\n"
)


def begin(host, body="pass", **settings):
    settings = {"block": 0.001, "patience": 1.0, "spend": 1.0, "skip": [], **settings}
    return host.begin(Script(MEASURED.format(body)), "<test>", settings)


def test_a_script_that_is_measured_waits_for_each_round(host):
    outcome = begin(host)
    assert (outcome.ending, outcome.observations) == ("waiting", {"before": 1})
    assert [sample["label"] for sample in outcome.waiting["warm"]] == ["loop"]
    for number in (0, 1):
        outcome = host.turn(number, outcome)
        assert (outcome.ending, outcome.waiting["round"]) == ("waiting", number)
        assert [sample["label"] for sample in outcome.waiting["samples"]] == ["loop"]
    outcome = host.turn(None, outcome)
    assert [sample["label"] for sample in outcome.waiting["warm"]] == ["second"]
    assert outcome.observations == {"before": 1, "after": 2}
    outcome = host.turn(None, outcome)
    assert (outcome.ending, outcome.error, outcome.repeated) == ("finished", None, [])
    assert outcome.observations == {"before": 1, "after": 2}
    assert run(host, "observe('a', 1)").observations == {"a": 1}


def test_what_is_observed_again_after_a_round_is_told(host):
    script = Script("observe('a', 1)\nfor _ in rounds(): pass\nobserve('a', 1)")
    outcome = host.begin(script, "<test>", {"block": 1, "patience": 1, "spend": 1, "skip": []})
    assert host.turn(None, outcome).repeated == ["a"]


def test_without_measuring_nothing_waits(host):
    outcome = run(host, MEASURED.format("observe('turned', 1)"))
    assert (outcome.ending, outcome.repeated) == ("finished", [])
    assert outcome.observations == {"before": 1, "turned": 1, "after": 2}


def test_a_script_that_raises_in_a_round_has_ended(host):
    outcome = begin(host, "count = globals().get('count', 0) + 1; assert count < 1000")
    while outcome.ending == "waiting":
        outcome = host.turn(1, outcome)
    assert (outcome.ending, outcome.error["type"], outcome.error["line"]) == ("finished", "AssertionError", 4)
    assert outcome.observations == {"before": 1}
    assert run(host, "observe('a', 1)").observations == {"a": 1}


def test_a_host_that_is_killed_while_its_script_waits_is_not_asked_for_a_round_again():
    host = Host(Plain, device="cpu", limit=5.0)
    assert host.ready() is None
    outcome = begin(host)
    host.process.kill()
    host.process.wait()
    outcome = host.turn(0, outcome)
    assert (outcome.ending, outcome.error["message"]) == ("crash", "killed by SIGKILL")
    assert outcome.observations == {"before": 1}
    assert host.process is None
    assert host.turn(1, outcome).ending == "crash"
    assert run(host, "observe('a', 2)").observations == {"a": 2}
    host.stop()


def test_a_round_that_hangs_is_a_result_and_the_next_script_runs():
    host = Host(Plain, device="cpu", limit=1.0)
    assert host.ready() is None
    outcome = begin(host, "count = globals().get('count', 0) + 1; import time; time.sleep(0.01 if count < 3 else 100)")
    assert outcome.ending == "waiting"
    outcome = host.turn(0, outcome)
    assert (outcome.ending, outcome.observations) == ("timeout", {"before": 1})
    assert run(host, "observe('a', 2)").observations == {"a": 2}
    host.stop()


def test_what_warns_every_time_does_so_once_while_times_are_taken(host):
    warns = "__import__('warnings').warn('careful')"
    outcome = host.turn(None, host.turn(None, host.turn(0, begin(host, warns))))
    assert [warning["message"] for warning in outcome.warnings] == ["careful"]
    assert len(run(host, f"for _ in range(3): {warns}").warnings) == 3


def test_windows_is_refused_in_a_sentence(monkeypatch):
    check_platform()
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UsageError, match="runs no scripts on Windows: hosts need process groups"):
        check_platform()


#: a run that starts a host whose script starts a process, writes a file and hangs
KILLED = """
from canireuse.emit import Script
from canireuse.run.hosts import Host
from canireuse_adapters.reference import Reference

host = Host(Reference)
host.ready()
child = host.run(Script('''
import os, subprocess, sys
open(os.environ["TMPDIR"] + "/kept", "w").close()
observe("child", subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
'''), "<a>").observations["child"]
print(host.process.pid, child, flush=True)
host.run(Script("while True: pass"), "<b>")
"""


def is_alive(process):
    """Return whether a process is there and no zombie that nobody waits for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_a_host_whose_run_is_killed_leaves_nothing(tmp_path):
    """Neither its process, nor what its script started, nor its scratch folder."""
    program = tmp_path / "run.py"
    program.write_text(KILLED)
    run = subprocess.Popen(
        [sys.executable, program], env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    )
    host, child = map(int, run.stdout.readline().split())
    assert list(tmp_path.glob("canireuse-*/kept"))
    run.kill()
    run.wait()
    deadline = time.monotonic() + 20
    while is_alive(host) or is_alive(child) or list(tmp_path.glob("canireuse-*")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_hosts_left_is_removed_later_and_what_is_held_stays(tmp_path):
    left, held, new = (tmp_path / f"canireuse-{name}" for name in ("left", "held", "new"))
    for folder in (left, held, new):
        (folder / "inside").mkdir(parents=True)
    for folder in (left, held):
        os.utime(folder, (0, 0))
    holder = os.open(held, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_SH)
    hosts.sweep(tmp_path)
    os.close(holder)
    assert [folder.exists() for folder in (left, held, new)] == [False, True, True]
