"""Known results: what scripts did before is kept, and not run again where nothing changed that it depends on.

Two things are kept, each under all that it depends on. What a script did, under the script and the identity of its environment; and the
records of a spec on a backend, under the spec's text, the files of the engine and of the adapter, and that identity, so that an unchanged spec is
not even translated. Just what passed is kept: what failed runs again.
"""

import datetime
import json
import os
import sqlite3
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import canireuse
from canireuse.emit import Adapter
from canireuse.results.records import Case, Environment, digest, now
from canireuse.run.identity import digest_of
from canireuse.run.outcome import Outcome
from canireuse.spec.features import features

#: the environment variable that names the folder; empty, nothing is kept
VARIABLE = "CANIREUSE_CACHE"
#: the verdicts whose records are kept
KEPT = frozenset({"conforms", "differs", "unsupported"})
#: how long a result is kept
KEPT_FOR = datetime.timedelta(days=30)
#: how long a process waits until another has written, in seconds
PATIENCE = 10.0
TABLES = """
CREATE TABLE IF NOT EXISTS environments (identity TEXT PRIMARY KEY, line TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scripts (digest TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (
    identity TEXT, script TEXT, filename TEXT, ran TEXT NOT NULL, outcome TEXT NOT NULL, PRIMARY KEY (identity, script, filename)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS specs (
    identity TEXT, spec TEXT, digest TEXT NOT NULL, ran TEXT NOT NULL, cases TEXT NOT NULL, PRIMARY KEY (identity, spec)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Known:
    """The record of a case that ran before: its way as it was planned, and when its script ran, or was found to be unsupported."""

    way: dict[str, str]
    ran: str
    record: Case


class KnownResults:
    """The results of all environments of a user, in one file that several processes may read and write at once.

    Where the file cannot be used nothing is known and nothing is kept, and `unusable` says why: no run fails of that.
    """

    def __init__(self, folder: Path | None) -> None:
        self.unusable = ""
        self._connection: sqlite3.Connection | None = None
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(folder / "results.sqlite", timeout=PATIENCE, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(TABLES)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows that a statement finds, or none of what it writes; none either where the file cannot be used."""
        if self._connection is None:
            return []
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return []

    def close(self) -> None:
        """Leave out what is too old, and let go of the file."""
        oldest = now(KEPT_FOR)
        self.ask("DELETE FROM specs WHERE ran < ?", oldest)
        self.ask("DELETE FROM outcomes WHERE ran < ?", oldest)
        self.ask("DELETE FROM scripts WHERE digest NOT IN (SELECT script FROM outcomes)")
        if self._connection:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _give_up(self, error: Exception) -> None:
        self.unusable = str(error)
        if self._connection:
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


@dataclass(frozen=True)
class KnownIn:
    """What is known of one environment; of one whose scripts are to run `again` nothing, and what they do is kept."""

    store: KnownResults
    identity: str
    again: bool = False

    @property
    def environment(self) -> Environment | None:
        """The record of the environment, None where nothing ran in it yet."""
        if self.again:
            return None
        rows = self.store.ask("SELECT line FROM environments WHERE identity = ?", self.identity)
        return Environment.model_validate_json(rows[0][0]) if rows else None

    def keep_environment(self, line: Environment) -> None:
        """Keep the record of the environment."""
        self.store.ask("INSERT OR REPLACE INTO environments VALUES (?, ?)", self.identity, line.model_dump_json())

    def outcome(self, filename: str, script: str) -> tuple[Outcome, str] | None:
        """Return what a script did under this name, and when it ran; None if that is not known."""
        if self.again:
            return None
        rows = self.store.ask(
            "SELECT outcome, ran FROM outcomes WHERE identity = ? AND script = ? AND filename = ? AND ran >= ?",
            self.identity, digest(script), filename, now(KEPT_FOR),
        )  # fmt: skip
        return (Outcome(**json.loads(rows[0][0])), rows[0][1]) if rows else None

    def keep_outcome(self, filename: str, script: str, outcome: Outcome) -> None:
        """Keep what a script did."""
        row = self.identity, digest(script), filename, now(), json.dumps(asdict(outcome))
        # first what refers to the script: a process that ends leaves out the scripts that nothing refers to
        self.store.ask("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?)", *row)
        self.store.ask("INSERT OR IGNORE INTO scripts VALUES (?, ?)", digest(script), script)

    def specs(self, wanted: Mapping[str, str]) -> dict[str, list[Known]]:
        """Return the records of specs, spec id -> one for each way; of those alone whose digest is the one that is given for them."""
        rows = self.store.ask(
            "SELECT spec, digest, cases FROM specs WHERE identity = ? AND ran >= ?", self.identity, now(KEPT_FOR)
        )
        found = {spec: KNOWN.validate_json(cases) for spec, told, cases in rows if wanted.get(spec) == told}
        scripts = dict(
            self.store.ask(
                "SELECT digest, text FROM scripts WHERE digest IN (SELECT script FROM outcomes WHERE identity = ?)",
                self.identity,
            )
        )
        for known in found.values():
            for one in known:
                one.record.script = scripts.get(one.record.script_digest or "")
        return {
            spec: known
            for spec, known in found.items()
            if all(one.record.script is not None or one.record.script_digest is None for one in known)
        }

    def keep_spec(self, spec: str, state: str, known: list[Known]) -> None:
        """Keep the records of a spec, one for each way; `state` is its digest."""
        row = self.identity, spec, state, min(one.ran for one in known), KNOWN.dump_json(known).decode()
        self.store.ask("INSERT OR REPLACE INTO specs VALUES (?, ?, ?, ?, ?)", *row)


KNOWN = TypeAdapter(list[Known])


def folder() -> Path | None:
    """Return the folder where known results are kept; None if the user wants none kept."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "canireuse"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "canireuse"


def spec_digests(texts: Mapping[str, str], adapter: type[Adapter]) -> dict[str, str]:
    """Return for each spec the digest of all that its records depend on beside the environment, by id; none for an adapter without files."""
    state = state_of([adapter])
    return {spec: digest(f"{state}\n{text}") for spec, text in texts.items()} if state else {}


def state_of(adapters: Collection[type[Adapter]]) -> str:
    """Return the SHA-256 of all files of the engine, and of the packages of adapters and features; empty where one has no files."""
    modules = {model.__module__ for feature in features() for model in feature.verbs}
    modules |= {one.__module__ for adapter in adapters for one in adapter.__mro__} - {"builtins"}
    places = {place_of(module.partition(".")[0]) for module in modules}
    places |= {Path(canireuse.__file__).parent, *(one.divergences for one in adapters if one.divergences)}
    return "" if None in places else files_digest(tuple(sorted(filter(None, places))))


@cache
def files_digest(places: tuple[Path, ...]) -> str:
    """Return the SHA-256 of the files in folders, read once in a process: what it imported of them is what it runs."""
    return digest_of(places)


def place_of(module: str) -> Path | None:
    """Return the folder of a package, or the file of a module; None if it has none."""
    found = sys.modules.get(module)
    path = next(iter(getattr(found, "__path__", ())), None) or getattr(found, "__file__", None)
    return Path(path) if path else None
