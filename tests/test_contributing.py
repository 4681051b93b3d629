"""The worked examples of CONTRIBUTING.md, followed to the letter."""

import importlib.util
import re
from pathlib import Path

import pytest

from canireuse.cases import Plan, run_case
from canireuse.commands.new import TEMPLATE
from canireuse.hosts import Host
from canireuse.lint import modeline_of
from canireuse.loader import load
from canireuse.spec import Spec

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


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_a_verb():
    from canireuse import step, vocabulary
    from canireuse_adapters.torch import Torch

    model, table = blocks("python")[:2]
    names = {**vars(step), **vars(vocabulary)}
    exec(model, names)
    exec(table, names)
    doubling = type("Doubling", (Torch,), {"words": {**Torch.words, **names["words"]}})
    steps = [
        vocabulary.Variable.model_validate({"variable": "v", "init": [1.0, 2.0], "as": "v"}),
        names["Double"].model_validate({"double": "v"}),
        vocabulary.Expect.model_validate({"expect": "doubled", "value": "v", "is": [2.0, 4.0]}),
    ]
    script = doubling("cpu").translate(
        Spec.model_construct(title="", about="", sources=[], contract="sharing", steps=steps)
    )
    host = Host(Torch, device="cpu")
    assert host.ready() is None
    outcome = host.run(script, "<example>")
    host.stop()
    assert outcome.error is None
    assert outcome.observations == {"doubled": [2.0, 4.0]}


def test_a_backend(tmp_path, monkeypatch, load_spec):
    (tmp_path / "my_framework.py").write_text(FRAMEWORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    names = {}
    exec(blocks("python")[2], names)
    mine = names["Mine"]
    located = load_spec(
        "steps:\n  - variable: v\n    init: 3.0\n    as: v\n  - initialize:\n  - expect: holds\n    value: v\n    is: [3.0]\n"
    )
    host = Host(mine)
    assert host.ready() is None
    assert host.device == "cpu"
    assert run_case(Plan(located, "mine", mine, {}), host).verdict == "conforms"
    host.stop()
