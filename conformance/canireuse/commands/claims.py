"""`canireuse claims`: what the documents claim, and what the results say to it."""

import json
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from canireuse.claims import judge_claims
from canireuse.commands.results import read_results
from canireuse.problems import UsageError

STYLES = {
    "confirmed": "green",
    "refuted": "bold red",
    "depends": "yellow",
    "not checkable": "dim",
    "undecided": "magenta",
}


@click.command()
@click.argument("ids", nargs=-1)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Results files to judge by.  [default: results.jsonl]",
)
@click.option("--verdict", type=click.Choice(list(STYLES)), help="Only claims with this verdict.")
@click.option("--json", "as_json", is_flag=True, help="Print claims, verdicts and evidence as JSON.")
def claims(ids: tuple[str, ...], results: tuple[Path, ...], verdict: str | None, as_json: bool) -> int:
    """Print every claim (or those of IDS) with its computed verdict and the run that decides it.

    Exit code 1 if a claim is undecided, because the results lack the run that decides it.
    """
    verdicts = judge_claims(read_results(results))
    unknown = set(ids) - {one.claim.id for one in verdicts}
    if unknown:
        raise UsageError(
            f"there is no claim {', '.join(sorted(unknown))}\n    expected: ids that `canireuse claims` prints\n    to do: check the ids, and that the results hold all specs"
        )
    chosen = [one for one in verdicts if (not ids or one.claim.id in ids) and verdict in (None, one.verdict)]
    if as_json:
        click.echo(json.dumps([one.model_dump(mode="json") for one in chosen], indent=2))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for one in chosen:
            console.print(
                f"[{STYLES[one.verdict]}]{one.verdict:13}[/] [bold]{escape(one.claim.id)}[/]  {escape(one.claim.document)}:{one.claim.line}"
            )
            console.print(f"    {one.claim.claim}\n    {one.why}", markup=False)
            for command in dict.fromkeys(piece.command for piece in one.evidence):
                console.print(f"    $ {command}", markup=False, style="dim")
        console.print(
            ", ".join(f"{count} {word}" for word, count in Counter(one.verdict for one in chosen).most_common())
        )
    return int(any(one.verdict == "undecided" for one in chosen))
