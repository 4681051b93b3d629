"""The report: HTML files, built from results alone; they run nothing and ask nothing of the network."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from conformance.records import Results
from reports.symptoms import symptoms
from reports.text import prose, verbatim
from reports.view import view

FOLDER = Path(__file__).parent


def build(results: Results, target: Path) -> Path:
    """Write the page for the results at `target` and return its path."""
    shown = view(results)
    write(target, "page.html.j2", ("common", "report", "symptoms"), view=shown, topics=symptoms(shown))
    return target


def write(target: Path, template: str, scripts: tuple[str, ...], **values: object) -> None:
    """Write a page at `target`.

    The file needs no other: styles and scripts are in it. A page that is there already is replaced
    only when the new one is whole.
    """
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(prose=prose, verbatim=verbatim)
    page = environment.get_template(template).render(
        styles="\n".join(path.read_text(encoding="utf-8") for path in sorted((FOLDER / "styles").glob("*.css"))),
        script="\n".join((FOLDER / "scripts" / f"{name}.js").read_text(encoding="utf-8") for name in scripts),
        **values,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_text(page, encoding="utf-8", newline="\n")
    partial.replace(target)
