"""Scripts: one runs by itself."""

import subprocess
import sys

from canireuse.emit import Script


def run(text, folder):
    file = folder / "script.py"
    file.write_text(Script(text).standalone)
    return subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_script_alone_prints_what_it_observes(tmp_path):
    assert run("observe('a', [1])\n", tmp_path) == "a: [1]\n"
    assert "perf_counter" not in Script("observe('a', [1])\n").standalone


def test_a_script_alone_prints_what_its_measured_loops_take_each_time_they_turn(tmp_path):
    text = (
        "waited = []\nfor _ in rounds():\n    for _ in measure('a'):\n        v = 1\n"
        "    for _ in measure('b', size=10, fence=lambda: waited.append(v)):\n        pass\nobserve('waited', waited)\n"
    )
    *times, observed = run(text, tmp_path).splitlines()
    assert observed == "waited: [1, 1, 1]"
    assert [line.split()[0] for line in times] == ["a", "b"] * 3
    assert all(line.startswith("b 10 ") for line in times[1::2])
    assert all(line.endswith(" seconds") and float(line.split()[-2]) >= 0 for line in times)
