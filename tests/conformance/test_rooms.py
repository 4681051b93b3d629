"""The rooms of the engine: each imports what the drawing in docs/architecture.md says, and no module imports itself by way of others."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: packages that are a room each: folder -> the name of the room
PACKAGES = {"adapters/canireuse_adapters": "adapters", "reports/canireuse_reports": "reports"}
ENGINE = "conformance/canireuse"


def modules(root):
    """Return dotted name -> (room, path) of every module; the engine's own folders are rooms, and so is each file beside them."""
    found = {}
    for folder, room in ((ENGINE, None), *PACKAGES.items()):
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to((root / folder).parent).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = (room or parts[1], path)
    return found


def imports(path, known):
    """Yield (line, module, whether it waits: inside a function, or for types alone) of each import of ours, wherever it stands.

    A text that is the name of a module counts too, as `import_module` and entry points take it, and an attribute that leads to one.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    waits = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))]  # fmt: skip
    waiting = {inside for node in waits for inside in ast.walk(node)}
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value.partition(":")[0]]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: an import of ours has its full name"
            names = [node.module if node.module in known and f"{node.module}.{a.name}" not in known else f"{node.module}.{a.name}" for a in node.names]  # fmt: skip
        late = node in waiting or not isinstance(node, ast.Import | ast.ImportFrom)
        yield from ((node.lineno, name, late) for name in names if name in known)


def drawn(text):
    """Return room -> the rooms that it imports, in order, as the drawing has them."""
    drawing = re.search(r"## The rooms of the engine\n.*?```\n(.*?)```", text, re.DOTALL)
    return {room: frozenset(others) for room, *others in map(str.split, drawing[1].splitlines())}


def wrong(root, rooms):
    """Return what is not as the drawing has it: rooms, imports of rooms, and circles of modules."""
    known, order = modules(root), list(rooms)
    told = [f"{room} imports {other}, which stands behind it" for room in rooms for other in rooms[room] if other not in order[: order.index(room)]]  # fmt: skip
    there = {room for room, _ in known.values()} - {"__init__"}
    told += [f"{room} is not in the drawing" for room in sorted(there.difference(rooms))]
    told += [f"{room} is in the drawing alone" for room in sorted(rooms.keys() - there)]
    graph, unused = {}, {(room, other) for room in rooms for other in rooms[room]}
    for name, (room, path) in known.items():
        graph[name] = set()
        for line, other, waiting in imports(path, known):
            if not waiting:
                graph[name].add(other)
            to = known[other][0]
            unused.discard((room, to))
            if to not in {room, "__init__"} and to not in rooms.get(room, ()):
                told.append(f"{path.relative_to(root)}:{line}: {room} imports {to}")
    told += [f"{room} does not import {other}" for room, other in sorted(unused)]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        told.append(f"a circle: {' <- '.join(error.args[1])}")
    return told


def test_the_rooms_import_what_the_drawing_says():
    assert wrong(ROOT, drawn((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))) == []


def test_there_is_one_number_in_the_root_of_the_package():
    tree = ast.parse((ROOT / ENGINE / "__init__.py").read_text(encoding="utf-8"))
    assert [type(node) for node in tree.body] == [ast.Expr, ast.Assign]


@pytest.mark.parametrize("module", ["canireuse.program.loader", "canireuse_reports"])
def test_who_reads_a_spec_or_builds_a_page_loads_nothing_that_starts_hosts(module):
    code = f"import sys, {module}; print([name for name in sys.modules if name in ('canireuse.run.hosts', 'canireuse.run.channel', 'pytest')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


DRAWING = "# Title\n\n## The rooms of the engine\n\nText.\n\n```\nspec\nrun      spec\nadapters spec\nreports  spec run\n```\n"
TREE = {
    "conformance/canireuse/__init__.py": "VERSION = '1'\n",
    "conformance/canireuse/spec/__init__.py": "",
    "conformance/canireuse/spec/model.py": "import json\n",
    "conformance/canireuse/run/__init__.py": "",
    "conformance/canireuse/run/hosts.py": "from canireuse import VERSION\nfrom canireuse.spec import model\n",
    "adapters/canireuse_adapters/__init__.py": "from canireuse.spec.model import Spec\n",
    "reports/canireuse_reports/__init__.py": "import canireuse.run.hosts\nfrom canireuse.spec import model\n",
}
HOSTS, MODEL = "conformance/canireuse/run/hosts.py", "conformance/canireuse/spec/model.py"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, []),
        ({MODEL: "from canireuse.run import hosts\n"}, [f"{MODEL}:1: spec imports run", "a circle: "]),
        ({MODEL: "import canireuse.run.hosts as hosts\n"}, [f"{MODEL}:1: spec imports run", "a circle: "]),
        ({MODEL: "def late():\n    from canireuse.run.hosts import Host\n"}, [f"{MODEL}:2: spec imports run"]),
        ({MODEL: "async def late():\n    from canireuse.run.hosts import Host\n"}, [f"{MODEL}:2: spec imports run"]),
        ({MODEL: "import typing\nif typing.TYPE_CHECKING:\n    import canireuse.run.hosts\n"}, [f"{MODEL}:3: spec imports run"]),
        ({MODEL: "from importlib import import_module\nimport_module('canireuse.run.hosts')\n"}, [f"{MODEL}:2: spec imports run"]),
        ({MODEL: "HOST = 'canireuse.run.hosts:Host'\n"}, [f"{MODEL}:1: spec imports run"]),
        ({MODEL: "import canireuse\nHOST = canireuse.run.hosts.Host\n"}, [f"{MODEL}:2: spec imports run"] * 2),
        ({MODEL: '"What canireuse.run.hosts starts."\n'}, []),
        (
            {"conformance/canireuse/run/channel.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import canireuse_adapters\n"},
            ["conformance/canireuse/run/channel.py:3: run imports adapters"],
        ),
        (
            {"conformance/canireuse/spec/step.py": "from canireuse.spec.model import A\n", MODEL: "from canireuse.spec.step import B\n"},
            ["a circle: "],
        ),
        (
            {"conformance/canireuse/spec/step.py": "if TYPE_CHECKING:\n    from canireuse.spec.model import A\n", MODEL: "from canireuse.spec.step import B\n"},
            [],
        ),
        ({"conformance/canireuse/spec/__init__.py": "from canireuse.spec.model import Spec\n", MODEL: "from canireuse.spec import step\n"}, ["a circle: "]),
        ({"conformance/canireuse/misc/__init__.py": ""}, ["misc is not in the drawing"]),
        ({"conformance/canireuse/records.py": ""}, ["records is not in the drawing"]),
        ({HOSTS: ""}, ["run does not import spec"]),
    ],
)  # fmt: skip
def test_what_a_tree_must_not_have(tmp_path, changed, told):
    for name, text in {**TREE, **changed}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = wrong(tmp_path, drawn(DRAWING))
    assert len(found) == len(told)
    assert all(one.startswith(start) for one, start in zip(found, told, strict=True)), found


def test_a_drawing_must_not_point_backwards_or_have_a_room_that_is_not_there(tmp_path):
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert wrong(tmp_path, drawn(DRAWING.replace("spec\nrun      spec\n", "run      spec\nspec\n"))) == ["run imports spec, which stands behind it"]  # fmt: skip
    assert wrong(tmp_path, drawn(DRAWING.replace("spec\nrun", "spec\nprogram\nrun"))) == ["program is in the drawing alone"]  # fmt: skip
