"""`canireuse report`: build the page from results files; nothing is run."""

from pathlib import Path

import click

from conformance import records


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
def report(results: tuple[Path, ...], output: Path) -> None:
    """Build one HTML file from RESULTS (results.jsonl if none is named); several files are merged."""
    from reports import build  # Jinja2 and Pygments are needed by this command alone

    paths = results or (Path("results.jsonl"),)
    loaded = records.read(paths)
    if not loaded.complete:
        click.echo(
            "warning: a results file has no footer: its run did not end, and the report lacks what it did not reach",
            err=True,
        )
    page = build(loaded, output)
    click.echo(f"report: {page} ({page.stat().st_size / 1e6:.1f} MB, {len(loaded.cases)} cases)")
