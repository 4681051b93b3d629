"""Every script passes the linter that a maintainer of the framework would run over it."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from ruff import find_ruff_bin

import canireuse_adapters
from canireuse.emit import Emitter, Unsupported
from canireuse.emit.formatting import COLUMNS, all_formatted
from canireuse.program.loader import load_all

SPECS = Path(__file__).parent.parent.parent / "specs"
#: what the host gives to a script
GIVEN = ["observe", "measure", "rounds"]
RULES = "F,B018,E3,E501"
#: backend -> the oldest Python that its scripts run on, where that is older than what this project needs
OLDEST = {"tf1": "py37"}
#: the backends whose scripts are emitted as nodes
EMITTED = [name for name in sorted(canireuse_adapters.names()) if issubclass(canireuse_adapters.adapter(name), Emitter)]
FAULTS = {
    "F401": "import math\n\nobserve('label', 1)\n",
    "F811": "def loss():\n    return 1\n\n\ndef loss():\n    return 2\n\n\nobserve('label', loss())\n",
    "F821": "observe('label', model)\n",
    "F841": "def loss():\n    weight = 1\n    return 2\n\n\nobserve('label', loss())\n",
    "B018": "root = 1\nroot\n",
    "E302": "x = 1\ndef loss():\n    return x\n\n\nobserve('label', loss())\n",
    "E501": f"observe('label', {list(range(40))})\n",
    "invalid-syntax": "with (\n    open('one') as one,\n    open('two') as two,\n):\n    observe('label', [one, two])\n",
}


def found_in(texts: dict[str, str], folder: Path, python: str) -> dict[str, list[str]]:
    """Return name of a script -> what the linter of a version of Python finds in it, of those in which it finds something."""
    named = {f"{number}.py": name for number, name in enumerate(texts)}
    for number, text in enumerate(texts.values()):
        (folder / f"{number}.py").write_text(text)
    command = [find_ruff_bin(), "check", "--isolated", "--no-cache", "--preview", "--select", RULES]
    command += ["--line-length", str(COLUMNS), "--config", f"builtins={json.dumps(GIVEN)}", "--output-format", "json"]
    command += ["--target-version", python]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    found: dict[str, list[str]] = {}
    for one in json.loads(done.stdout):
        name, where = named[Path(one["filename"]).name], one["location"]["row"]
        # a function that ran before the module deletes a name knew it
        deleted = re.findall(r"^ *del (\w+)$", texts[name], re.MULTILINE)
        if one["code"] != "F821" or one["message"] not in {f"Undefined name `{word}`" for word in deleted}:
            found.setdefault(name, []).append(f"{one['code'] or one['name']} at line {where}: {one['message']}")
    return found


@pytest.mark.parametrize("code", FAULTS)
def test_a_script_with_a_fault_is_refused(code: str, tmp_path: Path) -> None:
    (found,) = found_in({"faulty": FAULTS[code]}, tmp_path, "py37").values()
    assert any(one.startswith(f"{code} ") for one in found)


@pytest.mark.parametrize("backend", EMITTED)
def test_every_script_passes_the_linter(backend: str, tmp_path: Path) -> None:
    adapter = canireuse_adapters.adapter(backend)
    texts = {}
    for located in load_all([SPECS]):
        for way in adapter.ways_of(located.spec):
            try:
                texts["+".join([located.id, *way.values()])] = adapter("cpu", way).translate(located.spec).text
            except Unsupported:
                continue
    assert len(texts) > 100
    found = found_in(
        dict(zip(texts, all_formatted(list(texts.values())), strict=True)), tmp_path, OLDEST.get(backend, "py311")
    )
    counts = Counter(line.partition(" ")[0] for lines in found.values() for line in lines)
    assert not found, f"{dict(counts)}; the first: {next(iter(found.items()))}"
