"""Frozen faults put to the specs: which specs reach each, and which of those then come out otherwise.

A host is started with a fault in its framework, and scripts run on it and are judged as ever: a spec notices a fault if
its verdict is another one than without.
"""

import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import canireuse_adapters
from benchmarks.planted.operators import BEGAN
from canireuse.emit import Adapter, Script
from canireuse.program.loader import load_all
from canireuse.results.cases import Plan, plan, run_case, script_of
from canireuse.results.records import digest
from canireuse.run.hosts import Host

ROOT = Path(__file__).parents[2]
PASSING = ("conforms", "differs")
#: a fault that so many specs noticed is put to no more cases, nor is one that was put to so many
ENOUGH, MOST = 20, 1000
#: seconds a script may take; on a busy machine a slow one must not look like one that hangs
LIMIT = 60.0
#: seconds from which on a case is put late
SLOW = 1.0
INSTALL = """\
import sys
sys.path.append({root!r})
from benchmarks.planted import operators
sys.path.remove({root!r})
operators.{call}
"""
#: what a watching host runs before each script
BEGIN = "import sys\nsys.modules['benchmarks.planted.operators'].began()"


def numbers(marks: bytes) -> list[int]:
    """Return the numbers that were written, each once."""
    return sorted(set(map(int, marks.split())))


def planted(adapter: type[Adapter], call: str, reset: str = "") -> type[Adapter]:
    """Return an adapter of the same name whose host calls something of `operators` before it imports the framework.

    Where variables are is known: a fault that keeps the first from being made is for the specs to notice.
    """
    return type(
        adapter.__name__,
        (adapter,),
        {
            "imports": INSTALL.format(root=str(ROOT), call=call) + adapter.imports,
            "reset": f"{adapter.reset}\n{reset}",
            "probe": staticmethod(lambda device: f"observe('device', {device!r})"),
        },
    )


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file of results, if there is one, without a last line that was cut."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        if line.endswith("}"):
            yield json.loads(line)


