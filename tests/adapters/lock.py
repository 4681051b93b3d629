"""The lock: a tracked line for each case below the id of its spec, from which it is seen which scripts and refusals a change has changed.

    python -m tests.adapters.lock                          # what differs from the tracked file; exit code 1 if anything does
    python -m tests.adapters.lock --update                 # write the tracked file
    python -m tests.adapters.lock --diff REV [PATTERN...]  # the diff of each script that changed since a revision, of ids that match

A line has the id of a case, `script` or `refusal`, and a digest: of a script as `ast.unparse` has it, so that neither its
formatting nor the version of Python matters, together with its way, its idioms and what it leaves out as one place; of a
refusal's sentence. A case for `gpu`, or on an older edition of a framework, has a line only where it differs. No framework
is imported.
"""

import argparse
import ast
import difflib
import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Any

from canireuse.results.records import case_id, digest
from canireuse.spec.problems import UsageError
from tests.adapters import translations

ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).with_name("scripts.lock")
DIGITS = 16
MOST_SHOWN = 20
COMMAND = "python -m tests.adapters.lock"
#: what has to be there for the scripts of a revision to be made: packages, and what makes their translations, for modules move
PACKAGES = ("conformance/canireuse", "adapters/canireuse_adapters")
HOW = Path("tests", "adapters", "translations.py")


