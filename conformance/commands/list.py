"""`canireuse list`: which specs there are."""

import json
from collections import Counter

import click

from conformance.commands.places import load_specs


@click.command("list")
@click.argument("specs", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print ids, facets, titles and labels as JSON.")
def list_specs(specs: tuple[str, ...], as_json: bool) -> None:
    """List SPECS (all if none is named): id and title."""
    loaded = load_specs(specs)
    facets = Counter(located.facet for located in loaded)
    if as_json:
        entries = [
            {
                "id": located.id,
                "facet": located.facet,
                "title": located.spec.title,
                "contract": located.spec.contract,
                "labels": list(located.lines),
            }
            for located in loaded
        ]
        click.echo(json.dumps({"facets": dict(facets), "specs": entries}, indent=2))
        return
    for located in loaded:
        click.echo(f"{located.id:60} {located.spec.title}")
    click.echo(f"\n{len(loaded)} specs in {len(facets)} facets")
