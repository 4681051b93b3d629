"""Faults with the right blame, recorded where they happen: `python benchmarks/faults.py FOLDER record [ID ...]`.

`tests/conformance/judge/faults.yaml` names the faults and says, as a person judged them, whom to blame for each. This makes the
environments that they need in a folder, with pip, runs each fault's script there in a host, and writes what came of it to
`tests/conformance/judge/faults.jsonl`, one fault a line: the environment, the outcome, and the right blame beside it. If ids are given, only
those are recorded anew. `survey ENVIRONMENT BACKEND ...` runs every spec there and prints what did not pass, most frequent first: to look
for faults that are not in the file yet. `make ENVIRONMENT ...` makes environments alone. The usual environment, from which others are made by taking packages out or laying others over, is that of
`--usual PYTHON`. It takes Linux, gcc and readelf, some 15 GB and 15 minutes; a full and a read-only disk take the rights to mount one.
"""

import argparse
import json
import re
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml
from environments import ENVIRONMENTS, make, version_of

import canireuse_adapters
from canireuse.commands.places import load_specs
from canireuse.emit import Script
from canireuse.judge.verdict import judge
from canireuse.results.cases import Plan, plan, script_of
from canireuse.run.host import without_places
from canireuse.run.hosts import Host
from canireuse.run.outcome import Outcome

TESTS = Path(__file__).parent.parent / "tests" / "conformance" / "judge"
JUDGED, RECORDED = TESTS / "faults.yaml", TESTS / "faults.jsonl"
#: how much of what a host printed is kept, in characters: the end of it
OUTPUT = 2000
#: how long an import may take, in seconds
IMPORTED = 20


class Listening(Host):
    """A host that keeps what came of each request, that of the import lines and that of the probe too."""

    at, heard = "import", Outcome("waiting")
    imported = heard

    def _receive(self, deadline: float) -> Outcome:
        outcome = super()._receive(deadline)
        if self.imported.ending == "waiting":
            self.heard = self.imported = outcome
        return outcome

    def _request(self, *request: Any) -> Outcome:
        self.at = "script" if self._ready and self.device_name else "probe"
        self.heard = super()._request(*request)
        return self.heard


def cases(backend: str, specs: tuple[str, ...] = (), way: dict[str, str] | None = None) -> list[Plan]:
    """Return the cases of specs on a backend, all of them or those in one way."""
    found = list(plan(load_specs(specs), [backend]))
    return [case for case in found if way is None or case.way == way]


def listen(case: Plan, python: Path, limit: float) -> Listening:
    """Return a host for a case in an environment; it is not started."""
    return Listening(case.adapter, str(python), "cpu", limit, case.engine, import_limit=max(limit, IMPORTED))


def wording(fault: dict[str, Any], case: Plan, host: Host) -> Script:
    """Return the script of a fault: its own, or the adapter's, with lines of its own in front if it has any."""
    if "script" in fault:
        return Script(fault["script"])
    packages = host.environment["packages"]
    script = case.adapter(host.device, case.way, packages).translate(
        case.located.spec
    )  # also where `since` would stop it
    return replace(script, text=fault.get("before", "") + script.text)


def record(fault: dict[str, Any], folder: Path, usual: Path) -> dict[str, Any]:
    """Return the line of one fault, recorded in its environment."""
    python = make(fault["environment"], folder, usual)
    case = next(iter(cases(fault["backend"], (fault["spec"],), fault.get("way"))), None)
    if case is None:
        raise SystemExit(f"{fault['id']}: there is no such case")
    host, script = listen(case, python, fault.get("limit", 60)), None
    try:
        if not host.ready():
            script = wording(fault, case, host)
            host.run(script, f"<{fault['id']}>")
    finally:
        host.stop()
    environment = ENVIRONMENTS[fault["environment"]]
    packages = (host.imported.environment or {}).get("packages", {}) | dict.fromkeys(environment.hides)
    packages |= {name: version_of(name, python) for name in environment.names}
    line = {
        "id": fault["id"],
        "environment": {
            "name": fault["environment"],
            "how": environment.how,
            "python": version_of("python", python),
            "packages": packages,
            "asked": asked_for(case.backend),
        },
        "backend": case.backend,
        "spec": case.located.id,
        "way": case.way,
        "divergences": fault.get("divergences"),
        "at": host.at,
        "script": script.text if script else f"{case.adapter.imports}\n{case.adapter.reset}\n",
        "script_line": line_of(script, host.heard.error) if script else None,
        "outcome": as_data(host.heard),
        "right": {key: fault["right"][key] for key in ("verdict", "blame", "names", "because")},
    }
    return json.loads(without_folders(json.dumps(line), folder, usual))  # type: ignore[no-any-return]  # it was a mapping


