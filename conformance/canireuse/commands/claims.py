"""`canireuse claims`: what the documents claim, what the results say to it, and what to write instead."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from canireuse.commands.results import read_results
from canireuse.results.deciding import MEANINGS, ClaimVerdict, judge_claims, remarks_on
from canireuse.results.records import Results
from canireuse.spec.problems import UsageError

STYLES = {
    "refuted": "bold red",
    "depends": "yellow",
    "confirmed": "green",
    "undecided": "magenta",
    "not checkable": "dim",
}
#: verdict -> what is told before why it is so
BEFORE = {"refuted": "observed: ", "depends": "depends: ", "undecided": "undecided: "}


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
    """Print every claim (or those of IDS) with its computed verdict, what was observed, and what to write instead.

    A claim is refuted if it is false where its document stands: in tf.compat.v1 in graph mode, or in TensorFlow 2. Exit
    code 1 if a claim is undecided, because the results lack the run that decides it, or if what to write instead of a
    refuted one was not seen to do so.
    """
    read = read_results(results)
    verdicts = judge_claims(read)
    if not verdicts:
        raise UsageError(
            "these results hold no claims\n    expected: results of a run of specs, beside which the claims files are\n    to do: make them with `canireuse run`; the records of blocks alone judge no claim"
        )
    unknown = set(ids) - {one.claim.id for one in verdicts}
    if unknown:
        raise UsageError(
            f"there is no claim {', '.join(sorted(unknown))}\n    expected: ids that `canireuse claims` prints\n    to do: check the ids, and that the results hold all specs"
        )
    chosen = [one for one in verdicts if (not ids or one.claim.id in ids) and verdict in (None, one.verdict)]
    if as_json:
        click.echo(json.dumps([one.model_dump(mode="json") for one in chosen], indent=2))
    else:
        show(chosen, read)
    return int(any(one.verdict == "undecided" or not is_shown(one) for one in chosen))


def show(chosen: Sequence[ClaimVerdict], read: Results) -> None:
    """Print claims, the remarks on their documents, and how many there are of each verdict."""
    console = Console(highlight=False, soft_wrap=True)
    for one in chosen:
        console.print(
            f"[{STYLES[one.verdict]}]{one.verdict:13}[/] [bold]{escape(one.claim.id)}[/]  {escape(one.claim.document)}:{one.claim.line}"
        )
        for line in told(one):
            if console.is_terminal:  # a line that goes on stays under its beginning
                console.print(Padding(Text(line), (0, 0, 0, 4), expand=False), soft_wrap=False)
            else:
                console.print(f"    {line}", markup=False)
        for command in dict.fromkeys(piece.command for piece in one.evidence):
            console.print(f"    $ {command}", markup=False, style="dim")
    for document in {one.document.id: one.document for one in chosen}.values():
        for remark in remarks_on(document, read):
            console.print(f"{document.id}: {remark.remark.strip()}", markup=False)
    counts = Counter(one.verdict for one in chosen)
    for word, meaning in MEANINGS.items():
        if counts[word]:
            console.print(f"{counts[word]:4} {word}: {meaning}", markup=False)


def told(one: ClaimVerdict) -> Iterator[str]:
    """Yield what there is to say of a claim, a line each."""
    yield one.claim.claim.strip()
    yield BEFORE.get(one.verdict, "") + one.why
    if one.eager:
        mode = "as it is printed, in TensorFlow 2" if one.claim.printed else "in eager mode"
        yield f"{mode}: {'; '.join(dict.fromkeys(piece.found for piece in one.eager))}"
    if one.instead:
        shown = ", ".join(piece.case_id for piece in one.instead.shown) or "no run of it is in these results"
        yield f"instead: {one.instead.write.strip()} ({shown if one.instead.holds else 'not shown: ' + shown})"


def is_shown(one: ClaimVerdict) -> bool:
    """Return whether what to write instead was seen to do what it is written for, or nothing is to be."""
    return one.verdict != "refuted" or (one.instead is not None and one.instead.holds)
