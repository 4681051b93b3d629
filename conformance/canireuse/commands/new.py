"""`canireuse new`: begin a spec."""

import re
from pathlib import Path

import click

from canireuse.commands.places import OWN, specs_folder
from canireuse.lint import modeline_of
from canireuse.loader import SUFFIX
from canireuse.problems import UsageError

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


@click.command()
@click.argument("spec_id", metavar="FACET/SLUG")
def new(spec_id: str) -> None:
    """Write a spec to begin from at specs/FACET/SLUG.yaml below the folder you are in, or in the `specs` around it; it runs as it is."""
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
    words = spec_id.rpartition("/")[2].replace("-", " ")
    text = TEMPLATE.format(modeline=modeline_of(path), title=f"{words.capitalize()}, as a statement")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}\n    expected: a folder that can be written to\n    to do: go to another, or move what is in the way"
        ) from None
    click.echo(
        f"wrote {path}\nnext: edit it, then `canireuse run {path} --backend reference`, then `canireuse lint {path}`"
    )
