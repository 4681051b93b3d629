"""`canireuse new`: begin a spec, or a backend."""

import re
from pathlib import Path

import click

import canireuse_adapters
from canireuse.commands.places import OWN, specs_folder
from canireuse.commands.style import modeline_of
from canireuse.spec.problems import UsageError
from canireuse.spec.reading import SUFFIX

TEMPLATE = """\
{modeline}
title: {title}
about: >
  Say in a sentence or two why this matters to somebody who uses a framework.
sources:
  - "convention: say where the behaviour is documented or reported, as owner/repo#n"
contract: by-name  # or sharing, or none
steps:
  - scope: tower
    steps:
      - get: kernel
        shape: [2]
        init: 1.0
        as: first
  - scope: tower
    reuse: true
    steps:
      - get: kernel
        shape: [2]
        as: second
  - initialize:
  - expect: write-is-seen
    same: [first, second]
"""


BACKEND = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "canireuse-{name}"
version = "0.1.0"
description = "How {title} says what the specs of canireuse state."
requires-python = ">=3.11"
dependencies = ["canireuse", "numpy"]

[project.entry-points."canireuse.adapters"]
{name} = "canireuse_{module}:{cls}"

[tool.hatch.build.targets.wheel]
packages = ["canireuse_{module}"]
""",
    "canireuse_{module}/__init__.py": '''\
"""How {title} says what specs state. As it stands, in NumPy: put your framework in its place."""

from pathlib import Path

from canireuse.emit import Emitter, Unsupported, expr, literal


class {cls}(Emitter):
    """Words a spec in {title}."""

    # who it is
    name = "{name}"
    title = "{title}"
    about = "Arrays that are bound to names; one sentence that says which part of which framework this is."
    packages = ("numpy",)
    install = "pip install numpy"
    # what a script imports: a line stands where something reads what it binds
    imports = "import numpy as np"
    # kind of refusal -> the exceptions that mean it
    errors = {{"not_found": (("NameError", r"is not defined"),), "shape_mismatch": (("ValueError", r"broadcast"),)}}
    # why it cannot express what it cannot; any other verb without code is unsupported with a sentence of its own
    missing = {{"scope": "NumPy looks nothing up by name: an array is bound to a name of the program."}}
    # verb -> its code: a field of the step fills the hole of its name
    code = {{"assign": "$assign[...] = $to", "read": "$read_data"}}
    # kind of observation -> the expression that reads it
    reads = {{"value": "$value", "shape": "list($shape.shape)", "dtype": "str($dtype.dtype)"}}
    # the expression language of specs; what is not here is unsupported
    functions = {{"sum": "np.sum($x)", "mean": "np.mean($x)", "tanh": "np.tanh($x)", "square": "np.square($x)"}}
    # a literal list of numbers; and, as it is by default, a value as plain numbers and lists
    array_code, data_code = "np.array($x)", "$x.tolist()"
    # where it departs from specs that are not its own
    divergences = Path(__file__).with_name("divergences.yaml")

    @classmethod
    def probe(cls, device):
        """Make a variable as scripts do, and observe on which device it is; raise in the script where there is no such device."""
        absent = "" if device == "cpu" else "raise RuntimeError('NumPy has no GPU')\\n"
        return f"import numpy as np\\n{{absent}}observe('device', np.ones([1]).device)\\n"

    def variable(self, step):
        \"\"\"Make an array: a verb that needs thought is a method of its name.\"\"\"
        if step.init == "random":
            raise Unsupported("NumPy arrays start from numbers that are given.")
        if step.start is not None:
            self.bind(step.as_, expr("np.array($start)", start=self.expression(step.start)))
            return
        code = "np.full($shape, $init, '$dtype')" if step.shape else "np.array($init, '$dtype')"
        made = expr(code, shape=step.shape, init=literal(step.init), dtype=step.dtype or "float32")
        self.bind(step.as_, made)

    def increment(self, place):
        """Add one to each element in place: how `same` and `distinct` write."""
        self.emit("$variable += 1", variable=self.place(place))
''',
    "canireuse_{module}/divergences.yaml": """\
