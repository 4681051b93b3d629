"""`canireuse port`: what somebody has to know who carries code from one backend to another."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table

from conformance import records
from conformance.problems import UsageError

if TYPE_CHECKING:
    from reports.port import Guide, Pair

TOLD = {
    "silent": "nobody tells you: no error, no warning, another result",
    "warned": "you get a warning, and another result",
    "late": "an error comes later, at another place",
    "refused": "an error comes at the place itself",
    None: "where no contract says who is right",
}


@click.command()
@click.argument("source")
@click.argument("target")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Results files to read.  [default: results.jsonl]",
)
@click.option("--scripts", metavar="SPEC", help="Print the two scripts of a scenario side by side, by its id.")
@click.option("--all", "everything", is_flag=True, help="List every scenario, also those that carry over.")
def port(source: str, target: str, results: tuple[Path, ...], scripts: str | None, everything: bool) -> None:
    """Print the porting guide from SOURCE to TARGET, as in `canireuse port tf1 torch`, from results alone."""
    from reports.port import guide  # what builds pages is needed by few commands
    from reports.view import view

    made = guide(view(records.read(results or (Path("results.jsonl"),))), source, target)
    console = Console(highlight=False)
    if scripts:
        print_scripts(console, made, scripts)
        return
    console.print(f"[bold]From {made.source_title} to {made.target_title}[/]")
    console.print(", ".join(f"{count} {words}" for words, count in made.counts.items()) + "\n")
    print_differences(console, made)
    print_missing(console, made, everything=everything)
    print_carried(console, made, everything=everything)


def print_differences(console: Console, made: "Guide") -> None:
    """Print what behaves differently, what bites first in front."""
    for told, pairs in made.differs.items():
        console.rule(f"[bold]Behaves differently: {TOLD[told]}[/] ({len(pairs)})", align="left")
        for pair in pairs:
            console.print(f"\n[bold]{pair.spec.line.title}[/] [dim]{pair.spec.line.id}[/]")
            for label, before, after in pair.answers[:3]:
                console.print(f"  {label}: {before} -> {after}", markup=False)
            if pair.safe_ways:
                console.print(f"  as before by: {', '.join(pair.safe_ways)}", markup=False)
            if pair.because:
                console.print(f"  {pair.because}", markup=False, style="dim")
        console.print()


def print_missing(console: Console, made: "Guide", *, everything: bool) -> None:
    """Print what has no equivalent, each with the reason, which says what people do instead."""
    if not made.missing:
        return
    console.rule("[bold]No equivalent, and what people do instead[/]", align="left")
    for reason, specs in sorted(made.missing.items(), key=lambda pair: -len(pair[1])):
        console.print(f"  {reason} [dim]({len(specs)} scenarios)[/]")
        for spec in specs if everything else specs[:2]:
            console.print(f"    {spec.line.title}", markup=False, style="dim")
    console.print()


def print_carried(console: Console, made: "Guide", *, everything: bool) -> None:
    """Print how many scenarios carry over; with `everything` each of them."""
    console.rule("[bold]The same, in other words[/]", align="left")
    for facet, pairs in made.spelled.items():
        console.print(f"  {facet}: {len(pairs)} scenarios")
        for pair in pairs if everything else pairs[:2]:
            console.print(f"    {pair.spec.line.title} [dim]{pair.spec.line.id}[/]")
    if made.same:
        console.print(f"\n  word for word: {len(made.same)} scenarios")
        for pair in made.same if everything else []:
            console.print(f"    {pair.spec.line.title} [dim]{pair.spec.line.id}[/]")
    console.print(
        f"\n  side by side: canireuse port {made.source} {made.target} --scripts SPEC; "
        "everything: --all; as a page: canireuse report",
        markup=False,
    )


def print_scripts(console: Console, made: "Guide", spec: str) -> None:
    """Print the scripts of one scenario side by side, or one after the other where there is no room."""
    pairs = [
        *made.same,
        *(pair for group in (made.spelled, made.differs) for pairs in group.values() for pair in pairs),
    ]
    found: Pair | None = next((pair for pair in pairs if pair.spec.line.id == spec), None)
    if found is None:
        raise UsageError(
            f"{spec!r} is no scenario that both {made.source} and {made.target} ran\n    expected: an id that the guide prints\n    to do: `canireuse port {made.source} {made.target} --all` lists them"
        )
    panels = [
        Panel(Syntax(case.case.script or "", "python", word_wrap=True, background_color="default"), title=title)
        for case, title in ((found.source, made.source_title), (found.target, made.target_title))
    ]
    console.print(f"[bold]{found.spec.line.title}[/] [dim]{spec}[/]\n")
    if console.width >= 140:  # noqa: PLR2004  # two scripts of 68 columns
        table = Table.grid(expand=True)
        table.add_column(ratio=1)
        table.add_column(ratio=1)
        table.add_row(*panels)
        console.print(table)
    else:
        console.print(Columns(panels, expand=True))
    for label, before, after in found.answers:
        console.print(f"  {label}: {before} -> {after}", markup=False)
    if found.because:
        console.print(f"\n  {found.because}", markup=False)
