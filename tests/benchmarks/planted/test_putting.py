"""Faults put to specs, on the reference model: what is noticed, what survives, what is not reached, what breaks the import."""

import ast
import json

import pytest

from benchmarks.planted import operators, putting
from tests.benchmarks.planted.test_operators import ROOT

TIE = """
steps:
  - {variable: w, init: 1.0, as: w}
  - {module: net, members: {one: w, other: w}}
  - {expect: shared, same: [net.one, net.other]}
"""
SCOPE = """
steps:
  - scope: s
    steps:
      - {variable: w, init: 1.0, as: w}
  - {expect: named, name: w, is: s/w}
"""
#: module, function, operator, a part of the text before -> what comes of it
WANTED = {
    ("model", "Model.__init__", "assignment dropped", "Session"): "noticed",
    ("ownership", "Owner._paths", "nothing returned", "found"): "not reached",
    ("model", "Model.scope", "call dropped", "close_below"): "survived",
}


def fault_of(module, function, operator, part):
    """Return a fault of the reference model as it would be frozen."""
    tree = ast.parse((ROOT / "conformance" / "canireuse" / "contract" / f"{module}.py").read_text(encoding="utf-8"))
    one = next(
        one
        for one in operators.places(tree)
        if (one.function, one.operator) == (function, operator) and part in one.original
    )
    names = ("function", "line", "operator", "original", "mutated")
    return {"module": f"canireuse.contract.{module}", **dict(zip(names, one.key, strict=True))}


@pytest.fixture
def put(write_spec, tmp_path):
    """Return a function that puts faults to two small specs and returns the file of results."""
    write_spec(TIE, "facet/tie")
    write_spec(SCOPE, "facet/scope")

    def run(wanted, enough=putting.ENOUGH, most=putting.MOST, noticed=()):
        faults = [{"id": f"reference-{at}", **fault_of(*one)} for at, one in enumerate(wanted)]
        path = tmp_path / "results.jsonl"
        putting.Putting("reference", faults, [tmp_path / "specs"], path, enough, most, noticed).run()
        return path

    return run


def came(path):
    """Return the lines on faults."""
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line["kind"] == "fault"]


def test_what_comes_of_faults(put):
    first, second, third = came(put(WANTED))
    assert [line["came"] for line in (first, second, third)] == [*WANTED.values()]
    assert (first["meeting"], first["tried"], first["noticed"]) == (2, 2, ["facet/scope", "facet/tie"])
    assert (second["meeting"], second["tried"], second["noticed"]) == (0, 0, [])
    assert (third["meeting"], third["tried"], third["noticed"]) == (1, 1, [])


def test_a_second_run_goes_on_where_the_first_was_stopped(put):
    path = put(WANTED)
    whole = path.read_text(encoding="utf-8").splitlines(keepends=True)
    at = next(at for at, line in enumerate(whole) if '"of": "reference-1"' in line)
    path.write_text("".join(whole[:at]) + whole[at][:20], encoding="utf-8")
    put(WANTED)
    again = path.read_text(encoding="utf-8").splitlines()
    kinds = [json.loads(line)["kind"] for line in again[at:]]
    assert kinds == ["header", "fault", "fault", "ended"], "nothing runs twice"
    assert [line["of"] for line in came(path)] == ["reference-0", "reference-1", "reference-2"]


def test_what_breaks_the_import_is_told_apart(put, monkeypatch):
    monkeypatch.setattr(putting, "INSTALL", putting.INSTALL.replace("operators.{call}", "operators.{call}\n'plant(' in {call!r} and nothing"))  # fmt: skip
    assert [line["came"] for line in came(put([next(iter(WANTED))]))] == ["breaks the import"]


def test_results_of_other_versions_are_refused(put):
    path = put([])
    path.write_text(path.read_text(encoding="utf-8").replace('"numpy": "', '"numpy": "0.'), encoding="utf-8")
    with pytest.raises(AssertionError, match="is of other versions"):
        put([])


def test_a_fault_that_was_not_put_to_all_is_undecided(put):
    wanted = [("model", "Model.scope", "call dropped", "close_below")]
    (survivor,) = came(put(wanted, most=0))
    assert (survivor["came"], survivor["tried"]) == ("undecided", 0)
    _, survivor = came(put(wanted, most=9))
    assert (survivor["came"], survivor["tried"]) == ("survived", 1), "a second run puts it again"


def test_a_fault_that_enough_specs_noticed_is_put_to_no_more(put):
    (noticed,) = came(put([next(iter(WANTED))], enough=1, most=9))
    assert (noticed["came"], noticed["meeting"], noticed["tried"], len(noticed["noticed"])) == ("noticed", 2, 1, 1)


def test_what_specs_on_another_backend_noticed_is_not_put(put):
    assert [line["of"] for line in came(put(WANTED, noticed={"reference-0", "reference-2"}))] == ["reference-1"]


@pytest.mark.parametrize(("late", "came_of_it"), [({"plant"}, "noticed"), ({"plant", None}, "survived")])
def test_who_is_late_without_the_fault_too_did_not_notice_it(put, monkeypatch, late, came_of_it):
    real, busy = putting.Putting.verdict, []

    def verdict(putting, name, host):
        planted = "plant" if "operators.plant(" in host.adapter.imports else None
        busy.append(planted)
        return "timeout" if "plant" in busy and planted in late else real(putting, name, host)

    monkeypatch.setattr(putting.Putting, "verdict", verdict)
    (line,) = came(put([("model", "Model.scope", "call dropped", "close_below")]))
    assert line["came"] == came_of_it


def test_a_fault_that_importing_reaches_meets_every_case(put, tmp_path):
    path = put([("model", "Model.scope", "call dropped", "close_below")])
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line.update({"faults": [0]} if line["kind"] == "imports" else {})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines if line["kind"] != "fault"), encoding="utf-8")
    (line,) = came(put([("model", "Model.scope", "call dropped", "close_below")]))
    assert (line["came"], line["meeting"]) == ("survived", 2)


def test_what_is_known_of_a_spec_counts_as_long_as_it_stays(put, write_spec):
    survivor = [("model", "Model.scope", "call dropped", "close_below")]
    path = put(survivor)
    before = path.read_text(encoding="utf-8").count('"kind": "reached"')
    write_spec(TIE, "facet/tie", title="Another title")
    put(survivor)
    assert (before, path.read_text(encoding="utf-8").count('"kind": "reached"')) == (2, 3)


def test_a_survivor_is_put_again_once_another_spec_reaches_it(put, write_spec):
    survivor = [("model", "Model.scope", "call dropped", "close_below")]
    put(survivor)
    assert len(came(put(survivor))) == 1, "with the same specs it is not"
    write_spec(SCOPE, "facet/second")
    assert [line["meeting"] for line in came(put(survivor))] == [1, 2]
