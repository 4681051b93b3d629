"""`canireuse report`: build the page from results files; nothing is run."""

from pathlib import Path

import click
from rich.console import Console

from canireuse.commands.results import read_results
from canireuse.spec.problems import UsageError


@click.command()
@click.argument("results", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("report/index.html"),
    show_default=True,
    help="The page to write.",
)
@click.option(
    "--port",
    "ports",
    multiple=True,
    metavar="FROM:TO",
    help="Porting guides to write beside the page: FROM:TO, all, or none.  [default: from tf1 to each]",
)
def report(results: tuple[Path, ...], output: Path, ports: tuple[str, ...]) -> None:
    """Build the page from RESULTS (results.jsonl if none is named); several files are merged."""
    from canireuse_reports import build_all  # Jinja2 and Pygments are needed by this command alone

    loaded = read_results(results)
    try:
        with Console(stderr=True).status("building the page"):
            page, *guides = build_all(loaded, output, ports or None)
    except OSError as error:
        raise UsageError(
            f"the page cannot be written to {output}: {error.strerror}\n    expected: a file in a folder that can be written to\n    to do: name another with --output"
        ) from None
    blocks = f", {len(loaded.blocks)} blocks of documents" if loaded.blocks else ""
    click.echo(f"report: {page} ({page.stat().st_size / 1e6:.1f} MB, {len(loaded.cases)} cases{blocks})")
    if guides:
        click.echo(f"porting guides: {len(guides)} beside it, as {guides[0].name}")
