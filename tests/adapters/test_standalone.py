"""What is shown is what ran: standalone scripts in a bare subprocess give the recorded observations."""

import ast
import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import canireuse_adapters
from canireuse.emit import Script, Unsupported
from canireuse.emit.asking import script_of
from canireuse.program.loader import load
from canireuse.results.cases import Plan, run_case
from canireuse.run.hosts import Host

SPECS = Path(__file__).parent.parent.parent / "specs"
#: the first two that a backend can say are run: each imports its framework anew
TAKEN = (
    "scopes/reuse-true-finds-existing",
    "gradients/sum-over-uses",
    "calls/one-layer-on-two-inputs",
    "state/alias-sees-the-write",
)
ENOUGH = 2
FRAMEWORK = {
    "tf1": "tensorflow",
    "tf1-eager": "tensorflow",
    "tf2": "tensorflow",
    "keras": "keras",
    "linen": "flax",
    "nnx": "flax",
    "haiku": "haiku",
    "equinox": "equinox",
    "torch": "torch",
    "reference": "canireuse",
}


def printed(text, labels):
    """Return label -> what was printed for it, as data; an error as its class's name."""
    found = {}
    for line in text.splitlines():
        label, _, value = line.partition(": ")
        if label in labels:
            try:
                found[label] = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                found[label] = value.partition("(")[0]
    return found


def recorded(observations):
    """Return the observations of a host in the same form."""
    return {
        label: value["error"]["type"] if isinstance(value, dict) and "error" in value else value
        for label, value in observations.items()
    }


@pytest.mark.parametrize("backend", canireuse_adapters.names())
def test_standalone_scripts_give_the_recorded_observations(backend, tmp_path):
    if importlib.util.find_spec(FRAMEWORK[backend]) is None:
        pytest.skip(f"{FRAMEWORK[backend]} is not installed")
    adapter = canireuse_adapters.adapter(backend)
    host = Host(adapter, device="cpu")
    assert host.ready() is None
    compared = 0
    for spec_id in TAKEN:
        if compared == ENOUGH:
            break
        located = load(SPECS / f"{spec_id}.yaml")
        try:
            script = script_of(adapter, "cpu", {}, host.environment["packages"], located.spec)
        except Unsupported:
            continue
        case = run_case(Plan(located, backend, adapter, {}), host)
        assert case.script == script.text
        assert case.script_digest == hashlib.sha256(script.text.encode()).hexdigest()
        file = tmp_path / "script.py"
        file.write_text(Script(case.script).standalone)
        environ = {"PATH": "/usr/bin:/bin", **adapter.environ}
        ran = subprocess.run(
            [sys.executable, str(file)],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        observations = host.run(script, "<again>").observations
        assert printed(ran.stdout, observations) == recorded(observations)
        compared += 1
    host.stop()
    assert compared == ENOUGH


def test_the_comparison_tells_a_difference():
    assert printed("a: 1\nnoise\nb: ValueError('x')\n", {"a", "b"}) == {"a": 1, "b": "ValueError"}
    assert printed("a: 2\n", {"a"}) != recorded({"a": 1})
