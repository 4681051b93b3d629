"""The summary of a run for the terminal: backends by verdicts."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from rich.table import Table

from canireuse.emit.since import SINCE
from canireuse.results.records import Case, Environment

#: verdict -> style; the word is always there beside the colour
STYLES = {
    "conforms": "green", "differs": "cyan", "fails": "bold red", "error": "bold red", "crash": "bold red",
    "timeout": "bold red", "unsupported": "dim", "skipped": "yellow",
}  # fmt: skip

#: the verdicts that fail a run
FAILING = frozenset({"fails", "error", "crash", "timeout"})
#: how many names are told of a list of them
FEW = 10
#: up to how many named backends are told why they cannot say something
FEW_BACKENDS = 2
#: how many lines of what an absent backend printed are shown
LAST_LINES = 12


def counts(cases: Iterable[Case]) -> dict[str, Counter[str]]:
    """Return backend -> verdict -> how many cases."""
    table: dict[str, Counter[str]] = {}
    for case in cases:
        table.setdefault(case.backend, Counter())[case.verdict] += 1
    return table


def summary_table(cases: Sequence[Case]) -> Table:
    """Return the table of backends by verdicts, with only the verdicts that occur."""
    by_backend = counts(cases)
    verdicts = [verdict for verdict in STYLES if any(counter[verdict] for counter in by_backend.values())]
    silent = Counter(case.backend for case in cases if case.loudness == "silent")
    table = Table(title="What holds where", title_justify="left")
    table.add_column("backend", no_wrap=True)
    for verdict in verdicts:
        table.add_column(verdict, justify="right", style=STYLES[verdict])
    table.add_column("silent", justify="right")
    table.add_column("seconds", justify="right")
    for backend, counter in by_backend.items():
        seconds = sum(case.seconds or 0.0 for case in cases if case.backend == backend)
        table.add_row(
            backend,
            *(str(counter[verdict] or "·") for verdict in verdicts),
            str(silent[backend] or "·"),
            f"{seconds:.1f}" if seconds else "·",  # what is measured waits for the others
        )
    return table


def absent_lines(environments: Iterable[Environment], named: Collection[str]) -> Iterator[str]:
    """Yield why backends were skipped; of one that was named, which fails the run, also the last that it printed."""
    for environment in environments:
        if environment.absent is None:
            continue
        engine = environment.id.partition("+")[2]
        name = f"{environment.backend} on {engine}" if engine else environment.backend
        if environment.backend not in named:
            yield printable(f"skipped: {name}: {environment.absent}")
            continue
        yield printable(f"failed: {name} was named with --backend and cannot run: {environment.absent}")
        yield from (printable(f"    | {line}") for line in environment.last_output.strip().splitlines()[-LAST_LINES:])


def alike(case: Case) -> tuple[str, ...]:
    """Return what cases that failed in the same way have in common: a hundred of them are told once."""
    reason = re.sub(r" at line \d+ of the script", "", case.reason or "")
    return case.backend, case.verdict, case.blame or "", reason


def holes(cases: Iterable[Case]) -> Iterator[str]:
    """Yield why cases have no answer in this environment that have one in another, each reason once with its count."""
    counted = Counter(
        (case.verdict, case.backend, newest_in(case.reason or ""))
        for case in cases
        if (case.verdict == "skipped" and case.script) or (case.reason or "").startswith(SINCE)
    )
    for (verdict, backend, reason), count in counted.items():
        yield f"{verdict}: {count} case{'s' * (count > 1)} of {backend}: {reason}"


def unsupported(cases: Iterable[Case]) -> Iterator[str]:
    """Yield why a backend cannot say cases, the most frequent reasons first, each with its count."""
    counted = Counter(
        (case.backend, case.reason or "")
        for case in cases
        if case.verdict == "unsupported" and not (case.reason or "").startswith(SINCE)
    )
    for (backend, reason), count in counted.most_common(FEW):
        yield f"unsupported: {count} case{'s' * (count > 1)} of {backend}: {reason}"
    if others := counted.most_common()[FEW:]:
        cases_left = sum(count for _, count in others)
        yield f"unsupported: {cases_left} more, for {len(others)} other reason{'s' * (len(others) > 1)}; the records have each"


def newest_in(reason: str) -> str:
    """Return a reason with the newest version alone that a script needs: cases that also need others are alike in that."""
    return reason.partition("; ")[0] if reason.startswith(SINCE) else reason


def printable(text: str) -> str:
    """Return a text without what a terminal would obey: messages of frameworks may hold anything."""
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)


def some(names: Sequence[str], noun: str) -> str:
    """Return how many there are of something, with the first names: `2 cases (a, b)`."""
    told = ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")
    return f"{len(names)} {noun}{'s' * (len(names) != 1)} ({told})"


def explain(record: Case) -> str:
    """Return a failed case in words: the reason, every broken expectation, and what to do."""
    lines = []
    for one in record.expectations:
        if not one.holds:
            wanted = (
                f"{one.declared!r} (declared; the contract says {one.contract!r})"
                if one.is_declared
                else repr(one.contract)
            )
            lines.append(f"    {one.label}: expected {wanted}, observed {one.observed!r}")
    lines += [f"    {label}: not observed: one place, there are no two to compare" for label in record.one_place]
    head = [f"{record.id}: {record.verdict}, blame: {record.blame}"]
    head += [f"    {record.reason}"] if f"    {record.reason}" not in lines else []
    lines = head + lines
    lines += (
        [f"    output: {record.output.strip()[-1500:]}"] if record.output.strip() and record.verdict != "fails" else []
    )
    lines.append(f"    to do: read the script with `canireuse show {record.spec} --backend {record.backend}`")
    return printable("\n".join(lines))
