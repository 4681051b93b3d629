"""`canireuse doctor`: which backends are here, on which devices, and what to install for the others."""

import json
import shutil
from contextlib import suppress
from typing import Any

import click
from rich.console import Console
from rich.table import Table

import canireuse_adapters
from canireuse.run.hosts import Host, check_platform
from canireuse.runner.session import interpreters
from canireuse.spec.vocabulary import verbs

REAL_TF1 = """\
The real TensorFlow 1 needs Python 3.7, in an environment of its own:
    python3.7 -m venv .venv-tf115
    .venv-tf115/bin/python -m pip install tensorflow==1.15.5 'protobuf<3.21' 'numpy<1.19'
    canireuse run --backend tf1 --python tf1=.venv-tf115/bin/python --results results-tf115.jsonl
    canireuse report results.jsonl results-tf115.jsonl   # both editions in one table"""


@click.command()
@click.option(
    "--python", multiple=True, metavar="BACKEND=PATH", help="The interpreter that would run a backend's scripts."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def doctor(python: tuple[str, ...], as_json: bool) -> None:
    """Import each backend's framework in a process of its own and say what is there."""
    check_platform()
    verbs()  # a feature that cannot be loaded keeps every spec from being read
    pythons = interpreters(list(python))
    found, unloadable = canireuse_adapters.loadable()
    hosts = {
        f"{name} on {engine}" if engine else name: Host(adapter, pythons.get(name), engine=engine)
        for name, adapter in found.items()
        for engine in adapter.engines or (None,)
    }
    for host in hosts.values():
        with suppress(OSError):  # `ready` says why
            host.start()
    with Console(stderr=True).status("importing every framework"):
        for host in hosts.values():
            host.ready()
            host.stop()
    if as_json:
        described: dict[str, Any] = {
            name: {
                "absent": host.absent,
                "device": host.device_name,
                "install": host.adapter.install,
                **host.environment,
            }
            for name, host in hosts.items()
        }
        described |= {name: {"absent": why, "device": "", "install": ""} for name, why in unloadable.items()}
        click.echo(json.dumps(described, indent=2))
        return
    table = Table(title="Backends", title_justify="left")
    for heading in ("backend", "here", "versions", "python", "device"):
        table.add_column(heading, overflow="fold")
    for name, host in hosts.items():
        versions = ", ".join(
            f"{package} {version}" for package, version in host.environment.get("packages", {}).items()
        )
        here = "no" if host.absent else "yes"
        table.add_row(name, here, versions, host.environment.get("python", ""), host.device_name)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for name, host in hosts.items():
        if host.absent:
            console.print(f"{name}: {host.absent}", markup=False)
    for why in unloadable.values():
        console.print(why, markup=False)
    print_advice(console, hosts)


def print_advice(console: Console, hosts: dict[str, Host]) -> None:
    """Say how the real TensorFlow 1 is had, if it is not among the hosts."""
    if not any(host.environment.get("packages", {}).get("tensorflow", "").startswith("1.") for host in hosts.values()):
        console.print(
            f"\n{REAL_TF1}"
            + ("" if shutil.which("python3.7") else "\n(python3.7 is not on the PATH; pyenv and conda have it)"),
            markup=False,
        )
