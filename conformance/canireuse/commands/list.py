"""`canireuse list`: which specs there are, and how many of them each backend can say."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from canireuse.commands.places import load_specs, specs_folder
from canireuse.spec.model import Located

if TYPE_CHECKING:
    from canireuse.results.cases import Plan


@click.command("list")
@click.argument("specs", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print ids, facets, titles, labels and counts as JSON.")
@click.option(
    "--kills", is_flag=True, help="Print which wrong models and which faults planted in frameworks each notices."
)
def list_specs(specs: tuple[str, ...], as_json: bool, kills: bool) -> None:
    """List SPECS (all if none is named): id and title."""
    loaded = load_specs(specs)
    noticed = kills_of(loaded) if kills else {}
    facets = Counter(located.facet for located in loaded)
    if as_json:
        entries = [
            {
                "id": located.id,
                "facet": located.facet,
                "title": located.spec.title,
                "contract": located.spec.contract,
                "sources": located.spec.sources,
                "labels": list(located.lines),
                **({"kills": noticed[located.id]} if kills else {}),
            }
            for located in loaded
        ]
        click.echo(json.dumps({"counts": counts(loaded, facets), "facets": dict(facets), "specs": entries}, indent=2))
        return
    for located in loaded:
        click.echo(f"{located.id:60} {located.spec.title}")
        if kills:
            click.echo("".join(f"    {line}\n" for line in told(noticed[located.id])), nl=False)
    click.echo(f"\n{len(loaded)} specs in {len(facets)} facets")


def kills_of(loaded: list[Located]) -> dict[str, dict[str, Any]]:
    """Return spec -> the animals of the zoo that it notices, and file -> the planted faults, as they were last measured."""
    path = specs_folder() / "kills.json"
    measured: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    nothing: dict[str, Any] = {"animals": [], "planted": {}}
    return {
        located.id: next(
            (nothing | measured[name] for name in (located.id, *located.spec.aliases) if name in measured), nothing
        )
        for located in loaded
    }


def told(noticed: dict[str, Any]) -> Iterator[str]:
    """Yield a line on the animals that a spec notices, and one on the planted faults of each file."""
    if noticed["animals"]:
        yield f"wrong models: {', '.join(noticed['animals'])}"
    for path, faults in noticed["planted"].items():
        yield f"{path}: {', '.join(faults)}"
    if not any(noticed.values()):
        yield "nothing yet"


def counts(loaded: list[Located], facets: Counter[str]) -> dict[str, Any]:
    """Return how many specs and facets there are, and of the cells of each backend how many have a script."""
    import canireuse_adapters  # what translates is needed for the counts alone
    from canireuse.results.cases import plan

    cells: dict[str, Counter[str]] = {name: Counter(cells=0, said=0) for name in canireuse_adapters.loadable()[0]}
    for case in plan(loaded, cells):
        cells[case.backend].update(cells=1, said=is_said(case))
    core = sum((cells[name] for name in canireuse_adapters.CORE if name in cells), Counter[str]())
    return {
        "specs": len(loaded),
        "facets": len(facets),
        "cells": {name: dict(counter) for name, counter in cells.items()},
        "core": {
            "backends": list(canireuse_adapters.CORE),
            **core,
            "share_said": round(core["said"] / core["cells"], 3) if core["cells"] else None,
        },
    }


def is_said(case: "Plan") -> bool:
    """Return whether the backend has words for a case; nothing runs to tell that."""
    from canireuse.emit import Unsupported

    try:
        case.adapter("cpu", case.way).translate(case.located.spec)
    except Unsupported:
        return False
    return True
