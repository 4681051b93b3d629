"""What is kept of planted faults: every frozen fault of a backend that ran, and sentences on survivors alone."""

import json

import pytest

from benchmarks.planted import kept
from benchmarks.planted.faults import frozen
from canireuse.program.loader import load_all
from tests.zoo.matrix import ROOT

#: how a sentence on a survivor begins
BEGINS = ("no user could see it because ", "gap: ")


@pytest.fixture(scope="module")
def lines():
    return list(kept.read(kept.CAME))


def test_every_frozen_fault_of_a_backend_that_ran_has_a_result(lines):
    assert lines
    for line in lines:
        ids = [fault["id"] for fault in frozen(line["backend"])]
        assert [*line["faults"]] == [name for name in ids if line["on"] == line["backend"] or name in line["faults"]]
        for name, fault in line["faults"].items():
            assert fault["came"] in kept.ENDS, name
            assert (fault["came"] == "noticed") == bool(fault["noticed"]), name
            assert fault["came"] not in {"not reached", "not put"} or not fault["meeting"], name


def test_every_sentence_names_a_survivor_and_says_why(lines):
    backends = {line["backend"] for line in lines}
    survivors = {
        name
        for backend in backends
        for name, fault in kept.came_of(backend, lines).items()
        if fault["came"] != "noticed"
    }
    for name, why in kept.sentences().items():
        assert name in survivors, f"{name} is noticed, or no fault: remove its sentence"
        assert why.startswith(BEGINS), name
        assert len(why) > 40, name


def test_the_page_is_of_these_results():
    assert kept.PAGE.read_text(encoding="utf-8") == kept.page()


def test_the_kills_of_specs_are_of_these_results(lines):
    kills = json.loads(kept.KILLS.read_text(encoding="utf-8"))
    pairs = {(spec, fault) for spec, of_spec in kills.items() for faults in of_spec.get("planted", {}).values() for fault in faults}  # fmt: skip
    assert pairs == {(spec, name) for line in lines for name, fault in line["faults"].items() for spec in fault["noticed"]}  # fmt: skip
    known = {name for located in load_all([ROOT / "specs"]) for name in (located.id, *located.spec.aliases)}
    assert kills.keys() <= known


def test_results_are_taken_over(tmp_path, monkeypatch):
    for name in ("CAME", "KILLS", "PAGE"):
        monkeypatch.setattr(kept, name, tmp_path / name)
    monkeypatch.setattr(kept, "matrix", lambda: {"ties/a": ["zoo-unties"], "ties/b": []})
    faults = frozen("torch")
    came = {fault["id"]: "not reached" for fault in faults[:50]} | {"torch-001": "noticed", "torch-002": "survived"}
    header = {"kind": "header", "of": "header", "on": "torch", "packages": {"torch": "2.0"}, "date": "2026-01-02"}
    results = [header] + [{"kind": "fault", "of": name, "came": end, "meeting": 1, "tried": 1, "noticed": ["ties/b"] if end == "noticed" else [], "seconds": 0.5} for name, end in came.items()]  # fmt: skip
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in results))
    kept.keep([path])
    assert (
        "| torch | torch | 100 | 1 | 1 | 0 | 48 | 0 | 50 | 2% | 25 | 2026-01-02 | torch 2.0 |" in kept.PAGE.read_text()
    )
    module = faults[0]["module"].replace(".", "/")
    assert json.loads(kept.KILLS.read_text()) == {"ties/a": {"animals": ["zoo-unties"]}, "ties/b": {"planted": {f"{module}.py": ["torch-001"]}}}  # fmt: skip
    assert len(list(kept.survivors("torch"))) == 99


def test_what_one_backend_left_may_be_noticed_on_another(tmp_path, monkeypatch):
    for name in ("CAME", "KILLS", "PAGE"):
        monkeypatch.setattr(kept, name, tmp_path / name)
    monkeypatch.setattr(kept, "matrix", dict)

    def ran(on, came):
        path = tmp_path / f"{on}.jsonl"
        results = [{"kind": "header", "of": "header", "on": on, "packages": {}, "date": "2026-01-02"}]
        results += [{"kind": "fault", "of": name, "came": end, "meeting": 1, "tried": 1, "noticed": ["ties/b"] if end == "noticed" else [], "seconds": 0} for name, end in came.items()]  # fmt: skip
        path.write_text("".join(json.dumps(line) + "\n" for line in results))
        return path

    own = {fault["id"]: "survived" for fault in frozen("tf1")} | {"tf1-001": "noticed", "tf1-003": "undecided"}
    kept.keep([ran("tf1", own), ran("tf2", {"tf1-002": "noticed", "tf1-003": "survived"})])
    page = kept.PAGE.read_text()
    assert "| tf1 | tf1 | 100 | 1 | 98 | 1 |" in page
    assert "| tf1 | tf2 | 2 | 1 | 1 | 0 | 0 | 0 | 0 | 2% |" in page
    assert kept.noticed("tf1") == {"tf1-001", "tf1-002"}
    left = list(kept.survivors("tf1"))
    assert len(left) == 98
    assert left[0].startswith("tf1-003 undecided")
    kept.keep([ran("tf1", {"tf1-003": "noticed", "tf1-004": "survived"})])
    assert kept.noticed("tf1") == {"tf1-001", "tf1-002", "tf1-003"}, "what was noticed stays"
    assert "| tf1 | tf1 | 100 | 2 | 98 | 0 | 0 | 0 | 0 | 2% |" in kept.PAGE.read_text()
