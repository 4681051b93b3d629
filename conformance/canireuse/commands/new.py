"""`canireuse new`: begin a spec."""

import re
from pathlib import Path

import click

from canireuse.commands.places import specs_folder
from canireuse.lint import MODELINE
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
    """Write a spec to begin from at specs/FACET/SLUG.yaml; it runs as it is."""
    if not re.fullmatch(r"[a-z0-9-]+/[a-z0-9]+(-[a-z0-9]+)*", spec_id):
        raise UsageError(
            f"{spec_id!r} is no id of a spec\n    expected: FACET/SLUG, lower-case words with hyphens between\n    to do: try something like scopes/reuse-finds-existing"
        )
    path: Path = specs_folder() / f"{spec_id}.yaml"
    if path.exists():
        raise UsageError(
            f"{path} is there already\n    expected: an id that no spec has\n    to do: choose another slug, or edit that file"
        )
    path.parent.mkdir(exist_ok=True)
    words = spec_id.rpartition("/")[2].replace("-", " ")
    path.write_text(TEMPLATE.format(modeline=MODELINE, title=f"{words.capitalize()}, as a statement"), encoding="utf-8")
    click.echo(
        f"wrote {path}\nnext: edit it, then `canireuse run {spec_id} --backend reference`, then `canireuse lint {spec_id}`"
    )