def by_id(made: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return translations by the ids of their cases, in order."""
    found = {case_id(one["spec"], one["backend"], one["way"], one["device"]): one for one in made}
    return dict(sorted(found.items()))


def sealed(made: Mapping[str, Any]) -> str:
    """Return what a line has after the id: the kind of a translation, and its digest."""
    if "refusal" in made:
        return f"refusal {digest(made['refusal'])[:DIGITS]}"
    facts = [ast.unparse(ast.parse(made["script"])), made["way"], made["idioms"], made.get("one_place", [])]
    return f"script {digest(json.dumps(facts, sort_keys=True))[:DIGITS]}"


def lines_of(made: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the lines of the lock, sorted by id."""
    return [f"{name} {sealed(one)}" for name, one in by_id(made).items()]


def differences(tracked: Iterable[str], now: Iterable[str]) -> dict[str, str]:
    """Return id -> what became of it between two locks, in order; empty if they are the same."""
    before, after = (dict(line.split(" ", 1) for line in lines) for lines in (tracked, now))
    became = {}
    for name in sorted({*before, *after}):
        if name not in after:
            became[name] = "is gone"
        elif name not in before:
            became[name] = "is new"
        elif before[name] != after[name]:
            kinds = before[name].split()[0], after[name].split()[0]
            became[name] = f"was changed: {kinds[0]}" + ("" if kinds[0] == kinds[1] else f", now {kinds[1]}")
    return became


def report(became: Mapping[str, str], most: int = MOST_SHOWN) -> str:
    """Return in words what differs from the tracked file, what was expected, and what to do."""
    shown = [f"    {name} {what}" for name, what in [*became.items()][:most]]
    more = [f"    and {len(became) - most} more"] if len(became) > most else []
    happened = f"{len(became)} of the scripts and refusals differ from {LOCK.relative_to(ROOT)}:"
    expected = "    expected: what the adapters say is what was looked at last"
    advice = (
        f"    to do: read the diffs, `{COMMAND} --diff HEAD`; if they are meant, `{COMMAND} --update`, and commit both"
    )
    return "\n".join([happened, *shown, *more, expected, advice])


def written(lines: Iterable[str]) -> str:
    """Return sorted lines as the tracked file has them: the id of a spec once, and below it what is left of each line."""
    text = []
    for spec, cases in groupby(lines, lambda line: line.partition("@")[0]):
        text += [spec, *(case.removeprefix(spec) for case in cases)]
    return "".join(f"{line}\n" for line in text)


def read(text: str) -> list[str]:
    """Return the lines of the tracked file, each with its whole id."""
    lines, spec = [], ""
    for line in text.splitlines():
        if line.startswith("@"):
            lines.append(spec + line)
        else:
            spec = line
    return lines


def tracked_lines() -> list[str]:
    """Return the lines of the tracked file, none if there is no file."""
    return read(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else []


def git(root: Path, *arguments: str) -> str:
    """Return what a git command says; raise UsageError if it fails."""
    try:
        ran = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        why = "git is not installed"
    else:
        if not ran.returncode:
            return ran.stdout.strip()
        why = ran.stderr.strip()
    raise UsageError(
        f"`git {' '.join(arguments)}` failed: {why}\n    expected: a checkout with its history\n    to do: check the revision; `git log --oneline` names those that are here"
    )


def at_revision(root: Path, revision: str) -> list[dict[str, Any]]:
    """Return the translations of a revision, made by its own packages from its own specs; raise UsageError if they cannot be made."""
    commit = git(root, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch, "tree")
        git(root, "worktree", "add", "--detach", "--quiet", str(tree), commit)
        try:
            return translated_in(tree, Path(scratch, "installed"))
        finally:
            git(root, "worktree", "remove", "--force", str(tree))


def translated_in(tree: Path, installed: Path) -> list[dict[str, Any]]:
    """Return the translations of a checkout, made by its own `translations.py` in a process that has its packages first on the path."""
    if lacks := [name for name in (*PACKAGES, HOW) if not (tree / name).exists()]:
        raise UsageError(
            f"that revision has no {lacks[0]}\n    expected: one in which the packages are where they are now\n    to do: name a later revision"
        )
    metadata = installed / "canireuse-0.dist-info"  # before that of the checkout that is installed
    metadata.mkdir(parents=True)
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = {group: named for group, named in project["entry-points"].items() if group.startswith("canireuse.")}
    lines = [
        line for group, named in points.items() for line in (f"[{group}]", *(f"{one} = {named[one]}" for one in named))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    path = os.pathsep.join(map(str, (installed, *((tree / name).parent for name in PACKAGES))))
    ran = subprocess.run(
        [sys.executable, "-P", str(tree / HOW), str(tree)], cwd=tree, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode:
        raise UsageError(
            f"the scripts of that revision cannot be made:\n{ran.stderr.strip()}\n    expected: adapters that translate or refuse every spec\n    to do: name another revision, or install what it lacks"
        )
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


def shown(made: Mapping[str, Any] | None) -> list[str]:
    """Return a translation as lines to compare: the script as it is formatted, with what else the lock holds of it."""
    if made is None:
        return []
    if "refusal" in made:
        return [f"refused: {made['refusal']}"]
    notes = [f"# idiom: {note}" for note in made["idioms"]]
    notes += [f"# one place, not observed: {label}" for label in made.get("one_place", ())]
    return [*made["script"].splitlines(), *notes]


def diffs(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]], patterns: Sequence[str] = ()
) -> Iterator[str]:
    """Yield the unified diff of each case that changed and whose id matches one of the patterns, if there are any."""
    for name in sorted({*before, *after}):
        if patterns and not any(fnmatchcase(name, pattern) for pattern in patterns):
            continue
        old, new = before.get(name), after.get(name)
        if old != new and (old is None or new is None or sealed(old) != sealed(new)):
            yield "\n".join(difflib.unified_diff(shown(old), shown(new), f"a/{name}", f"b/{name}", lineterm=""))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, update or show; return the exit code."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Compare what the adapters say with the tracked lock.")
    parser.add_argument("--update", action="store_true", help="write the tracked file")
    parser.add_argument("--diff", metavar="REV", help="print the diffs of scripts that changed since a revision")
    parser.add_argument(
        "patterns", nargs="*", metavar="PATTERN", help="with --diff: only ids like this, as in 'ties/*@torch*'"
    )
    options = parser.parse_args(arguments)
    if options.patterns and not options.diff:
        parser.error(
            "patterns narrow what --diff shows\n    expected: --diff REV\n    to do: name a revision, or leave them out"
        )
    try:
        before = by_id(at_revision(ROOT, options.diff)) if options.diff else {}
        after = by_id(translations.translations(ROOT))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.diff:
        found = [*diffs(before, after, options.patterns)]
        print(*found, sep="\n", end="\n" if found else "")
        print(f"cases that differ from {options.diff}: {len(found)}", file=sys.stderr)
        return int(bool(found))
    now = [f"{name} {sealed(one)}" for name, one in after.items()]
    became = differences(tracked_lines(), now)
    if options.update:
        LOCK.write_text(written(now), encoding="utf-8")
        print(f"{LOCK.relative_to(ROOT)}: {len(now)} lines, {len(became)} of them changed, new or gone")
        return 0
    if became:
        print(report(became, len(became)))
    return int(bool(became))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a pager that is closed ends it
    sys.exit(main())
