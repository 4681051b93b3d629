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
#: the page with the table
PAGE = Path(__file__).with_name("README.md")
#: what may come of a fault
ENDS = ("noticed", "survived", "undecided", "not reached", "breaks the import", "not put")
#: the same, from what counts before all else
MOST_FIRST = ("noticed", "breaks the import", "undecided", "survived", "not reached", "not put")


def keep(paths: Iterable[Path]) -> None:
    """Take the results of runs over, and say anew which specs notice what; a fault may be not put yet.

    What came of a fault in an earlier run stays where a later one left it out; seconds are those of the last run.
    """
    not_put: dict[str, Any] = {"came": "not put", "meeting": 0, "tried": 0, "noticed": []}
    kept = {(line["backend"], line["on"]): line for line in read(CAME)}
    for path in paths:
        lines = list(read(path))
        faults = {line["of"]: line for line in lines if line["kind"] == "fault"}
        backend = next(iter(faults)).rpartition("-")[0]
        header = next(line for line in lines if line["kind"] == "header")
        on = header["on"]
        before = kept.get((backend, on), {"faults": {}})["faults"]
        put = {name: {part: line[part] for part in not_put} for name, line in faults.items()}
        came = {**before, **put}
        kept[backend, on] = {
            "backend": backend,
            "on": on,
            "date": header["date"],
            "packages": header["packages"],
            "seconds": round(sum(line["seconds"] for line in lines if "seconds" in line and line["kind"] != "ended")),
            "faults": {
                fault["id"]: came.get(fault["id"], not_put)
                for fault in frozen(backend)
                if on == backend or fault["id"] in came
            },
        }
    order = [*TARGETS]
    ordered = sorted(kept.values(), key=lambda line: (order.index(line["backend"]), line["on"] != line["backend"]))
    CAME.write_text("".join(json.dumps(line) + "\n" for line in ordered), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
    specs = (f"{json.dumps(spec)}: {json.dumps(noticed)}" for spec, noticed in sorted(kills(ordered).items()))
    KILLS.write_text("{\n" + ",\n".join(specs) + "\n}\n", encoding="utf-8")


def came_of(backend: str, lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return fault of a backend -> what came of it, on whichever backend the most did."""
    came: dict[str, dict[str, Any]] = {}
    for line in lines:
        for name, fault in line["faults"].items() if line["backend"] == backend else ():
            came[name] = min(came.get(name, fault), fault, key=lambda one: MOST_FIRST.index(one["came"]))
    return came


def noticed(backend: str) -> set[str]:
    """Return the faults of a backend that specs noticed, on whichever backend."""
    return {name for name, fault in came_of(backend, read(CAME)).items() if fault["came"] == "noticed"}


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


def page() -> str:
    """Return the page with the tables."""
    return f"""\
# Planted faults

One small fault at a time in a framework's own reuse code, a hundred a framework, and whether a run of this project's specs notices it
([how](../../docs/architecture.md#planted-faults)). The share is of all that were put to the specs, reached or not;
what one backend leaves is put to others that run on the same framework (TF1's resource variables are those of TF2 and Keras too), and the
share in such a row is of what all noticed so far. `faults.jsonl` has the faults, `came.jsonl` what
came of each, `survivors.yaml` why some survive: either no user could see them, or there is a gap among the specs.

{table()}
"""


def table() -> str:
    """Return how many of the planted faults were noticed, by backend, and by kind of fault."""
    rows: list[list[Any]] = [["faults of", "put to", "planted", *ENDS, "share", "seconds", "date", "versions"]]
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    lines = list(read(CAME))
    for number, line in enumerate(lines, 1):
        came = Counter(fault["came"] for fault in line["faults"].values())
        so_far = Counter(fault["came"] for fault in came_of(line["backend"], lines[:number]).values())
        share = f"{so_far['noticed'] / (so_far.total() - so_far['not put']):.0%}"
        versions = ", ".join(f"{package} {version}" for package, version in line["packages"].items())
        ends = (came[end] for end in ENDS)
        rows.append([line["backend"], line["on"], came.total(), *ends, share, line["seconds"], line["date"], versions])
    for backend in {line["backend"]: None for line in lines}:
        operators = {fault["id"]: fault["operator"] for fault in frozen(backend)}
        for name, fault in came_of(backend, lines).items():
            kinds[operators[name]].update([fault["came"], "planted"])
    by_kind = [["kind of fault", "planted", *ENDS]]
    by_kind += [[kind, *(kinds[kind][end] for end in ("planted", *ENDS))] for kind in sorted(kinds)]
    return "\n\n".join(map(markdown, (rows, by_kind)))


def markdown(rows: list[list[Any]]) -> str:
    """Return rows, the first of which are the heads, as a table."""
    ruled = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in ruled)


def survivors(backend: str) -> Iterator[str]:
    """Yield the faults that no spec noticed, where they are and what was changed, with the sentence on each."""
    why = sentences()
    faults = {fault["id"]: fault for fault in frozen(backend)}
    for name, came in came_of(backend, read(CAME)).items():
        if came["came"] != "noticed":
            fault = faults[name]
            place = f"{fault['module']}:{fault['line']} {fault['function']}"
            told = why.get(name, "not read yet")
            yield f"{name} {came['came']}, {came['meeting']} cases meet it\n  {place}: {fault['operator']}\n  - {fault['original']}\n  + {fault['mutated']}\n  {told}"


def sentences() -> dict[str, str]:
    """Return fault -> the sentence on why it survives."""
    told: dict[str, str] = yaml.safe_load(SURVIVORS.read_text(encoding="utf-8")) or {}
    return told
