"""The ratchet of the adapters: its numbers are as they are tracked, it counts what it says, and it turns one way."""

import json

import pytest

from tests.adapters.ratchet import TRACKED, compared, depth, is_module_code, main, measured, reads, report, updated

LESS = {"reads": {"at most": 0, "present": {"torch": 5, "nnx": 3}}}
MORE = {"modules": {"at least": 350, "present": {"linen": 10}}}
CLASS = "class Net(nn.Module):\n    {}\n"


def test_the_numbers_are_as_they_are_tracked():
    told = report(*compared(json.loads(TRACKED.read_text(encoding="utf-8")), measured()[0]))
    assert not told, told


@pytest.mark.parametrize(
    ("tracked", "now", "worse", "better", "kept"),
    [
        (LESS, {"reads": {"torch": 5, "nnx": 3}}, 0, 0, {"nnx": 3, "torch": 5}),
        (LESS, {"reads": {"torch": 6, "nnx": 3}}, 1, 0, {"nnx": 3, "torch": 5}),
        (LESS, {"reads": {"torch": 6, "nnx": 2}}, 1, 1, {"nnx": 2, "torch": 5}),
        (LESS, {"reads": {"torch": 4, "nnx": 3}}, 0, 1, {"nnx": 3, "torch": 4}),
        (LESS, {"reads": {"torch": 5, "nnx": 3, "features": 0}}, 0, 1, {"features": 0, "nnx": 3, "torch": 5}),
        (LESS, {"reads": {"torch": 5}}, 0, 1, {"torch": 5}),
        (MORE, {"modules": {"linen": 9}}, 1, 0, {"linen": 10}),
        (MORE, {"modules": {"linen": 11}}, 0, 1, {"linen": 11}),
    ],
)
def test_a_number_only_gets_better(tracked, now, worse, better, kept):
    found = compared(tracked, now)
    assert tuple(map(len, found)) == (worse, better)
    text = report(*found)
    assert ("only get better" in text) is bool(worse)
    assert ("--update" in text) is bool(better)
    (measure,) = tracked
    after = updated(tracked, now)
    assert after[measure] == {**tracked[measure], "present": kept}
    assert not compared(after, now)[1]


def test_update_tracks_what_got_better_and_refuses_what_is_worse(tmp_path, monkeypatch, capsys):
    path = tmp_path / "ratchet.json"
    path.write_text(json.dumps({**LESS, **MORE}))
    monkeypatch.setattr("tests.adapters.ratchet.TRACKED", path)
    numbers = {"reads": {"torch": 1, "nnx": 4}, "modules": {"linen": 11}}
    monkeypatch.setattr("tests.adapters.ratchet.measured", lambda: (numbers, 20))
    assert main(["--update"]) == 1
    held = json.loads(path.read_text())
    assert [entry["present"] for entry in held.values()] == [{"nnx": 3, "torch": 1}, {"linen": 11}]
    shown = capsys.readouterr()
    assert "reads of nnx: 4, tracked is 3" in shown.err
    assert "reads of torch" not in shown.err
    assert [line.split() for line in shown.out.splitlines()][-1] == [
        "modules",
        "linen",
        "11",
        "of",
        "20",
        "aim:",
        "at",
        "least",
        "350",
    ]


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import re\nre.sub('a', 'b', text)\nWORD = re.compile('a')\n", [2, 3]),
        ("import re as expressions\nexpressions.search('a', text)\n", [2]),
        ("from re import sub\n", [1]),
        ("import ast\nast.parse(text)\nast.unparse(node)\nast.walk(node)\n", [2, 3]),
        ("from ast import parse, walk\n", [1]),
        ("for line in self.lines:\n    pass\n", [1]),
        ("last = self.lines[-1]\nstart = len(self.lines)\nfound = 'a' in adapter.lines\n", [1, 2, 3]),
        ("self.lines.append(line)\nself.lines.insert(0, line)\nself.lines += more\n", []),
        ("self.lines = []\nself.lines[:0] = more\ndel self.lines[2:]\n", []),
        ("self.lines[at] = self.lines[at].replace('a', 'b')\nself.lines.index(line)\n", [1, 2]),
        ("again.parse(text)\nself.re.sub\n", []),
    ],
)
def test_places_that_read_written_text_are_found(source, lines):
    assert reads(source) == lines


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        (CLASS.format("def setup(self):\n        pass"), True),
        (CLASS.format("@nn.compact\n    def __call__(self, x):\n        return x"), True),
        (CLASS.format("def __call__(self, x):\n        return self.param('w', init, [1])"), True),
        (CLASS.format("layer: nn.Module"), False),
        (CLASS.format("def setup(self):\n        pass") + "root = Scope({})\n", False),
        (CLASS.format("def setup(self):\n        pass") + "root = flax.core.Scope({})\n", False),
        ("def setup():\n    pass\n", False),
    ],
)
def test_what_is_code_of_a_linen_module(script, answer):
    assert is_module_code(script) is answer


def test_depth_is_of_the_longest_chain_and_mixins_side_by_side_do_not_add_up():
    base = type("Base", (), {})
    one, other = type("One", (base,), {}), type("Other", (base,), {})
    both = type("Both", (one, other), {})
    assert [depth(each) for each in (object, base, one, both)] == [0, 1, 2, 3]
