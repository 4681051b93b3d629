"""The worked examples of CONTRIBUTING.md, followed to the letter."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import canireuse_adapters
from canireuse.commands.new import TEMPLATE
from canireuse.commands.style import modeline_of
from canireuse.program.loader import load
from canireuse.results.cases import Plan, run_case
from canireuse.results.records import read
from canireuse.run.hosts import Host

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()
FRAMEWORK = """
class Variable(list):
    def __init__(self, value, name):
        super().__init__(value if isinstance(value, list) else [value])
    def tolist(self):
        return list(self)
class Zeros:
    def __init__(self, count, device):
        assert device == "cpu", "no such device"
        self.device = device
zeros = Zeros
"""


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_a_spec(tmp_path):
    spec, divergences, _ = blocks("yaml")
    modeline = modeline_of(Path(__file__).parent.parent / "specs" / "scopes" / "reuse-finds-the-kernel.yaml")
    assert spec == TEMPLATE.format(modeline=modeline, title="Reuse finds the kernel, as a statement")
    path = tmp_path / "specs" / "scopes" / "reuse-finds-the-kernel.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(spec + divergences)
    assert load(path).spec.divergences[0].answers == {"write-is-seen": False}


def test_a_measured_loop():
    path = Path(__file__).parent.parent / "specs" / "performance" / "forward-through-small-layers.yaml"
    assert blocks("yaml")[2] in path.read_text()


DOUBLED = """
title: A doubled variable holds twice what it held
about: The worked example of CONTRIBUTING.md, a verb that is added as one file.
sources: [CONTRIBUTING.md]
contract: sharing
steps:
  - {variable: v, init: [1.0, 2.0], as: v}
  - {double: v}
  - {expect: doubled, value: v, is: [2.0, 4.0]}
"""


def test_a_verb(tmp_path):
    """One more file makes a verb: the package of adapters is copied, and nothing in it is touched."""
    adapters = tmp_path / "canireuse_adapters"
    shutil.copytree(Path(canireuse_adapters.__file__).parent, adapters, ignore=shutil.ignore_patterns("__pycache__"))
    spec = tmp_path / "specs" / "state" / "doubled.yaml"
    spec.parent.mkdir(parents=True)
    spec.write_text(DOUBLED)

    def canireuse(*arguments):
        command = [sys.executable, "-m", "canireuse", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    without = canireuse("run", str(spec), "--backend", "reference", "--results", "none.jsonl")
    assert without.returncode
    assert "doubled.yaml:8:5: 'double' is no verb" in without.stdout + without.stderr

    (adapters / "features" / "double.py").write_text(blocks("python")[0])
    backends = ["reference", *(name for name in ("torch", "equinox") if importlib.util.find_spec(name))]
    ran = canireuse("run", str(spec), "--backend", ",".join(backends), "--results", "results.jsonl")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    records = {record.backend: record for record in read([tmp_path / "results.jsonl"]).cases.values()}
    verdicts = {backend: record.verdict for backend, record in records.items()}
    assert verdicts == {name: "unsupported" if name == "equinox" else "conforms" for name in backends}
    if "equinox" in records:
        assert records["equinox"].reason == "JAX arrays never change: what is doubled is another array."


def test_a_backend(tmp_path, monkeypatch, load_spec):
    (tmp_path / "my_framework.py").write_text(FRAMEWORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    names = {}
    exec(blocks("python")[1], names)
    mine = names["Mine"]
    located = load_spec(
        "steps:\n  - variable: v\n    init: 3.0\n    as: v\n  - initialize:\n  - expect: holds\n    value: v\n    is: [3.0]\n"
    )
    host = Host(mine)
    assert host.ready() is None
    assert host.device == "cpu"
    assert run_case(Plan(located, "mine", mine, {}), host).verdict == "conforms"
    host.stop()