def asked_for(backend: str) -> list[str]:
    """Return what pyproject.toml asks for where a backend is to run: who is to blame for an old version depends on it."""
    project = tomllib.loads((TESTS.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["optional-dependencies"].get(backend.removesuffix("-eager"), [])  # type: ignore[no-any-return]


def line_of(script: Script, error: dict[str, Any] | None) -> str | None:
    """Return the line of a script that raised."""
    number = error and error.get("line")
    return script.text.splitlines()[number - 1].strip() if number else None


def as_data(outcome: Outcome) -> dict[str, Any]:
    """Return of an outcome what a judge needs."""
    data = {key: value for key, value in asdict(outcome).items() if key not in {"seconds", "environment", "waiting"}}
    return {**data, "output": data["output"][-OUTPUT:]}


def without_folders(text: str, folder: Path, usual: Path) -> str:
    """Return a text without the places of this machine, which say nothing about a fault."""
    for place in (folder, folder.resolve(), usual.parent.parent, TESTS.parents[2], Path(tempfile.gettempdir())):
        text = re.sub(rf"(?<![\w/]){re.escape(str(place))}\b", "...", text)
    return without_places(text)


def record_all(ids: list[str], folder: Path, usual: Path) -> None:
    """Record the faults named, or all, and write the file."""
    judged = yaml.safe_load(JUDGED.read_text(encoding="utf-8"))
    if unknown := set(ids).difference(fault["id"] for fault in judged):
        raise SystemExit(f"{JUDGED} has no {', '.join(sorted(unknown))}")
    lines = {}
    if RECORDED.exists():
        lines = {line["id"]: line for line in map(json.loads, RECORDED.read_text(encoding="utf-8").splitlines())}
    try:
        for fault in judged:
            if fault["id"] in (ids or [fault["id"]]):
                lines[fault["id"]] = record(fault, folder, usual)
                print(f"{fault['id']}: {in_short(lines[fault['id']])}", flush=True)
    finally:  # a blame may have been thought over without a new recording
        kept = [lines[fault["id"]] | {"right": fault["right"]} for fault in judged if fault["id"] in lines]
        RECORDED.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")


def in_short(line: dict[str, Any]) -> str:
    """Return what an outcome was, in a line."""
    outcome = line["outcome"]
    error, labels = outcome["error"], ", ".join(outcome["observations"])
    said = f"{error['type']} through {error['through']}: {error['message'].strip()[:150]!r}" if error else "no error"
    return f"{line['at']} {outcome['ending']}, {said}; observed {labels or 'nothing'}"


def survey(name: str, backends: list[str], folder: Path, usual: Path) -> None:
    """Run every case of backends in an environment, print what did not pass, most frequent first, and keep it in the folder."""
    python = make(name, folder, usual)
    for backend in backends:
        kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in not_passed(backend, python):
            kinds[line["kind"]].append(line)
        ordered = sorted(kinds.values(), key=len, reverse=True)
        kept = [json.dumps(line) + "\n" for lines in ordered for line in lines]
        (folder / f"survey-{name}-{backend}.jsonl").write_text("".join(kept), encoding="utf-8")
        for lines in ordered:
            print(
                f"{backend:10} {len(lines):4} {lines[0]['kind'][:200]!r}  {lines[0]['spec']} {lines[0]['way']} {lines[0]['text']}"
            )


def not_passed(backend: str, python: Path) -> Iterator[dict[str, Any]]:
    """Yield what is known of each case that today's judge does not let pass."""
    hosts: dict[str, Listening] = {}
    for case in cases(backend):
        host = hosts.setdefault(case.group, listen(case, python, 60))
        line: dict[str, Any] = {"spec": case.located.id, "way": case.way, "text": None, "error": None}
        if host.ready():
            yield {**line, "kind": f"skipped: {host.absent}"}
            continue
        script = script_of(case, host)
        if isinstance(script, BaseException):
            continue
        outcome = host.run(script, f"<{case.located.id}>")
        judged = judge(
            case.located.spec, backend, case.adapter, case.way, outcome, host.environment["packages"], script.one_place
        )
        if judged.verdict not in {"conforms", "differs"}:
            seen = [raw["error"] for raw in outcome.observations.values() if isinstance(raw, dict) and "error" in raw]
            error = outcome.error or next(iter(seen), None)
            said = f"{error['type']}: {error['message']}" if error else judged.reason
            line |= {"error": error, "text": line_of(script, error), "reason": judged.reason}
            yield {**line, "kind": f"{judged.verdict}: {said}"[:160], "verdict": judged.verdict}
    for host in hosts.values():
        host.stop()


def main() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where environments are made")
    parser.add_argument("what", choices=["record", "survey", "make"])
    parser.add_argument("names", nargs="*", help="ids of faults; an environment and backends; environments")
    parser.add_argument("--usual", type=Path, default=Path(sys.executable))
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    if asked.what == "record":
        record_all(asked.names, folder, asked.usual)
    elif asked.what == "survey":
        environment, *backends = asked.names
        survey(environment, backends or canireuse_adapters.names(), folder, asked.usual)
    else:
        for name in asked.names:
            print(make(name, folder, asked.usual))


if __name__ == "__main__":
    main()
