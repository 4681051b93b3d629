"""`canireuse run`: run specs on backends. It is `pytest` on the folder of specs, with another display."""

import json
import os
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import click
import pytest

from canireuse.commands.places import spec_paths
from canireuse.measure.measuring import DEFAULT_BUDGET
from canireuse.run.hosts import IMPORT_LIMIT
from canireuse.runner.progress import Display
from canireuse.spec.problems import UsageError

#: what keeps the configuration and the plugins of the project in which the command is given out of the run
ALONE = {
    "PYTEST_ADDOPTS": "",
    "PYTEST_PLUGINS": "",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTHONSAFEPATH": "1",  # workers begin with the folder on their path
}

#: plugins of pytest's own that a run has no use for: each takes part in every item
UNUSED = ("terminal", "cacheprovider", "doctest", "logging", "threadexception", "unraisableexception", "warnings")


@click.command(context_settings={"ignore_unknown_options": False})
@click.argument("specs", nargs=-1)
@click.option(
    "--document",
    "documents",
    multiple=True,
    metavar="FILE.md",
    help="Run the Python blocks of Markdown documents (a folder: all below) instead of specs. This runs whatever code stands in them, as you.",
)
@click.option("--together", is_flag=True, help="Run the blocks of a document in order, in one namespace.")
@click.option(
    "--backend",
    multiple=True,
    metavar="NAME[,NAME]",
    help="Backends to run: the run fails if one of them is absent. All that are installed if left out.",
)
@click.option(
    "--device", type=click.Choice(["cpu", "gpu", "auto"]), default="auto", help="Where scripts place variables."
)
@click.option("--python", multiple=True, metavar="BACKEND=PATH", help="The interpreter that runs a backend's scripts.")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results.jsonl"),
    show_default=True,
    help="Where the records go.",
)
@click.option(
    "--replace",
    is_flag=True,
    help="Replace a results file that holds more cases than the run, or a file of another kind.",
)
@click.option(
    "--again", is_flag=True, help="Run all, also what ran before in this environment and whose result would be used."
)
@click.option("--resume", is_flag=True, help="Go on with the run that was stopped before the results file was whole.")
@click.option(
    "--shard",
    default="",
    metavar="PART/PARTS",
    help="Run one part of the specs, as in 2/8; `canireuse merge` joins the files of all.",
)
@click.option("-k", "keyword", metavar="EXPRESSION", help="Only cases whose names match, as in pytest.")
@click.option("-n", "workers", metavar="N", help="Worker processes, as in pytest-xdist; one backend, one worker.")
@click.option("--limit", type=float, default=60.0, show_default=True, metavar="SECONDS", help="Time a script may take.")
@click.option(
    "--import-limit",
    type=float,
    default=IMPORT_LIMIT,
    show_default=True,
    metavar="SECONDS",
    help="Time a framework may take to import.",
)
@click.option(
    "--measure", is_flag=True, help="Time the measured loops, one at a time; no time is kept of what does not pass."
)
@click.option(
    "--budget",
    type=float,
    default=DEFAULT_BUDGET,
    show_default=True,
    metavar="SECONDS",
    help="Time that measuring takes; more gives more processes, more rounds and larger sizes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def run(
    specs: tuple[str, ...],
    documents: tuple[str, ...],
    together: bool,
    backend: tuple[str, ...],
    device: str,
    python: tuple[str, ...],
    results: Path,
    replace: bool,
    again: bool,
    resume: bool,
    shard: str,
    keyword: str | None,
    workers: str | None,
    limit: float,
    import_limit: float,
    measure: bool,
    budget: float,
    as_json: bool,
) -> int:  # click hands every option over
    """Run SPECS (paths, facets or ids; all if none is named) and write the records.

    The same cases and records as `pytest specs` with the same options, without the settings and plugins that pytest has here;
    what pytest alone has, such as --junitxml, is there.

    With --document FILE.md ..., what is named are Markdown documents or folders of them. Each fenced Python block runs as it is printed, in a
    fresh process, on the framework that it imports (TensorFlow: as TensorFlow 2, and as TensorFlow 1, where `tf` is
    `tf.compat.v1` in graph mode), and what it promises is compared with what comes: `print(x)  # Output: TEXT`,
    `f()  # raises ERROR: TEXT`, and answers below `>>>`. Exit code 0 if every block is as it says.

    CAUTION: the blocks of a document are somebody's programs. They run with all that your user may do, in processes with a time limit
    and a scratch folder of their own, and there is no sandbox around them: read strangers' documents first, or run them where nothing can be lost.
    """
    if documents:
        if "" in (*documents, *specs):
            raise UsageError(
                "a document has the name ''\n    expected: a Markdown file, or a folder of them\n    to do: name it; all below this folder is `.`"
            )
        refused = {"-k": keyword, "--measure": measure, "--budget": budget != DEFAULT_BUDGET}
        refused |= {"--again": again, "--resume": resume, "--shard": shard}
        return run_documents(
            [option for option, given in refused.items() if given],
            documents=tuple(map(Path, (*documents, *specs))), backend=backend, device=device, python=python, results=results,
            replace=replace, workers=workers, limit=limit, import_limit=import_limit, together=together, as_json=as_json,
        )  # fmt: skip
    if together:
        raise UsageError(
            "--together is for documents, and none was given\n    expected: --document FILE.md\n    to do: name a document, or leave it out"
        )
    paths = [path.resolve() for path in spec_paths(specs)]
    arguments = [
        *map(str, paths),
        f"--device={device}",
        f"--results={results}",
        f"--limit={limit}",
        f"--import-limit={import_limit}",
    ]
    arguments += [f"--backend={name}" for name in backend] + [f"--python={path}" for path in python]
    arguments += ["--replace"] if replace else []
    arguments += (["--again"] if again else []) + (["--resume"] if resume else [])
    arguments += [f"--shard={shard}"] if shard else []
    arguments += [f"-k={keyword}"] if keyword else []
    arguments += ["-n", workers] if workers else []
    arguments += [f"--budget={budget}"] + (["--measure"] if measure else [])
    display = Display(as_json=as_json)
    os.environ.update(ALONE)
    alone = [
        "-c",
        os.devnull,
        "--rootdir=/",
        "-o",
        "python_files=",
        "-o",
        "norecursedirs=",
        "--noconftest",
        *(f"-pno:{name}" for name in UNUSED),
    ]
    own = ["-p", "canireuse.plugin", "-p", "xdist.plugin", "-o", f"canireuse_specs={shlex.join(map(str, paths))}"]
    code = pytest.main([*arguments, *alone, *own], plugins=[display])
    if display.console.quiet:  # pytest has put back the stream that nobody reads
        display.console.on_broken_pipe()
    if code == pytest.ExitCode.INTERRUPTED and not display.ended:
        display.console.print("interrupted before anything ran")
    if as_json:
        verdicts = Counter(case.verdict for case in display.cases)
        click.echo(
            json.dumps({"results": str(results), "exit_code": int(code), "verdicts": dict(sorted(verdicts.items()))})
        )
    return int(code)


def run_documents(refused: list[str], *, workers: str | None, **options: Any) -> int:
    """Run the blocks of documents and return the exit code; raise UsageError for options that are for specs alone."""
    from canireuse.documents.run import DocumentRun, Options, refuse, workers_of  # Markdown is read by this alone

    refuse(refused)
    return DocumentRun(Options(workers=workers_of(workers), **options)).run()
