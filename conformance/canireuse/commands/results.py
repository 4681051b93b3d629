"""The results files that commands are given, and what to know before one believes them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from canireuse.results import records
from canireuse.runner.summary import some


def read_results(paths: Sequence[Path]) -> records.Results:
    """Read and merge results files, `results.jsonl` if none is named; warn of what is missing from them."""
    results = records.read(paths or (Path("results.jsonl"),))
    for line in incomplete(results):
        click.echo(f"warning: {line}", err=True)
    return results


def incomplete(results: records.Results) -> Iterator[str]:
    """Yield what is missing from results, a sentence each."""
    yield from results.cut
    if len(results.footers) < len(results.headers) and not results.cut:
        yield "a results file has no footer: its run did not end, and what it did not reach is missing"
    if results.missing:
        yield f"the records are incomplete: {some(results.missing, 'planned case')} without a record"
