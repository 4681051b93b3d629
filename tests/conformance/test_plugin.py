"""The pytest plugin in a project that has no specs: nobody notices it."""

import subprocess
import sys


def test_a_project_without_specs_does_not_notice(tmp_path):
    options = "('--device', '--backend', '--python', '--results', '--limit')"
    (tmp_path / "conftest.py").write_text(
        f"def pytest_addoption(parser):\n    for name in {options}:\n        parser.addoption(name)\n"
    )
    (tmp_path / "test_one.py").write_text(
        "def test_one(request):\n    assert request.config.getoption('--device') == 'mine'\n"
        "    assert request.config.getoption('dist') in {'no', 'load'}\n"
    )
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "data.yaml").write_text("x: 1\n")
    for workers in ((), ("-n", "2")):
        command = [sys.executable, "-m", "pytest", "--device=mine", *workers]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "1 passed" in ran.stdout, ran.stdout + ran.stderr
    assert not (tmp_path / "results.jsonl").exists()


def test_a_project_without_specs_imports_nothing_of_ours(tmp_path):
    (tmp_path / "test_one.py").write_text("def test_one():\n    pass\n")
    code = "import sys, pytest; pytest.main(['-q']); print(sorted(name for name in sys.modules if name.startswith('canireuse')))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "['canireuse', 'canireuse.plugin']"