class Putting:
    """Faults, the specs on one backend, and the file that results are appended to as they come; a second run goes on."""

    def __init__(
        self,
        backend: str,
        faults: Sequence[Mapping[str, Any]],
        folders: Sequence[Path],
        path: Path,
        enough: int = ENOUGH,
        most: int = MOST,
        noticed: Container[str] = (),
    ) -> None:
        self.backend, self.faults, self.path, self.enough, self.most = backend, faults, path, enough, most
        #: the faults that are put to no case, since specs noticed them before, on this backend or on another
        self.noticed = noticed
        self.adapter = canireuse_adapters.adapter(backend)
        #: a framework with engines is put to the specs on its first
        self.engine = next(iter(self.adapter.engines), None)
        cases = plan(load_all(folders), [backend])
        self.cases = {f"{case.located.id}@{case.name}": case for case in cases if case.engine == self.engine}
        self.scripts: dict[str, Script] = {}
        #: of each case, what is asked and how: what is known of it counts as long as that stays
        self.digests: dict[str, str] = {}
        self.lines = list(read(path))
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.lines), encoding="utf-8")

    def host(self, call: str | None = None, reset: str = "") -> Host:
        """Return a host of the framework, with something of `operators` called first."""
        adapter = planted(self.adapter, call, reset) if call else self.adapter
        return Host(adapter, device="cpu", engine=self.engine, limit=LIMIT)

    def write(self, **line: Any) -> None:
        """Append a line to the results."""
        self.lines.append(line)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def known(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return what is known of a kind, by what it is of."""
        return {line["of"]: line for line in self.lines if line["kind"] == kind}

    def run(self) -> None:
        """Run what is not known yet."""
        started = time.monotonic()
        plain = self.host()
        absent = plain.ready()
        assert not absent, absent
        here = plain.environment["packages"]
        for before in self.known("header").values():
            assert before["packages"] == here, f"{self.path} is of other versions: {before['packages']}"
        for name, case in self.cases.items():
            script = script_of(case, plain)
            if isinstance(script, Script):
                self.scripts[name] = script
                self.digests[name] = digest(case.located.text + script.text)
        self.lines = [line for line in self.lines if line.get("digest") == self.digests.get(line["of"])]
        self.write(kind="header", of="header", on=self.backend, packages=here, date=time.strftime("%Y-%m-%d"))
        self.reach()
        self.without(plain)
        plain.stop()
        steady = self.steady()
        before = self.known("fault")
        for number, fault in enumerate(self.faults):
            if fault["id"] in self.noticed:
                continue
            meeting, came = self.meeting(number, steady), before.get(fault["id"])
            if came is None or came["came"] == "undecided" or (not came["noticed"] and came["meeting"] != len(meeting)):
                self.put(fault, meeting, steady)
        self.write(kind="ended", of="ended", seconds=round(time.monotonic() - started))

    def reach(self) -> None:
        """Run every script once on a host whose framework says which faults it reaches."""
        waiting = self.scripts.keys() - self.known("reached").keys()
        if not waiting:
            return
        with tempfile.TemporaryDirectory() as folder:
            marks = Path(folder, "reached")
            places = [dict(fault) for fault in self.faults]
            host = self.host(f"watch({places!r}, {str(marks)!r})", BEGIN)
            absent = host.ready()
            assert not absent, absent
            while_importing, _, _ = marks.read_bytes().partition(BEGAN)
            self.write(kind="imports", of="imports", faults=numbers(while_importing))
            for name in filter(waiting.__contains__, self.scripts):
                os.truncate(marks, 0)
                verdict = self.verdict(name, host)
                _, _, in_script = marks.read_bytes().rpartition(BEGAN)
                self.write(
                    kind="reached", of=name, digest=self.digests[name], verdict=verdict, faults=numbers(in_script)
                )
            host.stop()

    def without(self, host: Host) -> None:
        """Run every script once without a fault, in another order."""
        known = self.known("without")
        for name in sorted(self.scripts, key=lambda name: hashlib.sha256(name.encode()).digest()):
            if name not in known:
                began = time.monotonic()
                verdict = self.verdict(name, host)
                seconds = round(time.monotonic() - began, 3)
                self.write(kind="without", of=name, digest=self.digests[name], verdict=verdict, seconds=seconds)

    def verdict(self, name: str, host: Host) -> str:
        """Run a case on a host, and return its verdict."""
        case = self.cases[name]
        ours = Plan(case.located, case.backend, host.adapter, case.way)
        return run_case(ours, host, script=self.scripts[name]).verdict

    def in_time(self, name: str) -> bool:
        """Return whether a case is in time without a fault now: on a busy machine one may be late for no fault of its own."""
        host = self.host()
        verdict = self.verdict(name, host)
        host.stop()
        return verdict != "timeout"

    def steady(self) -> dict[str, dict[str, Any]]:
        """Return the cases that pass without a fault, whatever ran before them."""
        reached = self.known("reached")
        return {
            name: line
            for name, line in self.known("without").items()
            if line["verdict"] in PASSING and reached[name]["verdict"] == line["verdict"]
        }

    def meeting(self, number: int, steady: Iterable[str]) -> list[str]:
        """Return the cases that reach a fault: all, where importing did, for what was decided then may matter anywhere."""
        reached = self.known("reached")
        everywhere = number in self.known("imports")["imports"]["faults"]
        return [name for name in steady if everywhere or number in reached[name]["faults"]]

    def put(self, fault: Mapping[str, Any], meeting: list[str], steady: Mapping[str, dict[str, Any]]) -> None:
        """Plant one fault and put it to the cases that reach it: slow ones last, and of each spec one way before the others."""
        began = time.monotonic()

        def drawn(name: str) -> bytes:
            return hashlib.sha256(f"{fault['id']} {name}".encode()).digest()

        meeting = sorted(meeting, key=drawn)
        firsts = set({self.cases[name].located.id: name for name in reversed(meeting)}.values())
        meeting.sort(key=lambda name: (steady[name]["seconds"] > SLOW, name not in firsts))
        noticed: dict[str, str] = {}
        tried = 0
        host = self.host(f"plant({dict(fault)!r})")
        absent = host.ready() if meeting else None
        for name in [] if absent else meeting:
            if len(noticed) >= self.enough or tried >= self.most or "timeout" in noticed.values():
                break
            tried += 1
            spec = self.cases[name].located.id
            if spec in noticed or (verdict := self.verdict(name, host)) == steady[name]["verdict"]:
                continue
            if verdict != "timeout" or self.in_time(name):
                noticed[spec] = verdict
        if absent or noticed:
            came = "breaks the import" if absent else "noticed"
        else:
            came = "not reached" if not meeting else "survived" if tried == len(meeting) else "undecided"
        host.stop()
        self.write(
            kind="fault", of=fault["id"], came=came, meeting=len(meeting), tried=tried,
            noticed=sorted(noticed), verdicts=Counter(noticed.values()), seconds=round(time.monotonic() - began, 1),
        )  # fmt: skip
