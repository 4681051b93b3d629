"""`canireuse merge`: join results files of shards, machines, devices and environments in one."""

from collections import Counter
from pathlib import Path

import click

from canireuse import VERSION
from canireuse.results import records
from canireuse.results.cases import planned_name
from canireuse.results.writer import Writer, check_place, check_replaced, command_line, lines_of
from canireuse.runner.summary import some
from canireuse.spec.problems import UsageError


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("results.jsonl"),
    show_default=True,
    help="Where the joined records go.",
)
@click.option("--replace", is_flag=True, help="Replace a file that holds more cases, or a file of another kind.")
def merge(results: tuple[Path, ...], output: Path, replace: bool) -> int:
    """Join RESULTS, files of shards, machines, devices or environments, in one.

    A case that two files hold is one if it says the same in both. Refused are files that do not belong together: of two states of a spec, of an
    environment with other versions under the same name, with two answers of one case; and those of runs that were stopped.
    Exit code 1 if planned cases have no record in any of them.
    """
    found = {path: records.read([path]) for path in results}
    if stopped := [str(path) for path, held in found.items() if len(held.footers) < len(held.headers) or held.cut]:
        raise UsageError(
            f"{some(stopped, 'file')} of a run that was stopped\n    expected: whole results files\n    to do: finish each with `canireuse run --resume`, with the options of its run"
        )
    joined = records.read(results)
    footer = footer_of(joined)
    check_place(output)
    if not replace:
        check_replaced(output, len(joined.cases), len(joined.blocks))
    writer = Writer(output)
    try:
        first = min(joined.headers, key=lambda header: header.started)
        states = {header.state for header in joined.headers}
        state = states.pop() if len(states) == 1 else ""
        writer.write(records.Header(canireuse=VERSION, started=first.started, command=command_line(), state=state))
        for line in (*lines_of(joined), *joined.measurements.values(), *joined.measurings, footer):
            writer.write(line)
        writer.close()
    finally:
        writer.close(keep=False)
    shards = sorted(header.shard for header in joined.headers if header.shard)
    click.echo(f"{len(joined.cases)} cases of {some([*map(str, results)], 'file')}: {output}")
    lacking = missing_parts(shards)
    if footer.missing:
        lacking.append(f"the records are incomplete: {some(footer.missing, 'planned case')} without a record")
    for why in lacking:
        click.echo(f"warning: {why}", err=True)
    return int(bool(lacking))


def footer_of(joined: records.Results) -> records.Footer:
    """Return the last line of joined results: what one run left out may be in the file of another."""
    here = {f"{one.spec}@{planned_name(one)}" for one in joined.cases.values()}
    verdicts = Counter(case.verdict for case in joined.cases.values())
    return records.Footer(
        cases=len(joined.cases), blocks=len(joined.blocks), seconds=sum(footer.seconds for footer in joined.footers),
        verdicts=dict(sorted(verdicts.items())), missing=[case for case in joined.missing if case not in here],
    )  # fmt: skip


def missing_parts(shards: list[str]) -> list[str]:
    """Return which shards of a run are in none of the files, in a sentence for each count of parts."""
    told = []
    for parts in sorted({shard.partition("/")[2] for shard in shards}):
        lacking = [f"{part}/{parts}" for part in range(1, int(parts) + 1) if f"{part}/{parts}" not in shards]
        told += [f"{some(lacking, 'shard')} not here"] if lacking else []
    return told
