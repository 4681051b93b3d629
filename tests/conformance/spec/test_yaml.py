"""Strict YAML: what is refused, and where values stand."""

import random
import time
from pathlib import Path

import pytest
from yaml import SafeLoader, __with_libyaml__

from canireuse.spec import yaml
from canireuse.spec.problems import InputError


def read(tmp_path: Path, text: str):
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return yaml.read(path)


def test_scalars_follow_yaml_1_2(tmp_path):
    data, _, _ = read(tmp_path, "a: no\nb: 10:30\nc: true\nd: 1\ne: 1.5\nf:\ng: '1'\nh: 0x1F\n")
    assert data == {"a": "no", "b": "10:30", "c": True, "d": 1, "e": 1.5, "f": None, "g": "1", "h": "0x1F"}


def test_every_key_is_text(tmp_path):
    assert read(tmp_path, "1: a\ntrue: b\non: c\n")[0] == {"1": "a", "true": "b", "on": "c"}


def test_every_value_has_its_place(tmp_path):
    _, places, _ = read(tmp_path, "a:\n  - b: 1\n    c: [2, 3]\n")
    assert places["a", 0, "c", 1] == (3, 12)
    assert places["a", 0, "c", "key"] == (3, 5)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: 1\na: 2\n", 2, 1, "second time"),
        ("a: !!python/object:os.system x\n", 1, 4, "tag"),
        ("a: !mine 1\n", 1, 4, "tag"),
        ("a: &x 1\nb: *x\n", 1, 4, "anchor"),
        ("a: [1, 2\n", 2, 1, "not YAML"),
        ("a: 1\n\tb: 2\n", 2, 1, "not YAML"),
        ("? [1]\n: 2\n", 1, 3, "key that is no text"),
        ("a: 1\n---\nb: 1\n", 2, 1, "second document"),
        ("a: ! 1\n", 1, 4, "tag"),
        ("", 1, 1, "empty"),
        ("a: 1e999\n", 1, 4, "too large"),
        ("a: [" + "9" * 5000 + "]\n", 1, 5, "too large"),
        ("a: " + "[" * 2000 + "]" * 2000, 1, 63, "levels deep"),
        ("a: 1\nb: x\x1b[31m\n", 2, 5, "U+001B"),
        ("a: x\x00\n", 1, 5, "0x00 is no text in UTF-8; it is likely UTF-16"),
        ("a: x\u2028y\n", 1, 5, "U+2028"),
        ('a: 1\nb: "\\e[31m"\n', 2, 4, "U+001B"),
        ('a: "\\ud800"\n', 1, 4, "U+D800"),
        ('"\\a": 1\n', 1, 1, "U+0007"),
        ("a: " + "x" * 200_000, 1, 1, "more than 200000 bytes"),
    ],
)
def test_what_is_refused_is_refused_at_its_place(tmp_path, text, line, column, words):
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    (problem,) = refused.value.problems
    assert (problem.line, problem.column) == (line, column)
    assert words in problem.happened
    assert problem.expected
    assert problem.advice


@pytest.mark.parametrize(
    ("data", "line", "column", "words"),
    [
        (
            "a: 1\nb: caf\xe9\n".encode("latin-1"),
            2,
            7,
            "0xE9 is no text in UTF-8; it is likely Latin-1 or Windows-1252",
        ),
        ("\xfc\xe9: 1\n".encode() + b"b: \x93x\x94\n", 2, 4, "likely Latin-1 or Windows-1252"),
        ("a: 1\n".encode("utf-16"), 1, 1, "likely UTF-16"),
        ("a: 1\n".encode("utf-16-be"), 1, 1, "likely UTF-16"),
        ("a: 1\n".encode("utf-32"), 1, 1, "likely UTF-32"),
        (b"\xef\xbb\xbfa: 1\n\xff\xfe\n", 2, 1, "0xFF is no text in UTF-8"),
        (b"\xef\xbb\xbf\x80\x00", 1, 2, "UTF-16, or no text at all"),
    ],
)
def test_what_is_no_utf_8_is_refused_with_its_likely_encoding(tmp_path, data, line, column, words):
    path = tmp_path / "file.yaml"
    path.write_bytes(data)
    with pytest.raises(InputError) as refused:
        yaml.read(path)
    (problem,) = refused.value.problems
    assert (problem.line, problem.column) == (line, column), problem
    assert words in problem.happened
    assert "UTF-8" in problem.advice


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", b"a: 1\rb: 2\r"], ids=["windows", "old-mac"])
def test_marks_and_ends_of_lines_of_other_systems_are_read(tmp_path, data):
    path = tmp_path / "file.yaml"
    path.write_bytes(data)
    assert yaml.read(path)[0] == {"a": 1, "b": 2}


SPECS = sorted((Path(__file__).parents[3] / "specs").glob("*/*.yaml"))
SMALL = (
    "a: 1\nb:\n  - x\n  -\n  - [1, 2]\n", "{a: , b: }\n", "- \n- a:\n- 'x'\n", "a: |\n  text\n   more\nb: >-\n  f\n\n  g\n",
    "? a\n: b\n", "---", "---\na: 1\n...\n", "a: 'it''s'\nb: \"x\\ty\\u00e9\"\n", "# c\n\na:   \n  b:\n    - - 1\n      - 2\n",
)  # fmt: skip
PIECES = [*"ab:-[]{},'\"|>#&*!%@`?\n \t0.\\", "\ufeff", "\u2028", "\x85", "\U0001f600", "\x00", "\r", "---\n", "...\n", "- ", "? ", ": "]  # fmt: skip


def answer(text):
    try:
        return yaml.parse(Path("file.yaml"), text)
    except InputError as refused:
        return str(refused)


def mutants(count):
    """Yield texts that are nearly YAML, the same ones each time."""
    some = random.Random(1)
    for _ in range(count):
        text = some.choice(SMALL)
        for _ in range(some.randint(1, 4)):
            place = some.randrange(len(text) + 1)
            text = text[:place] + some.choice(["", *PIECES]) + text[place + some.choice([0, 0, 1, 2]) :]
        yield text


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('a: b\nc: "x\\U00110000"\n', 2, 6),
        ('c: "\\UFFFFFFFF"\n', 1, 5),
        ('c: "\\U0010FFFF \\U01000000"\n', 1, 16),
        (f"%YAML {'1' * 5000}.1\n---\na: 1\n", 1, 7),
        (f"%YAML 1.{'1' * 5000}\n---\na: 1\n", 1, 9),
    ],
)
def test_numbers_that_no_parser_can_hold_are_refused_at_their_place(tmp_path, text, line, column):
    with pytest.raises(InputError, match="this is not YAML: a number is too large") as refused:
        read(tmp_path, text)
    assert [(one.line, one.column) for one in refused.value.problems] == [(line, column)]


def test_many_brackets_take_no_longer_than_they_are_long(tmp_path):
    started = time.process_time()
    read(tmp_path, f"a: '{'[{' * 40000}'\n")
    assert time.process_time() - started < 1


@pytest.mark.skipif(not __with_libyaml__, reason="PyYAML has no libyaml here")
@pytest.mark.parametrize("texts", [[path.read_text() for path in SPECS], list(mutants(1500))], ids=["specs", "mutants"])
def test_without_libyaml_the_answers_are_the_same(monkeypatch, texts):
    assert yaml.PARSER is not SafeLoader
    quick = [answer(text) for text in texts]
    assert any(not isinstance(one, str) for one in quick)
    monkeypatch.setattr(yaml, "PARSER", SafeLoader)
    for text, found in zip(texts, quick, strict=True):
        assert answer(text) == found, text
