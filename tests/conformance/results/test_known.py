"""Known results: what is kept comes back as it was, under exactly what it was kept under, and no trouble with the file is the run's."""

import dataclasses
import sqlite3

import pytest

from canireuse.results import known
from canireuse.results.known import Known, KnownIn, KnownResults, spec_digests
from canireuse.results.records import Case, Environment, digest, now
from canireuse.run.outcome import Outcome
from canireuse_adapters.reference import Reference

SCRIPT = "observe('a', 1)\n"
DONE = Outcome(
    "finished", {"a": [1.0, None, {"b": "ä"}]}, warnings=[{"category": "W", "message": "m", "line": 2}], seconds=0.5
)


def case(**parts):
    made = {
        "id": "a/b@torch", "spec": "a/b", "backend": "torch", "device": "cpu", "environment": "torch@cpu", "verdict": "conforms",
        "spec_digest": "0", "script": SCRIPT, "script_digest": digest(SCRIPT),
    }  # fmt: skip
    return Case(**{**made, **parts})


@pytest.fixture
def here(tmp_path):
    """Return what is known of one environment, in a file of its own."""
    return KnownIn(KnownResults(tmp_path / "cache"), "here")


def another(here, **parts):
    """Return the same, read by another process."""
    folder = next(iter(here.store.ask("PRAGMA database_list")))[2].removesuffix("results.sqlite")
    return dataclasses.replace(here, store=KnownResults(known.Path(folder)), **parts)


def test_an_outcome_comes_back_as_it_was(here):
    here.keep_outcome("<a>", SCRIPT, DONE)
    came, ran = another(here).outcome("<a>", SCRIPT)
    assert came == DONE
    assert ran.startswith("20")


def test_an_outcome_is_of_its_script_its_name_and_its_environment(here):
    here.keep_outcome("<a>", SCRIPT, DONE)
    assert here.outcome("<a>", SCRIPT + "#") is None
    assert here.outcome("<b>", SCRIPT) is None
    assert another(here, identity="there").outcome("<a>", SCRIPT) is None
    assert another(here, again=True).outcome("<a>", SCRIPT) is None


def test_records_come_back_with_their_scripts(here):
    here.keep_outcome("<a>", SCRIPT, DONE)
    kept = [
        Known({}, known.now(), case()),
        Known({"copy": "x"}, known.now(), case(script=None, script_digest=None, verdict="unsupported")),
    ]
    here.keep_spec("a/b", "state", kept)
    assert another(here).specs({"a/b": "state"}) == {"a/b": kept}
    assert another(here).specs({"a/b": "another state"}) == another(here).specs({}) == {}


def test_a_record_without_its_script_is_not_known(here):
    here.keep_spec("a/b", "state", [Known({}, known.now(), case())])
    assert here.specs({"a/b": "state"}) == {}


def test_what_is_too_old_is_not_known_and_left_out(here, monkeypatch):
    monkeypatch.setattr(known, "now", lambda ago=None: "2020-01-01T00:00:00+00:00" if ago is None else now(ago))
    here.keep_outcome("<a>", SCRIPT, DONE)
    here.keep_spec("a/b", "state", [Known({}, known.now(), case())])
    assert here.outcome("<a>", SCRIPT) is None
    assert here.specs({"a/b": "state"}) == {}
    later = another(here)
    here.store.close()
    assert [later.store.ask(f"SELECT count(*) FROM {table}") for table in ("outcomes", "specs", "scripts")] == [
        [(0,)]
    ] * 3


def test_an_environment_comes_back(here):
    line = Environment(
        id="torch@cpu", backend="torch", title="T", about="a", asked_device="cpu", device="cpu", packages={"torch": "2"}
    )
    assert here.environment is None
    here.keep_environment(line)
    assert another(here).environment == line
    assert another(here, again=True).environment is None


@pytest.mark.parametrize("trouble", ["a file in its way", "no database", "cut off later"])
def test_trouble_with_the_file_is_told_and_ends_nothing(tmp_path, trouble):
    if trouble == "a file in its way":
        (tmp_path / "cache").write_text("")
    else:
        (tmp_path / "cache").mkdir()
    if trouble == "no database":
        (tmp_path / "cache" / "results.sqlite").write_text("this is none, and long enough to be looked at" * 9)
    store = KnownResults(tmp_path / "cache")
    if trouble == "cut off later":
        with sqlite3.connect(tmp_path / "cache" / "results.sqlite") as other:
            other.execute("DROP TABLE outcomes")
    here = KnownIn(store, "here")
    here.keep_outcome("<a>", SCRIPT, DONE)
    assert here.outcome("<a>", SCRIPT) is None
    assert here.specs({"a/b": "state"}) == {}
    assert store.unusable
    store.close()


def test_where_nobody_wants_it_nothing_is_kept(monkeypatch):
    monkeypatch.setenv("CANIREUSE_CACHE", "")
    assert known.folder() is None
    here = KnownIn(KnownResults(None), "here")
    here.keep_outcome("<a>", SCRIPT, DONE)
    assert here.outcome("<a>", SCRIPT) is None
    assert here.store.unusable == ""


def test_what_records_depend_on_is_the_text_the_engine_and_the_adapter(monkeypatch, tmp_path):
    before = spec_digests({"a/b": "text", "a/c": "text"}, Reference)
    assert before["a/b"] == before["a/c"] != spec_digests({"a/b": "other"}, Reference)["a/b"]

    class Mine(Reference):
        divergences = tmp_path / "divergences.yaml"

    Mine.divergences.write_text("{}")
    own = spec_digests({"a/b": "text"}, Mine)["a/b"]
    assert own != before["a/b"]
