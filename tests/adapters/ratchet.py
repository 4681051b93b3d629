"""The ratchet: how far the adapters are from what they are to become, in numbers that may only get better.

    python -m tests.adapters.ratchet           # each number with its aim; exit code 1 if one is not as it is tracked
    python -m tests.adapters.ratchet --update  # track the numbers that got better

The tracked numbers and their aims stand in ratchet.json. What is counted:

* lines: of the Python files in the folder of an adapter, and in `adapters/` with all that adapters share, as formatted;
* depth: of the classes of this project from which an adapter inherits, those in the longest chain from one to its base,
  the adapter itself among them; mixins that stand side by side do not add up, as they would in `__mro__`;
* state: the most attributes that an instance of an adapter has after it has translated a spec, by `len(vars(instance))`;
* reads: in the files of `adapters/`, uses of the module `re`, uses of `ast.parse` and `ast.unparse`, and reads of the lines that were
  written, `len(self.lines)` too, which looks for a place in them. To add lines, or to replace them by place, is no read. What is done
  with a line once it is read is not counted again;
* modules: the Linen scripts that are code of `nn.Module`, in a class with `setup`, `@nn.compact` or `self.param`, and open no `Scope`.
"""

import argparse
import ast
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import canireuse_adapters
from canireuse.emit import Adapter, Unsupported
from canireuse.program.loader import load_all
from canireuse.spec.model import Located
from tests.adapters.translations import entry_points, pinned

ROOT = Path(__file__).parents[2]
ADAPTERS = ROOT / "adapters" / "canireuse_adapters"
TRACKED = Path(__file__).with_name("ratchet.json")
COMMAND = "python -m tests.adapters.ratchet"
#: where a number of the whole stands beside those of single adapters
ALL = "all"
#: what is called on the lines to add to them
ADDS = frozenset({"append", "extend", "insert"})

Numbers = dict[str, dict[str, int]]


def lines_in(place: Path) -> int:
    """Return how many lines the Python files below a folder have, or the module of that name."""
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


def depth(of: type) -> int:
    """Return how many classes the longest chain of inheritance from this one has, without `object`."""
    return 0 if of is object else 1 + max(map(depth, of.__bases__))


def reads(source: str) -> list[int]:
    """Return the lines of a source at which it reads text that an adapter has written, one for each place."""
    tree = ast.parse(source)
    modules = {
        name.asname or name.name: name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    }
    above = {inside: node for node in ast.walk(tree) for inside in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"re", "ast"}:
            found += [node.lineno for name in node.names if node.module == "re" or name.name in {"parse", "unparse"}]
        if not isinstance(node, ast.Attribute):
            continue
        module = modules.get(node.value.id) if isinstance(node.value, ast.Name) else None
        if module == "re" or (module == "ast" and node.attr in {"parse", "unparse"}) or is_read(node, above):
            found.append(node.lineno)
    return sorted(found)


def is_read(node: ast.Attribute, above: Mapping[ast.AST, ast.AST]) -> bool:
    """Return whether an attribute is the written lines, and they are not just added to or replaced."""
    if node.attr != "lines" or not isinstance(node.ctx, ast.Load):
        return False
    around = above[node]
    if isinstance(around, ast.Subscript):
        return isinstance(around.ctx, ast.Load)
    return not (isinstance(around, ast.Attribute) and around.attr in ADDS)


def is_module_code(script: str) -> bool:
    """Return whether a Linen script is code of `nn.Module`: a class has parameters of its own, and no `Scope` is opened."""
    nodes = [*ast.walk(ast.parse(script))]
    if any(isinstance(node, ast.Call) and last_name(node.func) == "Scope" for node in nodes):
        return False
    return any(has_parameters(node) for node in nodes if isinstance(node, ast.ClassDef))


def has_parameters(made: ast.ClassDef) -> bool:
    """Return whether a class of Linen makes submodules or parameters."""
    for node in ast.walk(made):
        if isinstance(node, ast.FunctionDef):
            if node.name == "setup" or any(last_name(one) == "compact" for one in node.decorator_list):
                return True
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "self.param":
            return True
    return False


