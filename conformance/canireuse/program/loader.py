"""Loading specs: from YAML files to checked `Located` specs, each of whose places leads somewhere."""

from collections.abc import Iterable
from pathlib import Path

from canireuse.program.references import check_references
from canireuse.spec import yaml
from canireuse.spec.model import Located
from canireuse.spec.problems import InputError, Problem
from canireuse.spec.reading import check_divergences, spec_files, validate


def load_all(paths: Iterable[Path]) -> list[Located]:
    """Load every spec below the paths; raise one InputError with the problems of all files."""
    loaded: list[Located] = []
    problems: list[Problem] = []
    for spec_id, path in spec_files(paths).items():
        try:
            loaded.append(load(path, spec_id))
        except InputError as error:
            problems += error.problems
    titles: dict[str, Located] = {}
    for located in loaded:
        other = titles.setdefault(located.spec.title, located)
        if other is not located:
            happened, expected = f"the title is that of {other.path} too", "a title that no other spec has"
            problems.append(Problem(located.path, 1, 1, happened, expected, "say what sets this one apart"))
    problems += check_aliases(loaded)
    if problems:
        raise InputError(problems)
    return loaded


def check_aliases(loaded: Iterable[Located]) -> list[Problem]:
    """Return a problem for each alias that is the id or an alias of another spec too."""
    problems: list[Problem] = []
    loaded = list(loaded)
    named = {located.id: located for located in loaded}
    for located in loaded:
        for index, alias in enumerate(located.spec.aliases):
            other = named.setdefault(alias, located)
            if other is not located or alias == located.id or alias in located.spec.aliases[:index]:
                place = yaml.parse(located.path, located.text)[1]["aliases", index]
                happened, expected = f"{alias!r} names {other.path} already", "an id that no other spec is found by"
                problems.append(Problem(located.path, *place, happened, expected, "remove one of the two"))
    return problems


def load(path: Path, spec_id: str | None = None) -> Located:
    """Load one spec; raise InputError with every problem found in it."""
    data, places, text = yaml.read(path)
    spec = validate(path, data, places)
    lines, problems = check_references(path, spec, places)
    problems += check_divergences(path, spec, places)
    if problems:
        raise InputError(problems)
    return Located(
        id=spec_id or f"{path.resolve().parent.name}/{path.stem}", path=path, spec=spec, text=text, lines=lines
    )
