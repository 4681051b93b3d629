"""Documents: which blocks are Python, at which lines, and on which backends they run."""

from pathlib import Path

import pytest

from canireuse.documents.markdown import MOST_BYTES, backends_of, document, load
from canireuse.spec.problems import InputError


def read(text):
    return document(Path("page.md"), "page.md", text)


def code(*blocks):
    return read("\n".join(f"```python\n{block}\n```\n" for block in blocks))


def test_lines_are_those_of_the_document():
    page = read(
        "---\ntitle: A page\n---\n\nText.\n\n```python\none = 1\ntwo = 2\n```\n\n- a list\n\n  ~~~py\n  three = 3\n  ~~~\n"
    )
    assert [(one.number, one.line, one.last_line, one.text) for one in page.blocks] == [
        (1, 8, 9, "one = 1\ntwo = 2\n"),
        (2, 15, 15, "three = 3\n"),
    ]
    lines = (
        "---\ntitle: A page\n---\n\nText.\n\n```python\none = 1\ntwo = 2\n```\n\n- a list\n\n  ~~~py\n  three = 3\n  ~~~\n"
    ).splitlines()
    assert all(lines[one.line - 1].strip() == one.text.splitlines()[0] for one in page.blocks)


@pytest.mark.parametrize(
    "fence",
    [
        "python",
        "Python",
        "python3",
        "py",
        "{python}",
        "{.python .numberLines}",
        'python title="a.py"',
        "pycon",
        "python-repl",
        " python",
    ],
)
def test_python_is_what_says_so(fence):
    assert len(read(f"```{fence}\n1\n```\n").blocks) == 1


@pytest.mark.parametrize("fence", ["", "text", "bash", "pythonic", "console", "json", "{r}"])
def test_what_says_nothing_or_another_language_is_none(fence):
    assert read(f"```{fence}\nprint(1)\n```\n").blocks == ()


def test_a_prompt_needs_no_label():
    assert len(read("```\n>>> 1\n1\n```\n").blocks) == 1
    assert read("```bash\n>>> 1\n```\n").blocks == ()


def test_what_is_indented_or_inside_a_line_is_no_block():
    assert read("    import torch\n\n`python` and <pre>import torch</pre>\n").blocks == ()


def test_front_matter_names_the_document():
    page = read('---\ntitle: "A: page"\nid: a-page\n---\n# Heading\n')
    assert (page.name, page.title) == ("a-page", "A: page")
    assert (read("# Heading\n").name, read("# Heading\n").title) == ("page.md", "Heading")
    assert read("no heading\n").title == "page.md"


@pytest.mark.parametrize("said", ["/etc/passwd", "a#b", "[1, 2", '""', "../up", "a" * 300])
def test_a_name_that_is_none_is_passed_over(said):
    assert read(f"---\nid: {said}\n---\n").name == "page.md"


def test_a_line_at_the_top_is_no_front_matter():
    page = read("---\n\nText\n\n```python\nx\n```\n")
    assert page.blocks[0].line == 6
    assert page.name == "page.md"


@pytest.mark.parametrize(
    ("block", "backends"),
    [
        ("import tensorflow as tf", ["tf1", "tf2"]),
        ("from tensorflow.keras import layers", ["tf1", "tf2"]),
        ("import keras", ["keras"]),
        ("import torch.nn as nn", ["torch"]),
        ("from flax import nnx", ["nnx"]),
        ("import flax\nfrom flax import nnx", ["nnx"]),
        ("import flax.nnx.nn", ["nnx"]),
        ("import flax.linen as nn", ["linen"]),
        ("from flax import struct", ["linen"]),
        ("import haiku as hk", ["haiku"]),
        ("import equinox", ["equinox"]),
        ("def f():\n    import torch", ["torch"]),
        ("import torch\nprint 'Python 2'", ["torch"]),
        (">>> import torch\n>>> torch.ones(1)", ["torch"]),
        ("import torchvision, flaxen\nfrom . import torch", ["reference"]),
        ("'import torch'", ["reference"]),
    ],
)
def test_a_block_runs_on_what_it_imports(block, backends):
    assert backends_of(code(block)) == [backends]


def test_a_block_that_imports_nothing_goes_on_with_what_stands_before_it():
    page = code("x = 1", "import torch", "y = 2", "import equinox", "z = 3")
    assert backends_of(page) == [["torch"], ["torch"], ["torch"], ["equinox"], ["equinox"]]


def test_names_that_a_block_makes():
    block = code(
        "import a.b, c as d\nfrom e import f\nx, (y, *z) = 1, (2, 3)\nfor i in []:\n    j = 1\ndef g():\n    k = 1\n[m for m in []]"
    ).blocks[0]
    assert block.bound == {"a", "d", "f", "x", "y", "z", "i", "j", "g"}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


PAGE = "```python\n1\n```\n"


def test_a_folder_gives_all_documents_below_that_have_blocks(tmp_path):
    for name in ("b.md", "a/README.md", "README.md"):
        write(tmp_path / name, PAGE)
    write(tmp_path / "prose.md", "nothing\n")
    write(tmp_path / "page.txt", PAGE)
    assert [page.file for page in load([tmp_path])] == ["README.md", "a/README.md", "b.md"]
    assert len(load([tmp_path, tmp_path / "b.md"])) == 3  # each once


def test_no_path_of_this_machine_is_in_a_document(tmp_path):
    (page,) = load([write(tmp_path / "page.md", PAGE)])
    assert (page.file, page.name, page.title) == ("page.md", "page.md", "page.md")


def test_lines_may_end_as_on_windows(tmp_path):
    (page,) = load(
        [write(tmp_path / "page.md", b"\xef\xbb\xbf---\r\nid: page\r\n---\r\n```python\r\n1\r\n2\r\n```\r\n")]
    )
    assert (page.name, page.blocks[0].line, page.blocks[0].text) == ("page", 5, "1\n2\n")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        ("Text\n", "there is no Python block in this document"),
        (b"one\ntwo\xff\n", "page.md:2:1: this line is not UTF-8"),
        ("x" * (MOST_BYTES + 1), "the document has 4,000,001 bytes"),
    ],
)
def test_what_is_no_document_is_told_in_three_parts(tmp_path, content, words):
    path = tmp_path / "page.md"
    if content is not None:
        write(path, content)
    with pytest.raises(InputError) as refused:
        load([path])
    assert words in str(refused.value)
    assert "expected: " in str(refused.value)
    assert "to do: " in str(refused.value)


def test_a_folder_without_blocks_is_refused(tmp_path):
    write(tmp_path / "page.md", "Text\n")
    with pytest.raises(InputError, match="no Python block in any document below"):
        load([tmp_path])


def test_two_documents_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"is called 'page.md', and so is"):
        load([write(tmp_path / "a" / "page.md", PAGE), write(tmp_path / "b" / "page.md", PAGE)])
    assert [page.name for page in load([tmp_path])] == ["a/page.md", "b/page.md"]
