"""`canireuse show`: the script that a backend runs for a spec."""

import json
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

import click

import canireuse_adapters
from canireuse.commands.places import load_specs
from canireuse.emit import Unsupported, asking
from canireuse.results.records import case_id
from canireuse.spec.problems import UsageError


@click.command()
@click.argument("spec")
@click.option("--backend", required=True, metavar="NAME", help="The backend whose words are shown.")
@click.option("--device", type=click.Choice(["cpu", "gpu"]), default="cpu", help="The device the script is for.")
@click.option(
    "--standalone", is_flag=True, help="Put a two-line `observe` on top, so that it needs the framework alone."
)
@click.option("--json", "as_json", is_flag=True, help="Print id, way and script as JSON.")
def show(spec: str, backend: str, device: str, standalone: bool, as_json: bool) -> None:
    """Print the script of SPEC in the words of one backend, one for each of its ways."""
    adapter = canireuse_adapters.adapter(backend)
    loaded = load_specs((spec,))
    if len(loaded) != 1:
        raise UsageError(
            f"{spec!r} is {len(loaded)} specs\n    expected: one spec\n    to do: name its id, as `canireuse list` prints it"
        )
    installed = {}
    for package in adapter.packages:
        with suppress(PackageNotFoundError):  # the wording is then that for the newest version
            installed[package] = version(package)
    scripts, reasons = [], []
    for way in adapter.ways_of(loaded[0].spec):
        try:
            script = asking.script_of(adapter, device, way, installed, loaded[0].spec)
        except (Unsupported, asking.AdapterFault) as reason:
            reasons.append(str(reason))
            continue
        scripts.append(
            {
                "id": case_id(loaded[0].id, backend, way, device),
                "way": way,
                "script": script.standalone if standalone else script.text,
            }
        )
    if not scripts:
        raise UsageError(
            f"{backend} cannot say {loaded[0].id}: {reasons[0]}\n    expected: a spec that it can say\n    to do: try another backend"
        )
    if as_json:
        click.echo(json.dumps(scripts, indent=2))
        return
    for entry in scripts:
        if len(scripts) > 1:
            click.echo(f"# {entry['id']}")
        click.echo(entry["script"])
