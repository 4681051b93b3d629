"""Blocks: each runs as it is printed, in a process of its own, and its record says what came of it."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from canireuse.documents.blocks import Mode, Plan, plan, run_plan
from canireuse.documents.markdown import document, load
from canireuse.run.hosts import Host
from canireuse.run.printed import MOST_PRINTED

DOCUMENTS = Path(__file__).parents[2] / "documents"


@pytest.fixture(scope="module")
def plain():
    mode = Mode("reference", limit=2.0)
    assert mode.ready() is None
    return mode


def run(mode, *texts, together=False):
    """Return the records of a document with these blocks; the first line of the first stands at line 2."""
    page = document(Path("p.md"), "p.md", "\n".join(f"```python\n{text}\n```\n" for text in texts))
    plans = plan([page], [mode.name], together=together)
    return [record for one in plans for record in run_plan(one, mode)]


def run_file(name, mode, *, together=False):
    (page,) = load([DOCUMENTS / name])
    plans = [one for one in plan([page], [], together=together) if one.mode == mode.name]
    return {record.number: record for one in plans for record in run_plan(one, mode)}


def kept(record):
    return [promise.kept if promise.came is not None else None for promise in record.promises]


def printed(record):
    return [(piece.line, piece.text, piece.stream) for piece in record.output]


def test_every_way_to_end(plain):
    found = run_file("endings.md", plain)
    assert [(one.ended, one.at_line, kept(one), one.as_it_says) for one in found.values()] == [
        ("completed", None, [True, True], True),
        ("completed", None, [False], False),
        ("raised", 28, [True, None], False),
        ("raised", 40, [True, True, None], True),
        ("raised", 47, [], False),
        ("timeout", 57, [], False),
        ("crash", None, [], False),
        ("raised", 74, [], False),
        ("completed", None, [], True),
        ("raised", 86, [False], False),
    ]
    assert {(one.document, one.file, one.title) for one in found.values()} == {
        ("endings", "endings.md", "Endings: every way in which a block can end")
    }
    assert found[1].id == "endings#1@reference"
    assert (found[2].promises[0].promised, found[2].promises[0].came) == ("3", "2")
    assert found[3].error["message"] == "division by zero"
    assert (found[3].error["by"], found[3].error["through"]) == ("", [])
    assert found[5].error["type"] == "SyntaxError"
    assert "--limit" in found[6].reason
    assert printed(found[6]) == [(55, "begun\n", "stdout")]
    assert found[7].reason == "its process exited with status 7"
    assert printed(found[7]) == [(65, "still here\n", "stdout")]  # a crash keeps what came before it
    assert found[8].error["type"] == "SystemExit"
    assert found[10].reason == "'divide' is made in the block at line 27; run with --together"
    assert found[1].script.startswith("total = 0\n")


def test_together_blocks_share_their_names(plain):
    found = run_file("together.md", plain, together=True)
    assert [(one.id, one.ended, one.at_line, kept(one)) for one in found.values()] == [
        ("together.md#1@reference+together", "completed", None, [True]),  # its function was called later
        ("together.md#2@reference+together", "raised", 12, []),
        ("together.md#3@reference+together", "completed", None, [True]),
        ("together.md#4@reference+together", "crash", None, []),
        ("together.md#5@reference+together", "not reached", None, [None]),
    ]
    assert printed(found[2]) == [(5, "one\n", "stdout")]
    assert found[5].reason == "the process ended in the block at line 24"
    assert found[2].reason is None


def test_together_the_folder_and_the_filters_stay_as_a_block_leaves_them(plain):
    found = run(
        plain,
        "import os, warnings\nos.mkdir('inner')\nos.chdir('inner')\nopen('file', 'w').close()\nwarnings.simplefilter('error')",
        "print(os.listdir())  # Output: ['file']\nwarnings.warn('old')  # raises UserWarning: old",
        together=True,
    )
    assert all(one.as_it_says for one in found), found


def test_together_nothing_runs_in_a_process_that_does_not_know_the_names(plain, monkeypatch):
    def run_block(host, *arguments, before=Host.run_block):
        outcome = before(host, *arguments)
        host.process.wait(10)  # it ends behind the block
        return outcome

    monkeypatch.setattr(Host, "run_block", run_block)
    ends = "import os, time, _thread\n_thread.start_new_thread(lambda: (time.sleep(0.3), os._exit(7)), ())\nname = 1"
    first, second = run(plain, ends, "print(name)", together=True)
    assert (first.ended, second.ended) == ("completed", "not reached")
    assert second.reason == "the process ended in the block at line 2"


def test_alone_a_block_knows_nothing_of_the_others(plain):
    found = run_file("together.md", plain)
    assert found[3].ended == "raised"
    assert found[3].reason == "'told' is made in the block at line 4; run with --together"


def test_what_is_typed_at_prompts(plain):
    (found,) = run_file("prompts.md", plain).values()
    assert (found.ended, found.at_line, found.error["type"]) == ("raised", 21, "KeyError")
    assert kept(found) == [True, False, True, True, True, None]
    assert found.promises[1].came == "[2, 4]"


@pytest.mark.parametrize(
    "text",
    [
        ">>> import sys\n>>> sys.exit(1)\nTraceback (most recent call last):\nSystemExit: 1\n>>> 2\n2",
        ">>> 1 + 1  # doctest: +NUMBER, -REMOTE_DATA\n2",
        ">>> 1 / 0  # doctest: +IGNORE_EXCEPTION_DETAIL\nTraceback (most recent call last):\nZeroDivisionError: other words",
    ],
)
def test_what_doctest_takes_is_as_it_says(plain, text):
    (found,) = run(plain, text)
    assert found.as_it_says, (found.error, found.promises)


def test_lines_of_tracebacks_warnings_and_output_are_those_of_the_document(plain):
    first, second = run(
        plain,
        "import sys, warnings\nwarnings.warn('old')\nprint('to', 'err', file=sys.stderr)\nsys.stdout.buffer.write(b'bytes')",
        "import inspect, traceback\ndef f():\n    '''Has a source.'''\ntry:\n    1/0\nexcept Exception:\n    print(traceback.format_exc())\nprint(inspect.getsource(f))",
    )
    assert [(one["category"], one["message"], one["line"]) for one in first.warnings] == [("UserWarning", "old", 3)]
    assert printed(first) == [(4, "to err\n", "stderr"), (5, "bytes", "stdout")]
    assert 'File "p.md", line 13, in <module>' in second.output[0].text
    assert second.output[1].text == "def f():\n    '''Has a source.'''\n\n"


def test_a_block_runs_as_a_script_of_its_own_in_a_scratch_folder(plain):
    text = (
        "import sys, os\nopen('file', 'w').write('x')\nprint(__name__, sys.argv[1:], sorted(os.listdir()))\n"
        "import logging\nlogging.basicConfig(format='%(message)s')\nlogging.warning('heard')\nprint('canireuse' in sys.modules, sorted(n for n in globals() if 'canireuse' in n))"
    )
    for record, first in zip(run(plain, text, text), (2, 12), strict=True):  # nothing is left of the first
        assert record.ended == "completed", record.error
        out = "".join(piece.text for piece in record.output if piece.stream == "stdout")
        assert out == "__main__ [] ['document.py', 'file']\nFalse []\n"
        assert (first + 5, "heard\n", "stderr") in printed(record)
    assert not Path("file").exists()


def test_processes_that_a_block_spawns_find_its_functions(plain):
    text = "import multiprocessing\ndef double(x):\n    return 2 * x\nif __name__ == '__main__':\n    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        print(pool.map(double, [1, 2]))  # Output: [2, 4]"
    (found,) = run(Mode("reference", limit=30.0), text)
    assert found.as_it_says, found


def test_what_threads_and_forks_print(plain):
    (found,) = run(
        plain,
        "import os, threading, time\ndef work():\n    time.sleep(0.1)\n    print('thread')\nthreading.Thread(target=work).start()\n"
        "pid = os.fork()\nif not pid:\n    print('child')\n    os._exit(0)\nos.waitpid(pid, 0)\nif not os.fork():\n    print('child that goes on')\nelse:\n    os.wait()\n    print('parent')",
    )
    assert found.ended == "completed"
    assert [text for _, text, _ in printed(found)] == ["parent\n", "thread\n"]


def test_threads_are_counted_and_named_as_in_a_script(plain):
    (found,) = run(
        plain,
        "import threading\nprint(threading.active_count())  # Output: 1\n"
        "thread = threading.Thread(target=lambda: print(threading.current_thread().name))\nthread.start()\nthread.join()",
    )
    assert found.as_it_says, found.promises
    assert found.output[-1].text.startswith("Thread-1")


@pytest.mark.parametrize(
    "change",
    [
        "sys.stdout = io.StringIO()\nprint('away')\nsys.stdout = sys.__stdout__",
        "sys.stdout.reconfigure(encoding='utf-8', line_buffering=True)",
        "sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')",
        "sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8')",
    ],
)
def test_output_is_heard_where_a_block_changes_its_streams(plain, change):
    (found,) = run(plain, f"import io, sys\n{change}\nprint('before')\nprint('é')  # Output: é\nprint('after')")
    assert found.as_it_says, (found.error, found.promises)
    assert "".join(piece.text for piece in found.output) == "before\né\nafter\n"


def test_output_that_is_closed_takes_nothing(plain):
    (found,) = run(plain, "import sys\nsys.stdout.close()\nprint('lost')  # raises ValueError: closed file")
    assert (found.ended, found.as_it_says, found.output) == ("raised", True, [])


def test_an_exception_that_is_caught_is_a_promise_kept(plain):
    (found,) = run(
        plain, "try:\n    {}['x']  # raises KeyError: x\nexcept KeyError as error:\n    print(error)  # Output: 'x'"
    )
    assert (found.ended, kept(found), found.as_it_says) == ("completed", [True, True], True)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("Frozen", "@dataclasses.dataclass(frozen=True)\nclass Frozen(Exception):\n    why: str"),
        ("Nowhere", "class Nowhere(Exception):\n    __module__ = None"),
        ("Leaves", "class Leaves(Exception):\n    def __str__(self):\n        raise SystemExit(3)"),
    ],
)
def test_exceptions_of_every_kind_are_told(plain, name, error):
    (found,) = run(plain, f"import dataclasses\n{error}\nraise {name}('x')  # raises {name}")
    assert (found.ended, found.error["type"] if found.error else None) == ("raised", name), found.last_output
    assert found.as_it_says


@pytest.mark.parametrize(("ending", "status"), [("pass", 0), ("sys.exit(3)", 3), ("sys.exit('no')", 1), ("1 / 0", 1)])
def test_a_forked_child_ends_with_the_status_of_a_script(plain, ending, status):
    (found,) = run(
        plain,
        f"import os, sys\nif not os.fork():\n    {ending}\nelse:\n    print(os.wait()[1] >> 8)  # Output: {status}",
    )
    assert found.as_it_says, found.promises


def test_nothing_of_ours_is_in_the_place_of_what_a_block_imports_or_changes(plain):
    (found,) = run(
        plain, "import time\ntime.perf_counter = None\nimport stopwatch  # raises ModuleNotFoundError: 'stopwatch'"
    )
    assert (found.ended, found.as_it_says) == ("raised", True), found


def test_an_exception_of_another_line_is_not_as_it_says(plain):
    (found,) = run(plain, "try:\n    {}['x']  # raises KeyError: x\nexcept KeyError:\n    {}['y']")
    assert (found.ended, found.at_line, kept(found), found.as_it_says) == ("raised", 5, [True], False)


def test_output_without_end_is_cut(plain):
    (found,) = run(plain, f"for _ in range({MOST_PRINTED // 50}):\n    print('x' * 99)\nprint('last')  # Output: last")
    assert found.ended == "completed"
    assert sum(len(piece.text) for piece in found.output) < 1.1 * MOST_PRINTED
    assert found.output[-1].text.endswith("more characters]\n")
    assert found.output[-1].line is None


@pytest.mark.parametrize(
    "loud", ["print('x' * 10_000_000)", "for n in range(3000):\n    print(n)", "print('x' * 10_000_000)  # Output: x"]
)
def test_promises_are_kept_behind_output_that_is_cut(plain, loud):
    (found,) = run(plain, f"{loud}\nprint('end')  # Output: end")
    assert (found.promises[-1].came, found.promises[-1].kept) == ("end", True)
    assert "more characters]" in found.output[-1].text


def test_a_statement_that_returns_was_reached(plain):
    (found,) = run(plain, "def one():\n    return int('1')  # raises ValueError\none()")
    assert [promise.came for promise in found.promises] == ["nothing was raised"]


def test_what_is_printed_below_python_disturbs_nothing(plain):
    (found,) = run(
        plain,
        "import os, subprocess\nos.write(1, b'{\"id\": 1}\\n')\nsubprocess.run(['echo', 'x'])\nprint('y')  # Output: y",
    )
    assert (found.ended, kept(found)) == ("completed", [True])


def test_what_is_printed_past_python_is_compared_where_a_framework_prints(plain):
    text = "import os\nclass tf:\n    @staticmethod\n    def print(text):\n        os.write(2, text)\n"
    (found,) = run(
        plain, text + "tf.print(b'[1 2]\\n')  # Output: [1 2]\ntf.print('')  # raises TypeError\nos.write(2, b'x')"
    )
    assert [promise.came for promise in found.promises] == ["[1 2]", found.promises[1].came]
    assert (found.as_it_says, printed(found)) == (True, [(7, "[1 2]\n", "below")])
    (found,) = run(plain, text + "tf.print('')  # Output: [1 2]\n")
    assert found.promises[0].came.startswith("TypeError: ")


def test_a_crash_of_native_code_says_at_which_line(plain):
    (found,) = run(plain, "import ctypes\n\nctypes.string_at(0)")
    assert (found.ended, found.at_line) == ("crash", 4)
    assert "SIGSEGV" in found.reason


def test_what_it_says_of_the_machine_is_left_out(plain):
    (found,) = run(plain, "raise OSError(__file__)")
    assert found.error["message"] == ".../document.py"


def test_a_backend_that_is_not_here_is_skipped(plain):
    mode = Mode("torch", python=sys.executable, import_limit=0.001)
    (found,) = run(mode, "import torch")
    assert (found.ended, found.as_it_says) == ("skipped", False)
    assert "still importing" in found.reason


def test_blocks_run_on_the_backends_that_are_named(plain):
    page = document(Path("p.md"), "p.md", "```python\nimport torch\n```\n```python\nimport equinox\n```\n")
    assert [one.mode for one in plan([page], [], together=False)] == ["torch", "equinox"]
    assert [one.mode for one in plan([page], ["nnx"], together=False)] == ["nnx", "nnx"]
    assert plan([page], ["nnx"], together=True) == [Plan(page, page.blocks, "nnx", together=True)]
    alone = [(one.mode, [block.number for block in one.blocks]) for one in plan([page], [], together=True)]
    assert alone == [("torch", [1]), ("equinox", [2])]


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_a_page_on_torch():
    (found,) = run_file("torch.md", Mode("torch")).values()
    assert (found.ended, found.at_line, kept(found), found.as_it_says) == ("raised", 10, [True, True], True)


@pytest.mark.skipif(find_spec("flax") is None, reason="Flax is not installed")
def test_a_page_on_flax():
    assert run_file("flax.md", Mode("nnx"))[1].as_it_says
    found = run_file("flax.md", Mode("linen"))[2]
    assert kept(found) == [True, True]  # one device, as for whoever runs it by hand


@pytest.fixture(scope="module")
def tf1():
    return Mode("tf1")


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_a_page_on_tensorflow_runs_as_it_is_and_as_tensorflow_1(tf1):
    old = run_file("tensorflow.md", tf1)[1]
    assert old.as_it_says, old.error
    new = run_file("tensorflow.md", Mode("tf2"))[1]
    assert (new.ended, new.at_line, new.error["type"]) == ("raised", 6, "AttributeError")
    assert old.script == new.script


IMPORTS = """\
import tensorflow
import tensorflow as tf
import tensorflow.nn
from tensorflow import Session
from tensorflow.nn import dynamic_rnn
import tensorflow.nn as nn
import tensorflow.compat.v2 as v2
import sys, os as system
assert tf is tensorflow is sys.modules["tensorflow.compat.v1"]
assert nn is tf.nn
assert v2 is sys.modules["tensorflow.compat.v2"]
assert sys.modules["tensorflow"] is not tf
assert not tf.executing_eagerly()
print(tf.compat.v1.get_variable is tf.get_variable)  # Output: True
try:
    import tensorflow.contrib  # raises ModuleNotFoundError: No module named 'tensorflow.contrib'
except ImportError:
    pass
"""


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_every_way_to_import_tensorflow_gives_tensorflow_1(tf1):
    (found,) = run(tf1, IMPORTS.strip())
    assert found.as_it_says, (found.error, found.promises)
