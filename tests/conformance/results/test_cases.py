"""Cases: scripts that are written several at a time are those that are written one by one."""

from pathlib import Path

from canireuse.emit import Script, Unsupported
from canireuse.program.loader import load_all
from canireuse.results.cases import plan, script_of, scripts_of
from canireuse.run.hosts import Host

SPECS = Path(__file__).parents[3] / "specs"


def test_scripts_written_together_are_those_written_alone() -> None:
    cases = list(plan(load_all([SPECS / "ties"]), ["reference"]))
    host = Host(cases[0].adapter, device="cpu")
    try:
        assert host.ready() is None
        together, alone = scripts_of(cases, host), [script_of(case, host) for case in cases]
    finally:
        host.stop()
    assert list(map(str, together)) == list(map(str, alone))
    assert {Script, Unsupported} == set(map(type, together))
