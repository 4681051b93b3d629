"""The report: HTML files, built from results alone; they run nothing and ask nothing of the network."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from canireuse.results.records import Results
from canireuse_reports.performance import performance
from canireuse_reports.port import TOLD, guide, pairs_of
from canireuse_reports.symptoms import TOPICS, errors, symptoms
from canireuse_reports.text import clock, prose, verbatim
from canireuse_reports.view import view

FOLDER = Path(__file__).parent


def build(results: Results, target: Path, ports: Iterable[str] | None = None) -> Path:
    """Write the page for the results at `target`, its porting guides beside it, and return its path."""
    return build_all(results, target, ports)[0]


def build_all(results: Results, target: Path, ports: Iterable[str] | None = None) -> list[Path]:
    """Write the page and the porting guides that are asked for; return the paths, the page's first."""
    shown = view(results)
    guides = [guide(shown, *pair) for pair in pairs_of(shown, ports)]
    write(
        target,
        "page.html.j2",
        ("common", "report", "symptoms"),
        view=shown,
        topics=symptoms(shown),
        errors=errors(shown),
        guides=guides,
        performance=performance(results, shown),
    )
    for one in guides:
        path = target.with_name(one.file)
        write(
            path,
            "port.html.j2",
            ("common",),
            view=shown,
            guide=one,
            guides=guides,
            index=target.name,
            told=TOLD,
            topics=TOPICS,
        )
    return [target, *(target.with_name(one.file) for one in guides)]


@cache
def templates() -> Environment:
    """Return where templates come from, and what they can do."""
    environment = Environment(
        loader=PackageLoader("canireuse_reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clock=clock, prose=prose, verbatim=verbatim)
    return environment


def write(target: Path, template: str, scripts: tuple[str, ...], **values: object) -> None:
    """Write a page at `target`.

    The file needs no other: styles and scripts are in it. A page that is there already is replaced
    only when the new one is whole.
    """
    page = (
        templates()
        .get_template(template)
        .render(
            styles="\n".join(path.read_text(encoding="utf-8") for path in sorted((FOLDER / "styles").glob("*.css"))),
            script="\n".join((FOLDER / "scripts" / f"{name}.js").read_text(encoding="utf-8") for name in scripts),
            **values,
        )
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    try:
        partial.write_text(page, encoding="utf-8", newline="\n")
        partial.replace(target)
    except OSError:  # half a page would fill a disk that is full
        partial.unlink(missing_ok=True)
        raise
