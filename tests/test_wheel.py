"""What is installed bears no name of anybody else: the wheel beside PyPI's `adapters`, in a project with such folders."""

import json
import os
import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SPECS = [path for path in (ROOT / "specs").glob("*/*.yaml") if path.parent.name not in {"claims", "reported"}]
#: a project of somebody else: folders of these names, tests of them, specs of another kind, and settings for its own pytest
PROJECT = {
    "pytest.ini": "[pytest]\naddopts = --maxfail=1 --import-mode=prepend\n",
    "conftest.py": "def pytest_addoption(parser):\n    parser.addoption('--device', default='mine')\n",
    "adapters/__init__.py": "OURS = True\n",
    "conformance/__init__.py": "OURS = True\n",
    "reports/__init__.py": "OURS = True\n",
    "specs/ties.yaml": "describe: something else\n",
    "specs/ties/one.yaml": "- a list\n",
    "ties/notes.txt": "a folder that has the name of one of our facets\n",
    "tests/test_ours.py": "import adapters, conformance, reports\n\n\ndef test_ours(request):\n    assert adapters.OURS and conformance.OURS and reports.OURS\n    assert request.config.getoption('--device') == 'mine'\n",
}


def call(*command, cwd):
    environ = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    return subprocess.run(
        [*map(str, command)], cwd=cwd, env=environ, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    built = call(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, cwd=folder)
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def scripts(wheel, tmp_path_factory):
    """Return the folder of commands of an environment that has the wheel, and PyPI's `adapters` without what that needs."""
    folder = tmp_path_factory.mktemp("environment")
    assert call(sys.executable, "-m", "venv", folder, cwd=folder).returncode == 0
    pip = (folder / "bin" / "python", "-m", "pip", "install", "-q")
    for arguments in ((wheel,), ("--no-deps", "adapters")):
        installed = call(*pip, *arguments, cwd=folder)
        assert installed.returncode == 0, installed.stderr
    return folder / "bin"


@pytest.fixture
def project(tmp_path):
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_command_line_works_beside_folders_and_packages_of_such_names(scripts, project):
    listed = call(scripts / "canireuse", "list", "--json", cwd=project)
    assert listed.returncode == 0, listed.stderr
    assert json.loads(listed.stdout)["counts"]["specs"] == len(SPECS)
    ran = call(
        scripts / "canireuse", "run", "ties", "--backend", "torch", "--python", f"torch={sys.executable}", cwd=project
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = [json.loads(line) for line in (project / "results.jsonl").read_text().splitlines()]
    ran_on_torch = {line["spec"] for line in lines if line["kind"] == "case"}
    assert ran_on_torch == {f"ties/{path.stem}" for path in SPECS if path.parent.name == "ties"}


@pytest.mark.parametrize("command", [("pytest",), ("python", "-m", "pytest")])
def test_the_projects_own_tests_pass(scripts, project, command):
    ran = call(scripts / command[0], *command[1:], cwd=project)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


def test_the_page_on_pypi_has_no_link_that_leads_nowhere(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = message_from_bytes(archive.read(name))
        typed = {name for name in archive.namelist() if name.endswith("py.typed")}
    home = dict(entry.split(", ") for entry in metadata.get_all("Project-URL"))["Homepage"]
    text = metadata.get_payload()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 5
    raw = home.replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main/"
    for link in links:
        start = raw if link.startswith(raw) else f"{home}/blob/main/"
        assert link.startswith(start)
        assert (ROOT / link.removeprefix(start).partition("#")[0]).exists()
    assert any(link.startswith(raw) for link in links)
    assert typed == {f"{package}/py.typed" for package in ("canireuse", "canireuse_adapters", "canireuse_reports")}
