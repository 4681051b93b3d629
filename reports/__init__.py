"""The report: one HTML file, built from results alone; it runs nothing and asks nothing of the network."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from conformance.records import Results
from reports.highlight import highlight, prose
from reports.view import view

FOLDER = Path(__file__).parent


def build(results: Results, target: Path) -> Path:
    """Write the page for the results at `target` and return its path.

    The file needs no other: styles and script are in it. A page that is there already is replaced
    only when the new one is whole.
    """
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(highlight=highlight, prose=prose)
    page = environment.get_template("page.html.j2").render(
        view=view(results),
        styles="\n".join(path.read_text(encoding="utf-8") for path in sorted((FOLDER / "styles").glob("*.css"))),
        script=(FOLDER / "scripts" / "report.js").read_text(encoding="utf-8"),
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    partial.write_text(page, encoding="utf-8", newline="\n")
    partial.replace(target)
    return target
