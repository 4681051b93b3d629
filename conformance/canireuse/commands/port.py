"""`canireuse port`: what somebody has to know who carries code from one backend to another."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.columns import Columns
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from canireuse.commands.results import read_results
from canireuse.spec.problems import UsageError

if TYPE_CHECKING:
    from canireuse_reports.port import Guide, Lesson, Pair

#: how many scenarios of an explanation are listed, if not all are asked for
FEW = 3
#: from this width on two scripts stand side by side, of 68 columns each
WIDE = 140


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
    from canireuse_reports.port import guide  # what builds pages is needed by few commands
    from canireuse_reports.view import view

    made = guide(view(read_results(results)), source, target)
    console = Console(highlight=False)
    if scripts:
        print_scripts(console, made, scripts)
        return
    console.print(f"[bold]From {made.source_title} to {made.target_title}[/]\n{made.lead}\n")
    print_differences(console, made, everything=everything)
    print_missing(console, made, everything=everything)
    print_carried(console, made, everything=everything)


def print_title(console: Console, title: str, count: int) -> None:
    """Print a heading that is cut at no width."""
    console.print(f"[bold]{title}[/] [dim]({count} scenario{'s' if count != 1 else ''})[/]")
    console.rule(style="dim")


def print_differences(console: Console, made: "Guide", *, everything: bool) -> None:
    """Print what behaves differently, what bites first in front: each explanation, then what it explains."""
    from canireuse_reports.port import TOLD

    for told, lessons in made.differs.items():
        words = f"Behaves differently, and {TOLD[told]}" if told else f"Behaves differently, {TOLD[told]}"
        print_title(console, words, made.differing[told])
        for lesson in lessons:
            print_lesson(console, made, lesson, everything=everything)


def print_lesson(console: Console, made: "Guide", lesson: "Lesson", *, everything: bool) -> None:
    """Print an explanation and the scenarios that it explains, each with the first answer that is otherwise."""
    of = "" if lesson.of in {"", made.target_title} else f"In {lesson.of}: "
    because = lesson.because or "Nobody has explained these yet:"
    console.print(Padding(Text(of, style="bold").append(because, style="not bold"), (0, 0, 0, 1)))
    shown = lesson.pairs if everything else lesson.pairs[:FEW]
    for pair in shown:
        label, before, after = pair.answers[0]
        title = Text(pair.spec.line.title, style="bold").append(f" {pair.spec.line.id}", style="not bold dim")
        console.print(Padding(title, (0, 0, 0, 3)))
        by = f" by {pair.by}" if pair.by else ""
        safe = f"; as before by {pair.safe}" if pair.safe else ""
        console.print(Padding(Text(f"{label}: {before} -> {after}{by}{safe}", style="dim"), (0, 0, 0, 5)))
    if len(shown) < len(lesson.pairs):
        console.print(f"   [dim]and {len(lesson.pairs) - len(shown)} more (--all)[/]")
    console.print()


def print_missing(console: Console, made: "Guide", *, everything: bool) -> None:
    """Print what has no equivalent, each with the reason, which says what people do instead."""
    if not made.missing:
        return
    print_title(console, "No equivalent, and what people do instead", sum(map(len, made.missing.values())))
    for reason, specs in made.missing.items():
        console.print(Padding(Text(f"{reason} ").append(f"({len(specs)})", style="dim"), (0, 0, 0, 1)))
        for spec in specs if everything else specs[:1]:
            console.print(Padding(Text(spec.line.title, style="dim"), (0, 0, 0, 3)))
    console.print()


def print_carried(console: Console, made: "Guide", *, everything: bool) -> None:
    """Print how many scenarios carry over; with `everything` each of them."""
    print_title(console, "The same in other words", sum(map(len, made.spelled.values())))
    for facet, pairs in {**made.spelled, "word for word": made.same}.items():
        if pairs:
            console.print(f" {facet}: {len(pairs)}")
        for pair in pairs if everything else []:
            title = Text(pair.spec.line.title).append(f" {pair.spec.line.id}", style="dim")
            console.print(Padding(title, (0, 0, 0, 3)))
    console.print(
        f"\n side by side: canireuse port {made.source} {made.target} --scripts SPEC\n everything: --all; as a page: canireuse report --port {made.source}:{made.target}",
        markup=False,
    )


def coloured(script: str) -> Text:
    """Return a script in colours, which no width cuts a word off."""
    text = Syntax(script, "python", background_color="default").highlight(script)
    text.overflow = "fold"
    return text


def print_scripts(console: Console, made: "Guide", spec: str) -> None:
    """Print the scripts of one scenario side by side, or one after the other where there is no room."""
    found: Pair | None = next((pair for pair in made.pairs() if pair.spec.line.id == spec), None)
    if found is None:
        raise UsageError(
            f"{spec!r} is no scenario that both {made.source} and {made.target} ran\n    expected: an id that the guide prints\n    to do: `canireuse port {made.source} {made.target} --all` lists them"
        )
    panels = [
        Panel(coloured(case.case.script or ""), title=title)
        for case, title in ((found.source, made.source_title), (found.target, made.target_title))
    ]
    console.print(f"[bold]{found.spec.line.title}[/] [dim]{spec}[/]\n")
    if console.width >= WIDE:
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
