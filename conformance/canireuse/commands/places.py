"""Where specs are, and which of them an argument means."""

import re
from pathlib import Path

import canireuse
from canireuse.program.loader import load, load_all
from canireuse.spec.model import Located
from canireuse.spec.problems import UsageError, suggestion
from canireuse.spec.reading import SUFFIX, spec_files

#: a facet, or an id: what is looked up among this project's own specs before it is taken for a path
NAME = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)?")
#: where specs of the user's own are, below the folder in which a command is given
OWN = Path("specs")


def specs_folder() -> Path:
    """Return the folder of this project's own specs, installed beside the package or in its checkout; from here if it is below."""
    package = Path(canireuse.__file__).parent
    installed, checkout = package.parent / "canireuse_specs", package.parent.parent / "specs"
    folder = installed if installed.is_dir() else checkout
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def spec_paths(names: tuple[str, ...]) -> list[Path]:
    """Return the files and folders that arguments mean: this project's facets and ids, then paths, then ids below `specs` here.

    So a folder of somebody else hides no spec of this project; `./ties` is a path all the same.
    """
    folder = specs_folder()
    paths = []
    for name in names or (str(folder),):
        folders = [folder, Path(), OWN] if NAME.fullmatch(name) else [Path()]
        candidates = (one for place in folders for one in (place / name, place / f"{name}{SUFFIX}"))
        found = next((path for path in candidates if path.exists()), None) or merged(name, folder)
        if found is None:
            raise UsageError(
                f"there is no spec {name!r}\n    expected: a path, a facet or an id; `canireuse list` names them\n    to do: {suggestion(name, spec_files([folder]), 'check the name')}"
            )
        paths.append(found)
    return paths


def merged(alias: str, folder: Path) -> Path | None:
    """Return the file of the spec that one of this id was merged into, if there is one."""
    naming = (path for path in spec_files([folder]).values() if alias in path.read_text(encoding="utf-8"))
    return next((path for path in naming if alias in load(path).spec.aliases), None)


def load_specs(names: tuple[str, ...]) -> list[Located]:
    """Load the specs that arguments mean."""
    return load_all(spec_paths(names))
