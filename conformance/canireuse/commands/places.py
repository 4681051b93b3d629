"""Where specs are, and which of them an argument means."""

from pathlib import Path

import canireuse
from canireuse.loader import load_all, spec_files
from canireuse.problems import UsageError, suggestion
from canireuse.spec import Located


def specs_folder() -> Path:
    """Return the folder of specs: `specs` here, that of the checkout, or the one installed beside the package."""
    package = Path(canireuse.__file__).parent
    for folder in (Path("specs"), package.parent.parent / "specs", package.parent / "canireuse_specs"):
        if folder.is_dir():
            return folder
    raise UsageError(
        "no specs were found\n    expected: a folder `specs` here\n    to do: go to the folder that holds it, or name spec files"
    )


def spec_paths(names: tuple[str, ...]) -> list[Path]:
    """Return the files and folders that arguments mean: paths, facets, or ids such as `scopes/slug`."""
    folder = specs_folder()
    paths = []
    for name in names or (str(folder),):
        candidates = [Path(name), folder / name, folder / f"{name}.yaml"]
        found = next((path for path in candidates if path.exists()), None)
        if found is None:
            known = list(spec_files([folder]))
            raise UsageError(
                f"there is no spec {name!r}\n    expected: a path, a facet or an id; `canireuse list` names them\n    to do: {suggestion(name, known, 'check the name')}"
            )
        paths.append(found)
    return paths


def load_specs(names: tuple[str, ...]) -> list[Located]:
    """Load the specs that arguments mean."""
    return load_all(spec_paths(names))
