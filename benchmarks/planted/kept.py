"""What is kept of the runs: what came of each fault, which specs notice what, and why survivors survive."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.planted.faults import TARGETS, frozen
from benchmarks.planted.putting import read
from tests.zoo.matrix import matrix

CAME = Path(__file__).with_name("came.jsonl")
#: fault -> why it survives: `no user` could see it because ..., or the `gap`
SURVIVORS = Path(__file__).with_name("survivors.yaml")
#: spec -> the animals of the zoo and the planted faults that it notices, for `canireuse list --kills`
KILLS = Path(__file__).parents[2] / "specs" / "kills.json"
#: what may come of a fault
ENDS = ("noticed", "survived", "not reached", "breaks the import")


def keep(paths: Iterable[Path]) -> None:
    """Take the results of finished runs over, each backend's whole, and say anew which specs notice what."""
    kept = {line["backend"]: line for line in read(CAME)}
    for path in paths:
        lines = list(read(path))
        faults = {line["of"]: line for line in lines if line["kind"] == "fault"}
        backend = next(iter(faults)).rpartition("-")[0]
        missing = {fault["id"] for fault in frozen(backend)} - faults.keys()
        assert not missing, f"{path}: no result of {len(missing)} faults; `run {backend} {path}` goes on"
        header = next(line for line in lines if line["kind"] == "header")
        kept[backend] = {
            "backend": backend,
            "date": header["date"],
            "packages": header["packages"],
            "seconds": sum(line["seconds"] for line in lines if line["kind"] == "ended"),
            "faults": {
                name: {part: line[part] for part in ("came", "meeting", "tried", "noticed")}
                for name, line in sorted(faults.items())
            },
        }
    text = "".join(json.dumps(kept[backend]) + "\n" for backend in TARGETS if backend in kept)
    CAME.write_text(text, encoding="utf-8")
    KILLS.write_text(json.dumps(kills(kept.values()), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def kills(kept: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return spec -> the animals that it notices, and file -> the planted faults."""
    file_of = {fault["id"]: f"{fault['module'].replace('.', '/')}.py" for fault in frozen()}
    made: dict[str, dict[str, Any]] = {
        spec: {"animals": sorted(animals)} for spec, animals in matrix().items() if animals
    }
    for of_backend in kept:
        for fault, came in of_backend["faults"].items():
            for spec in came["noticed"]:
                files = made.setdefault(spec, {}).setdefault("planted", {})
                files.setdefault(file_of[fault], []).append(fault)
    return made


def table() -> str:
    """Return how many of the planted faults were noticed, by backend, and by kind of fault."""
    heads = ["backend", "planted", *ENDS, "share", "seconds", "date"]
    rows = [heads, ["---"] * len(heads)]
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for line in read(CAME):
        came = Counter(fault["came"] for fault in line["faults"].values())
        operators = {fault["id"]: fault["operator"] for fault in frozen(line["backend"])}
        for name, fault in line["faults"].items():
            kinds[operators[name]].update([fault["came"], "planted"])
        planted = len(line["faults"])
        share = f"{came['noticed'] / planted:.0%}"
        rows.append([line["backend"], planted, *(came[end] for end in ENDS), share, line["seconds"], line["date"]])
    heads = ["kind", "planted", *ENDS]
    rows += [[], heads, ["---"] * len(heads)]
    rows += [[kind, *(kinds[kind][end] for end in heads[1:])] for kind in sorted(kinds)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" if row else "" for row in rows)


def survivors(backend: str) -> Iterator[str]:
    """Yield the faults that no spec noticed, where they are and what was changed, with the sentence on each."""
    why = sentences()
    faults = {fault["id"]: fault for fault in frozen(backend)}
    for line in read(CAME):
        for name, came in line["faults"].items() if line["backend"] == backend else ():
            if came["came"] != "noticed":
                fault = faults[name]
                place = f"{fault['module']}:{fault['line']} {fault['function']}"
                told = why.get(name, "not read yet")
                yield f"{name} {came['came']}, {came['meeting']} cases meet it\n  {place}: {fault['operator']}\n  - {fault['original']}\n  + {fault['mutated']}\n  {told}"


def sentences() -> dict[str, str]:
    """Return fault -> the sentence on why it survives."""
    told: dict[str, str] = yaml.safe_load(SURVIVORS.read_text(encoding="utf-8")) or {}
    return told