# id of a spec -> where this backend departs from it, as in a spec, without `backends`
refusals/assign-of-another-shape:
  - answers:
      shape-that-could-be-stretched-is-refused: nothing
      value-is-unchanged: [[7.0, 7.0, 7.0], [7.0, 7.0, 7.0]]
    because: NumPy broadcasts what is assigned to the shape of the array, here a row to both rows.
    source: NumPy, Broadcasting
state/tensor-takes-no-assignment:
  - answers:
      tensor-is-refused: nothing
    because: To NumPy, what is computed is an array as any other, and can be written into.
    source: NumPy, Assigning values to indexed arrays
""",
}


@click.command()
@click.argument("spec_id", metavar="FACET/SLUG", required=False)
@click.option(
    "--backend", metavar="NAME", help="Begin a backend instead: a package of its own in the folder canireuse-NAME."
)
def new(spec_id: str | None, backend: str | None) -> None:
    """Write a spec to begin from at specs/FACET/SLUG.yaml below the folder you are in, or in the `specs` around it; it runs as it is.

    With --backend, write the package of a backend to begin from; that runs as it is, too.
    """
    if (spec_id is None) == (backend is None):
        raise UsageError(
            f"{'a spec and a backend were' if backend else 'nothing was'} named\n    expected: one of the id of a spec and --backend with the name of a backend\n    to do: try `canireuse new scopes/reuse-finds-existing`, or `canireuse new --backend mine`"
        )
    if backend is not None:
        new_backend(backend)
    elif spec_id is not None:
        new_spec(spec_id)


def new_backend(name: str) -> None:
    """Write the package of a backend; raise UsageError if there is one of that name."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(
            f"{name!r} is no name of a backend\n    expected: lower-case words with hyphens between\n    to do: try something like my-framework"
        )
    folder = Path(f"canireuse-{name}")
    if name in canireuse_adapters.names() or folder.exists():
        raise UsageError(
            f"{folder if folder.exists() else f'a backend {name!r}'} is there already\n    expected: a name that no backend has\n    to do: choose another name, or edit that one"
        )
    code = {"name": name, "module": name.replace("-", "_"), "cls": name.title().replace("-", "")}
    code["title"] = name.replace("-", " ").capitalize()
    try:
        for place, text in BACKEND.items():
            path = folder / place.format(**code)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(**code), encoding="utf-8")
    except OSError as error:
        raise cannot_be_written(folder, error) from None
    click.echo(
        f"wrote {folder}/\nnext: `pip install -e {folder}`, then `canireuse run --backend {name}`, which says what it cannot say and why"
    )


def cannot_be_written(path: Path, error: OSError) -> UsageError:
    """Return what to tell of a place that cannot be written to."""
    return UsageError(
        f"{path} cannot be written: {error.strerror}\n    expected: a folder that can be written to\n    to do: go to another, or move what is in the way"
    )


def new_spec(spec_id: str) -> None:
    """Write a spec; raise UsageError if its id is none, or taken."""
    if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9]+(-[a-z0-9]+)*", spec_id):
        raise UsageError(
            f"{spec_id!r} is no id of a spec\n    expected: FACET/SLUG, lower-case words with hyphens between\n    to do: try something like scopes/reuse-finds-existing"
        )
    around = next((place for place in (Path(), Path("..")) if place.resolve().name == OWN.name), OWN)
    path = around / f"{spec_id}{SUFFIX}"
    taken = next((one for one in (path, specs_folder() / f"{spec_id}{SUFFIX}") if one.exists()), None)
    if taken:
        raise UsageError(
            f"{taken} is there already\n    expected: an id that no spec has\n    to do: choose another slug, or edit that file"
        )
    code = spec_id.rpartition("/")[2].replace("-", " ")
    text = TEMPLATE.format(modeline=modeline_of(path), title=f"{code.capitalize()}, as a statement")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_be_written(path, error) from None
    click.echo(
        f"wrote {path}\nnext: edit it, then `canireuse run {path} --backend reference`, then `canireuse lint {path}`"
    )
