"""Installs the zoo as a third party would: a distribution with entry points."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from canireuse_adapters import GROUP
from tests.zoo.animals import ANIMALS
from tests.zoo.rogues import ROGUES

ROOT = Path(__file__).parent.parent.parent
BACKENDS = {
    **{name: f"tests.zoo.animals:{name.replace('-', '_')}" for name in ANIMALS},
    "zoo-skimps": "tests.zoo.hurries:Skimps",
    "zoo-two-faced": "tests.zoo.hurries:TwoFaced",
    "zoo-exits-at-load": "tests.zoo.exits_at_load:Never",
    **{
        f"zoo-{name}": f"tests.zoo.misbehaves:{cls}"
        for name, cls in {
            "swallows-errors": "SwallowsErrors", "forgets": "Forgets", "invents": "Invents", "prints-rubbish": "PrintsRubbish",
            "hangs": "Hangs", "segfaults": "Segfaults", "unimportable": "Unimportable", "breaks-at-import": "BreaksAtImport",
            "hangs-at-import": "HangsAtImport", "aborts-at-import": "AbortsAtImport", "is-no-adapter": "NO_ADAPTER",
            "is-not-there": "NotThere", "exits-while-translating": "ExitsWhileTranslating", "probes-nothing": "ProbesNothing",
        }.items()
    },
    **{f"rogue-{name}": f"tests.zoo.rogues:{name.replace('-', '_')}" for name in ROGUES},
}  # fmt: skip


def installed(site):
    """Install the zoo in a folder and return the environment variables with which Python finds it."""
    distribution = site / "zoo-1.0.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo\nVersion: 1.0\n")
    lines = [f"{name} = {place}" for name, place in BACKENDS.items()]
    (distribution / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)])}


@pytest.fixture(scope="module")
def run_zoo(tmp_path_factory):
    """Return a function that runs `canireuse run` with the zoo installed, and returns the process and the results file."""
    folder = tmp_path_factory.mktemp("zoo")
    environ = installed(folder / "site")

    def run(*arguments, results=folder / "results.jsonl"):
        command = [sys.executable, "-m", "canireuse", "run", *arguments, "--results", str(results), "--replace"]
        ran = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=600, check=False)
        return ran, results

    return run


@pytest.fixture
def zoo(run_zoo, tmp_path):
    """Return a function that runs `canireuse run` with the zoo installed, with results in an empty folder."""
    return lambda *arguments: run_zoo(*arguments, results=tmp_path / "results.jsonl")[0]
