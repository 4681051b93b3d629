"""Documents: the Python blocks of Markdown files, with their lines, and on which backends each is run."""

import ast
import doctest
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml
from markdown_it import MarkdownIt

import canireuse_adapters
from canireuse.results.records import digest
from canireuse.spec.problems import InputError, Problem

SUFFIX = ".md"
#: bytes of a document
MOST_BYTES = 4_000_000
#: the words after a fence that say that Python follows
LABELS = frozenset({"python", "python3", "py", "py3", "pycon", "python-repl"})
#: the backend of blocks that are about none of the frameworks: Python alone
PLAIN = "reference"
#: what a document can be called by its own word
ID = re.compile(r"\w[\w.-]{0,199}")
FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|$)", re.DOTALL)
DIRECTIVE = re.compile(r"#\s*doctest:(.*)")
FLAG = re.compile(r"[+-](\w+)")
IMPORT = re.compile(r"^\s*(?:(?:>>>|\.\.\.) )?\s*(?:import|from)\s+([\w.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """What was typed at a prompt, from which line on, and the answer that is shown for it, empty if none is.

    `raises` is the last line of the traceback that is shown. `options` are those of doctest, by flag.
    """

    source: str
    line: int
    answer: str
    raises: str | None
    options: dict[int, bool]

    @property
    def last_line(self) -> int:
        """The last line of what was typed."""
        return self.line + self.source.rstrip("\n").count("\n")


@dataclass(frozen=True)
class Block:
    """A fenced block of Python; `line` is the first line of its code in the document, `last_line` the last."""

    number: int
    line: int
    last_line: int
    text: str

    @cached_property
    def tree(self) -> ast.Module | None:
        """The block as this version of Python reads it, with the lines of the document; None if it cannot."""
        return parsed("\n" * (self.line - 1) + self.text)

    @cached_property
    def examples(self) -> list[Example]:
        """What was typed at prompts; empty where the block is a script."""
        if self.tree is not None or not re.search(r"^\s*>>> ", self.text, re.MULTILINE):
            return []
        for name in FLAG.findall("\n".join(DIRECTIVE.findall(self.text))):
            doctest.register_optionflag(name)  # doctest refuses the flags of others, such as pytest's NUMBER
        try:
            found = doctest.DocTestParser().get_examples(self.text)
        except ValueError:  # prompts that are none: Python will say so
            return []
        return [Example(one.source, self.line + one.lineno, one.want, one.exc_msg, one.options) for one in found]

    @cached_property
    def trees(self) -> list[ast.Module]:
        """What can be read of the block: the script, or each example."""
        parts = [parsed("\n" * (one.line - 1) + one.source) for one in self.examples] or [self.tree]
        return [part for part in parts if part is not None]

    @cached_property
    def imported(self) -> frozenset[str]:
        """The dotted names of the modules that the block imports, and of what it takes from them."""
        if not self.trees:
            return frozenset(IMPORT.findall(self.text))
        return frozenset(name for tree in self.trees for name in imports_of(tree))

    @cached_property
    def bound(self) -> frozenset[str]:
        """The names that the block makes at its top level."""
        return frozenset(name for tree in self.trees for name in names_of(tree.body))


@dataclass(frozen=True)
class Document:
    """A Markdown file with Python blocks; `file` is its path as results have it, without folders of this machine."""

    path: Path
    file: str
    name: str
    title: str
    digest: str
    blocks: tuple[Block, ...]


def parsed(text: str) -> ast.Module | None:
    """Return a text as Python reads it, None if it cannot."""
    try:
        with warnings.catch_warnings(action="ignore"):  # they are told where it runs
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def imports_of(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted names of what a script imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names_of(statements: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that statements bind, without what functions and classes bind inside."""
    for node in statements:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue
        if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            continue
        if isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        yield from names_of(ast.iter_child_nodes(node))


def load(given: Iterable[Path]) -> list[Document]:
    """Load documents, and all Markdown files below folders; raise InputError for what is no document with Python blocks.

    Files of a folder that have no Python blocks are passed over, unless none has.
    """
    problems: list[Problem] = []
    documents: dict[Path, Document] = {}
    for path in given:
        paths = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
        found = [(one, read(one, file_name(one, path), problems)) for one in paths if one.is_file() or one == path]
        if not problems and not any(document and document.blocks for _, document in found):
            happened = f"there is no Python block {'in any document below' if path.is_dir() else 'in this document'}"
            problems.append(Problem(path, 0, 0, happened, "Markdown with a block fenced as ```python", "name another"))
        documents |= {one.resolve(): document for one, document in found if document and document.blocks}
    problems += twice(documents.values())
    if problems:
        raise InputError(problems)
    return list(documents.values())


def file_name(path: Path, given: Path) -> str:
    """Return what a file is called in results: its name, or its path below the folder that was given."""
    name = path.relative_to(given).as_posix() if path != given else path.name
    return name.encode(errors="backslashreplace").decode()  # a name may be no text, which no record can hold


def twice(documents: Iterable[Document]) -> Iterator[Problem]:
    """Yield what is wrong where two documents have one name: their records could not be told apart."""
    known: dict[str, Document] = {}
    for document in documents:
        if (other := known.setdefault(document.name, document)) is not document:
            happened = f"this document is called {document.name!r}, and so is {other.path}"
            advice = "give the folder that holds both, or give each an `id:` in its front matter"
            yield Problem(document.path, 1, 1, happened, "documents with names of their own", advice)


def read(path: Path, file: str, problems: list[Problem]) -> Document | None:
    """Return a document; None where it cannot be read, which is added to the problems."""
    line = 0
    try:
        content = path.read_bytes()
        if len(content) <= MOST_BYTES:
            return document(path, file, content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n"))
        happened, expected = f"the document has {len(content):,} bytes", f"at most {MOST_BYTES:,}"
    except OSError as error:
        happened, expected = f"the document cannot be read: {error.strerror}", "a Markdown file, or a folder of them"
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        happened, expected = "this line is not UTF-8", "a document in UTF-8"
    problems.append(Problem(path, line, min(line, 1), happened, expected, "name another, or write it anew"))
    return None


def document(path: Path, file: str, text: str) -> Document:
    """Return the document that a text is."""
    said, body = {}, text
    if matter := FRONT_MATTER.match(text):
        said = {key: value for key in ("id", "title") if (value := word_of(matter[1] or "", key))}
        body = "\n" * matter[0].count("\n") + text[matter.end() :]  # lines stay where they are
    tokens = MarkdownIt("commonmark").parse(body)
    heading = (tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open")
    fences = [token for token in tokens if token.type == "fence" and is_python(token.info, token.content)]
    blocks = [
        Block(number, token.map[0] + 2, token.map[0] + 1 + max(1, token.content.count("\n")), token.content)
        for number, token in enumerate(fences, 1)
        if token.map
    ]
    name = said["id"] if ID.fullmatch(said.get("id", "")) else file
    return Document(path, file, name, said.get("title") or next(heading, name), digest(text), tuple(blocks))


def word_of(matter: str, key: str) -> str:
    """Return what front matter says in one line under a key, empty if it says nothing that way."""
    line = re.search(rf"^{key}:[ \t].*$", matter, re.MULTILINE)
    try:
        return str(yaml.safe_load(line[0])[key] or "") if line else ""
    except (yaml.YAMLError, RecursionError, ValueError):
        return ""


def is_python(info: str, text: str) -> bool:
    """Return whether a fence holds Python: it says so, or says nothing and begins with a prompt."""
    label = re.match(r"\s*\{?\s*\.?([\w-]*)", info)
    if label and label[1]:
        return label[1].lower() in LABELS
    return not info.strip() and text.lstrip().startswith(">>> ")


# -- backends


def backends_of(document: Document) -> list[list[str]]:
    """Return the backends of each block of a document, by what it imports.

    A block that imports no framework goes on with what stands before it, else with what comes; where no block imports one,
    Python alone runs it.
    """
    adapters, _ = canireuse_adapters.loadable()
    modules = {name: adapter.modules for name, adapter in adapters.items() if adapter.modules}
    found = [about(block.imported, modules) for block in document.blocks]
    later = next((names for names in found if names), [PLAIN])
    filled = []
    for names in found:
        later = names or later
        filled.append(later)
    return filled


def about(imported: Iterable[str], modules: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the backends that imports are about: `flax.nnx` is more than `flax`, and alone counts where both are imported."""
    known = {module for each in modules.values() for module in each}
    nearest = {max((one for one in known if is_within(name, one)), key=len, default="") for name in imported}
    inner = {one for one in nearest if not any(other != one and is_within(other, one) for other in nearest)}
    return [name for name, each in modules.items() if inner.intersection(each)]


def is_within(name: str, module: str) -> bool:
    """Return whether a dotted name is a module or inside it."""
    return name == module or name.startswith(f"{module}.")
