"""Identities: environments are told apart by all that a result may depend on, and by nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from canireuse.run.hosts import Host
from canireuse.run.identity import INSTALLED, Interpreter, closure, digest_of
from canireuse_adapters.reference import Reference
from canireuse_adapters.torch import Torch


def install(site, name, version="1.0", requires=(), **files):
    """Write the metadata of a distribution, as pip would."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {one}" for one in requires),
    ]
    (folder / "METADATA").write_text("\n".join([*lines, "", "Name: what a description says"]))
    for file, text in files.items():
        (folder / file.replace("direct_url", "direct_url.json")).write_text(text)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return a folder on the path of every interpreter, with a small world of packages."""
    folder = tmp_path / "site"
    install(folder, "torch", "2.0", ['Small_Part (>=1) ; python_version > "3"', 'onnx ; extra == "all"'])
    install(folder, "small-part", "0.1")
    install(folder, "onnx", "1.0")
    install(folder, "other", "1.0")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


class Torchlike(Torch):
    """Torch with nothing else that it names."""

    packages = ("torch",)


def identity(adapter=Torchlike, **how):
    return Interpreter(sys.executable).identity(Host(adapter, **how))


def replace(site, name, version, **files):
    shutil.rmtree(next(site.glob(f"{name}-*")))
    install(site, name.replace("_", "-"), version, **files)


def test_the_same_environment_has_one_identity(site):
    assert identity() == identity() != None  # noqa: E711  # one, and there is one


@pytest.mark.parametrize("name", ["torch", "small_part"])
def test_a_package_that_the_framework_is_or_requires_counts(site, name):
    before = identity()
    replace(site, name, "2.1")
    assert identity() not in {before, None}


@pytest.mark.parametrize("name", ["other", "onnx"])
def test_a_package_that_is_not_required_does_not_count(site, name):
    before = identity()
    replace(site, name, "2.1")
    assert identity() == before


def test_a_package_that_can_change_unnoticed_has_no_identity(site):
    replace(site, "small_part", "0.1", direct_url='{"url": "file:///there", "dir_info": {"editable":true}}')
    assert identity() is None


def test_of_a_package_from_a_place_of_its_own_the_files_count(site):
    came = {"direct_url": '{"url": "file:///there.whl", "archive_info": {}}'}
    replace(site, "small_part", "0.1", RECORD="a.py,sha256=1,3\n../../bin/a,sha256=5,3\n", **came)
    before = identity()
    replace(site, "small_part", "0.1", RECORD="a.py,sha256=1,3\n../../bin/a,sha256=6,3\n", **came)
    assert identity() == before
    replace(site, "small_part", "0.1", RECORD="a.py,sha256=2,3\n../../bin/a,sha256=5,3\n", **came)
    assert identity() not in {before, None}


def test_a_framework_without_metadata_has_no_identity(site):
    class Absent(Torchlike):
        packages = ("nobody-has-this",)

    assert identity(Absent) is None


def test_a_setting_of_the_framework_counts_and_the_terminal_does_not(site, monkeypatch):
    before = identity()
    for name in ("TERM", "TMUX_PANE", "PYTEST_CURRENT_TEST", "SSH_CONNECTION", "CI"):
        monkeypatch.setenv(name, "another")
    assert identity() == before
    monkeypatch.setenv("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "1")
    assert identity() not in {before, None}


def test_device_and_engine_count(site):
    assert len({identity(device="cpu"), identity(device="auto"), identity(device="cpu", engine="one")}) == 3


def test_a_backend_without_packages_depends_on_the_contract(monkeypatch, tmp_path):
    before = identity(Reference)
    monkeypatch.setattr("canireuse.run.identity.CONTRACT", tmp_path)
    assert identity(Reference) not in {before, None}


def test_an_interpreter_that_is_none_has_no_identity(tmp_path):
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\necho no json\n")
    silent.chmod(0o755)
    for python in (str(silent), str(tmp_path / "absent")):
        assert Interpreter(python).identity(Host(Reference, python=python)) is None


def test_requirements_may_go_in_a_circle():
    installed = {name: {"requires": [other]} for name, other in (("a", "b"), ("b", "a"), ("c", "absent"))}
    assert closure(["A", "c"], installed) == {"a", "b", "c"}


def test_a_digest_is_of_names_and_contents_alone(tmp_path):
    (tmp_path / "a.py").write_text("1")
    before = digest_of([tmp_path])
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_text("compiled")
    assert digest_of([tmp_path]) == before
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert digest_of([tmp_path]) != before


def test_packages_are_told_on_python_3_7():
    by_pyenv = Path.home().glob(".pyenv/versions/3.7.*/bin/python3.7")  # pyenv's own shim does not start it
    found = [*by_pyenv, *filter(None, [shutil.which("python3.7")])]
    if not found:
        pytest.skip("there is no Python 3.7")
    told = subprocess.run([found[0], INSTALLED], capture_output=True, text=True, check=True)
    assert '"pip": {"version"' in told.stdout
