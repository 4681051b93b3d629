"""`canireuse diff`: which verdicts and which times changed from one results file to another."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from canireuse.commands.results import read_results
from canireuse.measure.difference import Difference, TimeChange, difference
from canireuse.measure.quantities import seconds
from canireuse.runner.summary import STYLES

#: where not all are asked for, so many cases that one side alone holds are named
FEW = 10


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Every time that both have, and every case that one has alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the difference as JSON.")
def diff(old: Path, new: Path, everything: bool, as_json: bool) -> int:
    """Print what changed from the results OLD to the results NEW: verdicts, and times beyond the floor.

    The floor is what a backend differed from itself in the two runs. Exit code 1 if a verdict or a time
    changed; cases that one side alone holds are told, and change nothing.
    """
    found = difference(read_results([old]), read_results([new]))
    if as_json:
        click.echo(json.dumps({"changed": found.changed, **asdict(found)}, indent=2, ensure_ascii=False))
        return int(found.changed)
    console = Console(highlight=False, soft_wrap=True)
    print_verdicts(console, found)
    print_times(console, found, everything=everything)
    for title, cases in (("only in the old results", found.gone), ("only in the new results", found.added)):
        if cases:
            console.print(f"\n[bold]{len(cases)} {'case' if len(cases) == 1 else 'cases'} {title}[/]")
            shown = cases if everything else cases[:FEW]
            console.print("\n".join(f"    {case}" for case in shown), markup=False)
            if len(shown) < len(cases):
                console.print(f"    ... and {len(cases) - len(shown)} more; --all names them", style="dim")
    return int(found.changed)


def print_verdicts(console: Console, found: Difference) -> None:
    """Print the verdicts that changed, and what changed around them."""
    for line in found.surroundings:
        console.print(f"changed around the scripts: {line}", markup=False, style="yellow")
    if not found.verdicts:
        console.print("no verdict changed")
        return
    console.print(f"[bold]{len(found.verdicts)} {'verdict' if len(found.verdicts) == 1 else 'verdicts'} changed[/]")
    for change in found.verdicts:
        style = STYLES.get(change.new.partition(" ")[0], "")
        console.print(f"    {escape(change.case)}: {change.old} → [{style or 'none'}]{change.new}[/]")
        if change.reason:
            console.print(f"        {change.reason}", markup=False, style="dim")


def print_times(console: Console, found: Difference, *, everything: bool) -> None:
    """Print the times that changed beyond the floor, or all."""
    changed = [time for time in found.times if time.changed]
    if not found.times:
        console.print("no loop was timed in both")
        return
    console.print(
        f"{len(changed)} of {len(found.times)} times changed beyond the floor of {found.floor:.1%}"
        " (of comparisons of a program with itself, one in twenty may be beyond it)"
    )
    for time in found.times if everything else changed:
        console.print(
            f"    [{'dim' if not time.changed else 'red' if time.ratio.value > 1 else 'green'}]{told(time)}[/]"
        )
        console.print(f"        {time.name}: {seconds(time.old)} → {seconds(time.new)}", markup=False)


def told(time: TimeChange) -> str:
    """Return a change in words, with its interval."""
    low, high = time.ratio.low, time.ratio.high
    interval = f"{low:.3f} to {high:.3f}" if low is not None and high is not None else "too few processes"
    word = ("slower" if time.ratio.value > 1 else "faster") if time.changed else "no difference seen"
    return f"{word}: {time.ratio.value:.3f} times as long ({interval})"
