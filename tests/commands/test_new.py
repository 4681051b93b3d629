"""`canireuse new`: what it writes to begin from runs as it is."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def canireuse(tmp_path):
    """Return a function that runs the command line in a folder of its own."""

    def call(*arguments, **environ):
        command = [sys.executable, "-m", "canireuse", *arguments]
        environ = {**os.environ, "COLUMNS": "200", **environ}
        return subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=200, check=False
        )

    return call


def installed(folder, site):
    """Install a package that was written, as pip does in editable mode; return what Python's path is then."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    distribution = site / "mine-0.1.0.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
    points = project["entry-points"]["canireuse.adapters"]
    lines = ["[canireuse.adapters]", *(f"{name} = {place}" for name, place in points.items())]
    (distribution / "entry_points.txt").write_text("\n".join(lines))
    return os.pathsep.join([str(site), str(folder)])


def test_a_backend_runs_and_says_what_it_cannot_say(canireuse, tmp_path):
    pytest.importorskip("numpy")
    assert canireuse("new", "--backend", "my-arrays").returncode == 0
    path = installed(tmp_path / "canireuse-my-arrays", tmp_path / "site")
    specs = [str(ROOT / "specs" / facet) for facet in ("state", "refusals")]
    ran = canireuse("run", *specs, "--backend", "my-arrays", PYTHONPATH=path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "differs" in ran.stdout
    assert "unsupported: " in ran.stdout
    assert "My arrays has no equivalent of `layer`." in ran.stdout
    again = canireuse("new", "--backend", "my-arrays")
    assert again.returncode == 4
    assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "happened"),
    [
        ((), "expected: one of the id of a spec and --backend"),
        (("scopes/one", "--backend", "mine"), "expected: one of the id of a spec and --backend"),
        (("--backend", "My Framework"), "is no name of a backend"),
        (("--backend", "torch"), "is there already"),
    ],
)
def test_what_cannot_be_begun_is_told(canireuse, tmp_path, arguments, happened):
    refused = canireuse("new", *arguments)
    assert refused.returncode == 4
    assert happened in refused.stderr
    assert not list(tmp_path.iterdir())
