"""Summaries, which the specs of this project run: whose table is read, and who prints none."""

import pytest

from canireuse.emit import Unsupported
from canireuse.run.hosts import Host
from canireuse_adapters import adapter

LAYER = "{layer: dense, name: block, inputs: 40, units: 50, kernel: 1.0, as: block}"
NET = f"{LAYER}, {{module: net, members: {{block: block}}}}"
TABLE = "{compute: 'x = ones(1, 40)'}, {summarize: net, on: x, as: total}"
#: a total of more than three digits, which tables part by commas
READ = f"steps: [{NET}, {TABLE}, {{expect: total, value: total, is: 2000}}]"


@pytest.mark.parametrize("backend", ["torch", "tf2", "keras", "nnx", "linen"])
def test_the_total_of_a_table_is_read_as_a_number(load_spec, backend):
    made, spec = adapter(backend), load_spec(READ).spec
    way = made.ways_of(spec)[0]
    host = Host(made, device="cpu", engine=way.get("engine"))
    try:
        if reason := host.ready():
            pytest.skip(reason)
        for each in (one for one in made.ways_of(spec) if one.get("engine") == way.get("engine")):
            outcome = host.run(made("cpu", each).translate(spec), "<test>")
            assert outcome.observations == {"total": 2000.0}, (each, outcome)
    finally:
        host.stop()


@pytest.mark.parametrize(
    ("backend", "steps", "reason"),
    [
        ("keras", f"{LAYER}, {{compute: 'x = ones(1, 40)'}}, {{summarize: block, on: x, as: total}}", "Only a `keras.Model`"),
        ("tf1", f"{NET}, {TABLE}", "no table of them"), ("haiku", f"{NET}, {TABLE}", "no total"),
        ("equinox", f"{NET}, {TABLE}", "adds nothing up"),
    ],
)  # fmt: skip
def test_who_prints_no_total_says_so(load_spec, backend, steps, reason):
    made, spec = adapter(backend), load_spec(f"steps: [{steps}]").spec
    with pytest.raises(Unsupported, match=reason):
        made("cpu", made.ways_of(spec)[0]).translate(spec)