def last_name(node: ast.AST) -> str | None:
    """Return the last name of a dotted one."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None


def translated(adapter: type[Adapter], specs: Iterable[Located], *, every_way: bool) -> tuple[int, list[str]]:
    """Return the most attributes that an instance has after a translation, and the scripts."""
    state, scripts, versions = 0, [], pinned(ROOT)
    for located in specs:
        ways = adapter.ways_of(located.spec)
        for way in ways if every_way else ways[:1]:
            instance = adapter("cpu", way, versions)
            try:
                scripts.append(instance.translate(located.spec).text)
            except Unsupported:
                continue
            state = max(state, len(vars(instance)))
    return state, scripts


def measured() -> tuple[Numbers, int]:
    """Return measure -> whose -> number, and how many Linen scripts there are."""
    numbers: Numbers = {name: {} for name in ("lines", "lines in all", "depth", "state", "reads", "modules")}
    specs, count = load_all([ROOT / "specs"]), 0
    for name in entry_points(ROOT):
        adapter = canireuse_adapters.adapter(name)
        folder = ADAPTERS / adapter.__module__.split(".")[1]
        numbers["lines"][folder.name] = lines_in(folder)
        numbers["depth"][name] = depth(adapter)
        numbers["state"][name], scripts = translated(adapter, specs, every_way=name == "linen")
        if name == "linen":
            numbers["modules"][name], count = sum(map(is_module_code, scripts)), len(scripts)
    numbers["lines in all"][ALL] = lines_in(ADAPTERS)
    places = Counter[str]()
    for path in sorted(ADAPTERS.rglob("*.py")):
        whose = path.relative_to(ADAPTERS).with_suffix("").parts[0]
        whose = whose if whose in numbers["lines"] else "shared"
        places[whose] += len(reads(path.read_text(encoding="utf-8")))
    numbers["reads"] = dict(places)
    return numbers, count


def compared(tracked: Mapping[str, Any], now: Numbers) -> tuple[list[str], list[str]]:
    """Return what is worse than it is tracked, and what is better or not tracked yet, each in words."""
    worse, better = [], []
    for measure, numbers in now.items():
        held, more = tracked[measure]["present"], "at least" in tracked[measure]
        for whose in sorted({*held, *numbers}):
            before, after = held.get(whose), numbers.get(whose)
            told = f"{measure} of {whose}: {after}, tracked is {before}"
            if before is not None and after is not None and (after < before if more else after > before):
                worse.append(told)
            elif before != after:
                better.append(told)
    return worse, better


def updated(tracked: Mapping[str, Any], now: Numbers) -> dict[str, Any]:
    """Return what is tracked with each number that got better or is new, without those that are gone."""
    best: dict[str, Any] = {}
    for measure, entry in tracked.items():
        choose, held = max if "at least" in entry else min, entry["present"]
        present = {whose: choose(number, held.get(whose, number)) for whose, number in sorted(now[measure].items())}
        best[measure] = {**entry, "present": present}
    return best


def report(worse: Iterable[str], better: Iterable[str]) -> str:
    """Return in words what is not as it is tracked, what was expected, and what to do; empty if there is nothing."""
    parts = []
    if worse := [*worse]:
        parts += [
            "worse than it is tracked:",
            *(f"    {one}" for one in worse),
            "    expected: numbers that only get better",
        ]
        parts.append("    to do: make it smaller elsewhere, or say in a review of ratchet.json why it must grow")
    if better := [*better]:
        parts += ["better than it is tracked, or new:", *(f"    {one}" for one in better)]
        parts += ["    expected: the best number so far", f"    to do: `{COMMAND} --update`, and commit ratchet.json"]
    return "\n".join(parts)


def table(tracked: Mapping[str, Any], now: Numbers, count: int) -> str:
    """Return the numbers, each with its aim."""
    rows = []
    for measure, numbers in now.items():
        bound = next(bound for bound in ("at most", "at least") if bound in tracked[measure])
        for whose, number in numbers.items():
            of = f" of {count}" if measure == "modules" else ""
            rows.append((measure, whose, f"{number}{of}", f"{bound} {tracked[measure][bound]}"))
        if len(numbers) > 1 and measure == "reads":
            rows.append((measure, ALL, str(sum(numbers.values())), f"{bound} {tracked[measure][bound]}"))
    return "\n".join(f"{measure:13} {whose:10} {number:>8}   aim: {aim}" for measure, whose, number, aim in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the numbers and what is not as it is tracked; return the exit code."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Measure how far the adapters are from their aims.")
    parser.add_argument("--update", action="store_true", help="track the numbers that got better")
    options = parser.parse_args(arguments)
    tracked = json.loads(TRACKED.read_text(encoding="utf-8"))
    now, count = measured()
    print(table(tracked, now, count))
    if options.update:
        tracked = updated(tracked, now)
        TRACKED.write_text(json.dumps(tracked, indent=2) + "\n", encoding="utf-8")
    worse, better = compared(tracked, now)
    if told := report(worse, better):
        print(told, file=sys.stderr)
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
